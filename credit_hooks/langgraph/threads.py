"""Who wrote a message that a later turn of a thread, or a resumed run, only finds in its state."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import NamedTuple

from credit_hooks import semconv as sc
from credit_hooks.langgraph.messages import message_digest, message_id
from credit_hooks.record import RunRecord, RunStatus

__all__ = ["Earlier", "InterruptedRun", "ThreadMemory"]

_MAX_THREADS = 1_000
_MAX_MESSAGES = 2_000


class Earlier(NamedTuple):
    """What an earlier run of the same thread knows of a message."""

    actor: tuple[str, str, str]
    """Actor id, name, kind."""
    step_id: str | None
    """Span id of the turn that wrote it, if that run was interrupted and this one goes on with it."""


class InterruptedRun(NamedTuple):
    """The run that a thread's next run goes on with."""

    run_id: str
    trace_id: str
    span_id: str
    waiting: frozenset[str]
    """Namespaces of the tasks that asked for something: what resumes the run is told to them."""


class ThreadMemory:
    """Authors by message id for the newest threads; no content. Bounded in threads and in messages per thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._messages: OrderedDict[str, dict[str, Earlier]] = OrderedDict()
        self._interrupted: OrderedDict[str, InterruptedRun] = OrderedDict()

    def messages(self, thread: str | None) -> dict[str, Earlier]:
        """Who wrote what in earlier runs of a thread."""
        with self._lock:
            return dict(self._messages.get(thread, {})) if thread is not None else {}

    def interrupted(self, thread: str | None) -> InterruptedRun | None:
        """The interrupted run that a thread's new run resumes. None: the last run was complete."""
        with self._lock:
            return self._interrupted.get(thread) if thread is not None else None

    def remember(self, run: RunRecord, status: RunStatus) -> None:
        """Note a run's messages at its end; a later turn starts afresh, a resumed run goes on."""
        if run.session_id is None:
            return
        goes_on = status == "interrupted"
        known: dict[str, Earlier] = {}
        for message in run.messages[-_MAX_MESSAGES:]:
            step_id = message.earlier_step_id if message.step is None else message.step.span_id
            actor = message.author
            earlier = Earlier((actor.id, actor.name, actor.kind), step_id if goes_on else None)
            if goes_on and (digest := message_digest(message.source)) is not None:
                known[digest] = earlier  # what was written beside an interrupt gets its final id when the run goes on
            if (own_id := message_id(message.source)) is not None:
                known[own_id] = earlier
        with self._lock:
            self._messages[run.session_id] = known
            self._messages.move_to_end(run.session_id)
            self._interrupted.pop(run.session_id, None)
            if goes_on:
                asking = [step for step in run.steps if step.status == "interrupted" and step is not run.root]
                waiting = frozenset(str(step.attributes.get(sc.LANGGRAPH_CHECKPOINT_NS)) for step in asking)
                self._interrupted[run.session_id] = InterruptedRun(run.id, run.trace_id, run.root.span_id, waiting)
            while len(self._messages) > _MAX_THREADS:
                dropped, _ = self._messages.popitem(last=False)
                self._interrupted.pop(dropped, None)
