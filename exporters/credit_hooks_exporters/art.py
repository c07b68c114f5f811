"""ART (OpenPipe): one trajectory per message, whose last entry is the choice that was rewarded.

Checked against the models of openpipe-art 0.5.18. Put the rows of one `metadata.group` into one `TrajectoryGroup`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from credit_hooks_exporters.examples import META_COLUMNS, Case, Row, group_of
from credit_hooks_exporters.formats import Format
from credit_hooks_exporters.openai import stated
from credit_hooks_exporters.seat import Seat
from credit_hooks_exporters.table import TableExporter

__all__ = ["ART"]


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
