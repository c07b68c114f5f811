"""Chat turns: how a message's parts are written into one, and what sequences of turns templates take."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final, TypeAlias

from pydantic import JsonValue

from credit_hooks.trajectory import BlobPart, DataPart, Message, TextPart, ToolCallPart

__all__ = [
    "OPENING",
    "PROCEED",
    "Turn",
    "alternating",
    "arguments_object",
    "arguments_string",
    "as_json",
    "call_id",
    "call_text",
    "joined",
    "merged",
    "own_text",
]

Turn: TypeAlias = dict[str, Any]
"""One chat message: `role`, `content` (never None), and where stated `tool_calls`, `tool_call_id`, `name`."""

OPENING: Final = "Begin."
"""User turn put first where an author acted without having read anything and the task's text is unknown."""
PROCEED: Final = "Continue."
"""User turn after an own message where the author went on without reading anything: trainers take a prompt that ends
with an assistant turn for one to be continued. Under strict alternation also between two own messages."""


def call_id(number: int) -> str:
    """Id of the call of this number in a view: nine letters and digits."""
    return f"call{number:05}"


def own_text(message: Message) -> str:
    """Text, data and the mention of attachments; no reasoning, no tool calls, no tool results."""
    return joined(_part_text(part) for part in message.parts)


def _part_text(part: object) -> str:
    match part:
        case TextPart(text=text):
            return text
        case DataPart(name=name, value=value):
            text = value if isinstance(value, str) else as_json(value)
            return f"{name}: {text}" if name else text
        case BlobPart(mime_type=mime_type):
            return f"(attachment: {mime_type or 'file'})"
        case _:
            return ""


def call_text(part: ToolCallPart) -> str:
    """A tool call as text."""
    return f"{part.name}({arguments_string(part.arguments)})"


def arguments_object(arguments: JsonValue) -> dict[str, JsonValue]:
    """Arguments as templates want them; what is no object is kept under `input`."""
    if isinstance(arguments, str):
        try:
            decoded = json.loads(arguments)
        except (ValueError, RecursionError):
            decoded = None
        arguments = decoded if isinstance(decoded, dict) else {"input": arguments}
    if arguments is None:
        return {}
    return arguments if isinstance(arguments, dict) else {"input": arguments}


def arguments_string(arguments: JsonValue) -> str:
    """Arguments as JSON; a string as it is."""
    return arguments if isinstance(arguments, str) else as_json({} if arguments is None else arguments)


def as_json(value: JsonValue) -> str:
    """JSON as templates show it to a model."""
    return json.dumps(value, ensure_ascii=False)


def joined(texts: Iterable[str]) -> str:
    """Paragraphs, the empty ones left out."""
    return "\n\n".join(text for text in texts if text)


def merged(turns: Iterable[Turn]) -> list[Turn]:
    """Adjacent user turns as one, as most templates want it."""
    made: list[Turn] = []
    for turn in turns:
        if made and turn["role"] == made[-1]["role"] == "user":
            made[-1] = {**made[-1], "content": joined([made[-1]["content"], turn["content"]])}
        else:
            made.append(turn)
    return made


def alternating(turns: Iterable[Turn]) -> Iterator[Turn]:
    """With a user turn between own messages."""
    last = "user"
    for turn in turns:
        if turn["role"] == last == "assistant":
            yield {"role": "user", "content": PROCEED}
        yield turn
        last = turn["role"]
