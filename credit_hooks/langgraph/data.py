"""Who wrote the values of a run's state that are no messages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from credit_hooks.langgraph.order import is_call
from credit_hooks.langgraph.task import Task, enclosing_scopes
from credit_hooks.langgraph.values import is_scalar, is_tool_call
from credit_hooks.record import MessageRecord

__all__ = ["DataFlow", "Records", "same_value"]

Records = tuple[MessageRecord, ...]

_MAX_ITEMS = 256
"""Items of a container that are known one by one."""


_UNKNOWN = object()
"""A value that no read value is."""


class _Written(NamedTuple):
    superstep: int
    value: Any
    records: Records


class DataFlow:
    """The values of one run, by channel, by object and by value, and the messages that wrote them."""

    def __init__(self) -> None:
        self.calls: dict[str, MessageRecord] = {}
        """The message that made a tool call, by call id."""
        self._channel_writes: dict[tuple[str, str], list[_Written]] = {}
        self._by_value: dict[int, Records] = {}
        self._by_scalar: dict[tuple[type, Any], MessageRecord] = {}
        self._unwritten: dict[str, Any] = {}
        self._kept_alive: list[Any] = []

    def read(self, task: Task, channel: str, value: Any) -> Iterable[MessageRecord]:
        """Who wrote a value that a task was given: by tool call, by object, by channel, and last by value."""
        if is_tool_call(value) and value.get("id") in self.calls:
            return (self.calls[value["id"]],)
        if not is_scalar(value) and (found := self._by_value.get(id(value))) is not None:
            return found
        for scope in enclosing_scopes(task.scope):
            written: Sequence[_Written] = self._channel_writes.get((scope, channel), ())
            last: _Written | None = next((write for write in reversed(written) if _before(write, scope, task)), None)
            if last is not None and same_value(last.value, value):
                return last.records
            if last is not None:  # a reducer made the value of everything written so far
                before = (write for write in written if _before(write, scope, task))
                return dict.fromkeys(record for write in before for record in write.records)
        if isinstance(value, list | tuple) and value:
            return dict.fromkeys(record for item in value for record in self._of_item(item))
        return self._of_item(value)

    def _of_item(self, value: Any) -> Iterable[MessageRecord]:
        if is_tool_call(value) and value.get("id") in self.calls:
            return (self.calls[value["id"]],)
        if not is_scalar(value):
            return self._by_value.get(id(value), ())
        record = self._by_scalar.get((type(value), value)) if _telling(value) else None
        return () if record is None else (record,)

    def of_argument(self, task: Task, value: Any) -> dict[MessageRecord, None]:
        """Who wrote an argument of a call, or an item of it: other calls apart, see `arguments`."""
        items = value if isinstance(value, list | tuple) else ()
        found = self._of_item(value) or [record for item in items for record in self._of_item(item)]
        caller = task.step.parent
        return dict.fromkeys(
            record
            for record in found
            if record.step is None or record.step.parent is not caller or not is_call(record.step)
        )

    def know(
        self, scope: str, channel: str, value: Any, records: Records, superstep: int, *, of_call: bool = False
    ) -> None:
        """From now on, this value of that channel was written by these; the result of a call displaces nobody."""
        self._channel_writes.setdefault((scope, channel), []).append(_Written(superstep, value, records))
        if is_scalar(value):
            if _telling(value):
                self._know_scalar(value, records[-1], of_call=of_call)
            return
        self.keep(value)
        if not of_call or id(value) not in self._by_value:
            self._by_value[id(value)] = records
        items = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
        for item in list(items)[:_MAX_ITEMS]:
            if not is_scalar(item):
                self.keep(item)
                if not of_call or id(item) not in self._by_value:
                    self._by_value[id(item)] = records
            elif _telling(item):
                self._know_scalar(item, records[-1], of_call=of_call)

    def is_written(self, channel: str) -> bool:
        """Whether this run has written to a channel of its outermost graph."""
        return ("", channel) in self._channel_writes

    def is_overwritten(self, task: Task, channel: str, value: Any) -> bool:
        """Whether a task of the outermost graph was given just what was written last to a channel."""
        written = self._channel_writes.get(("", channel), ())
        last = next((write for write in reversed(written) if _before(write, "", task)), None)
        return last is not None and same_value(last.value, value)

    def know_before(self, channel: str, records: Records) -> None:
        """Before this run wrote to that channel, these had: a reducer has put both together."""
        self._channel_writes["", channel].insert(0, _Written(-1, _UNKNOWN, records))

    def _know_scalar(self, value: Any, record: MessageRecord, *, of_call: bool) -> None:
        if not of_call or (type(value), value) not in self._by_scalar:
            self._by_scalar[type(value), value] = record

    def passed_on(self, task: Task, channel: str, value: Any) -> Records:
        """Who wrote a value that a task only passes on; empty if the task wrote it itself."""
        nested = task.nested.get(channel)
        if nested is not None and same_value(nested[0], value):
            return nested[1]
        return () if is_scalar(value) else self._by_value.get(id(value), ())

    def is_managed(self, channel: str, value: Any) -> bool:
        """Whether a value is one that tasks are given and nobody writes, such as the framework's counters."""
        return channel in self._unwritten and same_value(self._unwritten[channel], value)

    def note_unwritten(self, channel: str, value: Any) -> None:
        """A task was given this and nobody wrote it: the framework manages it, or it is of before the run."""
        self._unwritten[channel] = value

    def leave_graph(self, ns: str, channel: str, value: Any) -> Records:
        """Who wrote the final value of a channel of a graph that ran under that namespace."""
        written = self._channel_writes.get((ns, channel), ())
        own = [write for write in written if write.superstep >= 0] or list(written)
        if own and same_value(own[-1].value, value):
            records = own[-1].records
        else:
            records = tuple(dict.fromkeys(record for write in own for record in write.records))
        if records and not is_scalar(value):
            self.keep(value)
            self._by_value[id(value)] = records
        return records

    def keep(self, value: Any) -> None:
        """Keep an object alive, so that its identity stays its own until the run is over."""
        self._kept_alive.append(value)


def _before(write: _Written, scope: str, task: Task) -> bool:
    return scope != task.scope or write.superstep < task.superstep


def _telling(value: Any) -> bool:
    """Scalars that are unlikely to be equal by accident."""
    if isinstance(value, str | bytes):
        return len(value) > 1
    return not isinstance(value, bool) and value is not None and value not in (0, 1, -1)


def same_value(written: Any, read: Any) -> bool:
    """Identity for objects; equality only between scalars, as comparing a user's objects may cost or raise anything."""
    return written is read or (
        is_scalar(written) and is_scalar(read) and type(written) is type(read) and written == read
    )
