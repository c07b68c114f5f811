"""Labels that persons give to stored runs: in a table of their own, so that writing a run again never loses one."""

from __future__ import annotations

import json
import sqlite3
from typing import Final

from pydantic import ValidationError

from credit_hooks.store._rows import storable
from credit_hooks.trajectory import Label, Trajectory

__all__ = ["add_label", "labels_of", "with_stored_labels"]

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS labels (
    sequence INTEGER PRIMARY KEY, run_id TEXT NOT NULL, recorded_at INTEGER, annotator TEXT, label TEXT NOT NULL
)
"""
_INDEX: Final = "CREATE INDEX IF NOT EXISTS labels_of_run ON labels (run_id)"


def add_label(connection: sqlite3.Connection, run_id: str, label: Label) -> None:
    """Write a label. The table is made with the first one: stores of before have none."""
    connection.execute(_SCHEMA)
    connection.execute(_INDEX)
    connection.execute(
        "INSERT INTO labels (run_id, recorded_at, annotator, label) VALUES (?, ?, ?, ?)",
        (storable(run_id), label.timestamp, storable(label.annotator), json.dumps(label.model_dump(mode="python"))),
    )


def labels_of(connection: sqlite3.Connection, run_id: str) -> tuple[Label, ...]:
    """Labels of a run in the order in which they were given; those of a newer version that cannot be read are left."""
    if connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'labels'").fetchone() is None:
        return ()
    query = "SELECT label FROM labels WHERE run_id = ? ORDER BY sequence"
    rows = connection.execute(query, (storable(run_id),)).fetchall()
    found: list[Label] = []
    for (document,) in rows:
        try:
            # json, unlike pydantic's own parser, takes half a surrogate pair, which ids of broken logs may hold
            found.append(Label.model_validate(json.loads(document)))
        except (ValidationError, json.JSONDecodeError):
            continue
    return tuple(found)


def with_stored_labels(trajectory: Trajectory, labels: tuple[Label, ...]) -> Trajectory:
    """The run with these labels too; one that it carries already is not repeated."""
    new = tuple(label for label in labels if label not in trajectory.labels)
    return trajectory.model_copy(update={"labels": (*trajectory.labels, *new)}) if new else trajectory
