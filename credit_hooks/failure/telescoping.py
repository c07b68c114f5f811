"""Rewards from the growth of a potential: errors negative, repairs positive, and nothing lost."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from credit_hooks.errors import ConfigurationError

__all__ = ["score_growth", "telescoped_rewards"]

Vector = NDArray[np.float64]


def score_growth(scores: Vector, *, baseline: float) -> Vector:
    """Phi_t - Phi_{t-1} with Phi_0 = b and Phi_t the score of step t, shape (T,); 0 for steps without a score (NaN).

    Scores are read as P(success | the run up to t), as value models and judges of progress give them.
    """
    growth = np.zeros(len(scores))
    known = np.flatnonzero(np.isfinite(scores))
    growth[known] = np.diff(scores[known], prepend=baseline)
    return growth


def telescoped_rewards(growth: Vector, share: Vector, *, total: float) -> Vector:
    """Rewards that sum to R - b exactly and keep the sign of every step's growth, shape (T,), within [-1, 1].

    The scores seldom end at R, and the difference must not fall on the last step alone. So the side that has to give is
    scaled: in a failure what was lost, in a success what was gained, until gains less losses are R - b. Where the
    scores have no such side, `share` stands in for it, on steps without growth if there are any. Should a reward leave
    [-1, 1], the other side is scaled down first: signs and sum remain.

    Args:
        growth: Phi_t - Phi_{t-1}, shape (T,).
        share: Who gets what the scores say nothing of, shape (T,), sum 1, such as the posterior of the first error.
        total: R - b in [-1, 1].

    Raises:
        ConfigurationError: the shapes differ, the total is out of range, or the share is no distribution.
    """
    if growth.shape != share.shape or not -1.0 <= total <= 1.0:
        raise ConfigurationError("growth and share have one number per step, and a total is in [-1, 1]")
    if not (share >= 0).all() or abs(share.sum() - 1.0) > 1e-9:
        raise ConfigurationError("a share of blame or merit is not negative and sums to 1")
    if total == 0.0:
        return np.zeros(len(growth))
    sign = np.sign(total)
    giving, other = np.maximum(sign * growth, 0.0), np.maximum(-sign * growth, 0.0)
    if not giving.any():
        idle = np.where(other > 0, 0.0, share)
        if not idle.any():  # every step to which blame or merit falls moved the other way: then nobody did
            idle, other = share, np.zeros(len(growth))
        giving = idle
    giving = giving / giving.sum()
    # giving * (|total| + s * sum(other)) <= 1 and s * other <= 1 for the largest such s in [0, 1]
    room = (1.0 - giving.max() * abs(total)) / max(giving.max() * other.sum(), 1e-300)
    scale = min(1.0, max(room, 0.0), 1.0 / max(other.max(), 1.0))
    result: Vector = sign * (giving * (abs(total) + scale * other.sum()) - scale * other)
    return np.clip(result, -1.0, 1.0)
