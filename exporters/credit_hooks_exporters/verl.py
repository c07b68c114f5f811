"""verl: prompts with the logged completion and its signed reward beside them, for a reward function of your own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from credit_hooks_exporters.examples import META_COLUMNS, Case, Row, group_of
from credit_hooks_exporters.formats import Format
from credit_hooks_exporters.seat import Seat
from credit_hooks_exporters.table import TableExporter

__all__ = ["VERL"]


def _rows(case: Case) -> Iterator[Row]:
    trajectory = case.run.trajectory
    expected = None if trajectory.outcome is None else trajectory.outcome.expected
    for index, example in enumerate(case.examples()):
        meta = case.meta(example)
        values = {
            "data_source": "credit_hooks",
            "prompt": example.prompt,
            "ability": "agents",
            "reward_model": {"style": "rule", "ground_truth": expected or ""},
            "extra_info": {
                "index": index,
                "completion": example.completion["content"],
                "group": group_of(example),
                **{name: meta[name] for name in META_COLUMNS},
            },
        }
        yield Row(values, (example.message.id,))


VERL: Final = TableExporter(
    Format(
        name="verl",
        summary="Prompts for verl (Parquet), with the logged completion and its signed reward in extra_info. verl "
        "samples fresh completions: a stored reward says nothing of those, so use it offline or "
        "as a baseline.",
        columns={
            "data_source": "string",
            "prompt": "chat",
            "ability": "string",
            "reward_model": "json",
            "extra_info": "json",
        },
        rows=_rows,
        seat=Seat(tool_turns="text"),
    )
)
