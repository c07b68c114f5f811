"""Which spans make a run: the root that carries a `credit.run.id`, and what of ours lies below it.

A run is keyed by its root span, not by its trace: several runs may share a trace, a root may have a foreign parent, and
runs may nest. Spans of other instrumentations inside a run are looked through.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from credit_hooks import semconv
from credit_hooks.anyvalue import integer, json_value, text
from credit_hooks.spans import SpanData

__all__ = ["SpanRun", "is_run", "span_runs"]


class SpanRun(NamedTuple):
    """The spans of one run."""

    root: SpanData
    """The span of the run itself."""
    spans: list[SpanData]
    """Those of the root's instrumentation scope: the root first, then by start."""
    parents: dict[str, str | None]
    """Span id to the id of the nearest span of the same scope above it. None: the root."""


def is_run(span: SpanData) -> bool:
    """Whether the span is the root of a run of ours."""
    attributes = span.attributes
    workflow = attributes.get(semconv.GEN_AI_OPERATION_NAME) == semconv.OPERATION_WORKFLOW
    return workflow and bool(text(attributes.get(semconv.CREDIT_RUN_ID)))


def span_runs(spans: Iterable[SpanData]) -> list[SpanRun]:
    """The runs among the spans, by start; the order of the spans does not matter."""
    traces: dict[str, dict[str, SpanData]] = {}
    for span in spans:
        trace = traces.setdefault(span.trace_id, {})
        twin = trace.get(span.span_id)
        # The same span twice (a retry, a backend that merges): the fuller one, whichever came first.
        if twin is None or _fullness(span) > _fullness(twin):
            trace[span.span_id] = span
    return sorted((run for trace in traces.values() for run in _runs_of(trace)), key=lambda run: _by_start(run.root))


def _by_start(span: SpanData) -> tuple[float, str, str]:
    start = integer(span.start_ns)
    return math.inf if start is None else start, span.trace_id, span.span_id


def _fullness(span: SpanData) -> tuple[int, int, str]:
    canonical = json.dumps(json_value(span.attributes), sort_keys=True)
    return len(span.attributes), integer(span.end_ns) or 0, canonical


def _runs_of(trace: Mapping[str, SpanData]) -> Iterator[SpanRun]:
    runs = {span.span_id: SpanRun(span, [span], {span.span_id: None}) for span in trace.values() if is_run(span)}
    run_of = _nearest_runs(trace, runs)
    for span in sorted(trace.values(), key=_by_start):
        run = runs.get(run_of[span.span_id] or "")
        if run is not None and span is not run.root and span.scope == run.root.scope:
            run.spans.append(span)
            run.parents[span.span_id] = _parent_in_scope(span, trace)
    yield from runs.values()


def _nearest_runs(trace: Mapping[str, SpanData], runs: Mapping[str, SpanRun]) -> dict[str, str | None]:
    """Span id to the span id of its run's root. None: it is of no run."""
    run_of: dict[str, str | None] = {root: root for root in runs}
    only = next(iter(runs.values())).root if len(runs) == 1 else None
    for span_id in trace:
        path: dict[str, None] = {}
        current: str | None = span_id
        while current is not None and current in trace and current not in run_of and current not in path:
            path[current] = None
            current = trace[current].parent_id
        if current is not None and current not in trace and only is not None:
            adopted = {lost: only.span_id for lost in path if _may_be_of(only, trace[lost])}
            run_of.update(dict.fromkeys(path) | adopted)
        else:
            run_of.update(dict.fromkeys(path, None if current is None else run_of.get(current)))
    return run_of


def _may_be_of(root: SpanData, span: SpanData) -> bool:
    """Whether a span whose ancestors were lost is of the trace's only run: one of ours that did not start before it."""
    start, run_start = integer(span.start_ns), integer(root.start_ns)
    ours = semconv.CREDIT_ACTOR_ID in span.attributes
    return ours and start is not None and run_start is not None and start >= run_start


def _parent_in_scope(span: SpanData, trace: Mapping[str, SpanData]) -> str | None:
    """Nearest ancestor of the same scope; a lost one is named as the span states it."""
    parent_id = span.parent_id
    seen = {span.span_id}
    while parent_id is not None and parent_id not in seen:
        seen.add(parent_id)
        parent = trace.get(parent_id)
        if parent is None or parent.scope == span.scope:
            return parent_id
        parent_id = parent.parent_id
    return None
