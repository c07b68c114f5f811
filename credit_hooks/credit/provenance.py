"""Who can have contributed: the provenance graph of a run, and the players of its games.

Nodes 0..M-1 are messages; the nodes above them are *read sets*, shared as the trajectory shares them, so that a team in
which everybody reads the whole history has a graph of linear size. A message reads at most one read set; a read set
reads its base and the messages that are new in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from credit_hooks.credit.config import Relation
from credit_hooks.credit.transcript import Transcript
from credit_hooks.trajectory import Step

__all__ = ["Provenance"]

_MAX_RESOLVED = 2_000_000  # message references written out for read sets that drop messages: 16 MiB


@dataclass(frozen=True)
class Provenance:
    """The part of a run that its answer rests on."""

    order: tuple[int, ...]
    """Nodes of the ancestor cone of the targets, sources first."""
    sources: tuple[tuple[int, ...], ...]
    """For every node, the nodes it reads, less those that would close a cycle."""
    targets: tuple[int, ...]
    """Messages that carry the answer."""
    players: NDArray[np.bool_]
    """Messages that can have contributed, shape (M,): ancestors of the answer that are no inputs of the run."""
    inputs: NDArray[np.bool_]
    """Messages the run began with, shape (M,): given, not contributed."""
    only_inputs: bool = False
    """True if nothing but inputs leads to the answer: then they are the players, though none is to be credited."""
    notes: tuple[str, ...] = ()
    """What was assumed or repaired."""

    @classmethod
    def of(cls, transcript: Transcript, relation: Relation) -> Provenance:
        """Build the graph and find the players. O(messages + steps + new and dropped reads)."""
        graph = _Builder(transcript, relation)
        inputs = _inputs(transcript, graph)
        targets = _targets(transcript, inputs)
        order, sources, cycles = _cone(graph.sources, targets)
        ancestors = np.zeros(len(transcript.messages), bool)
        ancestors[[node for node in order if node < ancestors.size]] = True
        players = ancestors & ~inputs
        notes = list(graph.notes)
        if cycles:
            notes.append(f"{cycles} read(s) that closed a cycle were left out")
        only_inputs = not players.any()
        return cls(order, sources, targets, ancestors if only_inputs else players, inputs, only_inputs, tuple(notes))


@dataclass
class _Builder:
    """Collects the sources of every node."""

    transcript: Transcript
    relation: Relation
    sources: list[tuple[int, ...]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    known: bool = False
    """Whether any message was written in a step."""

    def __post_init__(self) -> None:
        transcript = self.transcript
        self.sources = [()] * len(transcript.messages)
        self._node_of: dict[str, int] = {}
        self._size: dict[int, int] = {}
        self._resolved = 0
        self.known = any(step_id is not None for step_id in transcript.step_of)
        if not self.known:
            self._assume_everything_is_read()
            return
        for position, message in enumerate(transcript.messages):
            consumed = None if self.relation == "visible" else message.generated_by
            read = self._reads(consumed) or self._reads(transcript.step_of[position])
            self.sources[position] = read or tuple(self._positions(message.earlier_parents))
        if self._resolved > _MAX_RESOLVED:
            self.notes.append("removed messages count as read where read sets grew too large to resolve")

    def _assume_everything_is_read(self) -> None:
        messages = len(self.sources)
        if messages > 1:
            self.notes.append("no provenance in the source: every message is taken to have been read by all later ones")
        for position in range(1, messages):
            base = (len(self.sources) - 1,) if position > 1 else ()
            self.sources.append((*base, position - 1))
            self.sources[position] = (len(self.sources) - 1,)

    def _reads(self, step_id: str | None) -> tuple[int, ...]:
        """The read-set node of a step, as the sources of a message; empty if it read nothing."""
        if step_id is None or step_id not in self.transcript.steps:
            return ()
        node = self._read_set(step_id)
        return (node,) if self._size[node] else ()

    def _read_set(self, step_id: str) -> int:
        """Node of a step's read set; builds the chain of bases without recursion."""
        chain: list[str] = []
        current: str | None = step_id
        while current is not None and current not in self._node_of and current in self.transcript.steps:
            self._node_of[current] = len(self.sources)  # before its base is known, so that a cycle of bases ends
            self.sources.append(())
            chain.append(current)
            current = self.transcript.steps[current].reads.base
        for link in reversed(chain):
            step = self.transcript.steps[link]
            base = self._node_of.get(step.reads.base) if step.reads.base is not None else None
            node = self._node_of[link]
            self.sources[node] = links = self._links(step, base)
            # A base without a size yet is part of a cycle of bases: taken as not empty.
            self._size[node] = sum(self._size.get(source, 1) if source == base else 1 for source in links)
        return self._node_of[step_id]

    def _links(self, step: Step, base: int | None) -> tuple[int, ...]:
        new = self._positions(step.reads.new)
        if self.relation == "scheduled":
            causes = (self.transcript.steps.get(cause) for cause in step.scheduled_by)
            new |= self._positions(message for cause in causes if cause for message in cause.output_message_ids)
        if base is None:
            return tuple(new)
        if step.reads.dropped and self._resolved <= _MAX_RESOLVED:
            visible = dict.fromkeys(self._resolve(base))
            for position in self._positions(step.reads.dropped):
                visible.pop(position, None)
            self._resolved += len(visible)
            return tuple(visible | new)
        return (base, *new)

    def _positions(self, message_ids: Iterable[str]) -> dict[int, None]:
        at = self.transcript.at
        return {at[message_id]: None for message_id in message_ids if message_id in at}

    def _resolve(self, node: int) -> Sequence[int]:
        """The messages in a read set, in order."""
        messages = len(self.transcript.messages)
        levels: list[list[int]] = []
        seen: set[int] = set()
        while node not in seen:
            seen.add(node)
            levels.append([source for source in self.sources[node] if source < messages])
            node = next((source for source in self.sources[node] if source >= messages), node)
        return [position for level in reversed(levels) for position in level]


