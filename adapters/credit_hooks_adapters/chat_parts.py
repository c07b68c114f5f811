"""Content of an OpenAI chat message, as parts. Source: OpenAI API reference, "Chat"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from credit_hooks.anyvalue import json_value, parse_json, text
from credit_hooks.genai import decode_part
from credit_hooks.trajectory import BlobPart, Part, ReasoningPart, TextPart, ToolCallPart, ToolResultPart

__all__ = ["chat_parts"]


def chat_parts(message: Mapping[str, Any], role: str) -> tuple[Part, ...]:
    """The content of a message; a tool's is its result. Never raises."""
    content = message.get("content")
    if role == "tool":
        result = _words(content)
        if result is None and content is not None:
            return tuple(_block(block) for block in (content if isinstance(content, list) else [content]))
        return (
            ToolResultPart(
                id=text(message.get("tool_call_id")) or None, name=text(message.get("name")) or None, result=result
            ),
        )
    blocks = content if isinstance(content, list) else [content]
    parts = [_block(block) for block in blocks if block is not None]
    if reasoning := text(message.get("reasoning_content")):
        parts.insert(0, ReasoningPart(text=reasoning))
    if refusal := text(message.get("refusal")):
        parts.append(TextPart(text=refusal))
    calls = message.get("tool_calls")
    calls = calls if isinstance(calls, list) else []
    if isinstance(message.get("function_call"), Mapping):
        calls = [*calls, {"function": message["function_call"]}]
    return (*parts, *(part for call in calls if (part := _call(call)) is not None))


def _words(content: Any) -> str | None:
    """Text of a string, or of blocks of text only. None: there is none, or something else is among them."""
    if isinstance(content, list):
        texts = [text(block.get("text")) if isinstance(block, Mapping) else None for block in content]
        return "\n".join(block or "" for block in texts) if texts and None not in texts else None
    return text(content)


def _block(block: Any) -> Part:
    """A block of content as a part; images by their address."""
    image = block.get("image_url") if isinstance(block, Mapping) else None
    if image is None:
        return decode_part(block) or TextPart(text="")
    address = text(image.get("url")) if isinstance(image, Mapping) else text(image)
    return BlobPart(uri=None if address is None or address.startswith("data:") else address)


def _call(call: Any) -> Part | None:
    function = call.get("function") if isinstance(call, Mapping) else None
    name = text(function.get("name")) if isinstance(function, Mapping) else None
    if not name or not isinstance(function, Mapping):
        return None
    arguments = function.get("arguments")
    parsed = parse_json(arguments)
    return ToolCallPart(
        id=text(call.get("id")) or None, name=name, arguments=json_value(arguments if parsed is None else parsed)
    )
