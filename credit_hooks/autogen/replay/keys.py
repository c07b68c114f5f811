"""When are two inputs the same? Prompts, arguments and delivered messages as hashes."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from autogen_agentchat.messages import BaseAgentEvent, BaseChatMessage
from pydantic import BaseModel

__all__ = ["call_digest", "chat_digest", "digest", "turn_digest"]

_PASSING = {"id", "created_at", "models_usage"}
"""Fields of a message that differ from run to run and that no agent reads."""


def chat_digest(messages: Any, options: Mapping[str, Any]) -> str:
    """Hash of a model call: its prompt, the names of its tools, and how it is to answer."""
    tools = [_tool_name(tool) for tool in options.get("tools") or ()]
    choice = options.get("tool_choice", "auto")
    how = [choice if isinstance(choice, str) else _tool_name(choice), options.get("json_output")]
    return digest([list(messages or ()), tools, how, options.get("extra_create_args") or {}])


def call_digest(name: str, arguments: Mapping[str, Any] | None) -> str:
    """Hash of a tool call."""
    return digest([name, dict(arguments or {})])


def turn_digest(batches: Any) -> str:
    """Hash of all that was delivered to an agent, turn by turn."""
    return digest([list(batch) for batch in batches])


def digest(value: Any) -> str:
    """Hash of a value, in which objects that are no data count by their type only."""
    said = json.dumps(_plain(value), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, (BaseChatMessage, BaseAgentEvent)):
        return [type(value).__name__, _plain({k: v for k, v in value.__dict__.items() if k not in _PASSING})]
    if isinstance(value, BaseModel):
        return [type(value).__name__, _plain(value.model_dump())]
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted((_plain(item) for item in value), key=repr)
    if isinstance(value, bytes):
        return hashlib.sha256(value).hexdigest()
    if isinstance(value, type):
        return f"{value.__module__}.{value.__qualname__}"
    if dataclasses.is_dataclass(value):
        return [type(value).__name__, _plain({f.name: getattr(value, f.name) for f in dataclasses.fields(value)})]
    to_base64 = getattr(value, "to_base64", None)  # an image of AutoGen
    if callable(to_base64):
        return hashlib.sha256(to_base64().encode()).hexdigest()
    return f"<{type(value).__module__}.{type(value).__qualname__}>"


def _tool_name(tool: Any) -> str:
    return str(tool.get("name") if isinstance(tool, Mapping) else getattr(tool, "name", tool))
