"""OpenInference's flattened lists of messages: `llm.input_messages.0.message.content` and its like, as messages again.

Source: OpenInference `semantic_conventions.md`, "LLM Spans": content as a string or as numbered blocks, tool calls as
`message.tool_calls.0.tool_call.function.name`. Numbers may have gaps, and any value may be missing or of another type.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from credit_hooks.anyvalue import REDACTED, json_value, parse_json, text
from credit_hooks.genai import decode_parts
from credit_hooks.trajectory import BlobPart, Part, TextPart, ToolCallPart, ToolResultPart, WithheldPart

__all__ = ["INPUT_MESSAGES", "OUTPUT_MESSAGES", "PromptMessage", "flattened_messages"]

INPUT_MESSAGES: Final = "llm.input_messages."
OUTPUT_MESSAGES: Final = "llm.output_messages."

_FIELD: Final = re.compile(r"(\d{1,6})\.message\.(.+)", re.DOTALL)
_BLOCK: Final = re.compile(r"contents\.(\d{1,6})\.message_content\.(.+)", re.DOTALL)
_CALL: Final = re.compile(r"tool_calls\.(\d{1,6})\.tool_call\.(.+)", re.DOTALL)
_RESULT_ROLES: Final = frozenset({"tool", "function", "tool-response"})


class PromptMessage(NamedTuple):
    """One message of a prompt or of a reply."""

    role: str
    """As the source says; empty where it says nothing."""
    parts: tuple[Part, ...]
    """Its content."""

    @property
    def text(self) -> str:
        """What it says in words or as a result."""
        return "\n".join(_said(part) for part in self.parts if _said(part))


def _said(part: Part) -> str:
    if isinstance(part, TextPart):
        return part.text
    return part.result if isinstance(part, ToolResultPart) and isinstance(part.result, str) else ""


def flattened_messages(attributes: Mapping[str, Any], prefix: str) -> list[PromptMessage]:
    """The messages below a prefix, by number; those without role, content and calls are left out. Never raises."""
    fields: dict[int, dict[str, Any]] = {}
    for key, value in attributes.items():
        if isinstance(key, str) and key.startswith(prefix):
            found = _FIELD.fullmatch(key, len(prefix))
            if found is not None:
                fields.setdefault(int(found[1]), {})[found[2]] = value
    read = (_message(fields[number]) for number in sorted(fields))
    return [message for message in read if message.role or message.parts]


def _message(fields: Mapping[str, Any]) -> PromptMessage:
    role = text(fields.get("role")) or ""
    content = decode_parts(fields.get("content")) + _blocks(fields)
    if role in _RESULT_ROLES:
        content = tuple(_result(part, fields) for part in content)
    return PromptMessage(role, content + _calls(fields))


def _result(part: Part, fields: Mapping[str, Any]) -> Part:
    if not isinstance(part, TextPart):
        return part
    return ToolResultPart(
        id=text(fields.get("tool_call_id")) or None, name=text(fields.get("name")) or None, result=part.text
    )


def _numbered(fields: Mapping[str, Any], pattern: re.Pattern[str]) -> list[dict[str, Any]]:
    groups: dict[int, dict[str, Any]] = {}
    for key, value in fields.items():
        found = pattern.fullmatch(key)
        if found is not None:
            groups.setdefault(int(found[1]), {})[found[2]] = value
    return [groups[number] for number in sorted(groups)]


def _blocks(fields: Mapping[str, Any]) -> tuple[Part, ...]:
    parts: list[Part] = []
    for block in _numbered(fields, _BLOCK):
        image = text(block.get("image.image.url"))
        if image is not None:
            parts.append(BlobPart(uri=None if image.startswith("data:") else image))
        parts.extend(decode_parts(block.get("text")))
    return tuple(parts)


def _calls(fields: Mapping[str, Any]) -> tuple[Part, ...]:
    parts: list[Part] = []
    for call in _numbered(fields, _CALL):
        name = text(call.get("function.name"))
        if not name:
            continue
        arguments = call.get("function.arguments")
        if arguments == REDACTED:
            parts.append(WithheldPart())
        parsed = parse_json(arguments)
        value = None if arguments == REDACTED else json_value(arguments if parsed is None else parsed)
        parts.append(ToolCallPart(id=text(call.get("id")) or None, name=name, arguments=value))
    return tuple(parts)
