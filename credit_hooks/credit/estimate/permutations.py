"""Marginal contributions along random orders and their reverses: unbiased, and exactly zero for null players."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from credit_hooks.credit.estimate.ledger import Ledger
from credit_hooks.credit.estimate.stopping import StoppingRule, student_factor
from credit_hooks.credit.estimate.structure import Coalitions, Structure, Vector

__all__ = ["Walk", "walk_orders"]

_IDLE = 64  # orders in a row without anything new to evaluate, after which sampling ends
_FEWEST = 8  # pairs of orders before the stopping rule is asked: with fewer their spread says too little of the tails


@dataclass(frozen=True)
class Walk:
    """What random orders showed."""

    values: Vector
    """Mean marginal of every player, shape (n,)."""
    std_err: Vector
    """Standard error of the mean, shape (n,)."""
    is_met: bool
    """Whether the stopping rule ended it."""
    is_truncated: bool
    """Not one order was walked there and back: players that were not reached share the rest equally."""


def walk_orders(
    structure: Structure, ledger: Ledger, ends: tuple[float, float], rule: StoppingRule, rng: np.random.Generator
) -> Generator[Coalitions, ArrayLike, Walk]:
    """Antithetic sampling: mean marginals over pairs of an order and its reverse, which visits the complements.

    With unions, orders keep each union together (Owen value). An order costs up to n - 1 evaluations, its reverse the
    same. Standard errors from the spread of the pairs, infinite below two of them.

    Source: Castro, Gómez, Tejada (2009); antithetic: Mitchell, Cooper, Frank, Holmes (2022), "Sampling permutations for
    Shapley value estimation".
    """
    samples: list[Vector] = []
    partial: Vector | None = None
    idle, is_met = 0, False
    while idle < _IDLE and not is_met:
        order = _order(structure, rng)
        prefixes = np.tri(structure.n, k=-1, dtype=bool)[1:, np.argsort(order)]
        both = np.concatenate([prefixes, ~prefixes])
        cost = len(ledger.unknown(both))
        idle = 0 if cost else idle + 1
        if cost and not ledger.left:
            break
        yield from ledger.ask(both)
        forward = _marginals(order, ledger.values(prefixes), ends)
        backward = _marginals(order[::-1], ledger.values(~prefixes)[::-1], ends)
        complete = [steps for steps in (forward, backward) if not np.isnan(steps).any()]
        if len(complete) == 2:
            samples.append((forward + backward) / 2.0)
            is_met = cost > 0 and len(samples) >= _FEWEST and rule.is_met(_std_err(samples))
        elif partial is None:
            partial = complete[0] if complete else _share_rest(forward, ends)
    if samples:
        return Walk(np.mean(samples, axis=0), _std_err(samples), is_met, False)
    unknown = np.full(structure.n, np.inf)
    return Walk(_share_rest(np.full(structure.n, np.nan), ends) if partial is None else partial, unknown, False, True)


def _order(structure: Structure, rng: np.random.Generator) -> NDArray[np.intp]:
    """A random order that keeps every union together."""
    arrival = [rng.permutation(structure.unions[k]) for k in rng.permutation(len(structure.unions)).tolist()]
    return np.concatenate(arrival)


def _marginals(order: NDArray[np.intp], inner: Vector, ends: tuple[float, float]) -> Vector:
    """What each player adds on its arrival, shape (n,), from the values of the n - 1 coalitions between ∅ and N."""
    marginals = np.empty(order.size)
    marginals[order] = np.diff(np.concatenate([ends[:1], inner, ends[1:]]))
    return marginals


def _share_rest(marginals: Vector, ends: tuple[float, float]) -> Vector:
    """Players whose marginal is unknown get equal parts of what the others leave."""
    known = np.nan_to_num(marginals)
    missing = np.isnan(marginals)
    return np.where(missing, (ends[1] - ends[0] - known.sum()) / max(missing.sum(), 1), known)


def _std_err(samples: list[Vector]) -> Vector:
    k = len(samples)
    if k < 2:
        return np.full(samples[0].size, np.inf)
    spread: Vector = np.std(samples, axis=0, ddof=1) / np.sqrt(k) * student_factor(k - 1)
    return spread
