"""Values of a graph up to the names of its ids: when are two inputs the same, and what does a recorded output say now?

Ids of messages and tool calls are drawn at random, so a replay has others; what counts is which are equal. An input is
hashed with its ids numbered in order of appearance. An output is *frozen* with the ids it took from its input as
numbers too, and *thawed* with the ids that the same places have in another input; ids that it made up get new ones.
"""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import pickle
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from langchain_core.messages import BaseMessage
from langgraph.graph.message import REMOVE_ALL_MESSAGES
from langgraph.types import Command, Send
from pydantic import BaseModel

__all__ = ["Names", "digest", "freeze", "names_in", "rebuilt", "thaw"]

Names = dict[str, str]
"""Id to what stands for it."""

_OWN = "\0own:"
_GIVEN = "\0given:"
_MESSAGE_FIELDS = ("content", "name", "tool_calls", "invalid_tool_calls", "tool_call_id", "status", "artifact")
_REBUILT_FIELDS = (*_MESSAGE_FIELDS, "id", "additional_kwargs", "response_metadata", "usage_metadata")


def names_in(value: Any) -> Names:
    """Ids of messages and tool calls in a value, in order of appearance, each with its number."""
    return {name: f"{_GIVEN}{number}" for number, name in enumerate(dict.fromkeys(_ids(value, 0)))}


def digest(value: Any) -> str:
    """Hash of a value, in which ids count by their order of appearance only."""
    hasher = _Hasher(names_in(value))
    hasher.feed(value)
    return hasher.hexdigest()


def freeze(output: Any, given: Names) -> Any:
    """A copy of an output, independent of its ids: those of the input by number, others by numbers of their own."""
    own = [name for name in dict.fromkeys(_ids(output, 0)) if name not in given]
    return rebuilt(output, {**given, **{name: f"{_OWN}{number}" for number, name in enumerate(own)}})


def thaw(frozen: Any, given: Names, fresh: Callable[[int], str]) -> Any:
    """A copy of a frozen output as it is for an input with these ids; `fresh` makes up the k-th new one."""
    names = {placeholder: name for name, placeholder in given.items()}
    for place in dict.fromkeys(_ids(frozen, 0)):
        if place.startswith(_OWN):
            names[place] = fresh(int(place.removeprefix(_OWN)))
    return rebuilt(frozen, names)


def rebuilt(value: Any, names: Mapping[str, str]) -> Any:
    """A copy of a value in which every string that is an id is replaced. What cannot be copied is kept."""
    kind = type(value)
    if kind is str:
        return names.get(value, value)
    if isinstance(value, BaseMessage):
        fields = {name: getattr(value, name) for name in _REBUILT_FIELDS if name in type(value).model_fields}
        return value.model_copy(update={name: rebuilt(item, names) for name, item in fields.items()})
    if kind is dict:
        return {key: rebuilt(item, names) for key, item in value.items()}
    if kind in (list, tuple, set, frozenset):
        return kind(rebuilt(item, names) for item in value)
    if isinstance(value, Command):
        parts = {name: rebuilt(getattr(value, name), names) for name in ("update", "resume", "goto")}
        return dataclasses.replace(value, **parts)
    if isinstance(value, Send):
        return Send(value.node, rebuilt(value.arg, names), timeout=getattr(value, "timeout", None))
    if isinstance(value, BaseModel):
        return value.model_copy(update={name: rebuilt(item, names) for name, item in value.__dict__.items()})
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _rebuilt_dataclass(value, names)
    try:
        return copy.deepcopy(value)
    except Exception:  # noqa: BLE001 - locks, clients, open files: objects that are not data are passed on as they are
        return value


def _rebuilt_dataclass(value: Any, names: Mapping[str, str]) -> Any:
    copied = copy.copy(value)
    for field in dataclasses.fields(value):
        object.__setattr__(copied, field.name, rebuilt(getattr(value, field.name), names))
    return copied


_MAX_DEPTH = 64


def _ids(value: Any, depth: int) -> Iterator[str]:
    """Ids of messages and tool calls, in order of appearance. Other strings are no ids, whatever they look like."""
    if depth > _MAX_DEPTH:
        return
    if isinstance(value, BaseMessage):
        yield from _ids_of_message(value)
        return
    if isinstance(value, dict) and (value.get("type") == "tool_call" or "role" in value):
        yield from (found for key in ("id", "tool_call_id") if isinstance(found := value.get(key), str))
    for item in _items(value):
        yield from _ids(item, depth + 1)


def _ids_of_message(message: BaseMessage) -> Iterator[str]:
    fields = message.__dict__
    if message.id is not None and message.id != REMOVE_ALL_MESSAGES:
        yield message.id
    for call in (*(fields.get("tool_calls") or ()), *(fields.get("invalid_tool_calls") or ())):
        if isinstance(call.get("id"), str):
            yield call["id"]
    if isinstance(fields.get("tool_call_id"), str):
        yield fields["tool_call_id"]


def _items(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    if isinstance(value, (list, tuple)):
        return value
    return [item for _, item in _fields(value)]


def _fields(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Command):
        for name in ("update", "resume", "goto"):
            yield name, getattr(value, name)
    elif isinstance(value, Send):
        yield "node", value.node
        yield "arg", value.arg
    elif isinstance(value, BaseModel):
        yield from value.__dict__.items()
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield field.name, getattr(value, field.name)


class _Hasher:
    """Feeds values to a hash: type first, then length, so that nothing runs together."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._hash = hashlib.sha256()

    def hexdigest(self) -> str:
        return self._hash.hexdigest()

    def feed(self, value: Any, depth: int = 0) -> None:
        if depth > _MAX_DEPTH:
            return
        if isinstance(value, str):
            self._bytes("s", self._names.get(value, value).encode("utf-8", "surrogatepass"))
        elif value is None or isinstance(value, (bool, int, float, complex)):
            self._bytes(type(value).__name__, repr(value).encode())
        elif isinstance(value, (bytes, bytearray)):
            self._bytes("b", bytes(value))
        elif isinstance(value, BaseMessage):
            self._message(value, depth)
        elif isinstance(value, Mapping):
            self._many("d", [pair for key in sorted(value, key=str) for pair in (key, value[key])], depth)
        elif isinstance(value, (list, tuple)):
            self._many("l", value, depth)
        elif isinstance(value, (set, frozenset)):
            self._many("e", sorted(digest(item) for item in value), depth)
        else:
            self._object(value, depth)

    def _bytes(self, kind: str, content: bytes) -> None:
        self._hash.update(f"{kind}{len(content)}:".encode())
        self._hash.update(content)

    def _many(self, kind: str, items: Sequence[Any], depth: int) -> None:
        self._hash.update(f"{kind}{len(items)}:".encode())
        for item in items:
            self.feed(item, depth + 1)

    def _message(self, message: BaseMessage, depth: int) -> None:
        fields = message.__dict__
        named = message.id if message.id == REMOVE_ALL_MESSAGES else self._names.get(message.id or "")
        said = [fields.get(name) for name in _MESSAGE_FIELDS]
        self._many(f"m{message.type}", [named, *said, message.additional_kwargs], depth)

    def _object(self, value: Any, depth: int) -> None:
        kind = f"o{type(value).__module__}.{type(value).__qualname__}"
        fields = list(_fields(value))
        if fields:
            self._many(kind, [part for field in fields for part in field], depth)
            return
        try:
            content = pickle.dumps(value)
        except Exception:  # noqa: BLE001 - an object that is no data is itself only: another one is another input
            content = f"@{id(value)}".encode()
        self._bytes(kind, content)
