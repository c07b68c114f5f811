"""Which orders of the players count: all of them (Shapley), or those that keep unions together (Owen)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import comb

import numpy as np
from numpy.typing import NDArray

from credit_hooks.credit.exact import shapley
from credit_hooks.credit.game import MAX_PLAYERS, Table
from credit_hooks.credit.owen import owen
from credit_hooks.errors import ConfigurationError

__all__ = ["Coalitions", "Structure", "Vector"]

Vector = NDArray[np.float64]
Coalitions = NDArray[np.bool_]
"""Coalitions as rows, shape (k, n): row S says of every player whether it is in S."""


@dataclass(frozen=True)
class Structure:
    """A partition of the players 0..n-1 into unions.

    Unions of one player each, or one union of all players, make the Owen value the Shapley value; the first is what
    :meth:`of` builds for both.
    """

    unions: tuple[tuple[int, ...], ...]
    """Members of each union, none of them empty."""

    @classmethod
    def of(cls, n: int, unions: Sequence[Sequence[int]] | None) -> Structure:
        """The structure of n players, `unions` None for none.

        Raises:
            ConfigurationError: the unions are no partition of the players.
        """
        if unions is None:
            return cls(tuple((i,) for i in range(n)))
        if sorted(i for union in unions for i in union) != list(range(n)):
            raise ConfigurationError(f"unions must hold every player 0..{n - 1} exactly once")
        partition = tuple(tuple(sorted(union)) for union in unions if union)
        return cls(tuple((i,) for i in range(n))) if len(partition) <= 1 else cls(partition)

    @cached_property
    def n(self) -> int:
        """Number of players."""
        return sum(len(union) for union in self.unions)

    @cached_property
    def union_of(self) -> NDArray[np.intp]:
        """Number of each player's union, shape (n,)."""
        number = np.zeros(self.n, np.intp)
        for k, union in enumerate(self.unions):
            number[list(union)] = k
        return number

    @cached_property
    def membership(self) -> Vector:
        """1 where a player is in a union, shape (n, unions)."""
        return np.eye(len(self.unions))[self.union_of]

    @property
    def is_flat(self) -> bool:
        """Whether every player is a union of its own, so that this is the Shapley value."""
        return len(self.unions) == self.n

    @property
    def size(self) -> int:
        """An upper bound of how many coalitions the value depends on; exactly 2^n where the structure is flat."""
        if self.is_flat:
            return 1 << self.n
        return sum(1 << (len(self.unions) - 1 + len(union)) for union in self.unions)

    def coalitions(self) -> Coalitions:
        """All coalitions the value depends on, without repetition, shape (at most :attr:`size`, n)."""
        if self.is_flat:
            return _subsets([[i] for i in range(self.n)], self.n)
        return np.unique(np.concatenate([self.around(k) for k in range(len(self.unions))]), axis=0)

    def around(self, k: int) -> Coalitions:
        """All coalitions of whole other unions and part of union k, shape (2^(unions - 1 + members of k), n)."""
        others = [other for j, other in enumerate(self.unions) if j != k]
        return _subsets([*others, *([i] for i in self.unions[k])], self.n)

    def exact(self, table: Table) -> Vector:
        """The Shapley or Owen value from a table; entries outside :meth:`coalitions` are not read."""
        return shapley(table) if self.is_flat else owen(table, self.unions)

    @property
    def can_be_exact(self) -> bool:
        """Whether a table of the game can be held."""
        return self.n <= MAX_PLAYERS

    def white_values(self, coalitions: Coalitions) -> Vector:
        """Value of the odd game that is 1 at S, -1 at its complement and 0 elsewhere, for every S: shape (k, n)."""
        u = len(self.unions)
        sizes = np.array([len(union) for union in self.unions], float)
        inside = coalitions @ self.membership  # how many of each union are in S
        whole, empty = inside == sizes, inside == 0.0
        split = (~(whole | empty)).sum(axis=1)
        result = np.zeros(coalitions.shape)
        for k, union in enumerate(self.unions):
            # Only unions that are in S as a whole or not at all can have come before this one.
            apart = whole[:, k] | empty[:, k]
            relevant = split - ~apart == 0
            before = whole.sum(axis=1) - whole[:, k]
            for i in union:
                mine = (inside[:, k] - coalitions[:, i]).astype(int)
                weight = _order_weight(u)[before] * _order_weight(len(union))[mine]
                result[:, i] = np.where(relevant, 2.0 * weight * np.where(coalitions[:, i], 1.0, -1.0), 0.0)
        return result

    def white_variance(self) -> Vector:
        """Variance of each value when every pair of complements but (N, ∅) has an independent odd value of variance 1.

        Shape (n,).
        """
        u = len(self.unions)
        outer, result = _order_weight(u), np.zeros(self.n)
        for union in self.unions:
            inner = _order_weight(len(union))
            b = len(union)
            total = sum(comb(u - 1, r) * outer[r] ** 2 for r in range(u)) * sum(
                comb(b - 1, t) * inner[t] ** 2 for t in range(b)
            )
            result[list(union)] = 4.0 * max(total - (outer[-1] * inner[-1]) ** 2, 0.0)
        return result


def _subsets(blocks: Sequence[Sequence[int]], n: int) -> Coalitions:
    """All unions of blocks of players, in order of the subsets of blocks, shape (2^blocks, n)."""
    rows = np.zeros((1, n), bool)
    for block in blocks:
        added = rows.copy()
        added[:, list(block)] = True
        rows = np.concatenate([rows, added])
    return rows


def _order_weight(n: int) -> Vector:
    """Probability that exactly s given ones of the n - 1 others come before one of n, for s = 0..n-1."""
    return np.array([1.0 / (n * comb(n - 1, s)) for s in range(n)])
