"""Bottlenecks: turns that moved the conversation much and the outcome not. A diagnosis, never a reward.

b_t = D(S_t, S_{t-1}) (1 - clip(progress_t, 0, 1)) in [0, 1], where S_t is what turn t talks about as a distribution
over its units (numbers, names, words), D the Jensen-Shannon divergence to base 2, and progress_t the temporal credit
of the turn, the row sum of C[t, i]. (After arXiv 2605.30227, where progress divides: that flips the sign with it, and
explodes near 0.)
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from credit_hooks.credit.config import CreditConfig
from credit_hooks.credit.provenance import Provenance
from credit_hooks.credit.temporal import turns_of
from credit_hooks.credit.transcript import Transcript
from credit_hooks.rewards import CreditedRun

__all__ = ["Bottleneck", "bottlenecks", "jensen_shannon"]

_DEFAULT = CreditConfig()


class Bottleneck(NamedTuple):
    """How far one turn holds a run up."""

    turn: int
    """Turn index t, as in `TurnCredit`."""
    score: float
    """b_t in [0, 1]."""
    actor_ids: tuple[str, ...]
    """Who wrote in the turn."""


def bottlenecks(run: CreditedRun, config: CreditConfig = _DEFAULT) -> tuple[Bottleneck, ...]:
    """b_t of every turn, in order; the state before the first turn is what the run was given."""
    transcript = Transcript.of(run.trajectory)
    if not transcript.messages:
        return ()
    provenance = Provenance.of(transcript, config.relation)
    turns = turns_of(transcript, provenance)
    units: defaultdict[int, Counter[str]] = defaultdict(Counter)
    authors: defaultdict[int, dict[str, None]] = defaultdict(dict)
    for position, message in enumerate(transcript.messages):
        turn = -1 if provenance.inputs[position] else int(turns[position])
        units[turn].update(unit for unit, _ in config.language.units(message.text))
        if turn >= 0:
            authors[turn][message.actor_id] = None
    progress: Counter[int] = Counter()
    for cell in run.credit.turns:
        progress[cell.turn] += cell.credit  # type: ignore[assignment]
    return tuple(
        Bottleneck(
            turn,
            jensen_shannon(units[turn - 1], units[turn]) * (1.0 - min(max(float(progress[turn]), 0.0), 1.0)),
            tuple(authors[turn]),
        )
        for turn in sorted(authors)
    )


def jensen_shannon(first: Mapping[str, int], second: Mapping[str, int]) -> float:
    """Divergence of two bags of units, to base 2: 0 if they are alike, 1 if they share nothing; 0 if one is empty."""
    keys = sorted(first.keys() | second.keys())
    p = np.array([first.get(key, 0) for key in keys], np.float64)
    q = np.array([second.get(key, 0) for key in keys], np.float64)
    if not p.sum() or not q.sum():
        return 0.0
    p, q = p / p.sum(), q / q.sum()
    middle = (p + q) / 2

    def relative_entropy(x: np.ndarray) -> float:
        there = x > 0
        return float((x[there] * np.log2(x[there] / middle[there])).sum())

    return min(max((relative_entropy(p) + relative_entropy(q)) / 2, 0.0), 1.0)
