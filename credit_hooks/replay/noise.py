"""Do replies vary? Some coalitions are evaluated again with fresh replies: no estimate may be surer than they allow."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isnan, sqrt

import numpy as np

from credit_hooks.credit.estimate import Estimate
from credit_hooks.errors import EvaluationError
from credit_hooks.replay.game import GamePlan, Log, what_was_said
from credit_hooks.replay.judge import Judge

__all__ = ["Noise", "measured_noise", "reconsidered"]

_PROBES = 8
"""Coalitions evaluated twice where replies vary."""


@dataclass(frozen=True)
class Noise:
    """How much replies vary."""

    varies: bool
    """Whether something else was said the second time, or the outcome was another one."""
    sigma: float
    """Standard deviation of one evaluation, from pairs of evaluations: sqrt(mean(d^2) / 2)."""


async def measured_noise(plan: GamePlan, log: Log, judge: Judge) -> Noise:
    """Evaluate the largest coalitions again, in which most is live: one, and if that differs, some more."""
    known = dict(zip(log.coalitions, log.values, strict=True))
    valued = [int(name, 16) for name in log.live if known[name] is not None]
    # Without the first player, most of what follows is live: of equal sizes its number is the largest.
    largest = [f"{number:x}" for number in sorted(valued, key=lambda number: (-number.bit_count(), -number))]
    squares: list[float] = []
    varies = False
    for name in largest[:_PROBES]:
        judged = await judge.judge(plan.intervention(_row(name, len(plan.players)), draw=1))
        if judged.run is None or isnan(judged.value):
            continue
        first = known[name] or 0.0
        squares.append((judged.value - first) ** 2)
        varies = varies or judged.value != first or what_was_said(judged.run) != log.live[name]
        if not varies:
            break
    return Noise(varies, sqrt(sum(squares) / len(squares) / 2.0) if squares else 0.0)


def reconsidered(plan: GamePlan, log: Log, sigma: float) -> tuple[GamePlan, Log, Estimate]:
    """The same values, taken as noisy: what they say then, and how sure that is."""
    noisy = replace(plan, noise=sigma)
    known = dict(zip(log.coalitions, log.values, strict=True))
    again = Log(failures=log.failures, cut_short=log.cut_short)
    steps = noisy.estimation()
    try:
        asked = next(steps)
        while True:
            names = [format(sum(1 << int(i) for i in np.flatnonzero(kept)), "x") for kept in asked]
            if any(name not in known for name in names):
                again.cut_short = again.cut_short or "the coalitions evaluated are used up"
                asked = steps.throw(EvaluationError(again.cut_short))
                continue
            again.coalitions += names
            again.values += [known[name] for name in names]
            values = [known[name] for name in names]
            asked = steps.send([np.nan if value is None else value for value in values])
    except StopIteration as done:
        estimate: Estimate = done.value
        return noisy, again, estimate


def _row(coalition: str, n: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    number = int(coalition, 16)
    return np.array([bool(number >> i & 1) for i in range(n)])
