"""TRAIL: traces of agents as trees of OpenInference spans, with errors that people marked span by span.

Source: Deshpande et al., "TRAIL: Trace Reasoning and Agentic Issue Localization", arXiv 2505.08638. A trace is
`trace_id, spans[{span_id, parent_span_id, span_name, span_attributes{flattened strings}, timestamp and duration (ISO
8601), status_code Ok|Error|Unset, status_message, child_spans[...]}]`. Its annotations, `errors[{category, location (a
span id), evidence, description, impact}], scores[...]`, are read where the document holds them too; files of their own
are joined by :func:`credit_hooks_adapters.annotations.with_labels`.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from credit_hooks.anyvalue import text
from credit_hooks.errors import TrajectoryError
from credit_hooks.spans import SpanData, SpanStatus
from credit_hooks.trajectory import Trajectory
from credit_hooks_adapters.annotations import trail_labels
from credit_hooks_adapters.openinference import ADAPTER as OPENINFERENCE

__all__ = ["ADAPTER", "TrailAdapter", "tree_spans"]

_DURATION: Final = re.compile(r"P(?:(\d{1,6})D)?T?(?:(\d{1,6})H)?(?:(\d{1,9})M)?(?:(\d{1,12}(?:\.\d{1,12})?)S)?")
_STATUSES: Final[Mapping[str, SpanStatus]] = {"Ok": "ok", "Error": "error"}
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class TrailAdapter:
    """Reads TRAIL's span trees."""

    name = "trail"

    def recognises_document(self, document: Any) -> float:
        """1.0 for a tree with a span of its form, else 0.0."""
        return 1.0 if any(_is_span(span) for span in _list(_get(document, "spans"))) else 0.0

    def read_document(self, document: Any, source: str) -> Iterator[Trajectory]:
        """One trajectory per trace id in the tree, with the labels that the document holds.

        Raises:
            TrajectoryError: there is no tree of spans, or nothing in it is an OpenInference span; names what of it
                could not be read as a span, after everything else was.
        """
        spans, unreadable = tree_spans(document)
        if not spans:
            raise TrajectoryError(f"{source}: no span tree: `spans` is not a list, or holds no span with an id")
        try:
            for run in OPENINFERENCE.trajectories(spans):
                labelled = run.model_copy(update={"source": source, "framework": run.framework})
                yield labelled.model_copy(update={"labels": trail_labels(document, labelled)})
        except TrajectoryError as error:
            raise TrajectoryError(f"{source}: {error}") from error
        if unreadable:
            raise TrajectoryError(f"{source}: left out: {', '.join(unreadable)}: no span with an id")


ADAPTER: Final = TrailAdapter()


def tree_spans(document: Any) -> tuple[list[SpanData], list[str]]:
    """The spans of a tree, parents first, and where in it something is that is no span. Never raises."""
    spans: list[SpanData] = []
    unreadable: list[str] = []
    trace_id = text(_get(document, "trace_id"))
    waiting: list[tuple[Any, str | None, str]] = [
        (span, None, f"spans[{place}]") for place, span in enumerate(_list(_get(document, "spans")))
    ]
    waiting.reverse()
    while waiting:
        node, parent, where = waiting.pop()
        span = _span(node, parent, trace_id)
        if span is None:
            unreadable.append(where)
        else:
            spans.append(span)
        below = [
            (child, parent if span is None else span.span_id, f"{where}.child_spans[{place}]")
            for place, child in enumerate(_list(_get(node, "child_spans")))
        ]
        waiting.extend(reversed(below))
    return spans, unreadable


def _is_span(node: Any) -> bool:
    return bool(text(_get(node, "span_id"))) and ("span_attributes" in node or "child_spans" in node)


def _span(node: Any, parent: str | None, trace_id: str | None) -> SpanData | None:
    span_id = text(_get(node, "span_id"))
    if not span_id:
        return None
    attributes, resource = _get(node, "span_attributes"), _get(node, "resource_attributes")
    start = _time(_get(node, "timestamp"))
    length = _nanoseconds(_get(node, "duration"))
    return SpanData(
        name=text(_get(node, "span_name")) or "",
        trace_id=text(_get(node, "trace_id")) or trace_id or "unknown",
        span_id=span_id,
        parent_id=parent or text(_get(node, "parent_span_id")) or None,
        start_ns=start,
        end_ns=None if start is None or length is None else start + length,
        status=_STATUSES.get(text(_get(node, "status_code")) or "", "unset"),
        status_message=text(_get(node, "status_message")) or None,
        attributes={str(key): value for key, value in attributes.items()} if isinstance(attributes, Mapping) else {},
        scope=text(_get(node, "scope_name")) or "",
        resource=dict(resource) if isinstance(resource, Mapping) else {},
    )


def _time(value: Any) -> int | None:
    """ISO 8601 to nanoseconds since the epoch, UTC where no zone is given. None: unreadable."""
    try:
        when = dt.datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    if when is None:
        return None
    when = when if when.tzinfo else when.replace(tzinfo=dt.UTC)
    return (when - _EPOCH) // dt.timedelta(microseconds=1) * 1000


def _nanoseconds(value: Any) -> int | None:
    """An ISO 8601 duration up to days, in nanoseconds. None: unreadable."""
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return None
    days, hours, minutes = (int(group or 0) for group in found.group(1, 2, 3))
    return ((days * 24 + hours) * 60 + minutes) * 60 * 10**9 + round(float(found[4] or 0) * 1e9)


def _get(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, Mapping) else None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
