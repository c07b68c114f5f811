"""A training format as data: its columns, how a run becomes rows, and what makes two rows say the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from credit_hooks_exporters.examples import Case, Row
from credit_hooks_exporters.seat import Seat

__all__ = ["Columns", "Format"]

Columns: TypeAlias = Mapping[str, str]
"""Kind of each column: string, double, bool, int64, json, list<string|double|bool>, chat (turns), tools (definitions),
turns (turns that have a role and a content only)."""


@dataclass(frozen=True)
class Format:
    """A format of training data, written by :class:`credit_hooks_exporters.table.TableExporter`."""

    name: str
    """Its name on the command line."""
    summary: str
    """What it is and who reads it, in a sentence or two, for the dataset card."""
    columns: Columns
    """Its columns, in order."""
    rows: Callable[[Case], Iterator[Row]]
    """The rows of one run. Messages in none of them that are not dropped for a reason of their own are `leftover`."""
    identity: tuple[str, ...] = ()
    """Columns in which rows that say the same are equal. Empty: repeated rows mean something and are kept."""
    seat: Seat = field(default_factory=Seat)
    """How the view has to be written."""
    leftover: str = "not_used"
    """Reason why the other messages are not in the data."""
    pairs: bool = False
    """Whether it compares with earlier runs of the same group."""
    extra_files: Callable[[Sequence[str]], Mapping[str, str]] | None = None
    """Text files that a loader wants in a folder, by name, made from the names of the data files. None: none."""

    def columns_for(self, seat: Seat) -> Columns:
        """The columns where the view is written so.

        Turns with calls have to be JSON, so that nothing is injected into arguments. Plain ones are typed, as a loader
        would type them: TRL's ORPO and CPO trainers overwrite the columns with text, which datasets 5.2 takes apart
        into letters where the column was JSON.
        """
        plain = seat.text_tools
        return {name: "turns" if kind == "chat" and plain else kind for name, kind in self.columns.items()}
