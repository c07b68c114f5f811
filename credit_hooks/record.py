"""The framework-neutral recorder: what a run has done so far, kept in memory while it runs.

Capture rooms turn their framework's events into calls on a :class:`RunRecord`; nothing here knows a framework. All
that happens on the user's path is constant work per *new* message: read sets are deltas against an earlier step of the
same history, contents are kept by reference and encoded only after the run (:mod:`credit_hooks.encode`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias

from opentelemetry.context import Context
from opentelemetry.trace import Span

from credit_hooks.trajectory import ActorKind, StepKind

__all__ = [
    "ActorRecord",
    "MessageRecord",
    "Opened",
    "RunRecord",
    "RunStatus",
    "Snapshot",
    "StepRecord",
    "StepStatus",
]

StepStatus: TypeAlias = Literal["ok", "error", "cancelled", "interrupted", "abandoned", "handoff", "unknown"]
RunStatus: TypeAlias = Literal["ok", "error", "cancelled", "interrupted", "abandoned", "unknown"]


class Opened(Protocol):
    """The span of a step, seen from here."""

    held: bool
    """Whether it has not ended yet."""
    span: Span | None
    """The span itself. None: it is made after the run, or nobody is listening."""

    @property
    def above(self) -> Opened | None:
        """What it is a child of, if it is made after the run."""

    @property
    def context(self) -> Context | None:
        """Context with that span."""

    @property
    def span_id(self) -> str:
        """16 lower-case hex digits."""


@dataclass(slots=True)
class Snapshot:
    """A message as it was when it was written, by reference. Its parts are encoded after the run."""

    role: str
    """Normalised role."""
    content: Any
    """Whatever `encode` understands. A string is safe to keep by reference; anything mutable was copied."""
    encode: Callable[[Any], list[dict[str, Any]]]
    """Content to GenAI parts (JSON objects); called once, on the worker."""
    role_raw: str | None = None
    """The framework's own word for the role. None: same as `role`."""


@dataclass(slots=True, eq=False)
class ActorRecord:
    """Someone who wrote."""

    id: str
    name: str
    kind: ActorKind = "agent"
    parent_id: str | None = None
    model: str | None = None


@dataclass(slots=True, eq=False)
class MessageRecord:
    """A message that was written during the run, or before it."""

    index: int
    author: ActorRecord
    snapshot: Snapshot
    source: Any
    """The framework's object; its id is read when the run ends, as frameworks assign ids late. Never written to."""
    step: StepRecord | None
    """The turn that wrote it. None: the run's input."""
    channel: str | None = None
    time_ns: int = 0
    version: int = 1
    """2 and more: the same id written again with other content."""
    earlier_step_id: str | None = None
    """Span id of the turn of an interrupted run that wrote it. None: written in this run."""
    earlier_parents: Sequence[MessageRecord] = ()
    """What was read for it in an earlier run of its thread, as far as it is in this one."""
    id: str = ""
    """Set when the run ends."""
    encoded: Any = None
    """Its encoded form, once there is one."""


@dataclass(slots=True, eq=False)
class StepRecord:
    """A unit of work that has started, and perhaps ended."""

    kind: StepKind
    name: str
    span_id: str
    parent: StepRecord | None
    actor: ActorRecord | None
    start_ns: int
    attributes: dict[str, Any]
    """Attributes known so far."""
    opened: Opened | None = None
    """The OpenTelemetry span that shows it. None: there is none."""
    outer: Context | None = None
    """The context that the user had attached when it started: as long as it is current, `context` stands in for it."""
    end_ns: int | None = None
    status: StepStatus = "unknown"
    error: str | None = None
    error_message: str | None = None
    reads_base: StepRecord | None = None
    reads_new: Sequence[MessageRecord] = ()
    reads_dropped: Sequence[MessageRecord] = ()
    reads_count: int = 0
    writes: list[MessageRecord] = field(default_factory=list)
    generates: tuple[MessageRecord, ...] = ()
    removes: tuple[str, ...] = ()
    scheduled_by: tuple[StepRecord, ...] = ()
    plan: tuple[Any, ...] | None = None
    """(scope, superstep, path): steps that ran side by side are alike but for the path. None: it ran by itself."""
    private: Mapping[str, Any] | None = None
    """Content attributes of its own, such as a tool's arguments. A function is called after the run, for its result."""
    prompt: Sequence[MessageRecord | Snapshot] = ()
    """What a model was shown, newest last: known messages, and snapshots of what was made for the prompt alone."""
    shown_reads: bool = False
    """Whether a model was shown, after `prompt`, exactly what the step has read."""

    @property
    def context(self) -> Context | None:
        """Context with its span, the parent of whatever runs inside. None: nobody is listening."""
        return None if self.opened is None else self.opened.context

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self.end_ns is not None

    def newest_reads(self) -> Iterator[MessageRecord]:
        """What it has read, newest first, resolved through its bases as far as somebody asks."""
        dropped: set[MessageRecord] = set()
        link: StepRecord | None = self
        while link is not None:
            for message in reversed(link.reads_new):
                if message not in dropped:
                    yield message
            dropped.update(link.reads_dropped)
            link = link.reads_base

    def end(self, status: StepStatus, error: BaseException | None = None, *, at: int | None = None) -> None:
        """Note the end; the first one counts."""
        if self.end_ns is not None:
            return
        self.end_ns = time.time_ns() if at is None else at
        self.status = status
        if error is not None:
            self.error = type(error).__qualname__
            self.error_message = _safe_str(error)


