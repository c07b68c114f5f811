"""Do replies vary? Some coalitions are evaluated twice before the game is played, to see how it has to be played."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from math import isnan, sqrt

import numpy as np
from numpy.typing import NDArray

from credit_hooks.replay.game import Game, GamePlan, Log, what_was_said

__all__ = ["RAISED", "Noise", "has_room", "measured_noise", "spread"]

RAISED = 4
"""Evaluations of each coalition where outcomes are seen to vary and the plan asks for one."""

_FEWEST = 10
"""Coalitions below which the estimator claims no standard error: five pairs."""


@dataclass(frozen=True)
class Noise:
    """How much replies vary."""

    varies: bool = False
    """Whether something else was said the second time, or the outcome was another one."""
    matters: bool = False
    """Whether outcomes vary: seen where the budget has room for `RAISED` repeats, else feared wherever replies do."""
    looks: int = 0
    """Evaluations of coalitions beyond their first, which a plan without repeats does not ask for. 0 where replies do
    not vary or were not looked into: the one on which that depends comes on top of the budget."""


async def measured_noise(plan: GamePlan, game: Game) -> Noise:
    """Evaluate the largest coalition twice. If that differs, evaluate some as often as they would be with repeats.

    The game keeps what was evaluated: whether it is then played by this plan or by one with `RAISED` repeats, it will
    ask for every first evaluation made here, and with repeats for all others, too.
    """
    # The order of an estimate, not that of all coalitions, which is the same set: it begins with the largest ones.
    first = next(replace(plan, noise=1.0).estimation(), np.zeros((0, len(plan.players)), bool))[:_FEWEST]
    # Without the first player, most of what follows is live: of equal sizes it comes last.
    for kept in sorted(first, key=lambda kept: (-int(kept.sum()), kept.tolist())):
        once = await game.look(plan, kept)
        if once.run is None or isnan(once.value) or not once.meter.live:
            continue
        again = await game.look(plan, kept, 1)
        if again.run is None or isnan(again.value):
            continue
        if again.value == once.value and what_was_said(again.run) == what_was_said(once.run):
            return Noise()
        break
    else:
        return Noise()
    if not has_room(plan):
        return Noise(varies=True, matters=True)
    values = await asyncio.gather(*[_values(plan, game, kept) for kept in first])
    matters = any(value != sample[0] for sample in values for value in sample)
    return Noise(varies=True, matters=matters, looks=len(first) * (RAISED - 1))


async def _values(plan: GamePlan, game: Game, kept: NDArray[np.bool_]) -> list[float]:
    """Values of a coalition in `RAISED` draws, without those that it has none in."""
    judged = await asyncio.gather(*[game.look(plan, kept, draw) for draw in range(RAISED)])
    return [one.value for one in judged if not isnan(one.value)]


def has_room(plan: GamePlan) -> bool:
    """Whether the budget allows `RAISED` repeats of as many coalitions as a standard error takes, or of all."""
    return plan.budget // RAISED >= min(_FEWEST, (1 << len(plan.players)) - 2)


def spread(log: Log, repeats: int) -> float | None:
    """Standard deviation of one evaluation, pooled over coalitions evaluated `repeats` times. None: not known."""
    squares, free = 0.0, 0
    for start in range(0, len(log.values), repeats):
        sample = [value for value in log.values[start : start + repeats] if value is not None]
        if len(sample) > 1:
            squares += float(np.var(sample)) * len(sample)
            free += len(sample) - 1
    return sqrt(squares / free) if free else None
