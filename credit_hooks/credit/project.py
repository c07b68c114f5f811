"""Projection: rewards into their bounds without changing their sum."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["project"]


def project(rewards: NDArray[np.float64], *, bound: float = 1.0) -> NDArray[np.float64]:
    """The nearest vector in [-bound, bound]^n with the same sum: clip(y + mu), mu by bisection.

    Never plain clipping, which loses what it cuts off. Rewards already within bounds come back unchanged. If the sum
    itself cannot be reached within the bounds, every reward is at the bound nearest to it.
    """
    if not rewards.size or np.abs(rewards).max() <= bound:
        return rewards
    total = rewards.sum()
    low, high = -bound - rewards.max(), bound - rewards.min()
    for _ in range(200):
        middle = 0.5 * (low + high)
        if middle in (low, high):
            break
        low, high = (middle, high) if np.clip(rewards + middle, -bound, bound).sum() < total else (low, middle)
    result = np.clip(rewards + 0.5 * (low + high), -bound, bound)
    # Bisection ends at the last bit of mu; what rounding left over goes to those that are free to take it.
    free = np.abs(result) < bound
    if free.any():
        result[free] += (total - result.sum()) / free.sum()
    bounded: NDArray[np.float64] = np.clip(result, -bound, bound)
    return bounded
