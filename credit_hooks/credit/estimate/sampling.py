"""Which coalitions to ask for: pairs of complements, balanced in size and in players, none of them twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray

from credit_hooks.credit.estimate.structure import Coalitions, Structure

__all__ = ["complement_pairs", "key", "pairs_of_size"]

_PATIENCE = 100  # draws in a row that were all seen before, after which what is left is enumerated


def key(coalition: Coalitions) -> bytes:
    """A coalition as a dictionary's key."""
    return np.packbits(coalition).tobytes()


def pairs_of_size(n: int, smaller: int) -> int:
    """How many pairs of complements have `smaller` players in their smaller half."""
    return comb(n, smaller) // (2 if 2 * smaller == n else 1)


def complement_pairs(structure: Structure, rng: np.random.Generator) -> Iterator[Coalitions]:
    """One coalition of every pair (S, S^c) but (N, ∅), in random balanced order, shape (n,) each, until none is left.

    Every player alone comes first (the rest of the team without it is the complement): measured without noise on six
    families of four games, n = 8 and 12, that lowers the error of `gp` by a third up to 4 n evaluations. Then the other
    sizes take turns, as under leverage scores (Musco, Witter 2024), and within a size every player is in about equally
    many coalitions. With unions, only coalitions that some order passes through: whole unions and part of one more.
    """
    n, seen = structure.n, set[bytes]()
    if structure.is_flat:
        strata = [_stratum(_cuts(n, size, rng), _all_of_size(n, size), seen, rng) for size in range(1, n // 2 + 1)]
        yield from _in_turns(strata[:1], rng)
        yield from _in_turns(strata[1:], rng)
    else:
        strata = [
            _stratum(_cuts_of_union(structure, k, rng), _all_around(structure, k), seen, rng)
            for k in range(len(structure.unions))
        ]
        yield from _in_turns(strata, rng)


def _in_turns(strata: list[Iterator[Coalitions]], rng: np.random.Generator) -> Iterator[Coalitions]:
    """One of each stratum in random order, again and again, until all are spent."""
    while strata:
        left = []
        for stratum in (strata[turn] for turn in rng.permutation(len(strata)).tolist()):
            drawn = next(stratum, None)
            if drawn is not None:
                left.append(stratum)
                yield drawn
        strata = left


def _stratum(
    draws: Iterator[Coalitions],
    everything: Callable[[], Iterator[Coalitions]],
    seen: set[bytes],
    rng: np.random.Generator,
) -> Iterator[Coalitions]:
    """Random draws without those seen before; when new ones have become rare, the rest in random order."""
    failed = 0
    for drawn in draws:
        if _is_new(drawn, seen):
            failed = 0
            yield drawn
        elif (failed := failed + 1) == _PATIENCE:
            break
    rest = [coalition for coalition in everything() if min(key(coalition), key(~coalition)) not in seen]
    for index in rng.permutation(len(rest)).tolist():
        if _is_new(rest[index], seen):
            yield rest[index]


def _is_new(drawn: Coalitions, seen: set[bytes]) -> bool:
    name = min(key(drawn), key(~drawn))
    if name in seen or drawn.all() or not drawn.any():
        return False
    seen.add(name)
    return True


def _cuts(n: int, size: int, rng: np.random.Generator) -> Iterator[Coalitions]:
    """Coalitions of one size as cuts of random orders, so that the players take turns."""
    while True:
        order = rng.permutation(n)
        for start in range(0, n - size + 1, size):
            yield _coalition(n, order[start : start + size])


def _all_of_size(n: int, size: int) -> Callable[[], Iterator[Coalitions]]:
    return lambda: (_coalition(n, np.array(subset)) for subset in combinations(range(n), size))


def _cuts_of_union(structure: Structure, k: int, rng: np.random.Generator) -> Iterator[Coalitions]:
    """A random number of the other unions, and a random number of this union's players."""
    union = np.array(structure.unions[k])
    others = [np.array(other) for j, other in enumerate(structure.unions) if j != k]
    while True:
        before = rng.permutation(len(others))[: rng.integers(len(others) + 1)].tolist()
        arrived = rng.permutation(union)[: rng.integers(union.size + 1)]
        yield _coalition(structure.n, np.concatenate([*(others[j] for j in before), arrived]))


def _all_around(structure: Structure, k: int) -> Callable[[], Iterator[Coalitions]]:
    return lambda: iter(structure.around(k))


def _coalition(n: int, players: NDArray[np.intp]) -> Coalitions:
    row = np.zeros(n, bool)
    row[players] = True
    return row
