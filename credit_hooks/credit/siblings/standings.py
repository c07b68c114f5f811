"""Agents over many runs: mean credit with confidence intervals, and whether it drifts. Robust to tasks that repeat.

Runs of one task resemble each other, so intervals and tests take the task as the unit (cluster-robust variance with the
small-sample factor of CR1, Student's t with one degree less than there are tasks; Cameron and Miller 2015). Drift is
the slope of credit over the order of the runs, tested the same way, and adjusted for the number of agents (Holm 1979).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from credit_hooks.credit.siblings.facts import content_key
from credit_hooks.credit.siblings.student import student_quantile, student_tail
from credit_hooks.rewards import CreditedRun
from credit_hooks.trajectory import Trajectory

__all__ = ["Drift", "Interval", "Standing", "Standings"]

_MIN_DRIFT_RUNS = 10
_MIN_DRIFT_TASKS = 5

Vector = NDArray[np.float64]


class Interval(NamedTuple):
    """A mean and the limits of its confidence interval."""

    mean: float
    low: float | None
    """None: too few tasks to say."""
    high: float | None
    """None: as for `low`."""


class Drift(NamedTuple):
    """How credit changed over time."""

    change: float
    """From the first run to the last, along the fitted line."""
    low: float
    high: float
    p: float
    """Two-sided probability of such a slope without drift."""
    p_adjusted: float
    """The same, for the worst of all agents or roles that were tested."""


class Standing(NamedTuple):
    """One agent, or all of one role."""

    name: str
    """Actor's name, or the role."""
    kind: str
    """Kind of actor; of roles, of the first."""
    role: str
    runs: int
    """Credited runs in which it was present."""
    messages: int
    tasks: int
    total: float
    """Sum of its credit over all runs."""
    credit: Interval
    """Credit per run: the sum of its messages' rewards."""
    per_message: Interval
    """Mean reward per message, of runs in which it wrote."""
    drift: Drift | None
    """Change of credit per run over time. None: fewer than 10 runs or 5 tasks."""


@dataclass
class _Tally:
    kind: str
    role: str
    run: list[int] = field(default_factory=list)
    credit: list[float] = field(default_factory=list)
    messages: list[int] = field(default_factory=list)


