"""Who wrote a message that a later turn of a thread, or a resumed run, only finds in its state."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import NamedTuple

from credit_hooks import semconv as sc
from credit_hooks.langgraph.messages import message_digest, message_id
from credit_hooks.record import MessageRecord, RunRecord, RunStatus, Snapshot, StepRecord

__all__ = ["Earlier", "EarlierWrite", "InterruptedRun", "ThreadMemory"]

_MAX_THREADS = 1_000
_MAX_MESSAGES = 2_000
_MAX_PARENTS = 64


class Earlier(NamedTuple):
    """What an earlier run of the same thread knows of a message."""

    actor: tuple[str, str, str]
    """Actor id, name, kind."""
    step_id: str | None
    """Span id of the turn that wrote it, if that run was interrupted and this one goes on with it."""
    token: str
    """What it is known by in all runs of the thread."""
    parents: tuple[str, ...] = ()
    """Tokens of the newest messages that were read for it."""


class EarlierWrite(NamedTuple):
    """A write of state by an earlier run of the same thread."""

    author: Earlier
    """Who wrote it, and in which turn."""
    snapshot: Snapshot | None
    """What was written, if that run was interrupted and this one goes on with it; else it is not kept."""


class InterruptedRun(NamedTuple):
    """The run that a thread's next run goes on with."""

    run_id: str
    trace_id: str
    span_id: str
    waiting: frozenset[str]
    """Namespaces of the tasks that asked for something: what resumes the run is told to them."""


class ThreadMemory:
    """Authors and parents, by message id and by channel, for the newest threads.

    Bounded in threads, in messages per thread, and in parents per message: the newest of each are kept. Content is kept
    only of what an interrupted run wrote to its state, until the run goes on.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._messages: OrderedDict[str, dict[str, Earlier]] = OrderedDict()
        self._writes: dict[str, dict[str, list[EarlierWrite]]] = {}
        self._interrupted: OrderedDict[str, InterruptedRun] = OrderedDict()

    def messages(self, thread: str | None) -> dict[str, Earlier]:
        """Who wrote what in earlier runs of a thread."""
        with self._lock:
            return dict(self._messages.get(thread, {})) if thread is not None else {}

    def writes(self, thread: str | None) -> dict[str, list[EarlierWrite]]:
        """Who wrote to which channel in earlier runs of a thread, in order."""
        with self._lock:
            return dict(self._writes.get(thread, {})) if thread is not None else {}

    def interrupted(self, thread: str | None) -> InterruptedRun | None:
        """The interrupted run that a thread's new run resumes. None: the last run was complete."""
        with self._lock:
            return self._interrupted.get(thread) if thread is not None else None

    def remember(self, run: RunRecord, status: RunStatus, carried: Mapping[MessageRecord, Earlier]) -> None:
        """Note a run's messages at its end; a later turn starts afresh, a resumed run goes on.

        Args:
            run: The run.
            status: How it ended.
            carried: What was known before of the messages that the run found in its state.
        """
        if run.session_id is None:
            return
        goes_on = status == "interrupted"
        parents = _Parents(run, carried)
        known: dict[str, Earlier] = {}
        writes: dict[str, list[EarlierWrite]] = {}
        for message in run.messages[-_MAX_MESSAGES:]:
            step_id = message.earlier_step_id if message.step is None else message.step.span_id
            actor = message.author
            token, read = parents.of(message)
            earlier = Earlier((actor.id, actor.name, actor.kind), step_id if goes_on else None, token, read)
            if message.snapshot.role == "data":
                _note_write(writes, message, earlier, goes_on=goes_on)
                continue
            if (digest := message_digest(message.source)) is not None:
                known[digest] = earlier  # it may get its final id when the run goes on, or never have one
            if (own_id := message_id(message.source)) is not None:
                known[own_id] = earlier
        with self._lock:
            self._messages[run.session_id] = known
            self._messages.move_to_end(run.session_id)
            self._writes[run.session_id] = writes
            self._interrupted.pop(run.session_id, None)
            if goes_on:
                asking = [step for step in run.steps if step.status == "interrupted" and step is not run.root]
                waiting = frozenset(str(step.attributes.get(sc.LANGGRAPH_CHECKPOINT_NS)) for step in asking)
                self._interrupted[run.session_id] = InterruptedRun(run.id, run.trace_id, run.root.span_id, waiting)
            while len(self._messages) > _MAX_THREADS:
                dropped, _ = self._messages.popitem(last=False)
                self._interrupted.pop(dropped, None)
                self._writes.pop(dropped, None)


class _Parents:
    """What was read for the messages of a run that ends, by token."""

    def __init__(self, run: RunRecord, carried: Mapping[MessageRecord, Earlier]) -> None:
        self._run = run
        self._carried = carried
        self._generators = {message: step for step in run.steps for message in step.generates}

    def of(self, message: MessageRecord) -> tuple[str, tuple[str, ...]]:
        """A message's token, and those of its parents."""
        earlier = self._carried.get(message)
        if earlier is not None:
            return earlier.token, earlier.parents
        step = self._generators.get(message, message.step)
        read = () if step is None else _newest_reads(step)
        return self._token(message), tuple(self._token(other) for other in read if other.index < message.index)

    def _token(self, message: MessageRecord) -> str:
        earlier = self._carried.get(message)
        return f"{self._run.id}:{message.index}" if earlier is None else earlier.token


def _newest_reads(step: StepRecord) -> list[MessageRecord]:
    """The newest messages that a step has read, oldest first. Its cost does not grow with the history."""
    newest: dict[MessageRecord, None] = {}
    dropped: set[MessageRecord] = set()
    link: StepRecord | None = step
    while link is not None and len(newest) < _MAX_PARENTS:
        newest.update(dict.fromkeys(message for message in reversed(link.reads_new) if message not in dropped))
        dropped.update(link.reads_dropped)
        link = link.reads_base
    return list(newest)[:_MAX_PARENTS][::-1]


def _note_write(
    writes: dict[str, list[EarlierWrite]], message: MessageRecord, author: Earlier, *, goes_on: bool
) -> None:
    for channel, _ in message.snapshot.content:
        if goes_on:
            writes.setdefault(channel, []).append(EarlierWrite(author, message.snapshot))
        else:
            writes[channel] = [EarlierWrite(author, None)]
