"""How often each conclusion of a task ended in success and in failure, without the run that asks."""

from __future__ import annotations

import math
from collections.abc import Iterable

from credit_hooks.credit.siblings.facts import RunFacts

__all__ = ["TaskCounts"]


class TaskCounts:
    """Counts by task; every question leaves one run out."""

    def __init__(self, runs: Iterable[RunFacts]) -> None:
        self._runs: dict[str, tuple[int, int]] = {}
        self._ended: dict[tuple[str, str], tuple[int, int]] = {}
        for run in runs:
            if run.task is not None:
                self._runs[run.task] = _plus(self._runs.get(run.task, (0, 0)), run.success)
                for end in run.ends:
                    self._ended[run.task, end] = _plus(self._ended.get((run.task, end), (0, 0)), run.success)

    def siblings(self, run: RunFacts, *, counted: bool = True) -> tuple[int, int]:
        """n0, n1: failed and successful other runs of its task; `counted` says whether it is itself in the counts."""
        n = self._runs.get(run.task or "", (0, 0))
        return _minus(n, run.success) if counted and run.task is not None else n

    def evidence(self, run: RunFacts, conclusion: str | None, *, counted: bool = True) -> float:
        """Log evidence e that a conclusion is right, from the n0 + n1 other runs, of which k0 + k1 ended in it.

        -log(1 + n1) if nobody did; -log(1 + 2 k0 + n1) if only failures did; else log(1 + 2 k1) - log(1 + 2 k0). 0.0
        without a conclusion or a sibling.
        """
        n0, n1 = self.siblings(run, counted=counted)
        if conclusion is None or run.task is None or n0 + n1 == 0:
            return 0.0
        k = self._ended.get((run.task, conclusion), (0, 0))
        k0, k1 = _minus(k, run.success) if counted and conclusion in run.ends else k
        if k1 == 0:
            return -math.log1p(n1 if k0 == 0 else 2 * k0 + n1)
        return math.log1p(2 * k1) - math.log1p(2 * k0)


def _plus(count: tuple[int, int], success: bool) -> tuple[int, int]:
    return (count[0] + (not success), count[1] + success)


def _minus(count: tuple[int, int], success: bool) -> tuple[int, int]:
    return (count[0] - (not success), count[1] - success)
