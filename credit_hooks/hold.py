"""Held spans: each span appears, with its recorded start and end, when the credit of its run is known.

A span that has ended takes no more attributes, and a reward is known only after the run. So the root span starts with
the run and its end waits; the spans below it are made after the run (:mod:`credit_hooks.deferred`), or, where the
tracer is not the SDK's and ids cannot be chosen, start with their step. Bounded in number (`max_held_spans`) and in
time (`max_hold_seconds`); what is given up is released without credit and says so.
"""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Mapping
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import Tracer as SdkTracer
from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
from opentelemetry.trace import (
    Link,
    Span,
    SpanContext,
    Status,
    StatusCode,
    TraceFlags,
    Tracer,
    TracerProvider,
    set_span_in_context,
)

from credit_hooks import __version__
from credit_hooks.deferred import DeferredSpan
from credit_hooks.record import Opened, StepRecord

__all__ = ["OpenedSpan", "PrivateIdGenerator", "SpanHolder"]

_SCOPE = "credit_hooks"
FLUSH_EVERY = 1000
"""Spans of one run ended between two flushes: the SDK's batch processor keeps 2048 and drops the oldest beyond."""


class PrivateIdGenerator(IdGenerator):
    """Random ids from a generator of our own, save where an id was chosen before.

    The SDK's default draws from the global `random`, so tracing changes the results of users who called `random.seed`.

    Args:
        inner: Makes the ids instead, such as X-Ray's, which encodes the time in trace ids.
    """

    def __init__(self, inner: IdGenerator | None = None) -> None:
        self._inner = inner
        self._random = random.Random(os.urandom(16))  # noqa: S311 - ids, not secrets
        self._chosen = threading.local()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=lambda: self._random.seed(os.urandom(16)))

    def choose(self, span_id: int) -> None:
        """The next span that this thread starts has this id."""
        self._chosen.span_id = span_id

    def generate_span_id(self) -> int:
        """The chosen id, else 64 random bits, not zero."""
        chosen: int = self._chosen.__dict__.pop("span_id", 0)
        if chosen or self._inner is None:
            return chosen or self._random.getrandbits(64) or 1
        return self._inner.generate_span_id()

    def generate_trace_id(self) -> int:
        """128 random bits, not zero."""
        return self._random.getrandbits(128) or 1 if self._inner is None else self._inner.generate_trace_id()

    def span_id(self) -> str:
        """A random span id as 16 hex digits, for a span that is not started now."""
        return f"{self._random.getrandbits(64) or 1:016x}"

    def is_trace_id_random(self) -> bool:
        """Ours are (W3C trace context, level 2)."""
        return self._inner is None or bool(getattr(self._inner, "is_trace_id_random", bool)())


_IDS = PrivateIdGenerator()


class OpenedSpan:
    """The span of a step: started, to be made after the run, or only ids where nobody is listening.

    Args:
        span_id: 16 lower-case hex digits.
        trace_id: 32 lower-case hex digits.
        trace: The span context of the run's root, if spans are to be made after the run.
        above: The span it is a child of.
        held: Whether somebody is waiting for its end.
        span: The span, if it has started.
        context: The context of whatever runs inside, if it is known.
    """

    __slots__ = ("above", "held", "known_context", "span", "span_id", "trace", "trace_id")

    def __init__(
        self,
        span_id: str,
        trace_id: str,
        trace: SpanContext | None = None,
        above: OpenedSpan | None = None,
        held: bool = False,
        span: Span | None = None,
        context: Context | None = None,
    ) -> None:
        self.span_id = span_id
        self.trace_id = trace_id
        self.trace = trace
        self.span = span
        self.known_context = context
        self.above = above
        self.held = held

    @property
    def context(self) -> Context | None:
        """The context of whatever runs inside. None: nobody is listening."""
        if self.known_context is None and self.above is not None and self.trace is not None:
            if self.span is None:
                self.span = DeferredSpan(self.trace, int(self.span_id, 16))
            self.known_context = set_span_in_context(self.span, self.above.context)
        return self.known_context


