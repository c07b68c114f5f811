"""Which turns of a credited run are looked at again: those it is unsure about, and those it blames most."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal, TypeAlias

from pydantic import Field

from credit_hooks.parts import FrozenModel
from credit_hooks.rewards import CreditedRun
from credit_hooks.trajectory import Message

__all__ = ["TriagePolicy", "TriagedTurn", "Why"]

Why: TypeAlias = Literal["low_confidence", "high_blame"]

_AGENTS: Final = ("agent", "orchestrator", "unknown")


class TriagedTurn(FrozenModel):
    """A turn of a run that somebody, or the agent itself, should look at again."""

    run_id: str
    """The run."""
    why: Why
    """Nobody knows where the run went wrong, and this is the best guess; or it is this turn that is blamed."""
    actor_id: str
    """Who took the turn."""
    actor: str
    """The name the user gave them."""
    message_id: str
    """What they wrote in it; of several messages, the one blamed most."""
    index: int
    """Its place in the run, 0-based."""
    blame: float = Field(ge=0.0)
    """The turn's rewards as a share of the run's total R - b. Above 1 where others earned something in a failed run."""
    confidence: float | None = None
    """How sure the first error is, in [0, 1]. None: not known."""
    rule: str | None = None
    """The rule by which the first error was found here. None: it was not found here."""
    is_agent: bool = True
    """Whether prompting can change it: an agent or orchestrator, no tool and no human."""

    @property
    def urgency(self) -> float:
        """The higher, the sooner it is looked at, in [0, 1]: the blame, or the lack of confidence."""
        return min(self.blame, 1.0) if self.why == "high_blame" else 1.0 - (self.confidence or 0.0)


class TriagePolicy(FrozenModel):
    """What is queued, of failed runs only: credited runs that ended at least `least_loss` below their baseline."""

    below_probability: float | None = Field(default=0.5, ge=0.0, le=1.01)
    """A first error less probable than this is a matter for review. None: never."""
    below_confidence: float | None = Field(default=0.2, ge=0.0, le=1.01)
    """So is one whose posterior is flatter than this. None: never."""
    low_evidence: bool = True
    """And one of a run whose credit itself says that it rests on little."""
    least_blame: float | None = Field(default=0.5, gt=0.0)
    """A turn that carries at least this share of the loss is blamed highly. None: never."""
    least_loss: float = Field(default=0.05, gt=0.0, le=1.0)
    """b - R from which on a run has failed."""
    per_run: int = Field(default=2, ge=1)
    """Turns queued of one run, at most."""

    def turns(self, run: CreditedRun) -> tuple[TriagedTurn, ...]:
        """The turns of a run that are queued, the most urgent first; none of a run that did not fail."""
        credit = run.credit
        if credit.status != "credited" or -credit.total < self.least_loss:
            return ()
        found = [*self._unsure(run), *self._blamed(run)]
        return tuple(sorted(found, key=lambda turn: (-turn.urgency, turn.index, turn.why))[: self.per_run])

    def _unsure(self, run: CreditedRun) -> Iterator[TriagedTurn]:
        error = run.credit.first_error
        if error is None:
            return
        confidence = error.probability if error.confidence is None else error.confidence
        improbable = self.below_probability is not None and error.probability < self.below_probability
        flat = self.below_confidence is not None and confidence < self.below_confidence
        message = run.trajectory.message_by_id.get(error.message_id)
        if message is not None and (improbable or flat or (self.low_evidence and run.credit.low_evidence)):
            yield _turn(run, message, "low_confidence", _blame_by_turn(run).get(_turn_of(message), 0.0))

    def _blamed(self, run: CreditedRun) -> Iterator[TriagedTurn]:
        if self.least_blame is None:
            return
        rewards = run.credit.reward_of
        for key, blame in _blame_by_turn(run).items():
            if blame >= self.least_blame:
                written = [message for message in run.trajectory.messages if _turn_of(message) == key]
                worst = min(written, key=lambda message: (rewards.get(message.id) or 0.0, message.index))
                yield _turn(run, worst, "high_blame", blame)


def _turn_of(message: Message) -> tuple[str, str]:
    """What the messages of one turn share; a message outside any step is a turn of its own."""
    return message.actor_id, message.step_id or f"message {message.id}"


def _blame_by_turn(run: CreditedRun) -> dict[tuple[str, str], float]:
    """Share of the loss by turn, of turns that carry some."""
    found: dict[tuple[str, str], float] = {}
    rewards = run.credit.reward_of
    for message in run.trajectory.messages:
        key = _turn_of(message)
        found[key] = found.get(key, 0.0) + (rewards.get(message.id) or 0.0) / run.credit.total
    return {key: blame for key, blame in found.items() if blame > 0.0}


def _turn(run: CreditedRun, message: Message, why: Why, blame: float) -> TriagedTurn:
    actor = run.trajectory.actor_by_id.get(message.actor_id)
    error = run.credit.first_error
    here = error is not None and (error.message_id == message.id or _is_turn(run, error.message_id, message))
    return TriagedTurn(
        run_id=run.trajectory.id,
        why=why,
        actor_id=message.actor_id,
        actor=message.actor_id if actor is None else actor.name,
        message_id=message.id,
        index=message.index,
        blame=max(blame, 0.0),
        confidence=None if error is None else error.confidence,
        rule=error.rule if error is not None and here else None,
        is_agent=(actor is None or actor.kind in _AGENTS) and message.role not in ("user", "system", "tool"),
    )


def _is_turn(run: CreditedRun, message_id: str, message: Message) -> bool:
    other = run.trajectory.message_by_id.get(message_id)
    return other is not None and _turn_of(other) == _turn_of(message)
