"""Sums over time in a bounded number of bins, for times that nobody knows beforehand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

__all__ = ["MAX_BINS", "Bin", "Timeline"]

MAX_BINS: Final = 60
"""Most bins: as many bars as a phone can show."""

_FEWEST: Final = 12
_NARROWEST: Final = 1_000_000  # nanoseconds


@dataclass(slots=True)
class Bin:
    """The runs that began within one span of time."""

    runs: Counter[str] = field(default_factory=Counter)
    """Runs by verdict."""
    credit: dict[str, tuple[float, int]] = field(default_factory=dict)
    """Sum of credit, and number of runs, by agent."""

    def add(self, verdict: str, credit: Mapping[str, float]) -> None:
        """Count one run."""
        self.runs[verdict] += 1
        for agent, value in credit.items():
            total, runs = self.credit.get(agent, (0.0, 0))
            self.credit[agent] = (total + value, runs + 1)

    def absorb(self, other: Bin) -> None:
        """Take in what another bin holds."""
        self.runs.update(other.runs)
        for agent, (value, count) in other.credit.items():
            total, runs = self.credit.get(agent, (0.0, 0))
            self.credit[agent] = (total + value, runs + count)


class Timeline:
    """Bins of equal width, which doubles until at most `MAX_BINS` reach from the first run to the last."""

    def __init__(self) -> None:
        self.width = _NARROWEST
        """Nanoseconds of one bin."""
        self._bins: dict[int, Bin] = {}

    def add(self, time_ns: int, verdict: str, credit: Mapping[str, float]) -> None:
        """Count a run that began at this time."""
        self._bins.setdefault(time_ns // self.width, Bin()).add(verdict, credit)
        while max(self._bins) - min(self._bins) >= MAX_BINS:
            self._halve()

    def _halve(self) -> None:
        self.width *= 2
        finer, self._bins = self._bins, {}
        for place, bin_ in finer.items():
            self._bins.setdefault(place // 2, Bin()).absorb(bin_)

    @property
    def start_ns(self) -> int:
        """Where the first bin begins, nanoseconds since the epoch. 0: there is none."""
        return min(self._bins, default=0) * self.width

    def coarsen(self) -> None:
        """Widen the bins of few runs until each has about two: bars of single runs show nothing."""
        wanted = max(_FEWEST, sum(sum(bin_.runs.values()) for bin_ in self._bins.values()) // 2)
        while self._bins and max(self._bins) - min(self._bins) >= wanted:
            self._halve()

    def bins(self) -> list[Bin]:
        """All bins from the first run to the last, empty ones included."""
        if not self._bins:
            return []
        return [self._bins.get(place, Bin()) for place in range(min(self._bins), max(self._bins) + 1)]
