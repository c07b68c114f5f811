"""A credited run as annotations: pure data, the same for every backend.

::

    credit.reward       on spans that wrote messages: signed; `first error`, `blamed`, `rewarded` or `neutral`
    credit.outcome      on the run's root: R in [0, 1]; `success`, `failure` or `partial`
    credit.first_error  on the run's root: its probability, 0.0 for none; the agent's name, or `none`

The set of annotations of a run depends on its spans alone, never on its rewards, so that a run that is scored again
overwrites what was said before: no first error of an earlier verdict stays behind.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from typing import Final

from pydantic import JsonValue

from credit_hooks import semconv as sc
from credit_hooks.parts import FrozenModel
from credit_hooks.rewards import CreditedRun, span_attributes
from credit_hooks.trajectory import Step

__all__ = ["SOURCE", "Annotation", "annotations_of"]

SOURCE: Final = "credit-hooks"
"""Who annotates, as backends ask; with span and name it identifies an annotation."""

_NAMESPACE: Final = uuid.UUID("6f1b8a1e-4c0b-5d0a-9a53-0f6f0c7f1d2e")


class Annotation(FrozenModel):
    """One number about one span."""

    run_id: str
    """The run it is about."""
    trace_id: str
    """32 lower-case hex digits."""
    span_id: str
    """16 lower-case hex digits."""
    name: str
    """What is measured, such as `credit.reward`."""
    score: float
    """The number, signed."""
    label: str
    """The number in a word."""
    explanation: str
    """A sentence for a reader of the backend's page. Holds no message content unless that was asked for."""
    metadata: Mapping[str, JsonValue] = {}
    """Figures behind the number: agent, run, method, outcome."""
    start_ns: int | None = None
    """Start of the span, nanoseconds since the epoch. None: unknown."""

    @property
    def id(self) -> uuid.UUID:
        """The same for the same span and name, whatever the score: sending twice overwrites."""
        return uuid.uuid5(_NAMESPACE, f"{self.trace_id}/{self.span_id}/{self.name}")


def annotations_of(run: CreditedRun, *, content: bool = False) -> tuple[Annotation, ...]:
    """All annotations of a run, root first; empty if it was not credited or its spans are in no trace.

    Args:
        run: The run.
        content: Whether explanations may hold content: the judge's rationale.
    """
    if run.credit.status != "credited":
        return ()
    return tuple(_annotations(run, content))


def _annotations(run: CreditedRun, content: bool) -> Iterator[Annotation]:
    rewarded = span_attributes(run)
    blamed = _step_of_first_error(run)
    for step in run.trajectory.steps:
        if step.trace_id is None:
            continue
        if step.kind == "workflow" and step.parent_id is None:
            yield _outcome(run, step, content)
            yield _first_error(run, step)
        elif sc.CREDIT_REWARD in (values := rewarded.get(step.id, {})):
            yield _reward(run, step, values, first_error=step.id == blamed)


def _reward(run: CreditedRun, step: Step, values: Mapping[str, sc.AttributeValue], *, first_error: bool) -> Annotation:
    reward, rewards = values[sc.CREDIT_REWARD], values[sc.CREDIT_REWARDS]
    assert isinstance(reward, float | int)
    assert not isinstance(rewards, str | int | float)
    agent = _name(run, step.actor_id)
    share = run.credit.agents.get(step.actor_id or "", 0.0)
    messages = "1 message" if len(rewards) == 1 else f"{len(rewards)} messages"
    metadata: dict[str, JsonValue] = {
        "agent": agent,
        "agent_credit": share,
        "rewards": [float(each) for each in rewards],
        "roles": [run.trajectory.message_by_id[written].role for written in step.output_message_ids],
        "first_error": first_error,
        **_figures(run),
    }
    return _annotation(
        run,
        step,
        sc.CREDIT_REWARD,
        score=float(reward),
        label="first error" if first_error else "blamed" if reward < 0 else "rewarded" if reward > 0 else "neutral",
        explanation=f"{agent}: {reward:+.3f} for {messages}, {share:+.3f} of the run's {run.credit.total:+.3f}",
        metadata=metadata,
    )


def _outcome(run: CreditedRun, step: Step, content: bool) -> Annotation:
    outcome = run.credit.outcome or 0.0
    stated = run.trajectory.outcome
    success = outcome >= 1.0 if stated is None or stated.success is None else stated.success
    agents = {_name(run, actor_id): credit for actor_id, credit in run.credit.agents.items()}
    ranked = ", ".join(f"{name} {credit:+.3f}" for name, credit in sorted(agents.items(), key=lambda item: -item[1]))
    rationale = f". {stated.explanation}" if content and stated is not None and stated.explanation else ""
    return _annotation(
        run,
        step,
        sc.CREDIT_OUTCOME,
        score=outcome,
        label="success" if success else "partial" if 0.0 < outcome < 1.0 else "failure",
        explanation=f"outcome {outcome:.2f}, expected {run.credit.baseline or 0.0:.2f}; {ranked}{rationale}",
        metadata={"agents": dict(agents), **_figures(run)},
    )


def _first_error(run: CreditedRun, step: Step) -> Annotation:
    error = run.credit.first_error
    if error is None:
        return _annotation(
            run, step, sc.CREDIT_FIRST_ERROR, score=0.0, label="none", explanation="no first error", metadata={}
        )
    agent = _name(run, error.actor_id)
    return _annotation(
        run,
        step,
        sc.CREDIT_FIRST_ERROR,
        score=error.probability,
        label=agent,
        explanation=f"message {error.index} by {agent}, rule {error.rule}",
        metadata={"agent": agent, "index": error.index, "rule": error.rule, "span_id": _step_of_first_error(run)},
    )


def _annotation(
    run: CreditedRun,
    step: Step,
    name: str,
    *,
    score: float,
    label: str,
    explanation: str,
    metadata: Mapping[str, JsonValue],
) -> Annotation:
    return Annotation(
        run_id=run.trajectory.id,
        trace_id=step.trace_id or "",
        span_id=step.id,
        name=name,
        score=score,
        label=label,
        explanation=explanation,
        metadata={"run": run.trajectory.id, **metadata},
        start_ns=step.start_ns,
    )


def _figures(run: CreditedRun) -> dict[str, JsonValue]:
    credit = run.credit
    return {
        "total": credit.total,
        "baseline": credit.baseline,
        "method": credit.method,
        "low_evidence": credit.low_evidence,
    }


def _step_of_first_error(run: CreditedRun) -> str | None:
    error = run.credit.first_error
    message = None if error is None else run.trajectory.message_by_id.get(error.message_id)
    return None if message is None else message.step_id


def _name(run: CreditedRun, actor_id: str | None) -> str:
    actor = run.trajectory.actor_by_id.get(actor_id or "")
    return actor_id or "nobody" if actor is None else actor.name
