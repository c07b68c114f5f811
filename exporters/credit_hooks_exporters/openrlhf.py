"""OpenRLHF: preferences as plain turns, for `--prompt_key prompt --chosen_key chosen --rejected_key rejected`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from credit_hooks_exporters.examples import META_COLUMNS, Case, Row
from credit_hooks_exporters.formats import Format
from credit_hooks_exporters.preferences import preferences
from credit_hooks_exporters.seat import Seat
from credit_hooks_exporters.table import TableExporter

__all__ = ["OPENRLHF"]


def _rows(case: Case) -> Iterator[Row]:
    for pair in preferences(case):
        turns = {"prompt": pair.prompt, "chosen": [pair.chosen], "rejected": [pair.rejected]}
        yield Row(turns | {"margin": pair.margin} | pair.meta, pair.message_ids, pair.candidates)


OPENRLHF: Final = TableExporter(
    Format(
        name="openrlhf",
        summary="Preference pairs for OpenRLHF's reward and DPO trainers, with --apply_chat_template. "
        "It reads no margin.",
        columns={"prompt": "chat", "chosen": "chat", "rejected": "chat", "margin": "double"}
        | META_COLUMNS
        | {"rejected_run": "string", "rejected_id": "string", "rejected_reward": "double", "evidence": "string"},
        rows=_rows,
        identity=("prompt", "chosen", "rejected"),
        seat=Seat(tool_turns="text"),
        leftover="no_counterpart",
        pairs=True,
    )
)
