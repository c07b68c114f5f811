"""AutoGen messages and events as the recorder's snapshots. Reads them only."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from autogen_agentchat.messages import (
    BaseAgentEvent,
    BaseChatMessage,
    BaseTextChatMessage,
    CodeExecutionEvent,
    MemoryQueryEvent,
    ModelClientStreamingChunkEvent,
    MultiModalMessage,
    StructuredMessage,
    ThoughtEvent,
    ToolCallExecutionEvent,
    ToolCallRequestEvent,
)
from autogen_core.models import AssistantMessage, FunctionExecutionResultMessage, SystemMessage

from credit_hooks.record import Snapshot

__all__ = ["is_message", "llm_key", "llm_snapshot", "message_id", "snapshot", "text_parts"]


def is_message(item: Any) -> bool:
    """Whether an item of a stream is a message or an event that counts as one; chunks of one being written do not."""
    return isinstance(item, BaseChatMessage | BaseAgentEvent) and not isinstance(item, ModelClientStreamingChunkEvent)


def message_id(source: Any) -> str | None:
    """The id of a message. None: it has none, as what a model's context holds."""
    found = getattr(source, "id", None)
    return found if isinstance(found, str) and found else None


def snapshot(message: Any, *, by_human: bool) -> Snapshot:
    """A message as it is now. Strings are kept by reference; what could change is copied."""
    raw = type(message).__name__
    if isinstance(message, ToolCallExecutionEvent):
        return Snapshot("tool", _results(message.content), _result_parts, raw)
    if isinstance(message, CodeExecutionEvent):
        return Snapshot("tool", str(message.result.output), text_parts, raw)
    if isinstance(message, MemoryQueryEvent):
        return Snapshot("tool", [str(memory.content) for memory in message.content], _texts_parts, raw)
    role = "user" if by_human else "assistant"
    if isinstance(message, ToolCallRequestEvent):
        return Snapshot(role, _calls(message.content), _call_parts, raw)
    if isinstance(message, ThoughtEvent):
        return Snapshot(role, message.content, _reasoning_parts, raw)
    if isinstance(message, MultiModalMessage):
        return Snapshot(role, tuple(message.content), _mixed_parts, raw)
    if isinstance(message, StructuredMessage):
        return Snapshot(role, message.content.model_dump(mode="json"), _data_parts, raw)
    if isinstance(message, BaseTextChatMessage):
        return Snapshot(role, message.content, text_parts, raw)
    if not isinstance(message, BaseChatMessage | BaseAgentEvent):
        return llm_snapshot(message)
    return Snapshot(role, _said(message), text_parts, raw)


def _said(message: Any) -> str:
    content = getattr(message, "content", None)
    if isinstance(content, str):
        return content
    try:
        return str(message.to_text())
    except Exception as error:  # noqa: BLE001 - a message type of the user's; the run itself may never call this
        return f"<to_text failed: {type(error).__name__}>"


def llm_snapshot(message: Any) -> Snapshot:
    """What a model was shown, or what its context holds, as it is now."""
    content = message.content
    if isinstance(message, SystemMessage):
        return Snapshot("system", content, text_parts)
    if isinstance(message, FunctionExecutionResultMessage):
        return Snapshot("tool", _results(content), _result_parts)
    role = "assistant" if isinstance(message, AssistantMessage) else "user"
    if isinstance(content, str):
        return Snapshot(role, content, text_parts)
    if isinstance(message, AssistantMessage):
        return Snapshot(role, _calls(content), _call_parts)
    return Snapshot(role, tuple(content), _mixed_parts)


def llm_key(message: Any) -> tuple[str, str] | None:
    """(who, what) of something a model was shown. None: it says no text, or nobody."""
    source, content = getattr(message, "source", None), getattr(message, "content", None)
    return (source, content) if isinstance(source, str) and isinstance(content, str) else None


def _calls(content: Sequence[Any]) -> tuple[tuple[str, str, str], ...]:
    return tuple((call.id, call.name, call.arguments) for call in content)


def _results(content: Sequence[Any]) -> tuple[tuple[str, str, str, bool | None], ...]:
    return tuple((result.call_id, result.name, result.content, result.is_error) for result in content)


def text_parts(text: str) -> list[dict[str, Any]]:
    """A text as GenAI parts."""
    return [{"type": "text", "content": text}] if text else []


def _texts_parts(texts: Sequence[str]) -> list[dict[str, Any]]:
    return [part for text in texts for part in text_parts(text)]


def _reasoning_parts(text: str) -> list[dict[str, Any]]:
    return [{"type": "reasoning", "content": text}]


def _data_parts(value: Any) -> list[dict[str, Any]]:
    return [{"type": "data", "name": None, "value": value}]


def _call_parts(calls: Sequence[tuple[str, str, str]]) -> list[dict[str, Any]]:
    return [
        {"type": "tool_call", "id": call_id or None, "name": name, "arguments": _parsed(arguments)}
        for call_id, name, arguments in calls
    ]


def _result_parts(results: Sequence[tuple[str, str, str, bool | None]]) -> list[dict[str, Any]]:
    parts = []
    for call_id, name, result, is_error in results:
        part = {"type": "tool_call_response", "id": call_id or None, "name": name, "result": result}
        parts.append(part if is_error is None else {**part, "is_error": is_error})
    return parts


def _mixed_parts(items: Sequence[Any]) -> list[dict[str, Any]]:
    return [part for item in items for part in (text_parts(item) if isinstance(item, str) else [_blob(item)])]


def _blob(image: Any) -> dict[str, Any]:
    encoded = image.to_base64()
    digest = hashlib.sha256(encoded.encode()).hexdigest()
    return {"type": "blob", "mime_type": "image/png", "sha256": digest, "size": len(encoded) * 3 // 4}


def _parsed(arguments: str) -> Any:
    try:
        return json.loads(arguments)
    except ValueError:
        return arguments
