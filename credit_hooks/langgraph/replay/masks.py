"""What a node's output is when some of it is masked or replaced: the same shape, with other messages in it.

Masking silences what is *said* and keeps what *steers*: the place to go to, handoffs, ids that answer tool calls.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from langchain_core.messages import AIMessage, BaseMessage, RemoveMessage, ToolMessage
from langgraph.types import Command

from credit_hooks.langgraph.messages import is_message, is_message_like, message_id

__all__ = ["DATA", "DROPPED", "Masks", "Written", "edited", "is_handing_back", "said", "silenced", "written_in"]

DROPPED: Final = object()
"""In place of something new: nothing."""

DATA: Final = -1
"""Stands for the data that an output writes, beside its messages 0, 1, ..."""

REMOVAL: Final = -2
"""Stands for the messages that an output removes."""


@dataclass(frozen=True)
class Written:
    """Something new in an output."""

    place: int
    """Number of the message among the new ones; -1 for data, -2 for a removal."""
    channel: str
    value: Any


@dataclass(frozen=True)
class Masks:
    """How masked outputs are made."""

    text: str
    """What silent messages say."""
    message_channels: frozenset[str]
    """Channels where strings and pairs are messages too."""
    steering_tools: frozenset[str]
    """Tools whose calls hand over to another agent."""


def edited(output: Any, given: Any, read: Mapping[str, str], masks: Masks, edit: Callable[[Written], Any]) -> Any:
    """A copy of an output in which everything new has been edited; copies of what was there before stay as they are.

    Args:
        output: What a node returned.
        given: Its input.
        read: What was said in the run before, by message id, as :func:`said`.
        masks: Which channels hold messages.
        edit: What stands in place of something new; `DROPPED` for nothing.
    """
    return _Editor(given, read, masks, edit).value(output, top=True)


def written_in(output: Any, given: Any, read: Mapping[str, str], masks: Masks) -> list[Written]:
    """Everything new in an output, in order."""
    found: list[Written] = []

    def note(written: Written) -> Any:
        found.append(written)
        return written.value

    edited(output, given, read, masks, note)
    return found


def silenced(
    output: Any, given: Any, read: Mapping[str, str], masks: Masks, places: Collection[int] | None = None
) -> Any:
    """A copy of an output in which some places, or all (None), are silent. Data that comes with a destination steers.

    Where all are, calls of tools go with their results, so that no result is left without its call.
    """
    steers = isinstance(output, Command) and bool(output.goto or output.graph)
    gone: set[int] = set()
    if places is None:
        gone = _calls_and_results(written_in(output, given, read, masks), masks)

    def edit(written: Written) -> Any:
        if places is not None and written.place not in places:
            return written.value
        if written.place in gone:
            return DROPPED
        if written.place != DATA:
            return _silent(written.value, masks)
        return written.value if steers else _neutral(written.value, masks.text)

    return edited(output, given, read, masks, edit)


def said(message: Any) -> str:
    """What a message says, to tell its copies from its edits."""
    return repr(message.content if is_message(message) else message.get("content"))


def _calls_and_results(new: list[Written], masks: Masks) -> set[int]:
    """Places of results whose call is silenced in the same output, and of those calls but for the last message."""
    callers = [w for w in new if isinstance(w.value, AIMessage)]
    silent = {call["id"] for w in callers for call in w.value.tool_calls if call["name"] not in masks.steering_tools}
    gone = {w.place for w in new if isinstance(w.value, ToolMessage) and w.value.tool_call_id in silent}
    for w in callers[:-1]:
        if w.value.tool_calls and all(call["id"] in silent for call in w.value.tool_calls):
            gone.add(w.place)
    return gone


def is_handing_back(message: Any) -> bool:
    """Whether langgraph-supervisor wrote a message itself, to say that an agent has ended."""
    return isinstance(message, BaseMessage) and bool(message.response_metadata.get("__is_handoff_back"))


def _silent(message: Any, masks: Masks) -> Any:
    if isinstance(message, RemoveMessage):
        return DROPPED
    if is_handing_back(message) or (isinstance(message, ToolMessage) and message.name in masks.steering_tools):
        return message
    if isinstance(message, BaseMessage):
        changes: dict[str, Any] = {"content": masks.text, "additional_kwargs": {}}
        if isinstance(message, AIMessage):
            kept = [call for call in message.tool_calls if call["name"] in masks.steering_tools]
            changes.update(tool_calls=kept, invalid_tool_calls=[])
        if "artifact" in type(message).model_fields:
            changes["artifact"] = None
        return message.model_copy(update=changes)
    if isinstance(message, dict):
        return {key: item for key, item in message.items() if key != "tool_calls"} | {"content": masks.text}
    return (message[0], masks.text) if isinstance(message, tuple) else masks.text


def _neutral(value: Any, text: str) -> Any:
    """Nothing, of the same type; where a type has no such value, the channel is not written."""
    if isinstance(value, str):
        return text
    if isinstance(value, (list, tuple, dict, set)):
        return type(value)()
    return DROPPED


class _Editor:
    """Walks an output as LangGraph reads updates: messages and data, by channel."""

    def __init__(self, given: Any, read: Mapping[str, str], masks: Masks, edit: Callable[[Written], Any]) -> None:
        self._given = given
        self._read = read
        self._channels = masks.message_channels
        self._edit = edit
        self._next = 0

    def value(self, value: Any, *, top: bool) -> Any:
        if isinstance(value, Command):
            return dataclasses.replace(value, update=self.value(value.update, top=top))
        if is_message(value) or is_message_like(value):
            return _or_none(self._message("", value))
        if isinstance(value, dict):
            edited = {key: self._channel(str(key), item) for key, item in value.items()}
            return {key: item for key, item in edited.items() if item is not DROPPED}
        if isinstance(value, (list, tuple)) and top:
            items = [self._item(item) for item in value]
            return type(value)(item for item in items if item is not DROPPED)
        if value is None:
            return None
        fields = _fields(value)
        if fields is None:
            return _or_none(self._datum("", value))
        changes = {name: self._channel(name, item) for name, item in fields.items()}
        return _with_fields(value, {name: item for name, item in changes.items() if item is not DROPPED})

    def _item(self, item: Any) -> Any:
        """A node may return several updates: states, commands, pairs of channel and value, or messages."""
        if is_message(item) or is_message_like(item):
            return self._message("", item)
        if isinstance(item, (dict, Command)):
            return self.value(item, top=False)
        if isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], str):
            edited = self._channel(item[0], item[1])
            return DROPPED if edited is DROPPED else (item[0], edited)
        return item

    def _channel(self, channel: str, value: Any) -> Any:
        if isinstance(value, list) and value and all(self._is_message(channel, item) for item in value):
            return [item for item in (self._message(channel, item) for item in value) if item is not DROPPED]
        if self._is_message(channel, value):
            return self._message(channel, value)
        return value if value is None else self._datum(channel, value)

    def _is_message(self, channel: str, value: Any) -> bool:
        return is_message(value) or is_message_like(value) or (channel in self._channels and isinstance(value, str))

    def _message(self, channel: str, message: Any) -> Any:
        known = self._read.get(message_id(message) or "") if not isinstance(message, (str, tuple)) else None
        if known is not None and not isinstance(message, RemoveMessage) and known == said(message):
            return message
        if isinstance(message, RemoveMessage):
            return self._edit(Written(REMOVAL, channel, message))
        place, self._next = self._next, self._next + 1
        return self._edit(Written(place, channel, message))

    def _datum(self, channel: str, value: Any) -> Any:
        if isinstance(self._given, Mapping) and channel in self._given and _equal(self._given[channel], value):
            return value
        return self._edit(Written(DATA, channel, value))


def _equal(one: Any, other: Any) -> bool:
    try:
        return bool(one is other or one == other)
    except Exception:  # noqa: BLE001 - arrays and other users' types may not compare to one truth: then they differ
        return False


def _fields(value: Any) -> dict[str, Any] | None:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    model_fields = getattr(type(value), "model_fields", None)
    return None if model_fields is None else {name: getattr(value, name) for name in model_fields}


def _with_fields(value: Any, changes: dict[str, Any]) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.replace(value, **changes)
    return value.model_copy(update=changes)


def _or_none(value: Any) -> Any:
    return None if value is DROPPED else value
