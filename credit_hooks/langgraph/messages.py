"""LangChain messages as the recorder's snapshots. Reads them only: no attribute of a user's object is ever set."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from langchain_core.messages import BaseMessage

from credit_hooks.langgraph.plain import as_json
from credit_hooks.record import Snapshot

__all__ = [
    "are_messages",
    "is_message_like",
    "message_digest",
    "message_id",
    "message_role",
    "same_content",
    "snapshot",
    "tool_call_ids",
]

_ROLES = {
    "human": "user",
    "user": "user",
    "ai": "assistant",
    "assistant": "assistant",
    "AIMessageChunk": "assistant",
    "HumanMessageChunk": "user",
    "SystemMessageChunk": "system",
    "ToolMessageChunk": "tool",
    "system": "system",
    "developer": "system",
    "tool": "tool",
    "function": "tool",
}


def is_message(value: Any) -> bool:
    """Whether a value is a message object."""
    return isinstance(value, BaseMessage)


def message_id(source: Any) -> str | None:
    """The id of a message object as it is now. None: it has none yet, or is no object with ids."""
    if isinstance(source, BaseMessage):
        return source.id or None
    found = source.get("id") if isinstance(source, dict) else None
    return found if isinstance(found, str) and found else None


def message_digest(message: Any) -> str | None:
    """What a message without an id is known by in the next run of its thread. None: it is no message object."""
    if not is_message(message):
        return None
    said = f"{message.type}\0{message.name}\0{message.content!r}\0{tool_call_ids(message)}"
    return f"sha256:{hashlib.sha256(said.encode('utf-8', 'surrogatepass')).hexdigest()}"


def is_message_like(value: Any) -> bool:
    """Whether LangGraph's `add_messages` would take this for a message, beyond message objects themselves."""
    if isinstance(value, dict):
        return "content" in value and isinstance(value.get("role", value.get("type")), str)
    if isinstance(value, tuple):
        return (
            len(value) == 2 and isinstance(value[0], str) and value[0] in _ROLES and isinstance(value[1], (str, list))
        )
    return False


def are_messages(values: list[Any]) -> bool:
    """Whether all of these are messages, objects or not."""
    for value in values:  # noqa: SIM110 - a generator costs more than the test itself
        if not (isinstance(value, BaseMessage) or is_message_like(value)):
            return False
    return True


def message_role(message: Any) -> str:
    """Normalised role of a message object, dict, (role, content) pair or string."""
    if isinstance(message, BaseMessage):
        known = _ROLES.get(message.type)
        if known is not None:
            return known
        raw = getattr(message, "role", None) if message.type == "chat" else message.type
    elif isinstance(message, dict):
        raw = message.get("role", message.get("type"))
    else:
        raw = message[0] if isinstance(message, tuple) else "user"
    return _ROLES.get(str(raw)) or str(raw)


def _content(message: Any) -> Any:
    if is_message(message):
        return message.content
    if isinstance(message, dict):
        return message.get("content")
    return message[1] if isinstance(message, tuple) else message


def snapshot(message: Any) -> Snapshot:
    """The message as it is now. Strings are kept by reference, lists and tool calls copied."""
    content = _content(message)
    calls = _tool_calls(message)
    role = message_role(message)
    if not isinstance(content, str):
        content = copy.deepcopy(content) if _small(content) else json.dumps(as_json(content))
    if role == "tool":
        return Snapshot(
            role, (content, _get(message, "tool_call_id"), _get(message, "name"), _is_error(message)), _tool_parts
        )
    return Snapshot(role, (content, copy.deepcopy(calls)) if calls else (content, ()), _parts)


def same_content(known: Snapshot, message: Any) -> bool:
    """Whether a message still says what it said; identity of strings settles nearly all cases at once."""
    content = _content(message)
    before = known.content[0] if isinstance(known.content, tuple) and known.content else None
    if content is before:
        return known.encode is not _parts or len(known.content[1]) == len(_tool_calls(message))
    return bool(content == before)


def tool_call_ids(message: Any) -> list[str]:
    """Ids of the tool calls a message makes."""
    return [call["id"] for call in _tool_calls(message) if isinstance(call, dict) and isinstance(call.get("id"), str)]


def _tool_calls(message: Any) -> Any:
    if is_message(message):  # asked of its fields: pydantic's search for a missing attribute is slow
        return message.__dict__.get("tool_calls") or ()
    return message.get("tool_calls") or () if isinstance(message, dict) else ()


def _get(message: Any, name: str) -> Any:
    return message.get(name) if isinstance(message, dict) else getattr(message, name, None)


def _is_error(message: Any) -> bool | None:
    status = _get(message, "status")
    return None if status is None else status == "error"


def _small(content: Any) -> bool:
    """Lists of content blocks without inline media: those are deep-copied, the rest is encoded at once."""
    return isinstance(content, list) and len(content) <= 64


def _parts(content: tuple[Any, Any]) -> list[dict[str, Any]]:
    body, calls = content
    parts = [{"type": "text", "content": body}] if isinstance(body, str) and body else []
    if isinstance(body, list):
        parts = [_block(block) for block in body]
    for call in calls:
        arguments = call.get("args", call.get("arguments"))
        if arguments is None and isinstance(call.get("function"), Mapping):  # OpenAI's form, in dict messages
            call = {**call, **call["function"]}
            arguments = _parsed(call.get("arguments"))
        parts.append(
            {
                "type": "tool_call",
                "id": call.get("id"),
                "name": str(call.get("name") or ""),
                "arguments": as_json(arguments),
            }
        )
    return [part for part in parts if part.get("type") != "skipped"]


def _tool_parts(content: tuple[Any, Any, Any, Any]) -> list[dict[str, Any]]:
    result, call_id, name, is_error = content
    part = {"type": "tool_call_response", "id": call_id, "name": name, "result": as_json(result), "is_error": is_error}
    return [{key: value for key, value in part.items() if value is not None or key == "result"}]


def _block(block: Any) -> dict[str, Any]:
    """One LangChain content block as a GenAI part."""
    if isinstance(block, str):
        return {"type": "text", "content": block}
    kind = block.get("type") if isinstance(block, dict) else None
    if kind == "text":
        return {"type": "text", "content": str(block.get("text", ""))}
    if kind in ("reasoning", "thinking"):
        return {"type": "reasoning", "content": str(block.get("reasoning") or block.get("thinking") or "")}
    if kind in ("tool_use", "tool_call", "tool_call_chunk", "function_call"):
        return {"type": "skipped"}  # repeated in the message's tool calls
    if kind in ("image", "image_url", "audio", "video", "file", "input_image", "input_audio"):
        return _media(block)
    return {"type": "data", "name": None, "value": as_json(block)}


def _media(block: dict[str, Any]) -> dict[str, Any]:
    url = block.get("url") or block.get("image_url")
    url = url.get("url") if isinstance(url, dict) else url
    mime = block.get("mime_type")
    if isinstance(url, str) and not url.startswith("data:"):
        return {"type": "uri", "mime_type": mime, "uri": url}
    inline = url or block.get("base64") or block.get("data") or ""
    raw = inline if isinstance(inline, bytes) else str(inline).encode()
    return {"type": "blob", "mime_type": mime, "sha256": hashlib.sha256(raw).hexdigest(), "size": len(raw)}


def _parsed(arguments: Any) -> Any:
    if not isinstance(arguments, str):
        return arguments
    try:
        return json.loads(arguments)
    except ValueError:
        return arguments