class Standings:
    """Takes credited runs one at a time, and keeps a few numbers of each.

    Args:
        level: Probability with which an interval holds the mean.
    """

    def __init__(self, level: float = 0.95) -> None:
        self.level = level
        self.runs = 0
        """Runs taken, credited or not."""
        self._tasks: list[str] = []
        self._times: list[int | None] = []
        self._agents: dict[str, _Tally] = {}
        self._roles: dict[str, _Tally] = {}

    @property
    def credited(self) -> int:
        """Runs with credit."""
        return len(self._tasks)

    @property
    def tasks(self) -> int:
        """Different tasks; a run that states none is one of its own."""
        return len(set(self._tasks))

    def add(self, run: CreditedRun) -> None:
        """Take a run into account, in the order in which runs happened if they state no times."""
        self.runs += 1
        if run.credit.status != "credited":
            return
        place = len(self._tasks)
        self._tasks.append(content_key(run.trajectory) or f"run:{run.trajectory.id}")
        self._times.append(_started(run.trajectory))
        wrote: dict[str, int] = defaultdict(int)
        for reward in run.credit.messages:
            wrote[reward.actor_id] += reward.reward is not None
        actors = run.trajectory.actor_by_id
        by_name: dict[str, tuple[float, int]] = {}
        by_role: dict[str, tuple[float, int]] = {}
        for actor_id, credit in run.credit.agents.items():
            actor = actors.get(actor_id)
            name = actor_id if actor is None else actor.name
            kind = "unknown" if actor is None else actor.kind
            stated = None if actor is None else actor.meta.get("role")
            role = stated if isinstance(stated, str) and stated else kind
            self._agents.setdefault(name, _Tally(kind, role))
            self._roles.setdefault(role, _Tally(kind, role))
            for sums, key in ((by_name, name), (by_role, role)):
                before = sums.get(key, (0.0, 0))
                sums[key] = (before[0] + credit, before[1] + wrote[actor_id])
        for tallies, sums in ((self._agents, by_name), (self._roles, by_role)):
            for key, (credit, messages) in sums.items():
                tally = tallies[key]
                tally.run.append(place)
                tally.credit.append(credit)
                tally.messages.append(messages)

    def agents(self) -> list[Standing]:
        """By mean credit, highest first; actors of one name are one agent."""
        return self._ranked(self._agents)

    def roles(self) -> list[Standing]:
        """As `agents`, for all of one role: `Actor.meta["role"]` where it is stated, else the kind of actor."""
        return self._ranked(self._roles)

    def _ranked(self, tallies: dict[str, _Tally]) -> list[Standing]:
        number = {task: place for place, task in enumerate(dict.fromkeys(self._tasks))}
        task_of = np.array([number[task] for task in self._tasks], np.intp)
        order = _order(self._times)
        found = [self._standing(name, tally, task_of, order) for name, tally in tallies.items()]
        return sorted(_holm(found), key=lambda standing: (-standing.credit.mean, standing.name))

    def _standing(self, name: str, tally: _Tally, task_of: NDArray[np.intp], order: Vector) -> Standing:
        place = np.array(tally.run, np.intp)
        credit, messages = np.array(tally.credit), np.array(tally.messages, np.float64)
        task = task_of[place]
        wrote = messages > 0
        drift = None
        if place.size >= _MIN_DRIFT_RUNS and np.unique(task).size >= _MIN_DRIFT_TASKS:
            drift = self._drift(credit, order[place], task)
        return Standing(
            name=name,
            kind=tally.kind,
            role=tally.role,
            runs=place.size,
            messages=int(messages.sum()),
            tasks=int(np.unique(task).size),
            total=float(credit.sum()),
            credit=self._interval(credit, task),
            per_message=self._interval(credit[wrote] / messages[wrote], task[wrote]),
            drift=drift,
        )

    def _interval(self, values: Vector, task: NDArray[np.intp]) -> Interval:
        if not values.size:
            return Interval(0.0, None, None)
        mean = float(values.mean())
        clusters = int(np.unique(task).size)
        if clusters < 2:
            return Interval(mean, None, None)
        error = float(_robust_error(np.ones((values.size, 1)), values - mean, task)[0])
        reach = student_quantile(0.5 + self.level / 2.0, clusters - 1) * error
        return Interval(mean, mean - reach, mean + reach)

    def _drift(self, values: Vector, order: Vector, task: NDArray[np.intp]) -> Drift | None:
        spread = order - order.min()
        if not spread.max():
            return None
        design = np.column_stack([np.ones(values.size), spread / spread.max()])
        line, *_ = np.linalg.lstsq(design, values, rcond=None)
        error = float(_robust_error(design, values - design @ line, task)[1])
        degrees = int(np.unique(task).size) - 1
        change = float(line[1])
        reach = student_quantile(0.5 + self.level / 2.0, degrees) * error
        certain = abs(change) < 1e-12  # nothing to test where credit is the same throughout
        p = 1.0 if certain else 0.0 if not error else min(1.0, 2.0 * student_tail(abs(change) / error, degrees))
        return Drift(change, change - reach, change + reach, p, p)


def _robust_error(design: Vector, residual: Vector, task: NDArray[np.intp]) -> Vector:
    """Standard errors of least squares, clustered by task (CR1)."""
    n, k = design.shape
    inverse = np.linalg.inv(design.T @ design)
    names, of = np.unique(task, return_inverse=True)
    scores = np.zeros((names.size, k))
    np.add.at(scores, of, design * residual[:, None])
    factor = names.size / (names.size - 1) * (n - 1) / max(n - k, 1)
    variance = np.diag(inverse @ (scores.T @ scores) @ inverse) * factor
    error: Vector = np.sqrt(np.maximum(variance, 0.0))
    return error


def _holm(standings: Sequence[Standing]) -> list[Standing]:
    """Adjusted probabilities: the smallest times the number of tests, and so on, never decreasing."""
    known = [standing for standing in standings if standing.drift is not None]
    tested = sorted(known, key=lambda standing: (standing.drift.p if standing.drift else 1.0, standing.name))
    adjusted: dict[str, float] = {}
    worst = 0.0
    for place, standing in enumerate(tested):
        assert standing.drift is not None
        worst = max(worst, min(1.0, standing.drift.p * (len(tested) - place)))
        adjusted[standing.name] = worst
    return [
        s if s.drift is None else s._replace(drift=s.drift._replace(p_adjusted=adjusted[s.name])) for s in standings
    ]


def _order(times: Sequence[int | None]) -> Vector:
    """Rank of each run in time, from 0; the order in which they were taken where some state no time."""
    if None in times:
        return np.arange(len(times), dtype=np.float64)
    rank = np.empty(len(times))
    rank[np.argsort(np.array(times, np.float64), kind="stable")] = np.arange(len(times))
    return rank


def _started(trajectory: Trajectory) -> int | None:
    times = [step.start_ns for step in trajectory.steps if step.start_ns is not None]
    times += [message.timestamp for message in trajectory.messages if message.timestamp is not None]
    return min(times, default=None)
