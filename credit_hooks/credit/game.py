"""What a game is: players 0..n-1 and a value v(S) for every coalition S of them.

A coalition is an int whose bit i says whether player i is in it, so the *table* of a game is an array of 2^n values
with v(∅) first and v(N) last. A value function is ``coalition -> float``; :func:`tabulate` asks it for all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from credit_hooks.errors import ConfigurationError

__all__ = ["MAX_PLAYERS", "Table", "ValueFunction", "coalition_sizes", "members", "table_of", "tabulate"]

MAX_PLAYERS = 24
"""2^24 values are 128 MiB: beyond this, exact values from a table are refused."""

Table: TypeAlias = NDArray[np.float64]
"""Values of all coalitions, shape (2^n,)."""

ValueFunction: TypeAlias = Callable[[int], float]
"""What a coalition is worth."""


def tabulate(value: ValueFunction, n: int) -> Table:
    """The table of a game: 2^n calls, in order of the coalitions.

    Raises:
        ConfigurationError: n is negative or above :data:`MAX_PLAYERS`.
    """
    if not 0 <= n <= MAX_PLAYERS:
        raise ConfigurationError(f"a table holds 0 to {MAX_PLAYERS} players, not {n}")
    return np.fromiter((value(coalition) for coalition in range(1 << n)), np.float64, 1 << n)


def table_of(values: ArrayLike) -> tuple[Table, int]:
    """Values as a contiguous table, and its number of players n.

    Raises:
        ConfigurationError: the values are not one-dimensional, or their number is no power of two up to 2^24.
    """
    table = np.ascontiguousarray(values, dtype=np.float64)
    n = table.size.bit_length() - 1
    if table.ndim != 1 or table.size != 1 << max(n, 0) or n > MAX_PLAYERS:
        raise ConfigurationError(
            f"a table of a game has 2^n values, n <= {MAX_PLAYERS}, in one dimension; got shape {table.shape}"
        )
    return table, n


@lru_cache(maxsize=MAX_PLAYERS + 1)
def coalition_sizes(n: int) -> NDArray[np.int8]:
    """|S| for every coalition S of n players, shape (2^n,). Read-only."""
    sizes = np.zeros(1 << n, np.int8)
    for i in range(n):
        sizes[1 << i : 2 << i] = sizes[: 1 << i] + 1
    sizes.setflags(write=False)
    return sizes


def members(coalition: int) -> Sequence[int]:
    """The players of a coalition, ascending."""
    return [i for i in range(coalition.bit_length()) if coalition >> i & 1]
