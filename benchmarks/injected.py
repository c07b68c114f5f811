"""A team of 32 steps into which one fault is injected, and that can be run again from any step. Used by failures.py.

Four agents take turns in working on a number: every step applies one operation to what the step before said. In a
failed run one step said something wrong. A replay keeps the messages before step t and really computes the rest: each
step anew may slip (which makes replays fail without the fault) or notice that the number is wrong and put it right
(which makes them succeed with it). A noisy reward model scores every step: around .75 while the number is right, around
.4 once it is wrong, standard deviation .2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from credit_hooks.credit import CreditConfig, locate_by_replay
from credit_hooks.failure import STEP_SCORE, Bisection, ProbeNoise, bisect, change_point_likelihood
from credit_hooks.trajectory import Actor, Label, Message, Outcome, ReadSet, Step, TextPart, Trajectory

__all__ = ["STEPS", "TEAMS", "Fault", "Team", "measure"]

STEPS = 32
_AGENTS = ("ann", "bob", "cyn", "dan")


class Team(NamedTuple):
    """How the team behaves when it is run again."""

    name: str
    slip: float
    """P(a step that is done anew says something wrong)."""
    notice: float
    """P(a step that is done anew puts a wrong number right)."""
    noise: ProbeNoise
    """What bisection is told of it."""
    scores: tuple[float, float, float] = (0.75, 0.4, 0.2)
    """The reward model: mean while the number is right, mean once it is wrong, standard deviation."""


TEAMS = (
    Team("deterministic: replays neither slip nor repair", 0.0, 0.0, ProbeNoise(1.0, 0.0)),
    Team(
        "noisy: replays succeed with .9 on average without the fault, .1 with it", 0.0065, 0.0065, ProbeNoise(0.9, 0.1)
    ),
    Team("noisier: .75 and .25", 0.018, 0.018, ProbeNoise(0.75, 0.25)),
    Team("deterministic, a worse reward model: .9 and .65, sd .25", 0.0, 0.0, ProbeNoise(1.0, 0.0), (0.9, 0.65, 0.25)),
)


@dataclass
class Fault:
    """One failed run of the team."""

    team: Team
    rng: np.random.Generator
    said: list[int] = field(default_factory=list)
    probes: int = 0

    def __post_init__(self) -> None:
        self.operands = self.rng.integers(1, 50, STEPS).tolist()
        self.truth = np.cumsum(self.operands).tolist()
        self.step = int(self.rng.integers(STEPS))
        off = int(self.rng.integers(1, 20))
        self.said = [value + (off if t >= self.step else 0) for t, value in enumerate(self.truth)]

    def replay(self, start: int) -> bool:
        """Keep steps 0..start-1, do the rest anew: is the last number right?"""
        self.probes += 1
        value = self.said[start - 1] if start else 0
        for t in range(start, STEPS):
            value += self.operands[t]
            if value != self.truth[t] and self.rng.random() < self.team.notice:
                value = self.truth[t]
            elif self.rng.random() < self.team.slip:
                value += int(self.rng.integers(1, 20))
        return bool(value == self.truth[-1])

    @cached_property
    def scores(self) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        right = np.array([said == true for said, true in zip(self.said, self.truth, strict=True)])
        good, bad, spread = self.team.scores
        return np.clip(np.where(right, good, bad) + self.rng.normal(0, spread, STEPS), 0.0, 1.0)

    def trajectory(self) -> Trajectory:
        """The run as it would be recorded, scored by the reward model."""
        texts = [
            f"{said - operand} + {operand} = {said}" for said, operand in zip(self.said, self.operands, strict=True)
        ]
        steps = tuple(
            Step(
                id=f"s{t}",
                kind="agent",
                actor_id=_AGENTS[t % 4],
                reads=ReadSet(base=f"s{t - 1}", new=(f"m{t - 1}",)) if t else ReadSet(),
                output_message_ids=(f"m{t}",),
            )
            for t in range(STEPS)
        )
        return Trajectory(
            id="injected",
            task="Add up.",
            actors=tuple(Actor(id=name, name=name) for name in _AGENTS),
            messages=tuple(
                Message(id=f"m{t}", index=t, actor_id=_AGENTS[t % 4], step_id=f"s{t}", parts=(TextPart(text=text),))
                for t, text in enumerate(texts)
            ),
            steps=steps,
            outcome=Outcome(score=0.0, success=False),
            labels=tuple(
                Label(target="message", target_id=f"m{t}", name=STEP_SCORE, value=float(score), annotator="prm")
                for t, score in enumerate(self.scores)
            ),
        )


# --- ways to find it --------------------------------------------------------------------------------------------------


def plain(fault: Fault, tries: int) -> int:
    """Bisection that believes every answer, or every majority of so many."""
    low, high = 0, STEPS - 1
    while low < high:
        middle = (low + high + 1) // 2
        if sum(fault.replay(middle) for _ in range(tries)) * 2 > tries:
            low = middle
        else:
            high = middle - 1
    return low


def first_drop(fault: Fault) -> int:
    """The first score below the middle of the two levels."""
    below = np.flatnonzero(fault.scores < 0.575)
    return int(below[0]) if below.size else STEPS - 1


def bayes(fault: Fault, *, scored: bool, budget: int, confidence: float) -> int:
    prior = change_point_likelihood(fault.scores) if scored else np.full(STEPS, 1.0 / STEPS)
    repeatable = fault.team.slip > 0
    found: Bisection = bisect(
        prior, fault.replay, noise=fault.team.noise, budget=budget, confidence=confidence, repeatable=repeatable
    )
    return found.position


def whole(fault: Fault, *, budget: int, confidence: float) -> int:
    """As users call it, on the recorded run: evidence rules and step scores as prior."""
    _, found = locate_by_replay(
        fault.trajectory(),
        lambda message_id: fault.replay(int(message_id[1:])),
        config=CreditConfig(probe_noise=fault.team.noise),
        budget=budget,
        confidence=confidence,
        repeatable=fault.team.slip > 0,
    )
    return found.position


def _ways() -> Iterator[tuple[str, Callable[[Fault], int]]]:
    yield "first score below .575", first_drop
    yield "change point of the scores", lambda fault: int(change_point_likelihood(fault.scores).argmax())
    yield "bisection", lambda fault: plain(fault, 1)
    yield "bisection, majority of three", lambda fault: plain(fault, 3)
    for confidence in (0.9, 0.95):
        yield (
            f"Bayesian, uniform prior, until {confidence:g} sure",
            lambda fault, c=confidence: bayes(fault, scored=False, budget=40, confidence=c),
        )
    for budget, confidence in ((4, 0.98), (40, 0.9), (40, 0.95)):
        limit = "at most 4 probes" if budget == 4 else f"until {confidence:g} sure"
        yield (
            f"Bayesian, step scores as prior, {limit}",
            lambda fault, b=budget, c=confidence: bayes(fault, scored=True, budget=b, confidence=c),
        )
    for budget, confidence in ((4, 0.98), (40, 0.9)):
        limit = "at most 4 probes" if budget == 4 else f"until {confidence:g} sure"
        yield (
            f"`locate_by_replay` (rules and scores), {limit}",
            lambda fault, b=budget, c=confidence: whole(fault, budget=b, confidence=c),
        )


def measure(team: Team, *, runs: int) -> None:
    """Accuracy and probes of every way on the same faults."""
    print(f"\n| {team.name} ({runs} faults) | exact step | mean probes | found within 4 probes |\n|---|---:|---:|---:|")
    for name, way in _ways():
        hits, probes = [], []
        for seed in range(runs):
            fault = Fault(team, np.random.default_rng([7, seed]))
            _ = fault.scores  # drawn first, so that they are the same for all ways
            hits.append(way(fault) == fault.step)
            probes.append(fault.probes)
        right, spent = np.array(hits), np.array(probes)
        error = 1.96 * right.std() / np.sqrt(runs)
        print(
            f"| {name} | {right.mean():.3f} ± {error:.3f} | {spent.mean():.1f} | {(right & (spent <= 4)).mean():.3f} |"
        )
