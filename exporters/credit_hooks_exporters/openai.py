"""Preference files for OpenAI's fine-tuning (DPO): three columns, and nothing else is allowed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from credit_hooks_exporters.examples import Case, Row
from credit_hooks_exporters.formats import Format
from credit_hooks_exporters.preferences import preferences
from credit_hooks_exporters.seat import Seat
from credit_hooks_exporters.table import TableExporter
from credit_hooks_exporters.turns import Turn

__all__ = ["OPENAI", "stated"]


def stated(turns: list[Turn]) -> list[Turn]:
    """Turns as the API takes them: tool messages have no name."""
    return [
        {key: value for key, value in turn.items() if key != "name"} if turn["role"] == "tool" else turn
        for turn in turns
    ]


def _rows(case: Case) -> Iterator[Row]:
    for pair in preferences(case):
        asked = {"messages": stated(pair.prompt)}
        values = {
            "input": asked | ({"tools": pair.tools, "parallel_tool_calls": True} if pair.tools else {}),
            "preferred_output": [pair.chosen],
            "non_preferred_output": [pair.rejected],
        }
        yield Row(values, pair.message_ids, pair.candidates)


OPENAI: Final = TableExporter(
    Format(
        name="openai",
        summary="Preference pairs for OpenAI's fine-tuning API. It refuses columns of anybody else, so that margins "
        "and ids are not in the file.",
        columns={"input": "json", "preferred_output": "chat", "non_preferred_output": "chat"},
        rows=_rows,
        identity=("input", "preferred_output", "non_preferred_output"),
        seat=Seat(arguments="string"),
        leftover="no_counterpart",
        pairs=True,
    )
)
