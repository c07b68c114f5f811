"""Preference pairs between messages that really were written: none is made up.

Two kinds of evidence count. *Siblings*: two runs of the same group reached the same point and went on differently.
*Repair*: an author's message failed, and later in the run the same author did the same kind of thing with success; the
repaired message is what should have been written at the first place (arXiv 2511.10687, repair-aware preferences). The
rejected side always has a negative reward and the chosen side a positive one, so a repair is never rejected.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

__all__ = ["Attempt", "Evidence", "PreferencePair", "repair_pairs", "sibling_pair"]

Evidence = Literal["sibling", "repair"]


@dataclass(frozen=True, slots=True)
class Attempt:
    """A message, as far as pairing has to know it."""

    key: tuple[str, str]
    """Run and message."""
    author: str
    """Who wrote it."""
    prefix: str
    """What the author had before it, in full or as a digest: equal means the same."""
    content: str
    """What was written, in full or as a digest: equal means the same."""
    form: str
    """What kind of thing it is, such as the tools it calls: repairs are of the same kind as what they repair."""
    reward: float
    """Its reward."""
    failed: bool = False
    """Whether there is evidence of its own failure: a hard error in what it had run, or the run's first error."""


@dataclass(frozen=True, slots=True)
class PreferencePair:
    """At the prefix of `rejected`, `chosen` was better."""

    chosen: Attempt
    """Positive reward."""
    rejected: Attempt
    """Negative reward."""
    evidence: Evidence
    """Why the two can be compared."""

    @property
    def margin(self) -> float:
        """Difference of the rewards, in (0, 2]."""
        return self.chosen.reward - self.rejected.reward


def repair_pairs(attempts: Sequence[Attempt], *, threshold: float = 0.0) -> list[PreferencePair]:
    """For every failed attempt of a run, the first later one of its author and form that was rewarded.

    Args:
        attempts: Attempts of one run, in order.
        threshold: Rewards within [-threshold, threshold] decide nothing.

    Returns:
        Pairs in the order of the failures, at most one for each. Cost: O(n) with the number of attempts.
    """
    later: dict[tuple[str, str], Attempt] = {}
    pairs: list[PreferencePair] = []
    for attempt in reversed(attempts):
        kind = (attempt.author, attempt.form)
        if attempt.reward > threshold:
            later[kind] = attempt
        elif attempt.failed and attempt.reward < -threshold:
            repair = later.get(kind)
            if repair is not None and repair.content != attempt.content:
                pairs.append(PreferencePair(repair, attempt, "repair"))
    return pairs[::-1]


def sibling_pair(attempt: Attempt, earlier: Iterable[Attempt], *, threshold: float = 0.0) -> PreferencePair | None:
    """The widest pair of an attempt with one of sibling runs that stood at the same point. None: there is none.

    Args:
        attempt: The new attempt.
        earlier: Attempts of other runs of the same group, in order; of equal margins the earliest counts.
        threshold: Rewards within [-threshold, threshold] decide nothing.
    """
    if abs(attempt.reward) <= threshold or attempt.reward == 0:
        return None
    sign = 1 if attempt.reward > 0 else -1
    fitting = [
        other
        for other in earlier
        if other.key[0] != attempt.key[0]
        and (other.author, other.prefix) == (attempt.author, attempt.prefix)
        and other.content != attempt.content
        and -sign * other.reward > threshold
    ]
    if not fitting:
        return None
    best = max(fitting, key=lambda other: -sign * other.reward)
    chosen, rejected = (attempt, best) if sign > 0 else (best, attempt)
    return PreferencePair(chosen, rejected, "sibling")
