"""Student's t distribution, as few clusters need it: tail probability and quantile, without scipy."""

from __future__ import annotations

import math

__all__ = ["student_quantile", "student_tail"]

_TINY = 1e-300


def student_tail(t: float, degrees: int) -> float:
    """P(T > t) for t >= 0: half the regularised incomplete beta function I_x(df / 2, 1 / 2), x = df / (df + t^2)."""
    return 0.5 * _incomplete_beta(degrees / 2.0, 0.5, degrees / (degrees + t * t))


def student_quantile(p: float, degrees: int) -> float:
    """The p-quantile for p in [.5, 1), by bisection."""
    low, high = 0.0, 1.0
    while student_tail(high, degrees) > 1.0 - p:
        high *= 2.0
    for _ in range(80):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if student_tail(middle, degrees) > 1.0 - p else (low, middle)
    return 0.5 * (low + high)


def _incomplete_beta(a: float, b: float, x: float) -> float:
    """I_x(a, b) by Lentz's continued fraction (Press et al., Numerical Recipes, 6.4)."""
    if x <= 0.0 or x >= 1.0:
        return float(x >= 1.0)
    if x > (a + 1.0) / (a + b + 2.0):
        return 1.0 - _incomplete_beta(b, a, 1.0 - x)
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x))
    c, d = 1.0, 1.0 / _away(1.0 - (a + b) * x / (a + 1.0))
    value = d
    for m in range(1, 500):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        d, c = 1.0 / _away(1.0 + even * d), _away(1.0 + even / c)
        value *= d * c
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        d, c = 1.0 / _away(1.0 + odd * d), _away(1.0 + odd / c)
        value *= d * c
        if abs(d * c - 1.0) < 1e-15:
            break
    return front * value / a


def _away(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
