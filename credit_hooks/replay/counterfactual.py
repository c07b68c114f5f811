"""What would have happened: a run again, with one message changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from credit_hooks.errors import ConfigurationError, ReplayStoppedError
from credit_hooks.evaluation import EvaluationPool
from credit_hooks.failure.replacements import Replacement
from credit_hooks.outcome import FinishedRun
from credit_hooks.ports import Evaluator
from credit_hooks.replay.aside import run_aside
from credit_hooks.replay.judge import Judge, Judged
from credit_hooks.replay.meter import Meter, ReplayLimits
from credit_hooks.replay.port import Intervention, System
from credit_hooks.trajectory import Message, Outcome, Trajectory

__all__ = ["Counterfactual", "acounterfactual", "content_of", "counterfactual", "replacement_by"]

_GRACE = 1.0
"""Seconds beyond what the replay and its evaluation may take after which both are given up."""


@dataclass(frozen=True)
class Counterfactual:
    """How a run would have gone on."""

    run: FinishedRun
    """The replay: its messages, answer and output."""
    outcome: Outcome | None
    """How it ended, as the evaluator says. None: there is no evaluator, or it does not know."""
    observed: Outcome | None
    """How the run itself ended. None: not known."""
    live_calls: int
    """Units of work that were executed, as their inputs were new."""
    pinned_calls: int
    """Units of work that were answered from the recording."""
    model_calls: int
    """Model calls made."""
    replacement: Replacement | None = None
    """What was said instead, as evidence for training: kept with the run as a label (`callback.annotate`), exporters
    make a pair of it. None: an outcome is not known, or the replay has no such message."""

    @property
    def difference(self) -> float | None:
        """Score of the replay less that of the run: what the change would have gained. None: one is not known."""
        if self.outcome is None or self.observed is None:
            return None
        return self.outcome.score - self.observed.score


def counterfactual(
    system: System,
    trajectory: Trajectory,
    message_id: str,
    replacement: Any,
    *,
    evaluate: Evaluator | None,
    limits: ReplayLimits,
) -> Counterfactual:
    """What if a message of a run had been another one? Runs on a thread of its own; this call waits for it.

    Args:
        system: The run, to be run again.
        trajectory: The same run as data.
        message_id: The message to change, one of `system.players`.
        replacement: What it says instead: text, or a message of the framework.
        evaluate: Says how the replay ended. None: nobody does.
        limits: What it may cost.

    Raises:
        ConfigurationError: the run has no such message, or it cannot be replaced.
        ReplayStoppedError: the replay did not get to its end, and why.
    """
    asked = acounterfactual(system, trajectory, message_id, replacement, evaluate=evaluate, limits=limits)
    return run_aside(lambda: asked, timeout=2.0 * limits.run_seconds + _GRACE)


async def acounterfactual(
    system: System,
    trajectory: Trajectory,
    message_id: str,
    replacement: Any,
    *,
    evaluate: Evaluator | None,
    limits: ReplayLimits,
) -> Counterfactual:
    """As :func:`counterfactual`, on the caller's event loop: for teams whose clients are bound to it."""
    _check(system, trajectory, message_id)
    meter = Meter(limits)
    judge = Judge(system, evaluate or (lambda run: None), meter, EvaluationPool(timeout=limits.run_seconds))
    judged: Judged = await judge.judge(Intervention(replaced={message_id: replacement}))
    if judged.run is None or judged.meter.stopped is not None:
        raise ReplayStoppedError(judged.reason or "the replay has no result")
    return Counterfactual(
        run=judged.run,
        outcome=judged.outcome,
        observed=trajectory.outcome,
        live_calls=judged.meter.live,
        pinned_calls=judged.meter.pinned,
        model_calls=judged.meter.model_calls,
        replacement=replacement_by(judged, trajectory, message_id),
    )


def replacement_by(judged: Judged, trajectory: Trajectory, message_id: str) -> Replacement | None:
    """What a replay says in the place of a message, and how it ended.

    None: an outcome is not known, what came before is not the same, or it says the same.
    """
    if judged.run is None or judged.outcome is None or trajectory.outcome is None:
        return None
    was = sorted(trajectory.messages, key=lambda message: (message.index, message.id))
    now = sorted(judged.run.messages, key=lambda message: (message.index, message.id))
    place = next(at for at, message in enumerate(was) if message.id == message_id)
    if place >= len(now) or list(map(content_of, was[:place])) != list(map(content_of, now[:place])):
        return None
    other = now[place]
    if other.actor_id != was[place].actor_id or content_of(other) == content_of(was[place]):
        return None
    return Replacement(
        message_id=message_id, parts=other.parts, outcome=judged.outcome.score, observed=trajectory.outcome.score
    )


def _check(system: System, trajectory: Trajectory, message_id: str) -> None:
    if any(message_id in player.message_ids for player in system.players):
        return
    message = trajectory.message_by_id.get(message_id)
    if message is None:
        raise ConfigurationError(f"run {trajectory.id} has no message {message_id!r}")
    why = "; ".join(system.notes) or "it is an input, or was written where replay cannot reach"
    raise ConfigurationError(f"message {message_id!r} of {message.actor_id} cannot be replaced: {why}")


def content_of(message: Message) -> str:
    """Who says what in a message, less ids, which differ between replays."""
    return repr((message.actor_id, [part.model_dump(exclude={"id"}) for part in message.parts]))
