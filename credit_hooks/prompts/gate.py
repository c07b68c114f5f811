"""Whether an edit is kept: paired tests on held-out tasks. wrong -> right and right -> wrong are counted apart.

All tests are one-sided, of H0: the edit does not help, E[after - before] <= 0, and exact for any number of tasks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from pydantic import Field

from credit_hooks.parts import FrozenModel

__all__ = ["Gate", "Pair", "Tally", "betting", "mcnemar", "sign_flip", "tally"]

_STEP = 1e-4  # resolution of the sign-flip test
_RIGHT = 0.5  # a score above is right, at or below wrong: as `Outcome.success` where no evaluator says it


class Pair(NamedTuple):
    """One held-out task under both versions."""

    task_id: str
    """The task."""
    before: float
    """Score in [0, 1] with the prompts as they are."""
    after: float
    """Score in [0, 1] with the edit."""


class Tally(NamedTuple):
    """What pairs say."""

    tasks: int
    """Tasks compared."""
    wrong_to_right: int
    """Tasks gained."""
    right_to_wrong: int
    """Tasks lost: regressions."""
    mean_gain: float
    """Mean of after - before; partial credit counts here."""


def tally(pairs: Sequence[Pair]) -> Tally:
    """Count pairs."""
    gained = sum(pair.before <= _RIGHT < pair.after for pair in pairs)
    lost = sum(pair.after <= _RIGHT < pair.before for pair in pairs)
    mean = sum(pair.after - pair.before for pair in pairs) / len(pairs) if pairs else 0.0
    return Tally(len(pairs), gained, lost, mean)


def mcnemar(gained: int, lost: int) -> float:
    """Exact one-sided McNemar test: P(at least so many gains of gained + lost fair coins). 1.0 without any."""
    n = gained + lost
    return float(sum(math.comb(n, k) for k in range(gained, n + 1)) / 2**n)


def sign_flip(differences: Sequence[float]) -> float:
    """Exact one-sided sign-flip test: P(sum of +-|d_i| with fair signs >= sum of d_i). 1.0 without a difference.

    Differences count in steps of 1e-4, so that all 2^n sign patterns are counted by convolution in O(n sum |d|/1e-4).
    For differences of -1, 0 and 1 it is McNemar's test.
    """
    sizes = [round(abs(d) / _STEP) for d in differences]
    observed = sum(round(d / _STEP) for d in differences)
    total = sum(sizes)
    chance = np.zeros(2 * total + 1)  # chance[s + total]: probability of the sum s
    chance[total] = 1.0
    for size in sizes:
        if size:
            moved = np.zeros_like(chance)
            moved[size:] += chance[:-size] / 2
            moved[:-size] += chance[size:] / 2
            chance = moved
    return min(1.0, float(chance[observed + total :].sum()))


def betting(differences: Sequence[float]) -> float:
    """E-value of the differences, each in [-1, 1], shape (n,): the integral over l in (0, 1) of prod_i (1 + l d_i).

    What a gambler has made of 1 who bets on gains with a stake drawn uniformly. Under H0 its expectation is at most 1
    at any time, so P(it ever reaches 1/a) <= a (Ville's inequality): looking after every task costs nothing. For +-1
    it is the sequential McNemar test with a uniform prior. (Waudby-Smith and Ramdas 2024, betting; Robbins 1970,
    mixture.)
    Computed by Gauss-Legendre with n // 2 + 1 nodes, which is exact for this polynomial.
    """
    d = np.asarray([x for x in differences if x], np.float64)
    nodes, weights = np.polynomial.legendre.leggauss(len(d) // 2 + 1)
    stakes = (nodes + 1.0) / 2.0
    return float((weights / 2.0) @ np.prod(1.0 + stakes[:, None] * d[None, :], axis=1))


class Gate(FrozenModel):
    """When an edit is kept."""

    level: float = Field(default=0.1, gt=0.0, lt=1.0)
    """Probability that one useless edit is kept, at most."""
    test: Literal["sequential", "exact"] = "sequential"
    """sequential: look after every batch and stop as soon as it is decided. exact: all held-out tasks, then one
    sign-flip test, which for right and wrong is McNemar's."""
    batch: int = Field(default=4, ge=1)
    """Held-out tasks run between two looks."""
    patience: int = Field(default=8, ge=1)
    """Held-out tasks after which an edit without any net gain is given up. Giving up never makes a test less valid."""
    screen: int = Field(default=4, ge=0)
    """Failed training tasks tried first: an edit that mends none of them never sees held-out tasks. 0: no screen."""

    def decide(self, differences: Sequence[float], left: int) -> Literal["keep", "reject", "go on"]:
        """What to do after these held-out differences, with so many tasks left."""
        if self.test == "exact":
            if left:
                return "go on"
            return "keep" if sum(differences) > 0 and sign_flip(differences) <= self.level else "reject"
        if betting(differences) >= 1.0 / self.level:
            return "keep"
        if betting([*differences, *[1.0] * left]) < 1.0 / self.level:
            return "reject"
        if len(differences) >= self.patience and sum(differences) <= 0:
            return "reject"
        return "go on"
