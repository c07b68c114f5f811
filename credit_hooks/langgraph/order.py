"""The order of a run's messages, by the graph's plan and not by which thread was faster.

Steps that ran side by side are put in the order in which LangGraph applies their writes: by task path, so that nodes
of one superstep come by name, and `Send`s and calls of `@task`s in the order in which they were made. A message comes
after all that was written inside the step that wrote it; everything read stays before what was written having read it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any

from credit_hooks import semconv as sc
from credit_hooks.record import MessageRecord, RunRecord, StepRecord

__all__ = ["in_plan_order", "is_call", "order_messages", "plan_tools"]

_by_index = attrgetter("index")


def in_plan_order(steps: Iterable[StepRecord]) -> list[StepRecord]:
    """Steps right below one step, given by start: side by side ones by their place in the plan."""
    return [step for group in _groups(steps) for step in group]


def is_call(step: StepRecord) -> bool:
    """Whether a step is the call of a `@task`."""
    return step.plan is not None and step.plan[-1][-1:] == (True,)


def plan_tools(run: RunRecord, call_ids: Iterable[str]) -> None:
    """Tools that ran side by side in one task, in the order of the messages that called them."""
    rank = {call_id: place for place, call_id in enumerate(call_ids)}
    for step in run.steps:
        place = rank.get(step.attributes.get(sc.GEN_AI_TOOL_CALL_ID, "")) if step.kind == "tool" else None
        if place is not None:
            step.plan = ("tools", -1, (place,))


def order_messages(run: RunRecord) -> None:
    """Give a finished run's messages their canonical order and index. O(messages x nesting + steps)."""
    if _one_after_another(run.steps):
        return
    below: dict[StepRecord, list[StepRecord]] = {}
    first: dict[StepRecord, int] = {}
    for step in run.steps:
        if step.parent is not None:
            below.setdefault(step.parent, []).append(step)
    for message in run.messages:
        place = message.step
        while place is not None and first.get(place, message.index + 1) > message.index:
            first[place] = message.index
            place = place.parent
    ordered = [message for message in run.messages if message.step is None]
    _add_inside(run.root, below, first, ordered)
    for index, message in enumerate(ordered):
        message.index = index
    run.messages.sort(key=_by_index)
    for step in run.steps:
        if len(step.reads_new) > 1:
            step.reads_new = _ordered_data(step.reads_new)


def _one_after_another(steps: Sequence[StepRecord]) -> bool:
    """Whether no two steps were side by side, by time or by plan: then messages are in order as they were recorded."""
    last: dict[StepRecord | None, StepRecord] = {}
    supersteps: set[Any] = set()
    for step in steps:
        before = last.get(step.parent)
        if before is not None and (before.end_ns is None or step.start_ns < before.end_ns):
            return False
        if step.end_ns is None or (step.parent is not None and step.end_ns > (step.parent.end_ns or 0)):
            return False  # it outlived the step around it
        last[step.parent] = step
        if step.plan is not None:
            superstep = (step.parent, step.plan[:-1])
            if superstep in supersteps:
                return False
            supersteps.add(superstep)
    return True


def _add_inside(
    step: StepRecord, below: dict[StepRecord, list[StepRecord]], first: dict[StepRecord, int], to: list[MessageRecord]
) -> None:
    """Append what was written inside a step: its own questions where they were asked, what it wrote at its end last."""
    own = step.writes if step.parent is not None else []
    asked = [message for message in own if step.end_ns is not None and message.time_ns < step.end_ns]
    for group in _groups(child for child in below.get(step, ()) if child in first):
        start = min(first[child] for child in group)
        while asked and asked[0].index < start:
            to.append(asked.pop(0))
        for child in group:
            _add_inside(child, below, first, to)
    to.extend(asked)
    to.extend(message for message in own if step.end_ns is None or message.time_ns >= step.end_ns)


def _groups(steps: Iterable[StepRecord]) -> list[list[StepRecord]]:
    """Steps by superstep, in the order of the first start; those of one superstep by task path."""
    groups: dict[Any, list[StepRecord]] = {}
    for step in steps:
        groups.setdefault(step if step.plan is None else step.plan[:-1], []).append(step)
    return [sorted(group, key=_path_of) if len(group) > 1 else group for group in groups.values()]


def _path_of(step: StepRecord) -> str:
    return "" if step.plan is None else _path_text(step.plan[-1])


def _path_text(path: Any) -> str:
    """A task path as LangGraph compares them (`langgraph.pregel._algo.task_path_str`)."""
    if isinstance(path, tuple | list):
        return f"~{', '.join(_path_text(part) for part in path)}"
    return f"{path:010d}" if isinstance(path, int) else str(path)


def _ordered_data(read: Sequence[MessageRecord]) -> tuple[MessageRecord, ...]:
    """What reducers made of the writes of one superstep was read in the order of the plan too."""
    places = [i for i, message in enumerate(read) if message.step is not None and message.snapshot.role == "data"]
    if len(places) < 2:
        return tuple(read)
    result = list(read)
    for place, message in zip(places, sorted((read[i] for i in places), key=_by_index), strict=True):
        result[place] = message
    return tuple(result)
