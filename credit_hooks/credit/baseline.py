"""Baselines b: what was to be expected of a run before it began."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict

from credit_hooks.credit.config import DEFAULT_BASELINE, Baseline
from credit_hooks.trajectory import Trajectory

__all__ = ["BaselineTracker", "task_key"]


def task_key(trajectory: Trajectory) -> str | None:
    """What runs of the same task share: group id, else task id, else a hash of the task's text. None: unknown."""
    if trajectory.group_id is not None:
        return f"group:{trajectory.group_id}"
    if trajectory.task_id is not None:
        return f"task:{trajectory.task_id}"
    text = " ".join((trajectory.task or "").split())
    return f"text:{hashlib.sha256(text.encode()).hexdigest()}" if text else None


class BaselineTracker:
    """Keeps the outcomes that `running` and `group` baselines need. Thread-safe; memory is bounded.

    A run never counts towards its own baseline, and a run that is scored again replaces its score.
    """

    def __init__(self, baseline: Baseline = DEFAULT_BASELINE, *, max_keys: int = 10_000, max_runs: int = 1_000) -> None:
        self._baseline = baseline
        self._max_keys, self._max_runs = max_keys, max_runs
        self._lock = threading.Lock()
        self._scores: OrderedDict[str, OrderedDict[str, float]] = OrderedDict()

    def resolve(self, trajectory: Trajectory) -> float:
        """Baseline b of this run. `Outcome.baseline` wins over everything.

        `group`: the mean of the task's other runs, or the running mean while there are none. `running`: the mean over
        this graph's other runs and one imagined run at .5, so that the first few do not swing it.
        """
        stated = None if trajectory.outcome is None else trajectory.outcome.baseline
        if stated is not None:
            return stated
        if isinstance(self._baseline, float | int):
            return float(self._baseline)
        with self._lock:
            if self._baseline == "group" and (others := self._others(task_key(trajectory), trajectory.id)):
                return sum(others) / len(others)
            others = self._others(_graph_key(trajectory), trajectory.id)
        return (DEFAULT_BASELINE + sum(others)) / (1 + len(others))

    def observe(self, trajectory: Trajectory, score: float) -> None:
        """Remember how a run ended; the oldest are forgotten beyond the caps."""
        with self._lock:
            for key in {_graph_key(trajectory), task_key(trajectory)} - {None}:
                assert key is not None
                scores = self._scores.setdefault(key, OrderedDict())
                self._scores.move_to_end(key)
                scores[trajectory.id] = score
                while len(scores) > self._max_runs:
                    scores.popitem(last=False)
            while len(self._scores) > self._max_keys:
                self._scores.popitem(last=False)

    def _others(self, key: str | None, run_id: str) -> list[float]:
        if key is None or key not in self._scores:
            return []
        return [score for other, score in self._scores[key].items() if other != run_id]


def _graph_key(trajectory: Trajectory) -> str:
    return f"graph:{trajectory.framework or ''}:{trajectory.name or ''}"
