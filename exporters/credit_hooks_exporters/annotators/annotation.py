"""A credited run as annotations: pure data, the same for every backend.

::

    credit.reward       on spans that wrote messages: signed; `first error`, `blamed`, `rewarded` or `neutral`
    credit.agent        on an agent's outermost span, where the writing was done further down: the sum of that
    credit.outcome      on the run's root: R in [0, 1]; `success`, `failure` or `partial`
    credit.first_error  on the run's root: its probability, 0.0 for none; the agent's name, or `none`

The set of annotations of a run depends on its spans alone, never on its rewards, so that a run that is scored again
overwrites what was said before: no first error of an earlier verdict stays behind.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from pydantic import JsonValue

from credit_hooks import semconv as sc
from credit_hooks.parts import FrozenModel
from credit_hooks.rewards import CreditedRun, span_attributes
from credit_hooks.trajectory import Step

__all__ = ["CREDIT_AGENT", "SOURCE", "Annotation", "annotations_of"]

SOURCE: Final = "credit-hooks"
"""Who annotates, as backends ask; with span and name it identifies an annotation."""

CREDIT_AGENT: Final = "credit.agent"
"""Name of the annotation for an agent's turn as a whole."""

_TRACE_ID: Final = re.compile("[0-9a-f]{32}")
_SPAN_ID: Final = re.compile("[0-9a-f]{16}")
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
    rewards = _rewards(run)
    blamed = _step_of_first_error(run)
    earned = _earned_below(run, rewards)
    for step in run.trajectory.steps:
        if not _has_otel_ids(step):
            continue
        if step.kind == "workflow" and step.parent_id is None:
            yield _outcome(run, step, content)
            yield _first_error(run, step)
        elif step.id in rewards:
            yield _reward(run, step, rewards[step.id], first_error=step.id == blamed)
        elif step.id in earned:
            yield _agent(run, step, earned[step.id])


def _has_otel_ids(step: Step) -> bool:
    """Whether a span of this step can be at a backend: logs of other kinds have ids of their own, or none."""
    return _TRACE_ID.fullmatch(step.trace_id or "") is not None and _SPAN_ID.fullmatch(step.id) is not None


def _rewards(run: CreditedRun) -> dict[str, tuple[float, ...]]:
    """Rewards of the messages that each step wrote, by step id: those that its span shows."""
    of_message = run.credit.reward_of
    shown = {step_id for step_id, values in span_attributes(run).items() if sc.CREDIT_REWARD in values}
    return {
        step.id: tuple(of_message[written] or 0.0 for written in step.output_message_ids)
        for step in run.trajectory.steps
        if step.id in shown
    }


def _earned_below(run: CreditedRun, rewards: Mapping[str, tuple[float, ...]]) -> dict[str, float]:
    """What was earned in and below each outermost agent's span, by step id."""
    earned: dict[str, float] = {}
    for step_id, values in rewards.items():
        outermost = _outermost_agent(run, step_id)
        if outermost is not None:
            earned[outermost] = earned.get(outermost, 0.0) + sum(values)
    return earned


def _outermost_agent(run: CreditedRun, step_id: str) -> str | None:
    """The agent's step nearest to the root on the way up. None: there is none."""
    steps = run.trajectory.step_by_id
    outermost, seen = None, set[str]()
    current = steps.get(step_id)
    while current is not None and current.id not in seen:
        seen.add(current.id)
        if current.kind == "agent":
            outermost = current.id
        current = steps.get(current.parent_id or "")
    return outermost


def _reward(run: CreditedRun, step: Step, rewards: Sequence[float], *, first_error: bool) -> Annotation:
    reward = sum(rewards)
    messages = [run.trajectory.message_by_id[written] for written in step.output_message_ids]
    authors = list(dict.fromkeys(message.actor_id for message in messages))
    shares = ", ".join(f"{_name(run, author)} {run.credit.agents.get(author, 0.0):+.3f}" for author in authors)
    count = "1 message" if len(rewards) == 1 else f"{len(rewards)} messages"
    return _annotation(
        run,
        step,
        sc.CREDIT_REWARD,
        score=reward,
        label="first error" if first_error else _sign(reward),
        explanation=f"{reward:+.3f} for {count}; in the whole run {shares}, of {run.credit.total:+.3f}",
        metadata={
            "agent": _name(run, step.actor_id),
            "authors": [_name(run, author) for author in authors],
            "rewards": list(rewards),
            "roles": [message.role for message in messages],
            "first_error": first_error,
            **_figures(run),
        },
    )


def _agent(run: CreditedRun, step: Step, earned: float) -> Annotation:
    agent = _name(run, step.actor_id)
    return _annotation(
        run,
        step,
        CREDIT_AGENT,
        score=earned,
        label=_sign(earned),
        explanation=f"{earned:+.3f} for all that was written in this turn of {agent}, of {run.credit.total:+.3f}",
        metadata={"agent": agent, **_figures(run)},
    )


def _sign(reward: float) -> str:
    return "blamed" if reward < 0 else "rewarded" if reward > 0 else "neutral"


def _outcome(run: CreditedRun, step: Step, content: bool) -> Annotation:
    outcome = run.credit.outcome or 0.0
    stated = run.trajectory.outcome
    success = outcome >= 1.0 if stated is None or stated.success is None else stated.success
    agents = sorted(run.credit.agents.items(), key=lambda item: (-item[1], item[0]))
    ranked = ", ".join(f"{_name(run, actor_id)} {credit:+.3f}" for actor_id, credit in agents)
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
