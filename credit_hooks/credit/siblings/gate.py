"""Whether evidence from siblings tells success from failure in this store at all: if not, it is not used."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Gate", "fit_gate"]

_STEPS = 100
_LONGEST = 3.0  # longest Newton step
_SMALL = 1e-6


class Gate(NamedTuple):
    """What the store says about the evidence."""

    strength: float
    """Share of the full weight, in [0, 1]. 0.0: closed."""
    slope: float
    """Slope of the log odds of success on tanh(e / 2). 0.0: not fitted."""
    z: float
    """Slope over its standard error."""
    runs: int
    """Runs with siblings."""
    reason: str | None
    """Why it is closed. None: it is open."""


def fit_gate(x: ArrayLike, y: ArrayLike, *, min_runs: int = 20, min_z: float = 2.0) -> Gate:
    """Ridge logistic regression of success on evidence, one slope and an intercept; ridge 1 on the slope alone.

    Args:
        x: Evidence tanh(e / 2) of each run's last conclusion, shape (n,), from other runs only.
        y: Whether the run succeeded, shape (n,).
        min_runs: Fewer runs leave the gate closed.
        min_z: So many standard errors must the slope be above 0.

    Returns:
        The gate, open by clip(slope / 2, 0, 1) if z is above `min_z`.
    """
    evidence, success = np.asarray(x, np.float64), np.asarray(y, np.float64)
    n = evidence.size
    if n < min_runs:
        return Gate(0.0, 0.0, 0.0, n, f"{n} runs have siblings, {min_runs} are needed")
    if success.min() == success.max():
        return Gate(0.0, 0.0, 0.0, n, f"all {n} runs with siblings {'succeeded' if success[0] else 'failed'}")
    slope, variance = _ridge_logistic(evidence, success)
    z = slope / float(np.sqrt(variance))
    if z <= min_z:
        return Gate(0.0, slope, z, n, f"what siblings concluded does not tell how runs end here (z = {z:.1f})")
    return Gate(float(np.clip(slope / 2.0, 0.0, 1.0)), slope, z, n, None)


def _ridge_logistic(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, float]:
    """Slope and its variance, by Newton's method with bounded steps."""
    intercept = slope = 0.0
    for _ in range(_STEPS):
        p = 1.0 / (1.0 + np.exp(-np.clip(intercept + slope * x, -30.0, 30.0)))
        weight = np.maximum(p * (1.0 - p), _SMALL)
        gradient = np.array([(y - p).sum(), ((y - p) * x).sum() - slope])
        hessian = np.array(
            [[weight.sum() + _SMALL, (weight * x).sum()], [(weight * x).sum(), (weight * x * x).sum() + 1.0]]
        )
        step = np.linalg.solve(hessian, gradient)
        step *= min(1.0, _LONGEST / max(float(np.abs(step).max()), _SMALL))
        intercept, slope = intercept + float(step[0]), slope + float(step[1])
        if np.abs(step).max() < 1e-10:
            break
    return slope, float(np.linalg.inv(hessian)[1, 1])
