"""Preference pairs between messages that really were written: none is made up.

Three kinds of evidence count, the strongest first. *Replay*: the run was done anew from a message on, wrote another one
in its place, and ended otherwise. *Repair*: an author's message failed, and later in the run the same author did the
same kind of thing with success; the repaired message is what should have been written at the first place (arXiv
2511.10687, repair-aware preferences). *Siblings*: two runs of the same group reached the same point and went on
differently. Both sides stand at the prefix of the rejected message. The rejected side always has a negative reward and
the chosen side a positive one, so a repair is never rejected. A failure without a counterpart is no half of a pair, but
an undesirable example (KTO).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

__all__ = ["Attempt", "Evidence", "PreferencePair", "repair_pairs", "replay_pair", "sibling_pair", "undesirable"]

Evidence = Literal["sibling", "repair", "replay"]


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
    """Its reward; of what a replay wrote instead, the gain over the message that it stands in for."""
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
    measured: float | None = None
    """Difference of the outcomes that a replay measured. None: nothing was replayed."""

    @property
    def prefix(self) -> str:
        """What both sides answer: what the author of the rejected message had before it."""
        return self.rejected.prefix

    @property
    def margin(self) -> float:
        """How much better: the measured difference of outcomes, in (0, 1], else that of the rewards, in (0, 2]."""
        return self.chosen.reward - self.rejected.reward if self.measured is None else self.measured


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


def replay_pair(attempt: Attempt, replayed: Attempt, *, threshold: float = 0.0) -> PreferencePair | None:
    """The pair of an attempt with what a replay wrote in its place. None: they cannot be compared, or decide nothing.

    A replacement that did better is chosen over a punished attempt; one that did worse is rejected for a rewarded one.
    Where the reward of the attempt and the replay contradict each other there is no pair: a repair is never rejected.

    Args:
        attempt: The attempt.
        replayed: What was written instead, its reward the gain, at the same prefix by the same author.
        threshold: Rewards and gains within [-threshold, threshold] decide nothing.
    """
    same = (attempt.author, attempt.prefix) == (replayed.author, replayed.prefix)
    if not same or attempt.content == replayed.content:
        return None
    if replayed.reward > threshold and attempt.reward < -threshold:
        return PreferencePair(replayed, attempt, "replay", measured=replayed.reward)
    if replayed.reward < -threshold and attempt.reward > threshold:
        return PreferencePair(attempt, replayed, "replay", measured=-replayed.reward)
    return None


def undesirable(
    attempts: Iterable[Attempt], pairs: Iterable[PreferencePair], *, threshold: float = 0.0
) -> list[Attempt]:
    """Attempts with evidence of their own failure that no pair rejects: examples of what not to write (KTO).

    Args:
        attempts: Attempts, in order.
        pairs: The pairs that were found.
        threshold: Rewards within [-threshold, threshold] decide nothing.
    """
    rejected = {pair.rejected.key for pair in pairs}
    return [
        attempt
        for attempt in attempts
        if attempt.failed and attempt.reward < -threshold and attempt.key not in rejected
    ]
