"""What earlier runs of the same group wrote at the same point, for as long as a window of runs."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from credit_hooks.failure.pairs import Attempt
from credit_hooks_exporters.turns import Turn

__all__ = ["Candidate", "Siblings"]


@dataclass
class Candidate:
    """A message that may yet find its counterpart."""

    attempt: Attempt
    """What pairing has to know."""
    completion: Turn
    """The message as its author's turn."""
    paired: bool = False
    """Whether it is in a pair, so that its reward is accounted for."""


class Siblings:
    """Candidates of earlier runs, by the point they stood at.

    Args:
        window: How many runs a candidate is remembered for; what bounds memory.
    """

    def __init__(self, window: int) -> None:
        self._window = window
        self._runs = 0
        self._by_point: dict[tuple[str, str, str], list[Candidate]] = {}
        self._age: deque[tuple[int, tuple[str, str, str]]] = deque()

    def at(self, group: str, attempt: Attempt) -> list[Candidate]:
        """Candidates that stood where this attempt stands, oldest first."""
        return self._by_point.get((group, attempt.author, attempt.prefix), [])

    def next_run(self, count: int = 1) -> None:
        """Begin another run, whatever its group: what is too old is forgotten."""
        self._runs += count
        while self._age and self._age[0][0] < self._runs - self._window:
            _, point = self._age.popleft()
            rest = self._by_point[point][1:]
            if rest:
                self._by_point[point] = rest
            else:
                del self._by_point[point]

    def add(self, group: str, candidates: Iterable[Candidate]) -> None:
        """Remember the candidates of the current run."""
        for candidate in candidates:
            point = (group, candidate.attempt.author, candidate.attempt.prefix)
            self._by_point.setdefault(point, []).append(candidate)
            self._age.append((self._runs, point))
