"""LLaMA-Factory: strictly alternating chats with a boolean KTO label, and the `dataset_info.json` that names them.

It drops chats that do not alternate, without a word, and knows no signed weight: `loss_weight` must not carry a sign.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from credit_hooks_exporters.examples import META_COLUMNS, Case, Row
from credit_hooks_exporters.formats import Format
from credit_hooks_exporters.seat import Seat
from credit_hooks_exporters.table import TableExporter

__all__ = ["LLAMAFACTORY"]


def _rows(case: Case) -> Iterator[Row]:
    threshold = case.options.threshold
    for example in case.examples(lambda reward: None if abs(reward) > threshold else "below_threshold"):
        values = {"messages": [*example.prompt, example.completion], "label": example.reward > 0}
        yield Row(values | case.meta(example), (example.message.id,))


def _info(files: Sequence[str]) -> Mapping[str, str]:
    """One data set per file: `dataset: credit_hooks_train_00000,credit_hooks_train_00001`."""
    tags = {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"}
    entries = {
        f"credit_hooks_{Path(name).stem.replace('-', '_')}": {
            "file_name": name,
            "formatting": "sharegpt",
            "columns": {"messages": "messages", "kto_tag": "label"},
            "tags": {**tags, "system_tag": "system"},
        }
        for name in files
    }
    return {"dataset_info.json": json.dumps(entries, indent=1) + "\n"}


LLAMAFACTORY: Final = TableExporter(
    Format(
        name="llamafactory",
        summary="Desirable and undesirable messages for LLaMA-Factory's KTO stage, strictly alternating, with the "
        "dataset_info.json that it wants.",
        columns={"messages": "chat", "label": "bool"} | META_COLUMNS,
        rows=_rows,
        identity=("messages", "label"),
        seat=Seat(strict_alternation=True),
        extra_files=_info,
    )
)
