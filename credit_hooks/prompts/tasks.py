"""Tasks that a team is improved and tested on."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Sequence
from typing import NamedTuple

from pydantic import Field, JsonValue

from credit_hooks.errors import ConfigurationError
from credit_hooks.parts import FrozenModel

__all__ = ["Split", "Task", "split"]


class Task(FrozenModel):
    """Something for the team to do."""

    id: str = Field(min_length=1)
    """Unique among the tasks."""
    input: JsonValue
    """What the team is given; text, or whatever the team's `inputs` function makes its input from."""
    expected: str | None = None
    """The right answer, for the evaluator; the team and the critic never see it. None: the evaluator needs none."""
    meta: dict[str, JsonValue] = {}
    """Whatever else the evaluator needs."""

    @property
    def digest(self) -> str:
        """16 hex digits that change with the task."""
        said = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()[:16]


class Split(NamedTuple):
    """Tasks for learning, and others for judging."""

    train: tuple[Task, ...]
    """Their runs are the critic's evidence."""
    held_out: tuple[Task, ...]
    """They decide whether an edit is kept; no critic ever sees their runs."""


def split(tasks: Sequence[Task], held_out: float | Sequence[Task], seed: int) -> Split:
    """Put tasks aside, by chance but always the same ones for a seed.

    Args:
        tasks: All tasks, or those for learning if `held_out` names the others.
        held_out: Share put aside, or the tasks themselves.
        seed: Of the draw and of the order in which held-out tasks are used.

    Raises:
        ConfigurationError: a part is empty, or an id is there twice.
    """
    pool = list(tasks)
    draw = random.Random(f"split {seed}")  # noqa: S311 - which tasks, not secrets
    if isinstance(held_out, int | float):
        if not 0.0 < held_out < 1.0:
            raise ConfigurationError(f"held_out is a share between 0 and 1, or tasks, not {held_out!r}")
        draw.shuffle(pool)
        size = max(1, round(len(pool) * held_out))
        aside, rest = pool[:size], pool[size:]
    else:
        aside, rest = list(held_out), pool
        draw.shuffle(aside)
        draw.shuffle(rest)
    if not aside or not rest:
        raise ConfigurationError(
            f"{len(rest)} tasks to learn from and {len(aside)} held out: at least one of each is needed"
        )
    ids = [task.id for task in (*rest, *aside)]
    twice = sorted({name for name in ids if ids.count(name) > 1})
    if twice:
        raise ConfigurationError(
            f"task {twice[0]!r} is there twice: ids tell tasks apart, and none may be in both parts"
        )
    return Split(tuple(rest), tuple(aside))
