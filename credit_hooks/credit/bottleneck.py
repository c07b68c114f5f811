"""Bottlenecks: turns that moved the conversation much and the outcome not. A diagnosis, never a reward.

b_t = D(S_t, S_{t-1}) (1 - clip(progress_t, 0, 1)) in [0, 1], where S_t is the state of the team after turn t
(:mod:`credit_hooks.credit.state`), D a distance in [0, 1], and progress_t the temporal credit of the turn, the row sum
of C[t, i]. (After arXiv 2605.30227, where progress divides: that flips the sign with it, and
explodes near 0.)
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

from credit_hooks.credit.config import CreditConfig
from credit_hooks.credit.provenance import Provenance
from credit_hooks.credit.state import StateFunction, state_distance, state_for
from credit_hooks.credit.temporal import turns_of
from credit_hooks.credit.transcript import Transcript
from credit_hooks.rewards import CreditedRun
from credit_hooks.trajectory import Message

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


def bottlenecks(
    run: CreditedRun, config: CreditConfig = _DEFAULT, *, state: StateFunction | None = None
) -> tuple[Bottleneck, ...]:
    """b_t of every turn, in order; the state before the first turn is that of what the run was given.

    Args:
        run: A credited run.
        config: How it is read.
        state: S_t as a function of the history up to turn t alone. None: by what the team works with, tools, code or
            words (:func:`credit_hooks.credit.state.state_for`).

    Raises:
        ConfigurationError: the states are not such that they have a distance.
    """
    transcript = Transcript.of(run.trajectory)
    if not transcript.messages:
        return ()
    provenance = Provenance.of(transcript, config.relation)
    turns = turns_of(transcript, provenance)
    history: list[list[Message]] = [[] for _ in range(int(turns.max(initial=0)) + 2)]
    authors: defaultdict[int, dict[str, None]] = defaultdict(dict)
    for position, message in enumerate(transcript.messages):
        turn = -1 if provenance.inputs[position] else int(turns[position])
        history[turn + 1].append(message)
        if turn >= 0:
            authors[turn][message.actor_id] = None
    progress: defaultdict[int, float] = defaultdict(float)
    for cell in run.credit.turns:
        progress[cell.turn] += cell.credit
    state = state or state_for(transcript.messages, config.language)
    states = [state(history[:length]) for length in range(1, len(history) + 1)]
    return tuple(
        Bottleneck(
            turn,
            state_distance(states[turn], states[turn + 1]) * (1.0 - min(max(progress[turn], 0.0), 1.0)),
            tuple(authors[turn]),
        )
        for turn in sorted(authors)
    )


def jensen_shannon(first: Mapping[str, int], second: Mapping[str, int]) -> float:
    """Divergence of two bags of units, to base 2: 0 if they are alike, 1 if they share nothing; 0 if one is empty."""
    return state_distance(first, second)
