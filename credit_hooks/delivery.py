"""Rewards as log events, for spans that have already ended: `gen_ai.evaluation.result`, parented to the span."""

from __future__ import annotations

import uuid
from typing import Final

from opentelemetry import _logs
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from credit_hooks import semconv as sc
from credit_hooks.rewards import CreditedRun, span_attributes

__all__ = ["emit_events"]

_NAMESPACE: Final = uuid.UUID("d3f6a1f0-0f53-5c3e-8f0b-1f1f7a3c9e55")


def emit_events(run: CreditedRun, *, logger_provider: _logs.LoggerProvider | None = None) -> int:
    """Send one event per span that has a reward, and one for the run; returns how many were sent.

    Agents are named in `gen_ai.evaluation.target`. No content is sent: explanations stay where the run is stored.
    Repeats of an event carry the same `log.record.uid`, by which a backend may drop them.
    """
    logger = _logs.get_logger("credit_hooks", logger_provider=logger_provider)
    by_step = span_attributes(run)
    sent = 0
    for step in run.trajectory.steps:
        values = by_step.get(step.id)
        if values is None or step.trace_id is None:
            continue
        value = values.get(sc.CREDIT_REWARD, values.get(sc.CREDIT_OUTCOME))
        if value is None:
            continue
        actor = run.trajectory.actor_by_id.get(step.actor_id or "")
        attributes: dict[str, sc.AttributeValue] = {
            **values,
            sc.EVALUATION_NAME: sc.CREDIT_REWARD if sc.CREDIT_REWARD in values else sc.CREDIT_OUTCOME,
            sc.EVALUATION_SCORE_VALUE: value,
            sc.LOG_RECORD_UID: str(uuid.uuid5(_NAMESPACE, f"{step.trace_id}/{step.id}/{value!r}")),
            sc.EVALUATION_TARGET: actor.name if actor is not None else (run.trajectory.name or "run"),
        }
        span_context = SpanContext(int(step.trace_id, 16), int(step.id, 16), is_remote=True, trace_flags=TraceFlags(1))
        logger.emit(
            event_name=sc.EVALUATION_EVENT,
            context=set_span_in_context(NonRecordingSpan(span_context)),
            attributes=attributes,
        )
        sent += 1
    return sent
