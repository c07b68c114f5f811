"""What `passive.py` and `planted.py` share: baselines, variants of the default, and measures with bootstrap intervals.

A method takes a run with an outcome and gives a reward to every message, in the order of `run.messages`. Baselines
share R - b out among the messages that can have contributed, as the default does; their rewards have the sign of R - b.
"""

from __future__ import annotations

import hashlib
import math
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from credit_hooks.credit import CreditConfig, assign_credit, evidence, shares
from credit_hooks.credit.evidence import Evidence
from credit_hooks.credit.provenance import Provenance
from credit_hooks.credit.transcript import Transcript
from credit_hooks.trajectory import Trajectory

Vector = NDArray[np.float64]
Method = Callable[[Trajectory], Vector]


# --- Measures -----------------------------------------------------------------------------------------------------


def auc(high: Sequence[float], low: Sequence[float]) -> float:
    """Probability that one of `high` is above one of `low`, ties counting half."""
    a, b = np.asarray(high)[:, None], np.asarray(low)[None, :]
    return float(((a > b) + 0.5 * (a == b)).mean())


def in_top(rewards: Vector, targets: Sequence[int], candidates: Sequence[int], k: int) -> float:
    """Probability that a target is among the k lowest rewards of the candidates, ties broken at random."""
    values = np.asarray([rewards[c] for c in candidates])
    best = 0.0
    for target in targets:
        below = int((values < rewards[target]).sum())
        ties = int((values == rewards[target]).sum())
        best = max(best, min(max((k - below) / ties, 0.0), 1.0))
    return best


def interval(values: Sequence[float], groups: Sequence[str], draws: int = 2000) -> tuple[float, float, float]:
    """Mean and 95% bootstrap interval; whole groups (tasks) are drawn."""
    if not values:
        return math.nan, math.nan, math.nan
    sums: dict[str, list[float]] = {}
    for value, group in zip(values, groups, strict=True):
        sums.setdefault(group, []).append(value)
    total = np.array([sum(own) for own in sums.values()])
    count = np.array([len(own) for own in sums.values()], float)
    drawn = np.random.default_rng(0).integers(0, total.size, (draws, total.size))
    means = total[drawn].sum(axis=1) / count[drawn].sum(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(np.mean(values)), float(low), float(high)


def shown(values: Sequence[float], groups: Sequence[str]) -> str:
    mean, low, high = interval(values, groups)
    return "-" if math.isnan(mean) else f"{mean:.2f} [{low:.2f}, {high:.2f}]"


def is_selection(task: str) -> bool:
    """Whether parameters may be chosen on this task: one bit of its hash."""
    return hashlib.sha256(task.encode("utf-8", "replace")).digest()[0] % 2 == 0


# --- Baselines ----------------------------------------------------------------------------------------------------


def content(run: Trajectory) -> Evidence:
    transcript = Transcript.of(run)
    return Evidence(transcript, Provenance.of(transcript, "consumed"), CreditConfig())


def share_out(run: Trajectory, found: Evidence, weight: Vector) -> Vector:
    """R - b in proportion to weights of the players; evenly where all are 0."""
    weight = np.where(found.provenance.players, weight, 0.0)
    if not weight.sum():
        weight = found.provenance.players.astype(float)
    assert run.outcome is not None
    by_position = (run.outcome.score - 0.5) * weight / weight.sum()
    rewards = np.zeros(len(run.messages))
    rewards[list(found.transcript.listed)] = by_position
    return rewards


def _weights(kind: str) -> Callable[[Evidence], Vector]:
    def weight(found: Evidence) -> Vector:
        size = len(found.texts)
        if kind == "uniform":
            return np.ones(size)
        if kind == "longest":
            return np.array([float(len(text)) for text in found.texts])
        place = {m: rank for rank, m in enumerate(found.players)}
        last = len(place) - 1
        if kind == "last message":
            return np.array([float(place.get(m) == last) for m in range(size)])
        if kind == "recency":
            return np.array([0.5 ** (last - place[m]) if m in place else 0.0 for m in range(size)])
        return _overlap(found, kind)

    return weight


def _overlap(found: Evidence, kind: str) -> Vector:
    """TF-IDF cosine with the answer, or the weight of the answer's words that only one message holds."""
    size = len(found.texts)
    bags = [Counter(units) for units in found.units]
    held = Counter(unit for m in found.players for unit in bags[m])
    idf = {unit: math.log((len(found.players) + 1) / count) for unit, count in held.items()}
    answer = next((m for m in reversed(found.players) if bags[m]), None)
    result = np.zeros(size)
    if answer is None:
        return result
    if kind == "leave-one-out overlap":
        for m in found.players:
            others = {u for other in found.players if other not in (m, answer) for u in bags[other]}
            unique = [u for u in bags[m] if u in bags[answer] and u not in others and u not in found.task_units]
            result[m] = sum(idf[unit] for unit in unique)
        return result
    norms = {m: math.sqrt(sum((n * idf[u]) ** 2 for u, n in bags[m].items())) or 1.0 for m in found.players}
    for m in found.players:
        dot = sum(n * idf[u] ** 2 * bags[answer][u] for u, n in bags[m].items() if u in bags[answer])
        result[m] = dot / norms[m] / norms[answer]
    return result


BASELINES = ("uniform", "last message", "recency", "longest", "TF-IDF", "leave-one-out overlap")


def baseline(kind: str) -> Method:
    def rewards(run: Trajectory) -> Vector:
        found = content(run)
        return share_out(run, found, _weights(kind)(found))

    return rewards


def credited(config: CreditConfig) -> Method:
    return lambda run: np.array([reward.reward or 0.0 for reward in assign_credit(run, config).messages])


# --- Variants of the default --------------------------------------------------------------------------------------


class _Variant(Evidence):
    """The evidence with one ingredient changed."""

    cue_in_success = ""
    """Who abstains in successes without a cue: "all", or "contradictors", who would lower the conclusion."""
    classes = True
    takes_results = True
    everyone_votes = False
    without: str = ""

    @cached_property
    def stances(self) -> tuple[Vector, NDArray[np.bool_]]:
        stance, votes = super().stances
        votes = votes.copy()
        outcome = self.transcript.trajectory.outcome
        if self.cue_in_success and outcome is not None and outcome.score >= 0.5:
            votes &= self.cues if self.cue_in_success == "all" else self.cues | (stance >= 0.5)
        if not self.classes:
            votes |= np.array([bool(self.conclusion(m)) and bool(self.states[m]) for m in range(len(self.texts))])
        return stance, votes

    @cached_property
    def cues(self) -> NDArray[np.bool_]:
        return np.ones(len(self.texts), bool) if self.everyone_votes else super().cues

    def clean_result(self, position: int) -> int | None:
        return super().clean_result(position) if self.takes_results else None

    @cached_property
    def blame(self) -> Vector:
        blame = super().blame.copy()
        if not self.without:
            return blame
        seen: set[str] = set(self.task_units)
        for index, m in enumerate(self.players):
            new = {unit for unit in self.units[m] if self.rank[unit] > 0} - seen
            seen |= new
            hedges = min(len(self.config.language.hedge.findall(self.texts[m])), 3)
            following = super().results.get(m) or self.players[index + 1 : index + 2]
            factor = {
                "novelty": (1.0 + len(new)) ** 0.5,
                "tools": 0.25 if self.transcript.kinds[m] in ("tool", "environment", "orchestrator") else 1.0,
                "position": 1.0 / (1.0 + 0.1 * index),
                "hedges": 1.0 + hedges / 3.0,
                "errors": 2.0 if any(after in self.symptoms for after in following) else 1.0,
            }[self.without]
            blame[m] /= factor
        share: Vector = blame / blame.sum()
        return share


class _CueInSuccess(_Variant):
    cue_in_success = "all"


class _CueToContradict(_Variant):
    cue_in_success = "contradictors"


class _NoClasses(_Variant):
    classes = False


class _EveryoneVotes(_Variant):
    everyone_votes = True


class _NoResults(_Variant):
    takes_results = False


class _NoFlow(_Variant):
    flow = None  # type: ignore[assignment]


def _without(factor: str) -> type[_Variant]:
    return type(f"_Without_{factor}", (_Variant,), {"without": factor})


@contextmanager
def changed(*changes: tuple[Any, str, Any]) -> Iterator[None]:
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in changes]
    for owner, name, value in changes:
        setattr(owner, name, value)
    try:
        yield
    finally:
        for owner, name, value in before:
            setattr(owner, name, value)


