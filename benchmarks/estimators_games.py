"""Games of which the Shapley values are known, for estimators.py.

Six families: airport, weighted voting, signed unanimity games of two to five players, sums of unanimity games of any
size, teams (logistic, with redundant members and saboteurs), and reachability in random provenance graphs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from credit_hooks.credit import reachability_table, shapley

Vector = NDArray[np.float64]
FLOOR = 1e-3


def inside(n: int, i: int) -> NDArray[np.bool_]:
    return (np.arange(1 << n) >> i & 1).astype(bool)


def airport(n: int, rng: np.random.Generator) -> Vector:
    table = np.zeros(1 << n)
    for i, cost in enumerate(rng.integers(1, 11, n)):
        table[inside(n, i)] = np.maximum(table[inside(n, i)], cost)
    return table / table.max()


def voting(n: int, rng: np.random.Generator) -> Vector:
    votes = rng.integers(1, 20, n)
    total = sum(weight * inside(n, i).astype(float) for i, weight in enumerate(votes))
    return np.asarray(total > votes.sum() / 2.0, float)


def unanimity(n: int, rng: np.random.Generator, *, terms: int = 30, largest: int = 5) -> Vector:
    table, index = np.zeros(1 << n), np.arange(1 << n)
    for _ in range(terms):
        needed = int((1 << rng.choice(n, rng.integers(2, largest + 1), replace=False)).sum())
        table += rng.normal() * (index & needed == needed)
    for i in range(n):
        table += 0.5 * rng.normal() * inside(n, i)
    return table / np.abs(table).max()


def any_unanimity(n: int, rng: np.random.Generator) -> Vector:
    return unanimity(n, rng, terms=50, largest=n)


def team(n: int, rng: np.random.Generator) -> Vector:
    group, skill, saboteur = rng.integers(0, max(2, n // 3), n), rng.random(n) * 2.0 + 0.5, rng.random(n) < 0.15
    strength = np.full(1 << n, -3.0)
    for g in np.unique(group):
        best = np.zeros(1 << n)
        for i in np.flatnonzero((group == g) & ~saboteur):
            best = np.maximum(best, skill[i] * inside(n, i))
        strength += best
    for i in np.flatnonzero(saboteur):
        strength -= skill[i] * inside(n, i)
    return 1.0 / (1.0 + np.exp(-strength))


def reach(n: int, rng: np.random.Generator, *, messages: int = 40) -> Vector:
    while True:
        sources = [
            sorted(set((k - 1 - rng.geometric(0.3, rng.integers(1, 4)) + 1).clip(0, k - 1).tolist())) if k > 2 else []
            for k in range(messages)
        ]
        player = rng.integers(0, n, messages).astype(np.intp)
        table = reachability_table(sources, player, [messages - 1, messages - 2, messages - 3], n)
        if table[-1] > 0.0 and np.abs(shapley(table)).max() < 0.9:  # not a dictator's game
            return table


FAMILIES: Mapping[str, Callable[[int, np.random.Generator], Vector]] = {
    "airport": airport,
    "voting": voting,
    "unanimity": unanimity,
    "any unanimity": any_unanimity,
    "team": team,
    "reachability": reach,
}


@dataclass(frozen=True)
class Game:
    family: str
    number: int
    n: int
    table: Vector
    values: Vector

    def value(self, noise: float) -> Callable[[NDArray[Any]], Vector]:
        """The value function for one estimation, with noise of its own."""
        rng = np.random.default_rng([self.number, self.n, sum(map(ord, self.family))])
        deviation = noise * float(np.ptp(self.table))

        def value(rows: NDArray[Any]) -> Vector:
            coalitions = np.atleast_2d(np.asarray(rows)).astype(bool) @ (1 << np.arange(self.n))
            inner = (coalitions > 0) & (coalitions < (1 << self.n) - 1)
            return self.table[coalitions] + deviation * inner * rng.normal(size=len(coalitions))

        return value

    def error(self, estimated: Vector) -> float:
        return max(float(np.linalg.norm(estimated - self.values) / np.linalg.norm(self.values)), FLOOR)


def games(n: int, count: int) -> Iterator[Game]:
    for family, make in FAMILIES.items():
        for number in range(count):
            table = make(n, np.random.default_rng([20, n, number, sum(map(ord, family))]))
            yield Game(family, number, n, table, shapley(table))
