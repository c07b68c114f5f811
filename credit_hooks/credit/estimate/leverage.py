"""Least squares on coalitions of leverage-balanced sizes: a second opinion that assumes nothing about the game."""

from __future__ import annotations

from math import comb

import numpy as np

from credit_hooks.credit.estimate.sampling import pairs_of_size
from credit_hooks.credit.estimate.stopping import student_factor
from credit_hooks.credit.estimate.structure import Coalitions, Vector

__all__ = ["leverage_values"]


def leverage_values(
    coalitions: Coalitions, odd: Vector, total: float, *, is_noisy: bool = False
) -> tuple[Vector, Vector]:
    """Shapley values and standard errors, each of shape (n,), from the odd values of m pairs of complements.

    The Shapley value minimises sum over S of w(|S|) (g(S) - x_S · phi / 2)^2 subject to sum phi = v(N) - v(∅), with
    w(s) = 1 / (C(n, s) s (n - s)) and x_S in ±1. Each sampled pair stands for those of its sizes that were not: weights
    are divided by the share of the stratum that was sampled. Standard errors from the residuals (sandwich), infinite
    while the pairs do not tell all players apart, or leave no residuals; O(m n^2).

    Source: Musco, Witter (2024), "Provably accurate Shapley value estimation via leverage score sampling".
    """
    m, n = coalitions.shape
    if n == 1 or m == 0:
        return np.full(n, total / max(n, 1)), np.full(n, np.inf if n > 1 else 0.0)
    x = 2.0 * coalitions - 1.0
    size = coalitions.sum(axis=1)
    smaller = np.minimum(size, n - size)
    sampled = np.bincount(smaller, minlength=n)
    share = np.array([sampled[s] / pairs_of_size(n, s) if s else 1.0 for s in range(n // 2 + 1)])[smaller]
    weight = np.array([1.0 / (comb(n, int(s)) * s * (n - s)) for s in size]) / share
    root = np.sqrt(weight / weight.max())
    design = root[:, None] * (x - x.mean(axis=1, keepdims=True)) / 2.0
    target = root * (odd - x.sum(axis=1) * total / (2.0 * n))
    inverse = np.linalg.pinv(design, rcond=1e-10)
    free = inverse @ target
    residual = target - design @ free
    rank = int(np.linalg.matrix_rank(design, tol=1e-10))
    if rank < n - 1 or m == rank:
        return free + total / n, np.full(n, np.inf)
    open_part = np.ones(m) if is_noisy else np.maximum(1.0 - share, 0.0)  # a sampled value settles itself
    spread = (inverse * residual * np.sqrt(open_part)) ** 2
    return free + total / n, np.sqrt(spread.sum(axis=1) * m / (m - rank)) * student_factor(m - rank)
