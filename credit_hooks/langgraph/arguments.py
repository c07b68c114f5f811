"""What the calls of `@task`s read: that of which their arguments are made.

A workflow's own code stands between its tasks, and nobody sees which results it has looked at when it makes a call.
Which of them had come in by then depends on time alone. So time counts for nothing: an argument was made of the result
of an earlier call if it is that object or that text, or has it inside. A call whose arguments say nothing has read what
the workflow was given.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

from credit_hooks.langgraph.messages import is_message
from credit_hooks.langgraph.order import in_plan_order
from credit_hooks.langgraph.values import is_scalar
from credit_hooks.record import MessageRecord, StepRecord

__all__ = ["CallArguments"]

_MAX_DEPTH = 4
_MAX_ITEMS = 256
_MAX_VALUES = 1_024
"""Values that are looked at one by one, of one container and in all of one call's arguments."""
_MIN_INSIDE = 12
"""Characters of a text that is told from others by being inside of one."""
_MAX_TEXTS = 64
"""Newest results that an argument is searched for."""
_SHARED_INTS = range(-5, 257)
"""Small integers are equal by accident all the time, as in a loop over a range."""


Records = tuple[MessageRecord, ...]


class _Reads(NamedTuple):
    base: StepRecord | None
    new: Sequence[MessageRecord]
    dropped: Sequence[MessageRecord]


class _Call(NamedTuple):
    step: StepRecord
    values: list[Any]
    says_nothing: bool
    """Whether nothing is known of its arguments, other calls' results apart."""


class CallArguments:
    """The calls of one run by the step that made them, and the results of each."""

    def __init__(self) -> None:
        self._calls: dict[StepRecord, list[_Call]] = {}
        self._given: dict[StepRecord, _Reads] = {}
        self._results: dict[StepRecord, list[tuple[Any, Records]]] = {}

    def note_call(self, step: StepRecord, arguments: Any) -> None:
        """A call was made, and what is known of its arguments noted. If nothing is, it has read what was given."""
        caller = step.parent
        if caller is None:
            return
        if caller not in self._given:
            self._given[caller] = _Reads(caller.reads_base, caller.reads_new, caller.reads_dropped)
        call = _Call(
            step, list(islice(_values(arguments), _MAX_VALUES)), step.reads_base is None and not step.reads_new
        )
        self._calls.setdefault(caller, []).append(call)
        if call.says_nothing:
            step.reads_base, step.reads_new, step.reads_dropped = self._given[caller]

    def note_result(self, step: StepRecord, value: Any) -> None:
        """A call has returned this."""
        if step.writes:
            self._results.setdefault(step, []).append((value, tuple(step.writes)))

    def settle(self) -> None:
        """The run is over: add what each call's arguments have of the calls before it, whenever those returned."""
        made_of: dict[StepRecord, dict[MessageRecord, None]] = {}
        for calls in self._calls.values():
            by_step = {call.step: call for call in calls}
            before = _Results()
            for step in in_plan_order(by_step):
                if results := before.inside_of(by_step[step].values):
                    made_of[step] = results
                for value, records in self._results.get(step, ()):
                    before.add(value, records)
        for call in [call for calls in self._calls.values() for call in calls]:
            _add_results(call, made_of)

    def callers(self) -> Iterator[tuple[StepRecord, list[MessageRecord]]]:
        """Every step that made calls, and all that these wrote, in the order of the calls."""
        for caller, calls in self._calls.items():
            steps = in_plan_order(call.step for call in calls)
            yield caller, [message for step in steps for message in step.writes]


def _add_results(call: _Call, made_of: dict[StepRecord, dict[MessageRecord, None]]) -> None:
    step, results = call.step, made_of.get(call.step, {})
    if results and call.says_nothing:
        step.reads_base, step.reads_new, step.reads_dropped = None, tuple(results), ()
        return
    inherited = {} if step.reads_base is None else made_of.get(step.reads_base, {})
    step.reads_dropped = (*step.reads_dropped, *(m for m in inherited if m not in results))
    step.reads_new = (*step.reads_new, *(m for m in results if m not in step.reads_new and m not in inherited))


class _Results:
    """Results of the calls made so far, by object and by text."""

    def __init__(self) -> None:
        self._known: dict[Any, Records] = {}
        self._texts: list[tuple[str, Records]] = []

    def add(self, value: Any, records: Records) -> None:
        for item in islice(_values(value), _MAX_VALUES):
            key = _key(item)
            if key is not None:
                self._known[key] = records
            if isinstance(item, str) and len(item) >= _MIN_INSIDE:
                self._texts.append((item, records))

    def inside_of(self, values: Iterable[Any]) -> dict[MessageRecord, None]:
        found: dict[MessageRecord, None] = {}
        for value in values:
            known = self._known.get(_key(value))
            if known is not None:
                found.update(dict.fromkeys(known))
            elif isinstance(value, str) and len(value) > _MIN_INSIDE:
                for text, records in self._texts[-_MAX_TEXTS:]:
                    if text in value:
                        found.update(dict.fromkeys(records))
        return found


def _values(value: Any, depth: int = 0) -> Iterator[Any]:
    """A value, its items, and theirs, as far as a result may have been put into it; the texts of messages."""
    yield value
    for item in _items(value) if depth < _MAX_DEPTH else ():
        yield from _values(item, depth + 1)


def _items(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())[:_MAX_ITEMS]
    if isinstance(value, list | tuple):
        return list(value[:_MAX_ITEMS])
    return [value.content] if is_message(value) else []


def _key(value: Any) -> Any:
    """What a value is recognised by. None: nothing, as equal ones turn up by accident."""
    if not is_scalar(value):
        return id(value)
    if isinstance(value, str | bytes):
        return (type(value), value) if len(value) > 1 else None
    if value is None or isinstance(value, bool) or value in _SHARED_INTS:
        return None
    return type(value), value
