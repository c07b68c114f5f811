"""The provenance graph as a reader can follow it: its transitive reduction, with messages numbered by position."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from credit_hooks.trajectory import ReadSet, Trajectory

__all__ = ["Provenance", "provenance"]


class Provenance(NamedTuple):
    """Who read what; positions are those in `Trajectory.messages`."""

    parents: tuple[tuple[int, ...], ...]
    """Per message, the reads that no other of its reads leads back to, latest first."""
    read_counts: tuple[int, ...]
    """Per message, how many messages were read in all."""


def provenance(trajectory: Trajectory) -> Provenance:
    """Reduce the reads of every message to those that say something new.

    Read sets are bit sets resolved along their deltas, so a team in which everyone reads the whole history costs
    O(n^2 / 64) for n messages instead of the n^2 / 2 edges of its full graph. Reads of later messages, as damaged
    records have them, are counted and not drawn.
    """
    position = {message.id: number for number, message in reversed([*enumerate(trajectory.messages)])}
    visible = _read_bits(trajectory, position)
    ancestors: list[int] = []
    parents: list[tuple[int, ...]] = []
    counts: list[int] = []
    for number, message in enumerate(trajectory.messages):
        step_id = message.generated_by or message.step_id
        read = 0 if step_id is None else visible.get(step_id, 0)
        counts.append(read.bit_count())
        left, behind, kept = read & ((1 << number) - 1), 0, []
        while left:
            latest = left.bit_length() - 1
            kept.append(latest)
            behind |= ancestors[latest] | 1 << latest
            left &= ~behind
        ancestors.append(behind)
        parents.append(tuple(kept))
    return Provenance(tuple(parents), tuple(counts))


def _read_bits(trajectory: Trajectory, position: Mapping[str, int]) -> dict[str, int]:
    """Read set per step id, bit i for the message at position i."""
    bits: dict[str, int] = {}
    for step in trajectory.steps:
        for step_id, reads in reversed([*_chain(trajectory, step.id, bits)]):
            base = 0 if reads.base is None else bits.get(reads.base, 0)
            bits[step_id] = (base & ~_mask(reads.dropped, position)) | _mask(reads.new, position)
    return bits


def _chain(trajectory: Trajectory, step_id: str, done: Mapping[str, int]) -> Iterator[tuple[str, ReadSet]]:
    seen: set[str] = set()
    current: str | None = step_id
    while current is not None and current not in seen and current not in done:
        step = trajectory.step_by_id.get(current)
        if step is None:
            return
        seen.add(current)
        yield current, step.reads
        current = step.reads.base


def _mask(message_ids: tuple[str, ...], position: Mapping[str, int]) -> int:
    mask = 0
    for message_id in message_ids:
        if message_id in position:
            mask |= 1 << position[message_id]
    return mask
