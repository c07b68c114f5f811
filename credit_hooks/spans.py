"""`SpanData`: our frozen record of a span, the only form in which spans travel through credit-hooks.

It is kept apart from OpenTelemetry's own objects because those lose data on purpose: samplers drop spans, limits evict
the oldest attributes, values are cut. OpenTelemetry is where spans are shown, never where they are read back from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

__all__ = ["EventData", "LinkData", "SpanData", "SpanFields", "SpanStatus"]

SpanStatus: TypeAlias = Literal["unset", "ok", "error"]


@dataclass(frozen=True, slots=True)
class EventData:
    """Something that happened during a span."""

    name: str
    time_ns: int | None = None
    """Nanoseconds since the epoch. None: unknown."""
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LinkData:
    """A reference to another span."""

    trace_id: str
    """32 lower-case hex digits."""
    span_id: str
    """16 lower-case hex digits."""
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SpanData:
    """One finished span. Attribute values are whatever the source had: readers accept anything and never raise."""

    name: str
    trace_id: str
    """32 lower-case hex digits."""
    span_id: str
    """16 lower-case hex digits."""
    parent_id: str | None = None
    """16 lower-case hex digits. None: root."""
    start_ns: int | None = None
    """Nanoseconds since the epoch. None: unknown."""
    end_ns: int | None = None
    """Nanoseconds since the epoch. None: unknown, or never ended."""
    status: SpanStatus = "unset"
    status_message: str | None = None
    """Why it failed. None: not stated."""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    events: Sequence[EventData] = ()
    links: Sequence[LinkData] = ()
    scope: str = ""
    """Name of the instrumentation scope."""
    resource: Mapping[str, Any] = field(default_factory=dict)
    """Attributes of the resource."""


SpanFields: TypeAlias = tuple[Any, ...]
"""The arguments of a :class:`SpanData`, in order, where many are kept that may never be looked at."""