class SpanHolder:
    """Starts spans on a provider, counts those not yet ended, and ends them later.

    Args:
        tracer_provider: Where spans are shown. None: whatever the global provider is when a run starts.
        max_held_spans: Most spans held at one time, over all runs.
        capture_content: Whether content attributes are shown on spans.
    """

    def __init__(self, tracer_provider: TracerProvider | None, *, max_held_spans: int, capture_content: bool) -> None:
        self._provider = tracer_provider
        self._max_held = max_held_spans
        self.shows_content = capture_content
        """Whether what is shown, logs included, may quote messages."""
        self._tracer: Tracer | None = None
        self._tracer_of: TracerProvider | None = None
        self._ids: PrivateIdGenerator | None = None
        self._held = 0
        self._lock = threading.Lock()

    @property
    def held(self) -> int:
        """Spans started and not yet ended."""
        return self._held

    @property
    def full(self) -> bool:
        """Whether more are held than allowed."""
        return self._held > self._max_held

    def open_root(
        self, name: str, attributes: Mapping[str, Any], start_ns: int, links: tuple[tuple[str, str], ...] = ()
    ) -> OpenedSpan:
        """Start a run's root span under whatever span is current for the caller."""
        tracer = self._current_tracer()
        if tracer is None:
            return _unlistened()
        return self._start(tracer, name, attributes, start_ns, None, [_link(*link) for link in links])

    def open(self, name: str, attributes: Mapping[str, Any], start_ns: int, parent: OpenedSpan) -> OpenedSpan:
        """The span of a step, as a child of its parent's."""
        if parent.trace is not None:
            with self._lock:
                self._held += 1
            return OpenedSpan(_IDS.span_id(), parent.trace_id, parent.trace, parent, True)
        if parent.span is None:  # nobody is listening, or the run is not sampled
            return OpenedSpan(_IDS.span_id(), parent.trace_id, context=parent.known_context)
        tracer = self._current_tracer()
        return self._start(tracer, name, attributes, start_ns, parent.context, []) if tracer else _unlistened()

    def _start(
        self,
        tracer: Tracer,
        name: str,
        attributes: Mapping[str, Any],
        start_ns: int,
        parent: Context | None,
        links: list[Link],
    ) -> OpenedSpan:
        span = tracer.start_span(name, context=parent, attributes=attributes, start_time=start_ns, links=links or None)
        ids = span.get_span_context()
        if not ids.is_valid:
            return _unlistened()
        recording = span.is_recording()
        if recording:
            with self._lock:
                self._held += 1
        return OpenedSpan(
            f"{ids.span_id:016x}",
            f"{ids.trace_id:032x}",
            trace=ids if recording and self._ids is not None else None,
            span=span if recording else None,
            context=set_span_in_context(span, parent),
            held=recording,
        )

    def complete(self, step: StepRecord, attributes: Mapping[str, Any], content: Mapping[str, Any]) -> None:
        """Give a step's span its attributes; make it first, if it was deferred."""
        opened = step.opened
        if opened is None or not opened.held:
            return
        # Credit last: where a limit evicts attributes, the SDK evicts the oldest.
        shown = {**content, **attributes} if self.shows_content else attributes
        if opened.above is not None:
            self._make(step, opened, shown)
        elif opened.span is not None:
            opened.span.set_attributes(shown)

    def end(self, step: StepRecord) -> None:
        """End a step's span as of its recorded end; later calls do nothing."""
        opened = step.opened
        if opened is None or not opened.held:
            return
        opened.held = False
        with self._lock:
            self._held -= 1
        span = opened.span
        if span is None:
            return
        if step.status == "error":
            message = step.error_message if self.shows_content and step.error_message else step.error
            span.set_status(Status(StatusCode.ERROR, message))
        span.end(end_time=step.end_ns)

    def _make(self, step: StepRecord, opened: Opened, attributes: Mapping[str, Any]) -> None:
        tracer = self._current_tracer()
        if tracer is None or self._ids is None or opened.above is None:
            return
        self._ids.choose(int(opened.span_id, 16))
        deferred, above = opened.span, opened.above.context
        opened.span = tracer.start_span(step.name, context=above, attributes=attributes, start_time=step.start_ns)
        if isinstance(deferred, DeferredSpan):
            deferred.replay(opened.span)

    def force_flush(self) -> None:
        """Let processors export everything: between parts of a large run, and before the process ends."""
        flush = getattr(self._tracer_of, "force_flush", None)
        if flush is not None:
            flush(5_000)

    def _current_tracer(self) -> Tracer | None:
        provider = self._provider or trace.get_tracer_provider()
        if provider is not self._tracer_of:
            self._tracer, self._ids = _tracer(provider)
            self._tracer_of = provider
        return self._tracer


def _tracer(provider: TracerProvider) -> tuple[Tracer | None, PrivateIdGenerator | None]:
    """Our tracer, and the generator that chooses its ids. No generator: the tracer is not the SDK's."""
    if isinstance(provider, trace.ProxyTracerProvider | trace.NoOpTracerProvider):
        return None, None
    tracer = provider.get_tracer(_SCOPE, __version__)
    if not isinstance(tracer, SdkTracer):
        return tracer, None
    # On our own tracer only: the user's provider and its other tracers stay as they are.
    ids = tracer.id_generator
    if not isinstance(ids, PrivateIdGenerator):
        ids = _IDS if type(ids) is RandomIdGenerator else PrivateIdGenerator(ids)
        tracer.id_generator = ids
    return tracer, ids


def _unlistened() -> OpenedSpan:
    """Ids for a span that nobody sees; it has no context of its own, so foreign spans nest as without us."""
    current = trace.get_current_span().get_span_context()
    trace_id = current.trace_id if current.is_valid else _IDS.generate_trace_id()
    return OpenedSpan(_IDS.span_id(), f"{trace_id:032x}")


def _link(trace_id: str, span_id: str) -> Link:
    return Link(SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(1)))
