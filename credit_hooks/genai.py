"""OpenTelemetry GenAI message JSON to and from the parts of a message.

Source: semantic-conventions-genai, `gen-ai-input-messages.json` and `gen-ai-output-messages.json`:
`{"role": ..., "parts": [{"type": "text", "content": ...}, ...], "name": ...}`, extra properties allowed. Ours are the
part types `data` and `withheld`, and `is_error`, `sha256` and `size` beside the standard's properties.

Encoding and decoding are inverse to each other, but for a text that is exactly `__REDACTED__` (OpenInference's mark of
hidden content, read as withheld) and for bytes in `data:` URIs (their digest is kept, never the bytes).
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from pydantic import JsonValue

from credit_hooks.anyvalue import REDACTED, integer, json_value, text
from credit_hooks.trajectory import (
    BlobPart,
    DataPart,
    Part,
    ReasoningPart,
    TextPart,
    Tool,
    ToolCallPart,
    ToolResultPart,
    WithheldPart,
)

__all__ = [
    "DecodedMessage",
    "decode_message",
    "decode_part",
    "decode_parts",
    "decode_tools",
    "encode_message",
    "encode_part",
]


class DecodedMessage(NamedTuple):
    """What a GenAI message says."""

    role: str | None
    """Its role. None: not stated."""
    name: str | None
    """Name of the participant. None: not stated."""
    parts: tuple[Part, ...]
    """Its content. Empty: the message has none."""


# --- Encoding -----------------------------------------------------------------------------------------------------


def encode_message(role: str, parts: Sequence[Part], *, name: str | None = None) -> dict[str, JsonValue]:
    """A message as GenAI JSON; a name of None is left out."""
    return _stated({"role": role, "name": name}) | {"parts": [encode_part(part) for part in parts]}


def encode_part(part: Part) -> dict[str, JsonValue]:
    """A part as GenAI JSON; properties that are None are left out."""
    match part:
        case TextPart(text=content):
            return {"type": "text", "content": content}
        case ReasoningPart(text=content):
            return {"type": "reasoning", "content": content}
        case DataPart():
            return {"type": "data"} | _stated({"name": part.name}) | {"value": part.value}
        case ToolCallPart():
            return {"type": "tool_call"} | _stated({"id": part.id, "name": part.name, "arguments": part.arguments})
        case ToolResultPart():
            named = _stated({"id": part.id, "name": part.name, "is_error": part.is_error})
            return {"type": "tool_call_response"} | named | {"result": part.result}
        case BlobPart():
            return _encode_blob(part)
        case WithheldPart():
            return {"type": "withheld"} | _stated({"sha256": part.sha256, "length": part.length})


def _encode_blob(part: BlobPart) -> dict[str, JsonValue]:
    if part.uri is not None and part.uri.startswith("data:"):
        part = _blob_of_data_uri(part.uri, part.mime_type)
    modality = None if part.mime_type is None else part.mime_type.partition("/")[0]
    described = {"mime_type": part.mime_type, "modality": modality, "uri": part.uri}
    kind = "blob" if part.uri is None else "uri"
    return {"type": kind} | _stated({**described, "sha256": part.sha256, "size": part.size})


def _stated(properties: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    return {key: value for key, value in properties.items() if value is not None}


# --- Decoding -----------------------------------------------------------------------------------------------------


def decode_message(message: Any) -> DecodedMessage:
    """Read a GenAI message, or whatever stands in its place; never raises.

    Reads `parts`, or the older `content` (a string or a list of blocks). A bare string is a text, None is empty.
    """
    if not isinstance(message, Mapping):
        return DecodedMessage(None, None, decode_parts(message))
    parts = message["parts"] if "parts" in message else message.get("content")
    return DecodedMessage(text(message.get("role")), text(message.get("name")), decode_parts(parts))


def decode_parts(parts: Any) -> tuple[Part, ...]:
    """Read the list of parts of a message, or a single part; parts without content are left out. Never raises."""
    if parts is None:
        return ()
    items = parts if isinstance(parts, list | tuple) else [parts]
    return tuple(part for item in items if (part := decode_part(item)) is not None)


def decode_part(part: Any) -> Part | None:
    """Read one part; unknown types are kept whole as data. None: it states that there is no content. Never raises."""
    if part is None:
        return None
    if isinstance(part, str):
        return _text_or_withheld(TextPart, part)
    if not isinstance(part, Mapping):
        return DataPart(value=json_value(part))
    kind = part.get("type")
    decode = _DECODERS.get(kind) if isinstance(kind, str) else None
    return _unknown(part) if decode is None else decode(part)


def decode_tools(definitions: Any) -> tuple[Tool, ...]:
    """Tools of a `gen_ai.tool.definitions` value; whatever states no name is left out.

    Source: semantic-conventions-genai, `gen-ai-tool-definitions.json`.
    """
    stated = definitions if isinstance(definitions, list | tuple) else ()
    tools = [_decode_tool(tool) for tool in stated if isinstance(tool, Mapping)]
    return tuple(tool for tool in tools if tool is not None)


def _decode_tool(tool: Mapping[Any, Any]) -> Tool | None:
    name = text(tool.get("name"))
    if not name:
        return None
    return Tool(name=name, description=text(tool.get("description")), parameters=json_value(tool.get("parameters")))


def _unknown(part: Mapping[Any, Any]) -> Part:
    return DataPart(name=text(part.get("type")), value=json_value(part))


def _text_or_withheld(kind: type[TextPart] | type[ReasoningPart], content: str) -> Part:
    return WithheldPart() if content == REDACTED else kind(text=text(content) or "")


def _written(kind: type[TextPart] | type[ReasoningPart]) -> Callable[[Mapping[Any, Any]], Part | None]:
    def decode(part: Mapping[Any, Any]) -> Part | None:
        content = part["content"] if "content" in part else part.get("text")
        if content is None:
            return None
        return _text_or_withheld(kind, content) if isinstance(content, str) else _unknown(part)

    return decode


def _decode_data(part: Mapping[Any, Any]) -> Part:
    if "value" not in part:
        return _unknown(part)
    return DataPart(name=text(part.get("name")), value=json_value(part["value"]))


def _decode_tool_call(part: Mapping[Any, Any]) -> Part:
    name = text(part.get("name"))
    if name is None:
        return _unknown(part)
    return ToolCallPart(id=text(part.get("id")), name=name, arguments=json_value(part.get("arguments")))


def _decode_tool_result(part: Mapping[Any, Any]) -> Part:
    result = part["result"] if "result" in part else part.get("response")
    if isinstance(result, str) and result == REDACTED:
        return WithheldPart()
    failed = part.get("is_error")
    return ToolResultPart(
        id=text(part.get("id")),
        name=text(part.get("name")),
        result=json_value(result),
        is_error=failed if isinstance(failed, bool) else None,
    )


def _decode_blob(part: Mapping[Any, Any]) -> Part:
    mime_type, uri = text(part.get("mime_type")), text(part.get("uri"))
    if uri is not None and uri.startswith("data:"):
        return _blob_of_data_uri(uri, mime_type)
    content = part.get("content")
    if isinstance(content, str | bytes):
        return _blob_of_content(content, mime_type)
    return BlobPart(mime_type=mime_type, uri=uri, sha256=text(part.get("sha256")), size=integer(part.get("size")))


def _blob_of_data_uri(uri: str, mime_type: str | None) -> BlobPart:
    header, _, content = uri.removeprefix("data:").partition(",")
    return _blob_of_content(content, mime_type or header.partition(";")[0] or None)


def _blob_of_content(content: str | bytes, mime_type: str | None) -> BlobPart:
    """Inline content by its digest; base64 as the standard demands, else the characters themselves."""
    raw = content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
    if isinstance(content, str):
        with contextlib.suppress(binascii.Error):  # not base64 after all: the digest is that of the text
            raw = base64.b64decode(raw, validate=True)
    return BlobPart(mime_type=mime_type, sha256=hashlib.sha256(raw).hexdigest(), size=len(raw))


def _decode_withheld(part: Mapping[Any, Any]) -> Part:
    return WithheldPart(sha256=text(part.get("sha256")), length=integer(part.get("length")))


_DECODERS: Final[Mapping[str, Callable[[Mapping[Any, Any]], Part | None]]] = {
    "text": _written(TextPart),
    "reasoning": _written(ReasoningPart),
    "data": _decode_data,
    "tool_call": _decode_tool_call,
    "tool_call_response": _decode_tool_result,
    "blob": _decode_blob,
    "uri": _decode_blob,
    "withheld": _decode_withheld,
}
