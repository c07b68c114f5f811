"""ART (OpenPipe): one trajectory per message, whose last entry is the choice that was rewarded.

Checked with openpipe-art 0.5.18. Its models leave a choice that is read from JSON a plain dict, and its tokeniser then
takes it for no choice; a choice that does not state its tokens cannot be trained on. So read rows with
:func:`as_trajectory`, which makes both good. Rows of one `metadata.group` make a `TrajectoryGroup`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from credit_hooks_exporters.examples import META_COLUMNS, Case, Row, group_of
from credit_hooks_exporters.formats import Format
from credit_hooks_exporters.openai import stated
from credit_hooks_exporters.seat import Seat
from credit_hooks_exporters.table import TableExporter

__all__ = ["ART", "as_trajectory"]


def as_trajectory(row: Mapping[str, Any], tokenizer: Any = None, logprobs: Sequence[float] | None = None) -> Any:
    """A row as ART's `Trajectory`, its last entry a real `Choice`. Needs the packages art and openai.

    ART's tokeniser has no place for a choice of tool calls without text: export with `tool_turns="text"` to train.

    Args:
        row: As read from the file.
        tokenizer: The model's tokeniser. ART trains on choices that state their tokens, which a log of messages does
            not hold, so they are made with it. None: a trajectory to look at, not to train on.
        logprobs: Of each of these tokens, under the model that is trained. None: unknown (NaN). Then ART trains with
            `allow_training_without_logprobs=True` only, and with it the author's earlier messages in the prompt get
            this message's reward too.

    Raises:
        ValueError: there are not as many `logprobs` as tokens.
    """
    import art
    from openai.types.chat.chat_completion import Choice

    *before, last = row["messages_and_choices"]
    if tokenizer is not None:
        ids = tokenizer.encode(last["message"]["content"] or "", add_special_tokens=False)
        known = [math.nan] * len(ids) if logprobs is None else logprobs
        tokens: list[dict[str, Any]] = [
            {"token": f"token_id:{token}", "logprob": value, "bytes": None, "top_logprobs": []}
            for token, value in zip(ids, known, strict=True)
        ]
        last = {**last, "logprobs": {"content": tokens, "refusal": None}}
    return art.Trajectory(**{**row, "messages_and_choices": [*before, Choice.model_validate(last)]})


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