class RunRecord:
    """One run: its steps, its messages, who wrote them, and which object is which message.

    Objects are told apart by identity, not by id or content: ids are assigned late, contents repeat. The record keeps
    every object it has seen alive, so identities stay unique until the run is over. `lock` guards all of it: nodes of
    one superstep run on several threads.
    """

    def __init__(self, *, run_id: str, name: str, framework: str, trace_id: str, root: StepRecord) -> None:
        self.id = run_id
        self.name = name
        self.framework = framework
        self.trace_id = trace_id
        self.root = root
        self.steps: list[StepRecord] = [root]
        self.messages: list[MessageRecord] = []
        self.actors: dict[str, ActorRecord] = {}
        self.lock = threading.RLock()
        self.status: RunStatus = "unknown"
        self.error: BaseException | None = None
        self.inputs: Any = None
        self.output: Any = None
        self.answer: MessageRecord | None = None
        self.session_id: str | None = None
        self.task_id: str | None = None
        self.group_id: str | None = None
        self.metadata: Mapping[str, Any] = {}
        self.links: tuple[tuple[str, str], ...] = ()
        """(trace id, span id) of the interrupted run that this one resumes."""
        self.resumes: str | None = None
        self.released: str | None = None
        """Why spans of this run are no longer held: overflow, timeout, shutdown. None: they are."""
        self.truncated = False
        """True if the run outgrew its limits and later steps were not recorded."""
        self.by_object: dict[int, MessageRecord] = {}
        self.by_id: dict[str, MessageRecord] = {}
        self.unreleased: list[StepRecord] = []
        """Steps that ended and whose spans wait to be released without credit."""
        self.settle: Callable[[], None] | None = None
        """Says, off the user's path, what can only be said when the run is over. Called once, before ids are given."""
        self._kept_alive: list[Any] = []
        self._agents_inside: dict[StepRecord, list[StepRecord]] = {}

    def add_step(self, step: StepRecord) -> None:
        """Record a step that has started."""
        self.steps.append(step)
        if step.kind == "agent" and step.parent is not None:
            self._agents_inside.setdefault(step.parent, []).append(step)

    def agents_inside(self, step: StepRecord) -> Sequence[StepRecord]:
        """The agent steps right below a step, in the order of their starts."""
        return self._agents_inside.get(step, ())

    def actor(self, actor_id: str, name: str, kind: ActorKind = "agent", parent_id: str | None = None) -> ActorRecord:
        """The actor of that id, made known on first sight."""
        found = self.actors.get(actor_id)
        if found is None:
            found = self.actors[actor_id] = ActorRecord(actor_id, name, kind, parent_id)
        return found

    def add_message(
        self,
        source: Any,
        snapshot: Snapshot,
        author: ActorRecord,
        step: StepRecord | None,
        *,
        source_id: str | None = None,
        channel: str | None = None,
        version: int = 1,
        earlier_step_id: str | None = None,
    ) -> MessageRecord:
        """A message that was not there before, written by `step`, or before the run if that is None."""
        message = MessageRecord(
            len(self.messages),
            author,
            snapshot,
            source,
            step,
            channel,
            time.time_ns(),
            version,
            earlier_step_id,
        )
        self.messages.append(message)
        (self.root if step is None else step).writes.append(message)
        self.bind(source, message, source_id)
        return message

    def bind(self, source: Any, message: MessageRecord, source_id: str | None = None) -> None:
        """Know `source` as that message from now on, by identity, and by id where it has one."""
        self.by_object[id(source)] = message
        self._kept_alive.append(source)
        if source_id:
            self.by_id[source_id] = message

    def resolved_reads(self, step: StepRecord) -> dict[MessageRecord, None]:
        """All messages a step has read, in order, resolved through its bases."""
        chain = [step]
        while (base := chain[-1].reads_base) is not None:
            chain.append(base)
        read: dict[MessageRecord, None] = {}
        for link in reversed(chain):
            for message in link.reads_dropped:
                read.pop(message, None)
            read.update(dict.fromkeys(link.reads_new))
        return read

    def assign_ids(self, source_id: Callable[[Any], str | None]) -> None:
        """Give every message that has none its id: the framework's own where it has one by now, else one of ours."""
        if self.root.ended and self.settle is not None:
            settle, self.settle = self.settle, None
            settle()
        taken = {message.id for message in self.messages if message.id}
        for message in self.messages:
            if message.id:
                continue
            own = source_id(message.source)
            candidate = own or f"m{message.index}"
            if own and message.version > 1:
                candidate = f"{own}#{message.version}"
            while candidate in taken:
                candidate = f"{candidate}@{message.index}"
            taken.add(candidate)
            message.id = candidate

    def dissolve(self) -> None:
        """Cut what refers back, once nobody needs the record any more.

        Messages and steps refer to each other: without this, a run's spans and the user's objects stay in memory until
        the next full garbage collection, and make it longer (a fifth of the cost of tracing, measured at 200 steps).
        """
        for message in self.messages:
            message.step = None

    @property
    def ended_ns(self) -> int:
        """When its last step ended, in nanoseconds since the epoch."""
        return max(step.end_ns or 0 for step in self.steps)

    def close_open_steps(self, status: StepStatus) -> None:
        """End whatever is still open, as when a run is cancelled around its steps."""
        now = time.time_ns()
        for step in self.steps:
            step.end(status, at=now)


def _safe_str(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as failure:  # noqa: BLE001 - a user's exception may fail to print; the run must not notice
        return f"<unprintable: {type(failure).__name__}>"