def variant(*changes: tuple[Any, str, Any], config: CreditConfig | None = None) -> Method:
    chosen = config or CreditConfig()

    def rewards(run: Trajectory) -> Vector:
        with changed(*changes):
            return credited(chosen)(run)

    return rewards


def _votes_only(problem: Any) -> tuple[Vector, float]:
    return np.zeros(len(problem.transcript.messages)), 0.0


ASSIGN: Any = sys.modules[assign_credit.__module__]

ABLATIONS: Mapping[str, Method] = {
    "messages as players (Shapley)": variant(config=CreditConfig(level="shapley")),
    "no votes: base share only": variant((shares, "_votes", _votes_only)),
    "everyone votes in failures": variant((ASSIGN, "Evidence", _EveryoneVotes)),
    "cue needed in successes too": variant((ASSIGN, "Evidence", _CueInSuccess)),
    "cue needed to contradict in successes": variant((ASSIGN, "Evidence", _CueToContradict)),
    "no abstention by class": variant((ASSIGN, "Evidence", _NoClasses)),
    "code takes no result's stance": variant((ASSIGN, "Evidence", _NoResults)),
    "echoes at full weight": variant((shares, "_ECHO", 1.0)),
    "anchor of the last message only": variant((evidence, "_ANCHOR_MESSAGES", 1)),
    "stance not sharpened": variant((evidence, "_STANCE_LOW", 0.0), (evidence, "_STANCE_SPAN", 1.0)),
    "no flow": variant((ASSIGN, "Evidence", _NoFlow)),
    "no flow in failures": variant((shares, "_BLAME_MIX", 0.0)),
    **{
        f"blame without {factor}": variant((ASSIGN, "Evidence", _without(factor)))
        for factor in ("novelty", "tools", "position", "hedges", "errors")
    },
}
