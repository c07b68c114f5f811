"""What was evaluated and what it cost: the one place that spends the budget."""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from credit_hooks.credit.estimate.plan import Plan
from credit_hooks.credit.estimate.sampling import key
from credit_hooks.credit.estimate.structure import Coalitions, Vector
from credit_hooks.errors import EvaluationError

__all__ = ["Asking", "Ledger"]

Asking: TypeAlias = Generator[Coalitions, ArrayLike, None]
"""Yields coalitions, is sent their values; an EvaluationError may be thrown in instead."""


class Ledger:
    """Values of coalitions, each paid for once."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.spent = 0
        """Rows asked for so far."""
        self.failure: str | None = None
        """Why nothing more can be asked."""
        self.lost = 0
        """Coalitions that came back without a finite value."""
        self._values: dict[bytes, float] = {}
        self._rows: list[Coalitions] = []
        self._squares = 0.0  # of the repeats' deviations from their means, and how many of these are free
        self._free = 0
        n = plan.structure.n
        if plan.ends is not None:
            for end, value in zip((np.zeros(n, bool), np.ones(n, bool)), plan.ends, strict=True):
                self._values[key(end)] = value

    @property
    def left(self) -> int:
        """How many more coalitions can be evaluated."""
        return 0 if self.failure is not None else (self.plan.budget - self.spent) // self.plan.repeats

    def unknown(self, coalitions: Coalitions) -> Coalitions:
        """Those that were never asked for, each once."""
        fresh = {key(row): row for row in coalitions if key(row) not in self._values}
        return np.array(list(fresh.values()), bool).reshape(-1, self.plan.structure.n)

    def values(self, coalitions: Coalitions) -> Vector:
        """Values, shape (k,); not a number where there is none."""
        return np.array([self._values.get(key(row), np.nan) for row in coalitions])

    def ask(self, coalitions: Coalitions) -> Asking:
        """Have coalitions evaluated, in batches, as far as the budget goes; those known already cost nothing."""
        fresh = self.unknown(coalitions)[: self.left]
        repeats = self.plan.repeats
        step = max(1, self.plan.batch // repeats)
        for start in range(0, len(fresh), step):
            rows = fresh[start : start + step]
            self.spent += len(rows) * repeats
            try:
                answer = yield np.repeat(rows, repeats, axis=0)
                self._enter(rows, answer)
            except EvaluationError as failure:
                self.failure = str(failure)
                return

    def pairs(self) -> Coalitions:
        """One coalition of every pair of complements of which both values are known, in the order of asking."""
        seen: set[bytes] = set()
        rows = []
        for row in self._rows:
            if row.all() or not row.any() or key(~row) in seen:
                continue
            seen.add(key(row))
            rows.append(row)
        found = np.array(rows, bool).reshape(-1, self.plan.structure.n)
        return found[np.isfinite(self.values(found)) & np.isfinite(self.values(~found))]

    def noise_variance(self) -> float | None:
        """Variance of a coalition's value: what the plan says, or what repeats show; None is unknown."""
        if self.plan.noise is not None:
            return self.plan.noise**2 / self.plan.repeats
        return self._squares / self._free / self.plan.repeats if self._free else None

    def _enter(self, rows: Coalitions, answer: ArrayLike) -> None:
        try:
            values = np.asarray(answer, dtype=np.float64).reshape(len(rows), self.plan.repeats)
        except (TypeError, ValueError):
            expected = len(rows) * self.plan.repeats
            raise EvaluationError(
                f"the value function must return {expected} numbers for {expected} coalitions"
            ) from None
        values = np.where(np.isfinite(values), values, np.nan)
        for row, sample in zip(rows, values, strict=True):
            usable = sample[~np.isnan(sample)]
            # Overflow of huge finite values would end up as infinite means; treat these as missing as well.
            with np.errstate(over="ignore", invalid="ignore"):
                mean = float(usable.mean()) if usable.size else np.nan
                squares = float(((usable - mean) ** 2).sum())
            self._values[key(row)] = mean if np.isfinite(mean) else np.nan
            self.lost += not np.isfinite(mean)
            self._rows.append(row)
            if usable.size > 1 and np.isfinite(squares):
                self._squares += squares
                self._free += usable.size - 1