def _inputs(transcript: Transcript, graph: _Builder) -> NDArray[np.bool_]:
    """Messages that were given to the run: they read nothing, and precede what the team wrote.

    What a human says later, in the loop, is a contribution. So is a prompt, but that is judged over many runs.
    """
    task = " ".join((transcript.trajectory.task or "").split())
    result = np.zeros(len(transcript.messages), bool)
    leading = True
    for position, message in enumerate(transcript.messages):
        outside = transcript.step_of[position] is None and message.step_id is None
        given = transcript.kinds[position] in ("human", "system") or (graph.known and outside)
        states_task = position == 0 and len(task) > 0 and task in " ".join(message.text.split())
        reads_nothing = not graph.sources[position] or not graph.known or bool(message.earlier_parents)
        leading = leading and (given or states_task)
        setup = transcript.kinds[position] == "system" and outside
        result[position] = (leading or setup) and reads_nothing
    return result


def _targets(transcript: Transcript, inputs: NDArray[np.bool_]) -> tuple[int, ...]:
    """Messages that carry the answer. Without a stated one: all that the step of the last contribution wrote.

    A run that crashed has no answer: there the work ended in what was new to the steps that failed, too.
    """
    trajectory = transcript.trajectory
    if trajectory.answer_id is not None and trajectory.answer_id in transcript.at:
        return (transcript.at[trajectory.answer_id],)
    own = [m for m in range(len(transcript.messages)) if not transcript.is_duplicate(m)]
    contributed = [m for m in own if not inputs[m]] or own
    last = contributed[-1]
    step_id = transcript.step_of[last]
    targets = {m for m in contributed if m == last or (step_id is not None and transcript.step_of[m] == step_id)}
    if trajectory.status == "error":
        failed = (step for step in transcript.steps.values() if step.status == "error")
        targets |= {transcript.at[m] for step in failed for m in step.reads.new if m in transcript.at}
    return tuple(sorted(targets))


def _cone(
    sources: Sequence[tuple[int, ...]], targets: Sequence[int]
) -> tuple[tuple[int, ...], tuple[tuple[int, ...], ...], int]:
    """Ancestors of the targets, sources first; the edges less those that close a cycle; and how many those were.

    Depth-first without recursion: an edge to a node that is still open closes a cycle.
    """
    kept: list[tuple[int, ...]] = list(sources)
    state = bytearray(len(kept))  # 0 new, 1 open, 2 done
    order: list[int] = []
    cycles = 0
    stack = list(reversed(targets))
    while stack:
        node = stack[-1]
        if state[node] == 0:
            state[node] = 1
            forward = tuple(source for source in kept[node] if state[source] != 1)
            cycles += len(kept[node]) - len(forward)
            kept[node] = forward
            stack.extend(source for source in reversed(forward) if state[source] == 0)
            continue
        stack.pop()
        if state[node] == 1:
            state[node] = 2
            order.append(node)
    return tuple(order), tuple(kept), cycles
