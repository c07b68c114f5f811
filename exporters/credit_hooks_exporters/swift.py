"""ms-swift: chats whose last message carries its signed reward as `loss_scale`, a weight on the loss of its tokens.

Checked against the source of ms-swift 4.6.0, which reads `loss_scale` per message. A negative weight pushes a message
down without bound: use a small learning rate, or `threshold` and positive rewards only.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from credit_hooks_exporters.examples import META_COLUMNS, Case, Row
from credit_hooks_exporters.formats import Format
from credit_hooks_exporters.table import TableExporter
from credit_hooks_exporters.turns import Turn

__all__ = ["SWIFT"]


def _rows(case: Case) -> Iterator[Row]:
    threshold = case.options.threshold
    for example in case.examples(lambda reward: None if abs(reward) > threshold else "below_threshold"):
        before = [message for turn in example.prompt for message in _messages(turn, 0.0)]
        values = {
            "messages": [*before, *_messages(example.completion, example.reward)],
            "tools": json.dumps(example.tools, ensure_ascii=False) if example.tools else None,
        }
        yield Row(values | case.meta(example), (example.message.id,))


def _messages(turn: Turn, weight: float) -> Iterator[dict[str, Any]]:
    """A turn as ms-swift's messages: calls and results have roles of their own."""
    weighted = {"loss_scale": weight} if turn["role"] == "assistant" else {}
    role = {"tool": "tool_response"}.get(turn["role"], turn["role"])
    if turn["content"] or "tool_calls" not in turn:
        yield {"role": role, "content": turn["content"], **weighted}
    for call in turn.get("tool_calls", ()):
        yield {"role": "tool_call", "content": json.dumps(call["function"], ensure_ascii=False), **weighted}


SWIFT: Final = TableExporter(
    Format(
        name="swift",
        summary="Chats for ms-swift, whose last message carries its signed reward as loss_scale; earlier own messages "
        "have 0.",
        columns={"messages": "chat", "tools": "string"} | META_COLUMNS,
        rows=_rows,
        identity=("messages", "tools"),
    )
)
