"""Held spans: OpenTelemetry spans that start with the work and end, as of the recorded end, when credit is known.

A span that has ended takes no more attributes, and a reward is known only after the run. So the end waits: bounded in
number (`max_held_spans`) and in time (`max_hold_seconds`); what is given up is released without credit and says so.
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
from credit_hooks.record import RunRecord, StepRecord

__all__ = ["OpenedSpan", "PrivateIdGenerator", "SpanHolder"]

_SCOPE = "credit_hooks"
_CHUNK = 1000
"""Spans released between two flushes: the SDK's batch processor keeps 2048 and drops the oldest beyond."""


class PrivateIdGenerator(IdGenerator):
    """Random ids from a generator of our own.

    The SDK's default draws from the global `random`, so tracing changes the results of users who called `random.seed`.
    """

    def __init__(self) -> None:
        self._random = random.Random(os.urandom(16))  # noqa: S311 - ids, not secrets
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=lambda: self._random.seed(os.urandom(16)))

    def generate_span_id(self) -> int:
        """64 random bits, not zero."""
        return self._random.getrandbits(64) or 1

    def generate_trace_id(self) -> int:
        """128 random bits, not zero."""
        return self._random.getrandbits(128) or 1

    def is_trace_id_random(self) -> bool:
        """They are (W3C trace context, level 2)."""
        return True


_IDS = PrivateIdGenerator()


class OpenedSpan:
    """A started span, or the ids of one where nobody is listening."""

    __slots__ = ("context", "span", "span_id", "trace_id")

    def __init__(self, span: Span | None, span_context: SpanContext, context: Context | None) -> None:
        self.span = span
        self.span_id = f"{span_context.span_id:016x}"
        self.trace_id = f"{span_context.trace_id:032x}"
        self.context = context


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
        self._capture_content = capture_content
        self._tracer: Tracer | None = None
        self._tracer_of: TracerProvider | None = None
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

    def open(
        self,
        name: str,
        attributes: Mapping[str, Any],
        start_ns: int,
        *,
        parent: Context | None = None,
        links: tuple[tuple[str, str], ...] = (),
    ) -> OpenedSpan:
        """Start a span. `parent` None: under whatever span is current for the caller."""
        tracer = self._current_tracer()
        if tracer is None:
            return _unlistened(parent)
        span = tracer.start_span(
            name,
            context=parent,
            attributes=attributes,
            start_time=start_ns,
            links=[_link(*link) for link in links] or None,
        )
        span_context = span.get_span_context()
        if not span_context.is_valid:
            return _unlistened(parent)
        context = set_span_in_context(span, parent)
        if not span.is_recording():
            return OpenedSpan(None, span_context, context)
        with self._lock:
            self._held += 1
        return OpenedSpan(span, span_context, context)

    def release(self, step: StepRecord, attributes: Mapping[str, Any], content: Mapping[str, Any]) -> None:
        """End a step's span as of its recorded end, with these attributes; later calls do nothing."""
        span, step.span = step.span, None
        if span is None:
            return
        with self._lock:
            self._held -= 1
        # Credit last: where a limit evicts attributes, the SDK evicts the oldest.
        span.set_attributes({**content, **attributes} if self._capture_content else dict(attributes))
        if step.status == "error":
            message = step.error_message if self._capture_content and step.error_message else step.error
            span.set_status(Status(StatusCode.ERROR, message))
        span.end(end_time=step.end_ns)

    def flush(self, run: RunRecord, released: int) -> None:
        """Let processors export between chunks of a large release."""
        flush = getattr(self._tracer_of, "force_flush", None)
        if flush is not None and released and released % _CHUNK == 0 and len(run.steps) > _CHUNK:
            flush(5_000)

    def _current_tracer(self) -> Tracer | None:
        provider = self._provider or trace.get_tracer_provider()
        if provider is not self._tracer_of:
            self._tracer = _tracer(provider)
            self._tracer_of = provider
        return self._tracer


def _tracer(provider: TracerProvider) -> Tracer | None:
    if isinstance(provider, trace.ProxyTracerProvider | trace.NoOpTracerProvider):
        return None
    tracer = provider.get_tracer(_SCOPE, __version__)
    # Only the default generator is replaced, and only on our own tracer: custom ones (X-Ray) encode meaning in ids.
    if isinstance(tracer, SdkTracer) and type(tracer.id_generator) is RandomIdGenerator:
        tracer.id_generator = _IDS
    return tracer


def _unlistened(parent: Context | None) -> OpenedSpan:
    """Ids for a span that nobody sees; it has no context of its own, so foreign spans nest as without us."""
    current = trace.get_current_span(parent).get_span_context()
    trace_id = current.trace_id if current.is_valid else _IDS.generate_trace_id()
    return OpenedSpan(None, SpanContext(trace_id, _IDS.generate_span_id(), is_remote=False), None)


def _link(trace_id: str, span_id: str) -> Link:
    return Link(SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(1)))
