"""ART (OpenPipe): one trajectory per message, whose last entry is the choice that was rewarded.

Checked with openpipe-art 0.5.18. Its models leave a choice that is read from JSON a plain dict, and its tokeniser then
takes it for no choice: read rows with :func:`as_trajectory`. Those of one `metadata.group` make a `TrajectoryGroup`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from credit_hooks_exporters.examples import META_COLUMNS, Case, Row, group_of
from credit_hooks_exporters.formats import Format
from credit_hooks_exporters.openai import stated
from credit_hooks_exporters.seat import Seat
from credit_hooks_exporters.table import TableExporter

__all__ = ["ART", "as_trajectory"]


def as_trajectory(row: Mapping[str, Any]) -> Any:
    """A row as ART's `Trajectory`, its last entry a real `Choice`. Needs the packages art and openai."""
    import art
    from openai.types.chat.chat_completion import Choice

    *before, choice = row["messages_and_choices"]
    return art.Trajectory(**{**row, "messages_and_choices": [*before, Choice.model_validate(choice)]})


def _rows(case: Case) -> Iterator[Row]:
    for example in case.examples():
        choice = {
            "finish_reason": "tool_calls" if "tool_calls" in example.completion else "stop",
            "index": 0,
            "message": example.completion,
            "logprobs": None,
        }
        meta = case.meta(example)
        values = {
            "messages_and_choices": [*stated(example.prompt), choice],
            "tools": example.tools or None,
            "reward": example.reward,
            "metrics": {},
            "metadata": {"group": group_of(example)} | {name: meta[name] for name in META_COLUMNS if name != "reward"},
            "logs": [],
        }
        yield Row(values, (example.message.id,))


ART: Final = TableExporter(
    Format(
        name="art",
        summary="Trajectories for ART, one per message: what its author had read, then the choice with its signed "
        "reward. Rows of one metadata.group answer the same prompt.",
        columns={
            "messages_and_choices": "chat",
            "tools": "tools",
            "reward": "double",
            "metrics": "json",
            "metadata": "json",
            "logs": "list<string>",
        },
        rows=_rows,
        seat=Seat(arguments="string"),
    )
)
