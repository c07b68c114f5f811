"""P(success | task): the expected outcome of a run, from other runs only.

The mean of the task's other runs, drawn towards the mean of all tasks by `a` imagined runs,

    b_i = (sum of the other runs' R + a m) / (number of them + a).

Calibrated: a is the one of a few that foretells left-out outcomes best (Brier score), and a and m come from *other*
tasks only, so a run's own outcome is nowhere in its expectation, not even through what was fitted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from credit_hooks.credit.siblings.facts import RunFacts

__all__ = ["Expectation"]

_STRENGTHS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 64.0)
_DEFAULT_STRENGTH = 2.0
_FOLDS = 20

Vector = NDArray[np.float64]


class Expectation:
    """Expected outcomes by task; `runs` in any order, each id once."""

    def __init__(self, runs: Sequence[RunFacts]) -> None:
        ordered = sorted(runs, key=lambda run: run.run_id)
        # A run of unknown task is a task of its own: it has no siblings, but tells how runs end in general.
        names = [run.task if run.task is not None else f"run:{run.run_id}" for run in ordered]
        ranked = sorted(
            set(names), key=lambda name: (hashlib.sha256(name.encode("utf-8", "replace")).hexdigest(), name)
        )
        number = {name: place for place, name in enumerate(ranked)}
        self._fold_of = {name: place % _FOLDS for name, place in number.items()}
        task = np.array([number[name] for name in names], np.intp)
        score = np.array([run.score for run in ordered])
        sums = np.bincount(task, score, len(ranked))
        counts = np.bincount(task, minlength=len(ranked)).astype(np.float64)
        self._sum = dict(zip(ranked, sums.tolist(), strict=True))
        self._count = dict(zip(ranked, counts.tolist(), strict=True))
        fold = task % _FOLDS
        self._prior = [self._fit(score, sums[task] - score, counts[task] - 1.0, fold != f) for f in range(_FOLDS)]
        self._everything = self._fit(score, sums[task] - score, counts[task] - 1.0, np.ones(score.size, bool))

    @staticmethod
    def _fit(score: Vector, others: Vector, count: Vector, used: NDArray[np.bool_]) -> tuple[float, float]:
        """Strength a and mean m from the runs that are used."""
        mean = float((0.5 + score[used].sum()) / (1.0 + used.sum()))
        judged = used & (count > 0)
        if not judged.any():
            return _DEFAULT_STRENGTH, mean
        errors = [
            float(((score - (others + a * mean) / (count + a))[judged] ** 2).mean().round(12)) for a in _STRENGTHS
        ]
        return _STRENGTHS[len(errors) - 1 - int(np.argmin(errors[::-1]))], mean

    def of(self, run: RunFacts, *, counted: bool = True) -> float:
        """Expected outcome b in [0, 1] of a run; `counted` says whether it is itself among the runs given."""
        name = run.task if run.task is not None else f"run:{run.run_id}"
        if name not in self._fold_of:
            return self._everything[1]
        strength, mean = self._prior[self._fold_of[name]]
        total, count = self._sum[name], self._count[name]
        if counted:
            total, count = total - run.score, count - 1.0
        return float(min(max((total + strength * mean) / (count + strength), 0.0), 1.0))
