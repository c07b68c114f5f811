"""When enough is known: quantiles, and the rule that every value is within the tolerance, twice in a row."""

from __future__ import annotations

from math import erfc, inf, sqrt

from credit_hooks.credit.estimate.structure import Vector

__all__ = ["StoppingRule", "normal_quantile", "student_factor"]

_Z95 = 1.959963984540054


def normal_quantile(p: float) -> float:
    """The p-quantile of the standard normal distribution, by bisection, to 1e-12; infinite at 0 and 1."""
    if not 0.0 < p < 1.0:
        return float("inf") if p >= 1.0 else -float("inf")
    low, high = -40.0, 40.0
    while high - low > 1e-12:
        middle = 0.5 * (low + high)
        # The upper half by symmetry: erfc keeps its relative precision in the lower tail only.
        below = erfc(-middle / sqrt(2.0)) / 2.0 < p if p <= 0.5 else erfc(middle / sqrt(2.0)) / 2.0 > 1.0 - p
        low, high = (middle, high) if below else (low, middle)
    return 0.5 * (low + high)


def student_factor(degrees: int) -> float:
    """How much wider than normal a 95% interval is with so few degrees of freedom: t / z, within 1%; inf for none.

    Standard errors are multiplied by it, so that callers may read all of them as normal ones at the usual level.

    Source: Abramowitz, Stegun (1964), 26.7.5; closed forms below three degrees.
    """
    if degrees < 1:
        return inf
    if degrees <= 2:
        return (12.706, 4.303)[degrees - 1] / _Z95
    z = _Z95
    first = (z**3 + z) / 4.0
    second = (5.0 * z**5 + 16.0 * z**3 + 3.0 * z) / 96.0
    third = (3.0 * z**7 + 19.0 * z**5 + 17.0 * z**3 - 15.0 * z) / 384.0
    return 1.0 + (first + (second + third / degrees) / degrees) / degrees / z


class StoppingRule:
    """Passes when z * std_err <= tolerance for all n players at two consecutive looks.

    z is Bonferroni-corrected over the players and over the looks: the k-th look may be wrong with probability
    (1 - confidence) / (k (k + 1)), which sums to 1 - confidence over any number of looks. One look can be lucky:
    hyperparameters are estimated too, and a smooth start hides a rough game. The second look costs a tenth more
    evaluations, at least n.
    """

    def __init__(self, tolerance: float | None, confidence: float, n: int) -> None:
        self.tolerance = tolerance
        self._error = (1.0 - confidence) / max(n, 1)
        self._first = max(2 * n, 8)  # every player alone comes first, and says nothing about how players interact
        self._step = max(n // 2, 2)
        self._looks = 0
        self._passes = 0

    def until_next_look(self, seen: int, left: int) -> int:
        """How many more samples to take before looking: all that are left where there is no tolerance."""
        if self.tolerance is None:
            return left
        return min(left, self._first - seen if seen < self._first else max(self._step, seen // 10))

    def is_met(self, std_err: Vector) -> bool:
        """Look once."""
        if self.tolerance is None:
            return False
        self._looks += 1
        z = -normal_quantile(self._error / (2.0 * self._looks * (self._looks + 1)))
        self._passes = self._passes + 1 if bool((z * std_err <= self.tolerance).all()) else 0
        return self._passes >= 2
