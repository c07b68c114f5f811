"""The game that replays play: coalitions of players as interventions, evaluated in parallel, logged in order."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import isnan

import numpy as np
from numpy.typing import NDArray

from credit_hooks.credit.estimate import Estimate, Estimation, estimation
from credit_hooks.errors import EvaluationError
from credit_hooks.outcome import FinishedRun
from credit_hooks.replay.judge import Judge, Judged
from credit_hooks.replay.meter import Meter
from credit_hooks.replay.port import Intervention, Player

__all__ = ["Game", "GamePlan", "Log", "by_actor", "unions_of", "what_was_said"]

_PATIENCE = 8
"""Replays that may fail, with none that succeeds, until no more are made."""

_BATCH = 16
"""Most coalitions asked for at one time: between batches it is seen whether to go on."""

_MAX_REASONS = 20
"""Reasons kept of coalitions that have no value."""


@dataclass(frozen=True)
class GamePlan:
    """What is to be estimated. The same plan and the same values give the same estimate, to the last bit."""

    players: tuple[Player, ...]
    """Players 0..n-1."""
    unions: bool
    """Whether orders keep the players of an actor together."""
    budget: int
    """Coalitions that may be evaluated, repeats included."""
    ends: tuple[float, float]
    """v(∅), v(N)."""
    repeats: int = 1
    """Evaluations of each coalition. More than one: their spread is the noise."""
    noise: float | None = None
    """Standard deviation of one evaluation. None: there is taken to be none, or `repeats` measure it, as they do in any
    case where there are any."""
    tolerance: float | None = None
    """Stop when all values are this close. None: spend the budget."""
    seed: int = 0
    """Of the choice of coalitions."""
    prior: tuple[float, ...] | None = None
    """Value of every player as believed before. None: nothing is."""

    def estimation(self) -> Estimation:
        """The estimator, about to ask for its first coalitions."""
        return estimation(
            len(self.players),
            budget=self.budget,
            unions=unions_of(self.players) if self.unions else None,
            prior=self.prior,
            ends=self.ends,
            noise=(self.noise or 0.0) if self.repeats == 1 else None,
            repeats=self.repeats,
            tolerance=self.tolerance,
            seed=self.seed,
            batch=_BATCH,
        )

    def intervention(self, kept: NDArray[np.bool_], draw: int = 0) -> Intervention:
        """The coalition `kept`, shape (n,), as what differs from the run."""
        masked = [player for player, is_kept in zip(self.players, kept, strict=True) if not is_kept]
        heard = {player.actor_id for player, is_kept in zip(self.players, kept, strict=True) if is_kept}
        return Intervention(
            masked=frozenset(message_id for player in masked for message_id in player.message_ids),
            absent=frozenset(player.actor_id for player in masked) - heard,
            draw=draw,
        )


@dataclass
class Log:
    """What was evaluated, in order."""

    coalitions: list[str] = field(default_factory=list)
    """Hexadecimal numbers, bit i for player i."""
    values: list[float | None] = field(default_factory=list)
    """Their values. None: it has none."""
    failures: dict[str, str] = field(default_factory=dict)
    """Why there is none."""
    cut_short: str | None = None
    """Why no more was evaluated, other than by the plan."""

    def enter(self, coalition: str, judged: Judged) -> None:
        """Add one."""
        self.coalitions.append(coalition)
        self.values.append(None if isnan(judged.value) else judged.value)
        if judged.reason is not None and len(self.failures) < _MAX_REASONS:
            self.failures.setdefault(coalition, judged.reason)


class Game:
    """Plays a plan, once. What was evaluated ahead of it is not evaluated again."""

    def __init__(self, judge: Judge, meter: Meter) -> None:
        self._judge = judge
        self._meter = meter
        self._ahead: dict[tuple[str, int], Judged] = {}
        self.log = Log()
        """What was evaluated so far; safe to read when playing was broken off."""

    async def look(self, plan: GamePlan, kept: NDArray[np.bool_], draw: int = 0) -> Judged:
        """Evaluate a coalition of shape (n,) ahead of the game, once per draw."""
        place = (_hexadecimal(kept), draw)
        if place not in self._ahead:
            self._ahead[place] = await self._judge.judge(plan.intervention(kept, draw))
        return self._ahead[place]

    async def play(self, plan: GamePlan) -> Estimate:
        """Evaluate coalitions until the estimator has what it wants, or a limit ends it."""
        steps = plan.estimation()
        try:
            asked = next(steps)
            while True:
                self.log.cut_short = self._why_stop()
                if self.log.cut_short is None:
                    asked = steps.send(await self._values(plan, asked))
                else:
                    asked = steps.throw(EvaluationError(self.log.cut_short))
        except StopIteration as done:
            if self.log.cut_short is None and None in self.log.values:
                self.log.cut_short = self._meter.exhausted
            result: Estimate = done.value
            return result

    async def _values(self, plan: GamePlan, coalitions: NDArray[np.bool_]) -> list[float]:
        judged = await asyncio.gather(*[self._one(plan, kept, k % plan.repeats) for k, kept in enumerate(coalitions)])
        for kept, result in zip(coalitions, judged, strict=True):
            self.log.enter(_hexadecimal(kept), result)
        return [result.value for result in judged]

    async def _one(self, plan: GamePlan, kept: NDArray[np.bool_], draw: int) -> Judged:
        known = self._ahead.pop((_hexadecimal(kept), draw), None)
        return known or await self._judge.judge(plan.intervention(kept, draw))

    def _why_stop(self) -> str | None:
        values = self.log.values
        if len(values) >= _PATIENCE and all(value is None for value in values):
            return f"none of the first {len(values)} replays had an outcome"
        return self._meter.exhausted


def by_actor(players: Sequence[Player]) -> tuple[Player, ...]:
    """One player per actor, with all its messages, in the order of their first."""
    messages: dict[str, list[str]] = {}
    for player in players:
        messages.setdefault(player.actor_id, []).extend(player.message_ids)
    return tuple(Player(actor_id, tuple(ids)) for actor_id, ids in messages.items())


def unions_of(players: Sequence[Player]) -> list[list[int]]:
    """Numbers of the players of each actor."""
    unions: dict[str, list[int]] = {}
    for number, player in enumerate(players):
        unions.setdefault(player.actor_id, []).append(number)
    return list(unions.values())


def what_was_said(run: FinishedRun) -> int:
    """A hash of a run's texts, to see whether another run went the same way. Of this process only."""
    return hash(tuple(sorted((message.actor_id, message.text) for message in run.messages)))


def _hexadecimal(kept: NDArray[np.bool_]) -> str:
    return format(sum(1 << int(i) for i in np.flatnonzero(kept)), "x")
