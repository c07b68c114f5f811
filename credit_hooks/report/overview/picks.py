"""Which runs and messages a person should look at, out of any number of them."""

from __future__ import annotations

import heapq
from collections import Counter, deque
from typing import Final, Generic, Literal, NamedTuple, TypeAlias, TypeVar

from credit_hooks.rewards import Credit
from credit_hooks.store import RunCredit, RunSummary

__all__ = ["MAX_MESSAGES", "MAX_RUNS", "REASONS", "PickedMessage", "PickedRun", "Picks", "Reason"]

Reason: TypeAlias = Literal["blame", "error", "uncredited", "low_evidence"]
REASONS: Final[tuple[Reason, ...]] = ("blame", "error", "uncredited", "low_evidence")
"""Why a run is worth a look: its agent with the least credit is among the lowest of all; it, or its evaluation, failed
with an error; nobody was credited; its credit rests on little."""

MAX_RUNS: Final = 60
"""Runs kept per reason: of `blame` the lowest, of the others the newest."""
MAX_MESSAGES: Final = 100
"""Messages kept, those with the lowest rewards."""
_AGENTS_SHOWN: Final = 6
_AGENTS_NAMED: Final = 60

T = TypeVar("T")


class PickedRun(NamedTuple):
    """A run to look at, without its messages."""

    summary: RunSummary
    verdict: str
    time_ns: int
    reasons: tuple[Reason, ...]
    agents: tuple[tuple[str, float], ...]
    """The agents with the largest credit or blame, lowest first."""
    names: tuple[str, ...]
    """The names of its agents, for filters."""
    evidence: float | None
    """Weight of what the messages say. None: the method does not use content."""
    note: str | None
    """What was given up. None: nothing."""


class PickedMessage(NamedTuple):
    """A message with a low reward."""

    run: PickedRun
    message_id: str
    agent: str
    reward: float
    is_first_error: bool


class _Lowest(Generic[T]):
    """The items with the lowest values; of equal ones the newest."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._heap: list[tuple[float, int, T]] = []
        self._seen = 0

    def takes(self, value: float) -> bool:
        return len(self._heap) < self._size or -value >= self._heap[0][0]

    def add(self, value: float, item: T) -> None:
        self._seen += 1
        entry = (-value, self._seen, item)
        if len(self._heap) < self._size:
            heapq.heappush(self._heap, entry)
        else:
            heapq.heappushpop(self._heap, entry)

    def items(self) -> list[T]:
        """Lowest value first."""
        return [item for _, _, item in sorted(self._heap, key=lambda entry: (-entry[0], -entry[1]))]


class Picks:
    """Keeps what stands out while runs go by, oldest first."""

    def __init__(self) -> None:
        self.counts: Counter[Reason] = Counter()
        """Runs by reason, those not kept included."""
        self.punished = 0
        """Messages with a negative reward, those not kept included."""
        self._newest: dict[Reason, deque[PickedRun]] = {reason: deque(maxlen=MAX_RUNS) for reason in REASONS[1:]}
        self._blamed: _Lowest[PickedRun] = _Lowest(MAX_RUNS)
        self._worst: _Lowest[PickedMessage] = _Lowest(MAX_MESSAGES)

    def add(self, row: RunCredit, verdict: str, time_ns: int) -> None:
        """Look at one run."""
        credit = row.credit
        assert credit is not None
        reasons = _reasons(row.summary, credit)
        self.counts.update(reasons)
        punished = [reward for reward in credit.messages if (reward.reward or 0.0) < 0]
        self.punished += len(punished)
        worst_credit = row.summary.worst_credit or 0.0
        blamed = worst_credit < 0 and self._blamed.takes(worst_credit)
        low = [reward for reward in punished if self._worst.takes(reward.reward or 0.0)]
        if not (blamed or low or set(reasons) - {"blame"}):
            return
        picked = _picked(row, credit, verdict, time_ns, reasons)
        if blamed:
            self._blamed.add(worst_credit, picked)
        for reason in reasons:
            if reason != "blame":
                self._newest[reason].append(picked)
        first = None if credit.first_error is None else credit.first_error.message_id
        for reward in low:
            author = row.names.get(reward.actor_id, reward.actor_id)
            value = reward.reward or 0.0
            message = PickedMessage(picked, reward.message_id, author, value, reward.message_id == first)
            self._worst.add(value, message)

    def runs(self) -> list[PickedRun]:
        """Every run kept for any reason: the most blamed first, then the newest. Each once."""
        found = {run.summary.id: run for run in self._blamed.items()}
        rest = {run.summary.id: run for kept in self._newest.values() for run in kept}
        for run in sorted(rest.values(), key=lambda run: -run.time_ns):
            found.setdefault(run.summary.id, run)
        lowest = {run.summary.id for run in self._blamed.items()}
        return [
            run if run.summary.id in lowest else run._replace(reasons=tuple(r for r in run.reasons if r != "blame"))
            for run in found.values()
        ]

    def messages(self) -> list[PickedMessage]:
        """The messages with the lowest rewards, lowest first."""
        return self._worst.items()


def _reasons(summary: RunSummary, credit: Credit) -> tuple[Reason, ...]:
    found: list[Reason] = []
    if (summary.worst_credit or 0.0) < 0:
        found.append("blame")
    if summary.status == "error" or credit.status in ("error", "timeout", "overflow", "shutdown"):
        found.append("error")
    if credit.status != "credited":
        found.append("uncredited")
    elif credit.low_evidence:
        found.append("low_evidence")
    return tuple(found)


def _picked(row: RunCredit, credit: Credit, verdict: str, time_ns: int, reasons: tuple[Reason, ...]) -> PickedRun:
    named = [(row.names.get(actor_id, actor_id), value) for actor_id, value in credit.agents.items()]
    largest = sorted(named, key=lambda agent: (-abs(agent[1]), agent[0]))
    return PickedRun(
        summary=row.summary,
        verdict=verdict,
        time_ns=time_ns,
        reasons=reasons,
        agents=tuple(sorted(largest[:_AGENTS_SHOWN], key=lambda agent: (agent[1], agent[0]))),
        names=tuple(dict.fromkeys(name for name, _ in largest[:_AGENTS_NAMED])),
        evidence=credit.evidence,
        note=credit.notes[0] if credit.notes else None,
    )
