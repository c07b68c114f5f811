"""A chain of noisy models, its true credit by expectation, and how well replays find it.

For replay.py and replay_autogen.py.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from credit_hooks.credit import CreditConfig, shapley

__all__ = ["NAMES", "Noisy", "Played", "coverage"]

NAMES = "abcd"

ROWS = ((1, 15), (1, 60), (4, 60), (8, 120))
"""Repeats asked for, budget."""

Played = Callable[["Noisy", CreditConfig], Any]
"""A chain run once and credited: a `CreditedRun`."""


class Noisy:
    """A chain in which everyone is right with a probability that grows with how many before were right.

    Args:
        seed: Of the replies.
        words: Whether the same verdict comes in other words each time, as from most models; else it is one word.
    """

    def __init__(self, seed: int, *, words: bool) -> None:
        self._random = random.Random(seed)
        self._words = words
        self._lock = threading.Lock()

    def chance(self, heard: Sequence[str]) -> float:
        return 0.2 + 0.7 * sum(map(self.is_right, heard)) / max(len(heard), 1) if heard else 0.6

    @staticmethod
    def is_right(text: str) -> bool:
        return text.startswith("right")

    def draw(self, heard: Sequence[str]) -> str:
        with self._lock:
            verdict = "right" if self._random.random() < self.chance(heard) else "wrong"
            return f"{verdict}, as {self._random.random()}" if self._words else verdict

    def truth(self, said: Sequence[str]) -> Any:
        """Shapley values of a recorded run in expectation over replies, by the chain's own probabilities."""
        said = ["right" if self.is_right(text) else "wrong" for text in said]
        table = [self._expected(said, kept, ()) for kept in range(1 << len(said))]
        return shapley(table)

    def _expected(self, said: Sequence[str], kept: int, heard: tuple[str, ...]) -> float:
        turn = len(heard)
        if turn == len(said):
            return float(self.is_right(heard[-1]))
        if not kept >> turn & 1:
            return self._expected(said, kept, (*heard, ""))
        if heard == tuple(said[:turn]) and (not self._words or not ~kept & (1 << turn) - 1):
            return self._expected(said, kept, (*heard, said[turn]))
        chance = self.chance(heard)
        right = self._expected(said, kept, (*heard, "right"))
        return chance * right + (1.0 - chance) * self._expected(said, kept, (*heard, "wrong"))


def coverage(
    played: Played, runs: int, first_seed: int = 0, *, words: bool = True, rows: Sequence[tuple[int, int]] = ROWS
) -> None:
    """Error and coverage of the standard errors when replies are drawn at random.

    A value whose standard error is 1 ("not known") is covered whatever it is: the last two columns leave these out.
    """
    print("| repeats asked | budget | evaluations of each | mean absolute error | 95% intervals cover | ", end="")
    print("conservation error | std. error known | these cover | their mean std. error |")
    print("|---:|---:|---|---:|---:|---:|---:|---:|---:|")
    for repeats, budget in rows:
        config = CreditConfig(method="replay", level="shapley", budget=budget, repeats=repeats, baseline=0.0)
        errors, sigmas, used, lost = [], [], [], 0.0
        for seed in range(first_seed, first_seed + runs):
            team = Noisy(seed, words=words)
            credited = played(team, config)
            credit, replay = credited.credit, credited.credit.replay
            assert replay is not None, credit.notes
            said = [credited.trajectory.message_by_id[player.message_ids[0]].text for player in replay.players]
            assert len(said) == len(NAMES)
            errors += np.abs(np.array([player.value for player in replay.players]) - team.truth(said)).tolist()
            sigmas += [player.std_err or 0.0 for player in replay.players]
            used.append(replay.repeats)
            lost = max(lost, abs(sum(credit.agents.values()) - credit.total))
        wrong, sigma = np.array(errors), np.array(sigmas)
        covered, known = wrong <= 1.96 * sigma + 1e-12, sigma < 1.0
        times = ", ".join(f"{number} in {used.count(number)} runs" for number in sorted(set(used)))
        print(f"| {repeats} | {budget} | {times} | {wrong.mean():.3f} | {covered.mean():.1%} | {lost:.0e} | ", end="")
        shown = f"{covered[known].mean():.1%} | {sigma[known].mean():.3f}" if known.any() else "- | -"
        print(f"{known.mean():.1%} | {shown} |", flush=True)
