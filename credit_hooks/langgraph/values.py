"""State values: telling messages from data in whatever a node is given or returns, and keeping data as it was."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

from langchain_core.messages import BaseMessage
from langgraph.func import entrypoint
from langgraph.types import Command, Send
from pydantic import BaseModel

from credit_hooks.langgraph.messages import are_messages, is_message, is_message_like
from credit_hooks.langgraph.plain import CYCLE, as_json
from credit_hooks.record import Snapshot

__all__ = ["Channels", "channels", "data_snapshot", "is_scalar", "is_tool_call", "same_data", "sends"]

_COPY_BUDGET = 512
"""Nodes of a data value that are copied when it is written; larger values are kept by reference."""
_MAX_COPIED_DEPTH = 20
_COPIED = (list, tuple, dict)
_MAX_DEPTH = 3


# As constants: a union written in place is built anew at every call, which costs more than the test itself.
_SCALARS = (str, int, float, bool, bytes)
_SEQUENCES = (list, tuple)
_STEERS = (Send, Command)


class Channels(NamedTuple):
    """A node's input or output, channel by channel. The channel is "" where the value stood alone."""

    messages: list[tuple[str, list[Any]]]
    """(channel, messages in order)."""
    data: list[tuple[str, Any]]
    """(channel, value) that hold no messages."""


def channels(value: Any, message_channels: set[str]) -> Channels:
    """Split a state, an update, or anything else into messages and data.

    Args:
        value: What a node was given or returned.
        message_channels: Channels known to hold messages, where strings and pairs are messages too; added to.
    """
    found = Channels([], [])
    if type(value) is dict and "content" not in value:  # nearly always: a state or an update
        for key, item in value.items():
            _channel(str(key), item, message_channels, found, 0)
    else:
        _split(value, message_channels, found, "", 0)
    return found


def sends(value: Any) -> list[Send]:
    """`Send`s in the result of a routing function or a node."""
    if type(value) is dict:  # nearly always: an update
        return []
    if isinstance(value, Send):
        return [value]
    if isinstance(value, Command):
        return sends(value.goto)
    if isinstance(value, _SEQUENCES):
        return [send for item in value if isinstance(item, _STEERS) for send in sends(item)]
    return []


def is_tool_call(value: Any) -> bool:
    """Whether it is a request to run a tool, as `create_agent` sends it to its tools node; no update of the state."""
    return isinstance(value, dict) and value.get("type") == "tool_call"


def is_scalar(value: Any) -> bool:
    """Values whose identity says nothing, as the interpreter shares them."""
    return value is None or isinstance(value, _SCALARS)


def _split(value: Any, known: set[str], found: Channels, channel: str, depth: int) -> None:
    if is_message(value):
        _add_messages(channel, [value], known, found)
    elif isinstance(value, Command):
        _split(value.update, known, found, channel, depth)
    elif isinstance(value, Send):
        return
    elif isinstance(value, dict) and not is_message_like(value):
        for key, item in value.items():
            _channel(str(key) if depth == 0 else channel, item, known, found, depth)
    elif isinstance(value, _SEQUENCES) and depth == 0 and not is_message_like(value):
        _top_level_list(value, known, found)
    elif (fields := _fields(value)) is not None and depth == 0:
        for key, item in fields.items():
            _channel(key, item, known, found, depth)
    elif value is not None:
        _channel(channel, value, known, found, depth)


def _top_level_list(value: Any, known: set[str], found: Channels) -> None:
    """A node may return several updates, or a list of messages; a pair (channel, value) is an update too."""
    for item in value:
        if is_tool_call(item):
            found.data.append(("", item))
        elif is_message(item) or isinstance(item, Command | Mapping) or _fields(item) is not None:
            _split(item, known, found, "", 0)
        elif isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], str) and not is_message_like(item):
            _channel(item[0], item[1], known, found, 0)
        elif item is not None and not isinstance(item, Send):
            _channel("", item, known, found, 0)


def _channel(channel: str, value: Any, known: set[str], found: Channels, depth: int) -> None:
    if value is None:
        return
    if type(value) is list and value and isinstance(value[-1], BaseMessage) and are_messages(value):
        _add_messages(channel, list(value), known, found)
    elif is_message(value) or (channel in known and isinstance(value, str)) or is_message_like(value):
        _add_messages(channel, [value], known, found)
    elif isinstance(value, _SEQUENCES):
        if value and all(_is_message(item, channel in known) for item in value):
            _add_messages(channel, list(value), known, found)
        elif messages := [item for item in value if is_message(item)]:
            _add_messages(channel, messages, known, found)
        elif not (channel in known and not value):
            found.data.append((channel, value))
    elif isinstance(value, Mapping) and depth < _MAX_DEPTH and _holds_messages(value, depth):
        _split(dict(value), known, found, channel, depth + 1)
    else:
        found.data.append((channel, value))


def _is_message(item: Any, in_message_channel: bool) -> bool:
    return is_message(item) or is_message_like(item) or (in_message_channel and isinstance(item, str))


def _holds_messages(value: Any, depth: int) -> bool:
    if is_message(value):
        return True
    if depth >= _MAX_DEPTH:
        return False
    if isinstance(value, Mapping):
        return any(_holds_messages(item, depth + 1) for item in value.values())
    return isinstance(value, _SEQUENCES) and any(is_message(item) for item in value)


def _add_messages(channel: str, messages: list[Any], known: set[str], found: Channels) -> None:
    if channel:  # a task that returns one message on its own may return a string on its own the next time
        known.add(channel)
    found.messages.append((channel, messages))


def _fields(value: Any) -> dict[str, Any] | None:
    """The channels of a state that is a pydantic model or a dataclass."""
    if is_message(value) or isinstance(value, (Send, Command, type)):
        return None
    if isinstance(value, entrypoint.final):
        return {"": value.value}  # what it saves is for the thread's next run; what it returns is the answer
    if isinstance(value, BaseModel):
        return {name: getattr(value, name) for name in type(value).model_fields}
    if dataclasses.is_dataclass(value):
        return {field.name: getattr(value, field.name, None) for field in dataclasses.fields(value)}
    return None


def data_snapshot(values: list[tuple[str, Any]]) -> Snapshot:
    """Data that a node wrote, as it was: copied as far as a budget allows, encoded after the run."""
    budget = [_COPY_BUDGET]
    return Snapshot("data", [(channel, _frozen(value, budget, ())) for channel, value in values], _data_parts)


def same_data(known: Snapshot, channel: str, value: Any) -> bool:
    """Whether a snapshot of data says that a channel has this value, as JSON: a checkpoint gives back copies."""
    written = next((item for name, item in known.content if name == channel), None)
    return bool(as_json(written) == as_json(value))


def _frozen(value: Any, budget: list[int], around: tuple[int, ...]) -> Any:
    """A copy of the containers; `around` are the ids of those that it is inside of."""
    budget[0] -= 1
    kind = type(value)
    if budget[0] < 0 or kind not in _COPIED or len(around) >= _MAX_COPIED_DEPTH:
        return value
    if id(value) in around:
        return CYCLE
    inside = (*around, id(value))
    if kind is dict:
        return {key: _frozen(item, budget, inside) for key, item in value.items()}
    return [_frozen(item, budget, inside) for item in value]


def _data_parts(content: list[tuple[str, Any]]) -> list[dict[str, Any]]:
    return [{"type": "data", "name": channel or None, "value": as_json(value)} for channel, value in content]
