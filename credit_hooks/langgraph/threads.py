"""Who wrote a message that a later turn of a thread, or a resumed run, only finds in its state."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import NamedTuple

from credit_hooks.langgraph.messages import message_id
from credit_hooks.langgraph.provenance import Earlier
from credit_hooks.record import RunRecord, RunStatus

__all__ = ["InterruptedRun", "ThreadMemory"]

_MAX_THREADS = 1_000
_MAX_MESSAGES = 2_000


class InterruptedRun(NamedTuple):
    """The run that a thread's next run goes on with."""

    run_id: str
    trace_id: str
    span_id: str


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
            own_id = message_id(message.source)
            if own_id is None:
                continue
            step_id = message.earlier_step_id if message.step is None else message.step.span_id
            actor = message.author
            known[own_id] = Earlier((actor.id, actor.name, actor.kind), step_id if goes_on else None)
        with self._lock:
            self._messages[run.session_id] = known
            self._messages.move_to_end(run.session_id)
            self._interrupted.pop(run.session_id, None)
            if goes_on:
                self._interrupted[run.session_id] = InterruptedRun(run.id, run.trace_id, run.root.span_id)
            while len(self._messages) > _MAX_THREADS:
                dropped, _ = self._messages.popitem(last=False)
                self._interrupted.pop(dropped, None)
