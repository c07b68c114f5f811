"""Credit over many runs, added up one by one in bounded memory."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, TypeAlias

from credit_hooks.report.overview.picks import Picks
from credit_hooks.report.overview.timeline import Timeline
from credit_hooks.store import RunCredit

__all__ = ["MAX_AGENTS", "OTHERS", "AgentLine", "Tally", "Verdict"]

MAX_AGENTS: Final = 40
"""Agents shown, those with the most runs."""
OTHERS: Final = "(other agents)"
"""Stands for the agents beyond those that are told apart."""
_MAX_NAMES: Final = 300

Verdict: TypeAlias = Literal["succeeded", "partly", "failed", "uncredited"]


@dataclass(slots=True)
class _Mean:
    """A running mean and its spread (Welford 1962)."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0

    def add(self, value: float) -> None:
        self.count += 1
        off = value - self.mean
        self.mean += off / self.count
        self.squares += off * (value - self.mean)

    @property
    def std_err(self) -> float | None:
        if self.count < 2:
            return None
        return math.sqrt(self.squares / (self.count - 1) / self.count)


class AgentLine(NamedTuple):
    """What one agent earned over all runs that credit it."""

    name: str
    runs: int
    """Runs that credit it, with 0 too."""
    mean: float
    """Credit per such run."""
    std_err: float | None
    """Standard error of the mean over runs. None: there is one run only."""
    total: float
    succeeded: float | None
    """Mean in runs with something to earn. None: there was none."""
    failed: float | None
    """Mean in runs with something to blame. None: there was none."""
    first_errors: int
    """Failed runs in which it made the first error."""
    over_time: tuple[float | None, ...]
    """Mean per bin of the timeline. None: no run in it."""


class Tally:
    """Adds up runs; whatever it holds is bounded, whatever is left out is counted."""

    def __init__(self) -> None:
        self.runs = 0
        """Runs seen, damaged ones included."""
        self.damaged = 0
        """Runs whose credit cannot be read."""
        self.verdicts: Counter[str] = Counter()
        self.outcome = 0.0
        """Sum of the outcomes of all runs that have one."""
        self.with_outcome = 0
        self.first_ns: int | None = None
        """Start of the earliest run. None: there is none."""
        self.last_ns: int | None = None
        """Start of the latest run. None: there is none."""
        self.frameworks: set[str] = set()
        self.picks = Picks()
        self.timeline = Timeline()
        self._agents: dict[str, tuple[_Mean, _Mean, _Mean]] = {}
        self._first_errors: Counter[str] = Counter()

    def add(self, row: RunCredit) -> None:
        """Count one run."""
        self.runs += 1
        if row.credit is None:
            self.damaged += 1
            return
        summary = row.summary
        verdict = _verdict(summary.outcome)
        self.verdicts[verdict] += 1
        if summary.outcome is not None:
            self.outcome += summary.outcome
            self.with_outcome += 1
        if summary.framework and len(self.frameworks) < 8:
            self.frameworks.add(summary.framework)
        time_ns = summary.recorded_at if summary.started_at is None else summary.started_at
        self.first_ns = time_ns if self.first_ns is None else min(time_ns, self.first_ns)
        self.last_ns = time_ns if self.last_ns is None else max(time_ns, self.last_ns)
        earned = self._add_agents(row)
        self.timeline.add(time_ns, verdict, earned)
        self.picks.add(row, verdict, time_ns)

    def _add_agents(self, row: RunCredit) -> dict[str, float]:
        """Credit by name: a team may have several agents of one name."""
        credit = row.credit
        assert credit is not None
        earned: dict[str, float] = {}
        for actor_id, value in credit.agents.items():
            name = self._known(row.names.get(actor_id, actor_id))
            earned[name] = earned.get(name, 0.0) + value
        for name, value in earned.items():
            overall, succeeded, failed = self._agents[name]
            overall.add(value)
            if credit.total > 0:
                succeeded.add(value)
            elif credit.total < 0:
                failed.add(value)
        if credit.first_error is not None:
            blamed = credit.first_error.actor_id
            self._first_errors[self._known(row.names.get(blamed, blamed))] += 1
        return earned

    def _known(self, name: str) -> str:
        if name not in self._agents:
            if len(self._agents) >= _MAX_NAMES:
                name = OTHERS
            self._agents.setdefault(name, (_Mean(), _Mean(), _Mean()))
        return name

    def agents(self) -> tuple[list[AgentLine], list[str]]:
        """The agents with the most runs, best mean first; and the names of those that never earned or cost anything."""
        bins = self.timeline.bins()
        lines, idle = [], []
        for name, (overall, succeeded, failed) in self._agents.items():
            if overall.mean == 0.0 and overall.squares == 0.0 and not self._first_errors[name]:
                idle.append(name)
                continue
            means = [bin_.credit.get(name) for bin_ in bins]
            lines.append(
                AgentLine(
                    name=name,
                    runs=overall.count,
                    mean=overall.mean,
                    std_err=overall.std_err,
                    total=overall.mean * overall.count,
                    succeeded=succeeded.mean if succeeded.count else None,
                    failed=failed.mean if failed.count else None,
                    first_errors=self._first_errors[name],
                    over_time=tuple(None if found is None else found[0] / found[1] for found in means),
                )
            )
        most_runs = sorted(lines, key=lambda line: (-line.runs, line.name))[:MAX_AGENTS]
        return sorted(most_runs, key=lambda line: (-line.mean, line.name)), sorted(idle)

    @property
    def agent_count(self) -> int:
        """Agents told apart."""
        return len(self._agents)


def _verdict(outcome: float | None) -> Verdict:
    if outcome is None:
        return "uncredited"
    return "succeeded" if outcome == 1.0 else "failed" if outcome == 0.0 else "partly"
