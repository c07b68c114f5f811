"""One turn under triage: its first answer, the retries of it, and what it is told of earlier runs. Makes no calls."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final, Generic, Literal, NamedTuple, TypeVar

from credit_hooks.failure.step_scoring import StepView
from credit_hooks.trajectory import Actor, Message, Trajectory
from credit_hooks.triage.critiques import Critique, task_place, thread_place
from credit_hooks.triage.queue import TriageQueue
from credit_hooks.triage.retries import Retries, RetryEnd, RetryRecord
from credit_hooks.triage.signals import Finding, worst

__all__ = ["Attempt", "Cost", "Place", "Told"]

_MAX_RUNS: Final = 10_000

A = TypeVar("A")


class Place(NamedTuple):
    """Where a turn is."""

    run_key: str
    """What all turns of its run share, and no other run's."""
    actor_id: str
    """Who takes it, as credit calls them."""
    actor: str
    """Their name."""
    trace_id: str
    """Trace of the run, 32 hex digits."""
    span_id: str
    """Span of the turn, 16 hex digits."""
    thread: str | None = None
    """The thread the run belongs to. None: none."""
    task: str = ""
    """The task's text. Empty: unknown."""

    def view(self, history: Sequence[Message], step: Message) -> StepView:
        """A turn's answer as signals see it; messages are numbered in order."""
        actors = {message.actor_id: _actor(message, self) for message in (*history, step)}
        messages = (*history, step)
        trajectory = Trajectory(
            id=self.run_key, task=self.task or None, actors=tuple(actors.values()), messages=messages
        )
        return StepView(trajectory, len(history), tuple(history), step, ())


def _actor(message: Message, place: Place) -> Actor:
    if message.actor_id == place.actor_id:
        return Actor(id=place.actor_id, name=place.actor)
    known: dict[str, Literal["human", "tool", "system"]] = {"user": "human", "tool": "tool", "system": "system"}
    return Actor(id=message.actor_id, name=message.actor_id, kind=known.get(message.role, "unknown"))


class Cost(NamedTuple):
    """What a model call cost."""

    tokens: int | None
    """As the model states it. None: it does not."""
    characters: int
    """Of what it was sent and what it answered."""


class Attempt(Generic[A]):
    """The answers of one turn, the best of which stands.

    Args:
        retries: Limits, signals and records.
        place: Where the turn is.
        view: An answer as signals see it.
        cost: What an answer cost.
    """

    def __init__(
        self, retries: Retries, place: Place, view: Callable[[A], StepView], cost: Callable[[A], Cost]
    ) -> None:
        self.answer: A
        """The answer that stands."""
        self._retries, self._place, self._view, self._cost = retries, place, view, cost
        self._found: tuple[Finding, ...] = ()
        self._started = 0

    def first(self, answer: A) -> str | None:
        """Take the turn's own answer. The critique to retry it with; None: it stands."""
        self.answer = answer
        if not self._retries.ledger.may_begin(self._place.run_key):
            return None
        self._found = self._retries.look(lambda: self._view(answer)) or ()
        return self._next()

    def answered(self, answer: A) -> str | None:
        """Take the answer of a retry. The critique of what stands now, to retry with; None: it stands."""
        tokens = self._retries.ledger.spent(*self._retries.safely(lambda: self._cost(answer), Cost(0, 0)))
        found = self._retries.look(lambda: self._view(answer))
        kept = self._retries.is_better(self._found, found)
        self._record("kept" if kept else "not better", None if found is None else worst(found), tokens)
        if kept:
            self.answer, self._found = answer, found or ()
        return self._next()

    def failed(self, error: Exception) -> None:
        """A retry has raised or timed out: what stands, stands."""
        self._record("timeout" if isinstance(error, TimeoutError) else "failed", None, 0)

    def _next(self) -> str | None:
        if not self._found or not self._retries.ledger.begin(self._place.run_key):
            return None
        self._started = time.time_ns()
        ranked = sorted(self._found, key=lambda finding: -finding.severity)
        return "\n".join(finding.critique for finding in ranked)

    def _record(self, end: RetryEnd, after: float | None, tokens: int) -> None:
        signals = tuple(finding.signal for finding in self._found)
        place = self._place
        record = RetryRecord(
            place.actor, signals, worst(self._found), after, end, tokens, place.trace_id, place.span_id
        )
        self._retries.record(record, self._started)


class Told:
    """Which critique of an earlier run an agent is told in this one: the same for all of its model calls.

    Args:
        queue: Where critiques come from. None: nobody is told anything.
        retries: Keeps the record.
    """

    def __init__(self, queue: TriageQueue | None, retries: Retries) -> None:
        self._queue, self._retries = queue, retries
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[str, str], Critique | None] = OrderedDict()

    def critique(self, place: Place) -> str | None:
        """What the agent is told in this run. None: nothing."""
        if self._queue is None:
            return None
        key = (place.run_key, place.actor_id)
        with self._lock:
            if key in self._known:
                known = self._known[key]
                return None if known is None else known.text
            found = self._queue.critiques.take(_places(place), place.actor)
            self._known[key] = found
            while len(self._known) > _MAX_RUNS:
                self._known.popitem(last=False)
        if found is None:
            return None
        self._retries.record(
            RetryRecord(place.actor, (found.run_id,), 0.0, None, "carried", 0, place.trace_id, place.span_id),
            time.time_ns(),
        )
        return found.text


def _places(place: Place) -> list[str]:
    places = [] if place.thread is None else [thread_place(place.thread)]
    return places + ([task_place(place.task)] if place.task else [])
