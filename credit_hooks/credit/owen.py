"""The Owen value from a table: the Shapley value when players form unions, such as the messages of one agent.

It is the average marginal contribution over the orders that keep each union together. What the members of a union
receive adds up to the Shapley value of the union in the game between unions (quotient game property), while the sign
within a union is free: a sabotaging message of a good agent is negative.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import factorial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from credit_hooks.credit.exact import shapley
from credit_hooks.credit.game import coalition_sizes, table_of
from credit_hooks.errors import ConfigurationError

__all__ = ["owen", "quotient"]


def owen(values: ArrayLike, unions: Sequence[Sequence[int]]) -> NDArray[np.float64]:
    """Owen value of every player, shape (n,), from the table of 2^n values and a partition into m unions.

    Every union U plays an inner game on its own members, w(T) = mean over orders of the other unions of v(R ∪ T), R the
    unions that came before; the Owen value is the Shapley value of that game. Cost: sum over U of 2^(m - 1 + |U|).

    Source: Owen (1977), "Values of games with a priori unions".

    Raises:
        ConfigurationError: the unions are no partition of the players, or as :func:`credit_hooks.credit.shapley`.
    """
    table, n = table_of(values)
    if sorted(i for union in unions for i in union) != list(range(n)):
        raise ConfigurationError(f"unions must hold every player 0..{n - 1} exactly once")
    unions = [union for union in unions if union]
    masks = [sum(1 << i for i in union) for union in unions]
    result = np.zeros(n)
    for k, union in enumerate(unions):
        outside = _unions_of(masks[:k] + masks[k + 1 :])
        inside = _unions_of([1 << i for i in union])
        inner = arrival_weights(len(unions)) @ table[outside[:, None] | inside[None]]
        result[list(union)] = shapley(inner)
    return result


def quotient(values: ArrayLike, unions: Sequence[Sequence[int]]) -> NDArray[np.float64]:
    """Table of the game between unions, shape (2^m,): a coalition of unions is worth what all its members are."""
    table, _ = table_of(values)
    return table[_unions_of([sum(1 << i for i in union) for union in unions])]


def arrival_weights(m: int) -> NDArray[np.float64]:
    """Probability that exactly the coalition R of the m - 1 others comes before one of m players, shape (2^(m-1),)."""
    by_size = np.array([factorial(r) * factorial(m - r - 1) / factorial(m) for r in range(m)])
    return by_size[coalition_sizes(m - 1)]


def _unions_of(masks: Sequence[int]) -> NDArray[np.int64]:
    """Bitwise or of every subset of the masks, in order of the subsets."""
    unions = np.zeros(1, np.int64)
    for mask in masks:
        unions = np.concatenate([unions, unions | mask])
    return unions
