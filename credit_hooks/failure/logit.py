"""Conditional logit: which of a run's candidates was chosen, from what is known of each (McFadden 1974).

P(choice = m | run) = exp(x_m . w) / sum over the run's candidates k of exp(x_k . w). The negative log-likelihood with
an L2 penalty is strictly convex, so Newton's method with backtracking finds the one optimum, always the same.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Choices", "choice_probabilities", "fit_weights", "log_loss"]

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

_MAX_ITERATIONS = 100
_TOLERANCE = 1e-12  # of the Newton decrement g' H^-1 g, twice the distance to the optimal loss


class Choices(NamedTuple):
    """Choices of n runs among N candidates in all; every run has at least one candidate."""

    values: Matrix
    """Features of every candidate, runs one after the other, shape (N, F)."""
    starts: NDArray[np.intp]
    """First row of each run, ascending from 0, shape (n,)."""
    chosen: NDArray[np.intp]
    """Row of the candidate that was chosen in each run, shape (n,)."""


def choice_probabilities(utility: Vector, starts: NDArray[np.intp]) -> Vector:
    """Softmax within every run, shape (N,)."""
    sizes = np.diff(np.append(starts, len(utility)))
    shifted = np.exp(utility - np.repeat(np.maximum.reduceat(utility, starts), sizes))
    result: Vector = shifted / np.repeat(np.add.reduceat(shifted, starts), sizes)
    return result


def log_loss(choices: Choices, weights: Vector) -> float:
    """Sum over runs of -log P(chosen), natural logarithm."""
    utility = choices.values @ weights
    top = np.maximum.reduceat(utility, choices.starts)
    sizes = np.diff(np.append(choices.starts, len(utility)))
    normaliser = np.log(np.add.reduceat(np.exp(utility - np.repeat(top, sizes)), choices.starts)) + top
    return float((normaliser - utility[choices.chosen]).sum())


def fit_weights(choices: Choices, *, l2: float) -> Vector:
    """The weights w, shape (F,), that minimise `log_loss` + l2 / 2 |w|^2. Cost: O(N F^2) a step, about ten steps.

    Args:
        choices: What was chosen among what.
        l2: Penalty, > 0; what makes the optimum unique.
    """
    weights = np.zeros(choices.values.shape[1])
    for _ in range(_MAX_ITERATIONS):
        gradient, hessian = _derivatives(choices, weights, l2)
        step: Vector = np.linalg.solve(hessian, gradient).astype(np.float64)
        decrement = float(gradient @ step)
        if decrement <= _TOLERANCE:
            break
        weights = weights - _backtracked(choices, weights, step, decrement, l2) * step
    return weights


def _derivatives(choices: Choices, weights: Vector, l2: float) -> tuple[Vector, Matrix]:
    values, starts, chosen = choices
    probability = choice_probabilities(values @ weights, starts)
    weighted = values * probability[:, None]
    means = np.add.reduceat(weighted, starts, axis=0)
    gradient: Vector = means.sum(axis=0) - values[chosen].sum(axis=0) + l2 * weights
    hessian: Matrix = weighted.T @ values - means.T @ means + l2 * np.eye(len(weights))
    return gradient, hessian


def _backtracked(choices: Choices, weights: Vector, step: Vector, decrement: float, l2: float) -> float:
    """The largest of 1, 1/2, 1/4, ... that lowers the penalised loss enough (Armijo)."""

    def loss(at: Vector) -> float:
        return log_loss(choices, at) + 0.5 * l2 * float(at @ at)

    before, size = loss(weights), 1.0
    while size > 1e-8 and loss(weights - size * step) > before - 1e-4 * size * decrement:
        size /= 2.0
    return size
