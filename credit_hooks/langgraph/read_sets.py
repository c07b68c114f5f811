"""Read sets as deltas: most tasks are given the history that another was given before them, and what has come since."""

from __future__ import annotations

from typing import Any

from credit_hooks.langgraph.known_messages import KnownMessages
from credit_hooks.langgraph.messages import are_messages
from credit_hooks.langgraph.task import Task, enclosing_scopes
from credit_hooks.record import MessageRecord, RunRecord, StepRecord

__all__ = ["Histories", "read_afterwards", "set_reads"]


class Histories:
    """The message lists that the tasks of one run were given: the last by scope and channel."""

    def __init__(self, messages: KnownMessages) -> None:
        self._messages = messages
        self._last: dict[tuple[str, str], tuple[list[Any], Task]] = {}

    def begin(self, task: Task, channel: str, messages: list[Any]) -> None:
        """A task is given a history that nobody was given before it."""
        history = list(messages)
        task.seen = (channel, history)
        self._last[task.scope, channel] = (history, task)

    def read(self, task: Task, state: dict[str, Any]) -> tuple[Task | None, list[MessageRecord], Any, int]:
        """The longest message list of the state as (base task, what is new, the rest of the state, its length)."""
        for channel, messages in state.items():
            if type(messages) is not list or not messages:
                continue
            for scope in enclosing_scopes(task.scope):
                before = self._last.get((scope, channel))
                # Slice equality settles on identity first: this is the whole cost of reading a long history.
                if before is None or messages[: len(before[0])] != before[0]:
                    continue
                tail = messages[len(before[0]) :]
                if not are_messages(tail):
                    break
                new = self._messages.given_to(task, tail, channel)
                history = list(messages)
                self._last[task.scope, channel] = (history, task)
                task.seen = (channel, history)
                rest = {key: item for key, item in state.items() if key != channel} if len(state) > 1 else None
                return before[1], new, rest, len(messages)
        return None, [], state, 0

    def clear(self) -> None:
        """Forget them all, with the tasks they were given to."""
        self._last.clear()


def set_reads(task: Task, base: Task | None, new: list[MessageRecord], extras: dict[MessageRecord, None]) -> None:
    """Note what a task was given: `new` of the history of `base`, and `extras` beside it."""
    step = task.step
    task.extras = extras
    if base is None:
        step.reads_new = tuple(dict.fromkeys([*extras, *new]))
        return
    step.reads_base = base.step
    if not extras and not base.extras:
        step.reads_new = tuple(new)
        return
    step.reads_dropped = tuple(record for record in base.extras if record not in extras)
    step.reads_new = (*(record for record in extras if record not in base.extras), *new)


def read_afterwards(run: RunRecord, step: StepRecord, results: dict[MessageRecord, None]) -> None:
    """A step read these only after others had been given the same history as it."""
    for other in run.steps:
        if other.reads_base is step:
            other.reads_new = (*(m for m in step.reads_new if m not in other.reads_dropped), *other.reads_new)
            other.reads_dropped = (
                *step.reads_dropped,
                *(m for m in other.reads_dropped if m not in step.reads_new),
            )
            other.reads_base = step.reads_base
    step.reads_new = tuple(dict.fromkeys([*step.reads_new, *results]))
