"""A span that is made when the run is over: until then it is an id, a parent, and what others have set on it.

Starting a real span and completing it later costs twice what one span costs. Nobody needs the real one before its
attributes are known, save those who set something on the current span or start spans of their own below it; both work.
"""

from __future__ import annotations

import time
from typing import Any

from opentelemetry.trace import Span, SpanContext

__all__ = ["DeferredSpan"]

_MAX_CALLS = 1_000
"""Calls of others kept for one span."""


class DeferredSpan(Span):
    """Stands in for the span of a step that is going on.

    Args:
        trace: A span context of the same trace, for its flags and state.
        span_id: The id that the real span will have.
    """

    __slots__ = ("_calls", "_span_context")

    def __init__(self, trace: SpanContext, span_id: int) -> None:
        self._span_context = SpanContext(trace.trace_id, span_id, False, trace.trace_flags, trace.trace_state)
        self._calls: list[tuple[str, tuple[Any, ...]]] | None = []

    def replay(self, span: Span) -> None:
        """Do on the real span what others did on this one; from now on they set nothing any more."""
        calls, self._calls = self._calls or [], None
        for name, args in calls:
            getattr(span, name)(*args)

    # --- what others call on the current span -------------------------------------------------------------------------

    def get_span_context(self) -> SpanContext:
        """Its ids, and the trace's flags."""
        return self._span_context

    def is_recording(self) -> bool:
        """Whether what is set on it is kept."""
        return self._calls is not None

    def end(self, end_time: int | None = None) -> None:
        """Nothing: it ends with its step."""

    def set_attributes(self, attributes: Any) -> None:
        """Kept for the real span."""
        self._note("set_attributes", dict(attributes))

    def set_attribute(self, key: str, value: Any) -> None:
        """Kept for the real span."""
        self._note("set_attribute", key, value)

    def add_event(self, name: str, attributes: Any = None, timestamp: int | None = None) -> None:
        """Kept for the real span, with the time of now."""
        self._note("add_event", name, attributes, timestamp or time.time_ns())

    def add_link(self, context: SpanContext, attributes: Any = None) -> None:
        """Kept for the real span."""
        self._note("add_link", context, attributes)

    def update_name(self, name: str) -> None:
        """Kept for the real span."""
        self._note("update_name", name)

    def set_status(self, status: Any, description: str | None = None) -> None:
        """Kept for the real span."""
        self._note("set_status", status, description)

    def record_exception(
        self, exception: BaseException, attributes: Any = None, timestamp: int | None = None, escaped: bool = False
    ) -> None:
        """Kept for the real span, with the time of now."""
        self._note("record_exception", exception, attributes, timestamp or time.time_ns(), escaped)

    def _note(self, name: str, *args: Any) -> None:
        calls = self._calls
        if calls is not None and len(calls) < _MAX_CALLS:
            calls.append((name, args))
