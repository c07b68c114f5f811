"""Where every reward went: exported, or dropped for a reason. The two together are R - b, summed over the runs."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

from credit_hooks.rewards import CreditedRun

__all__ = ["Ledger"]

_Key = tuple[str, str]


class Ledger:
    """Counts for one export. A message counts once, by what happened to it first."""

    def __init__(self) -> None:
        self.runs = 0
        """Runs read."""
        self.rows = 0
        """Rows written."""
        self.total = 0.0
        """Sum of R - b over all credited runs."""
        self.exported = 0.0
        """Sum of the rewards of all messages that are in some row."""
        self.dropped: Final = Counter[str]()
        """Messages left out, by reason."""
        self.dropped_reward: Final[dict[str, float]] = {}
        """Sum of their rewards, by reason."""
        self.signs: Final = Counter[str]()
        """Exported messages by agent and sign, as `solver +`."""
        self.histogram: Final = Counter[str]()
        """Exported messages by reward, by the lower edge of bins of width 0.1."""
        self.methods: Final = Counter[str]()
        """Credited runs by credit method."""
        self.low_evidence = 0
        """Credited runs marked so."""
        self._open: dict[_Key, float] = {}

    def open(self, run: CreditedRun) -> None:
        """Begin a run: all its rewards are to be accounted for."""
        self.runs += 1
        if run.credit.status == "credited":
            self.total += run.credit.total
            self.methods[run.credit.method] += 1
            self.low_evidence += run.credit.low_evidence
        self._open = {
            (run.trajectory.id, reward.message_id): reward.reward
            for reward in run.credit.messages
            if reward.reward is not None
        }

    def reject(self, run: CreditedRun, reason: str) -> None:
        """Drop a whole run: all its messages count, also those without a reward."""
        self.dropped[reason] += len(run.trajectory.messages)
        if self._open:
            self._lose(reason, sum(self._open.values()))
        self._open = {}

    def drop(self, key: _Key, reason: str) -> None:
        """Leave a message out."""
        reward = self._open.pop(key, None)
        if reward is not None:
            self.dropped[reason] += 1
            self._lose(reason, reward)

    def take(self, keys: Iterable[_Key], agents: Mapping[_Key, str]) -> None:
        """Count messages as exported."""
        for key in keys:
            reward = self._open.pop(key, None)
            if reward is not None:
                self.exported += reward
                self._sign(agents.get(key, ""), reward)

    def reclaim(self, agent: str, reward: float, reason: str) -> None:
        """Export a message of an earlier run after all, as a later run gave it a counterpart."""
        self.dropped[reason] -= 1
        self._lose(reason, -reward)
        self.exported += reward
        self._sign(agent, reward)

    def close(self, reason: str) -> None:
        """End a run: whatever is not accounted for is dropped."""
        for key in list(self._open):
            self.drop(key, reason)

    def as_json(self) -> dict[str, Any]:
        """All counts, keys sorted."""
        return {
            "runs": self.runs,
            "rows": self.rows,
            "total": self.total,
            "exported": self.exported,
            "dropped": {reason: self.dropped[reason] for reason in sorted(self.dropped)},
            "dropped_reward": {reason: self.dropped_reward[reason] for reason in sorted(self.dropped_reward)},
            "signs": {sign: self.signs[sign] for sign in sorted(self.signs)},
            "histogram": {edge: self.histogram[edge] for edge in sorted(self.histogram, key=float)},
            "methods": {method: self.methods[method] for method in sorted(self.methods)},
            "low_evidence": self.low_evidence,
        }

    def add(self, counts: Mapping[str, Any]) -> None:
        """Add what :meth:`as_json` gave for another part of the same export."""
        self.runs += counts["runs"]
        self.rows += counts["rows"]
        self.total += counts["total"]
        self.exported += counts["exported"]
        self.dropped.update(counts["dropped"])
        self.low_evidence += counts["low_evidence"]
        for counter, name in ((self.signs, "signs"), (self.histogram, "histogram"), (self.methods, "methods")):
            counter.update(counts[name])
        for reason, reward in counts["dropped_reward"].items():
            self._lose(reason, reward)

    def _lose(self, reason: str, reward: float) -> None:
        self.dropped_reward[reason] = self.dropped_reward.get(reason, 0.0) + reward

    def _sign(self, agent: str, reward: float) -> None:
        self.signs[f"{agent} {'+' if reward > 0 else '-' if reward < 0 else '0'}"] += 1
        self.histogram[f"{max(-10, min(9, math.floor(reward * 10))) / 10:.1f}"] += 1
