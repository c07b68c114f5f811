"""Credit in time: turns, and the matrix C[t, i] of what agent i earned in turn t.

A turn is a maximal set of steps that ran side by side. Row sums of C are temporal credit, column sums role credit, the
total is R - b.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from credit_hooks.credit.provenance import Provenance
from credit_hooks.credit.transcript import Transcript
from credit_hooks.rewards import TurnCredit
from credit_hooks.trajectory import Step

__all__ = ["turn_matrix", "turns_of"]


def turns_of(transcript: Transcript, provenance: Provenance) -> NDArray[np.intp]:
    """Turn of each message, shape (M,), numbered from 0 without gaps.

    By overlap of the steps' times; where a time is missing, or a message was written outside any step, by the read
    sets: a message is in the turn after the latest turn it read from.
    """
    contributed = ~provenance.inputs
    intervals = _intervals(transcript, contributed)
    levels = _levels(transcript, provenance) if intervals is None else _sweep(transcript, intervals)
    turns = np.zeros(len(levels), np.intp)  # inputs count to the first turn
    _, turns[contributed] = np.unique(np.asarray(levels, np.intp)[contributed], return_inverse=True)
    return turns


def turn_matrix(
    transcript: Transcript, turns: NDArray[np.intp], rewards: NDArray[np.float64]
) -> tuple[TurnCredit, ...]:
    """C[t, i] as cells, by turn and then agent, zero cells left out: rewards (M,) summed by turn and author."""
    agents = len(transcript.actors)
    sums = np.bincount(turns * agents + transcript.author, rewards, agents * (int(turns.max(initial=0)) + 1))
    return tuple(
        TurnCredit(turn=int(cell) // agents, actor_id=transcript.actors[int(cell) % agents], credit=float(sums[cell]))
        for cell in np.flatnonzero(sums)
    )


def _intervals(transcript: Transcript, contributed: NDArray[np.bool_]) -> dict[str, tuple[int, int]] | None:
    """Start and end of every step that wrote a message; None if one is unknown.

    A step around other writing steps, such as a subgraph, counts by its end only, which is when it wrote; else it
    would tie all the turns inside it together.
    """
    writers: dict[str, Step] = {}
    for position in np.flatnonzero(contributed):
        step_id = transcript.step_of[position]
        if step_id is None:
            return None
        writers[step_id] = transcript.steps[step_id]
    around: set[str] = set()
    for step in writers.values():
        parent = step.parent_id
        while parent is not None and parent not in around and parent in transcript.steps:
            around.add(parent)
            parent = transcript.steps[parent].parent_id
    intervals: dict[str, tuple[int, int]] = {}
    for step_id, step in writers.items():
        if step.start_ns is None or step.end_ns is None or step.end_ns < step.start_ns:
            return None
        intervals[step_id] = (step.end_ns if step_id in around else step.start_ns, step.end_ns)
    return intervals


def _sweep(transcript: Transcript, intervals: Mapping[str, tuple[int, int]]) -> Sequence[int]:
    """Turn of each message: a new one begins where nothing that started before is still running."""
    turn: dict[str, int] = {}
    current, running_until, last_start = -1, -1, -1
    for step_id, (start, end) in sorted(intervals.items(), key=lambda item: (item[1], item[0])):
        if current < 0 or (start >= running_until and start != last_start):
            current += 1
            running_until = end
        running_until, last_start = max(running_until, end), start
        turn[step_id] = current
    return [turn.get(step_id or "", 0) for step_id in transcript.step_of]


def _levels(transcript: Transcript, provenance: Provenance) -> Sequence[int]:
    """Longest chain of reads that ends in each message; messages of one step share the highest."""
    messages = len(transcript.messages)
    level = [0] * len(provenance.sources)
    for node in provenance.order:
        deepest = max((level[source] for source in provenance.sources[node]), default=-1 if node < messages else 0)
        level[node] = deepest + (1 if node < messages else 0)
    shared: dict[str, int] = {}
    for position, step_id in enumerate(transcript.step_of):
        if step_id is not None:
            shared[step_id] = max(shared.get(step_id, 0), level[position])
    return [
        level[position] if step_id is None else shared[step_id] for position, step_id in enumerate(transcript.step_of)
    ]
