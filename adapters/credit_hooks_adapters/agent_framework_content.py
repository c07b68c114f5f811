"""What spans of Microsoft Agent Framework state of messages: contents, instructions, tokens."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from credit_hooks.anyvalue import integer, parse_json, text
from credit_hooks.genai import DecodedMessage, decode_message, encode_part
from credit_hooks.parts import part_text
from credit_hooks.spans import SpanData
from credit_hooks.trajectory import Message, Part, ToolCallPart, ToolResultPart, Usage

__all__ = ["answers", "asks_for", "content_key", "instructions_of", "model_of", "stated_messages", "usage_of"]


def stated_messages(value: Any) -> list[DecodedMessage] | None:
    """Messages of a content attribute. None: it states none, or withholds them."""
    found = parse_json(value) if isinstance(value, str) else value
    return [decode_message(one) for one in found] if isinstance(found, list | tuple) else None


def content_key(parts: Sequence[Part]) -> str:
    """What a message says, whoever says it."""
    return json.dumps([encode_part(part) for part in parts], sort_keys=True, default=repr)


def asks_for(message: Message, call_id: str | None) -> bool:
    """Whether a message asks for a tool call."""
    return any(isinstance(part, ToolCallPart) and part.id == call_id for part in message.parts)


def answers(message: Message, call_id: str | None) -> bool:
    """Whether a message is the result of a tool call."""
    return any(isinstance(part, ToolResultPart) and part.id == call_id for part in message.parts)


def instructions_of(span: SpanData) -> str | None:
    """An agent's instructions. None: not stated."""
    found = parse_json(span.attributes.get("gen_ai.system_instructions"))
    said = decode_message({"parts": found}).parts if isinstance(found, list) else ()
    return "\n".join(filter(None, map(part_text, said))) or None


def model_of(span: SpanData) -> str | None:
    """The model that answered, else the one that was asked. None: not stated."""
    return text(span.attributes.get("gen_ai.response.model")) or text(span.attributes.get("gen_ai.request.model"))


def usage_of(span: SpanData) -> Usage | None:
    """Tokens of a model call. None: not stated."""
    read = integer(span.attributes.get("gen_ai.usage.input_tokens"))
    made = integer(span.attributes.get("gen_ai.usage.output_tokens"))
    return None if read is None and made is None else Usage(input_tokens=read, output_tokens=made)
