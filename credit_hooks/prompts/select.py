"""Which blocks are rewritten next: by credit, or by one of the ways it is compared with."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from credit_hooks.prompts.blocks import BlockKind, PromptSet
from credit_hooks.prompts.diagnosis import Diagnosis

__all__ = ["Selector", "Situation", "by_chance", "by_credit", "every_block", "in_turn"]


class Situation(NamedTuple):
    """What a choice rests on."""

    prompts: PromptSet
    """The prompts as they are."""
    diagnoses: tuple[Diagnosis, ...]
    """One per block, from training runs."""
    rejections: Mapping[str, int]
    """Attempts on each block that changed nothing since the prompts last changed."""
    patience: int
    """Rejections after which a block is left alone until the prompts change."""
    width: Mapping[BlockKind, int]
    """Most blocks of a kind in one attempt, now."""
    attempt: int
    """Number of the attempt, from 1."""
    last: Sequence[str]
    """Roles of the attempt before."""
    kept: bool
    """Whether that attempt was kept."""
    seed: int
    """Of all chance in this optimisation."""

    @property
    def open(self) -> list[Diagnosis]:
        """Blocks that have not been tried too often."""
        return [found for found in self.diagnoses if self.rejections.get(found.role, 0) < self.patience]


Selector: TypeAlias = Callable[[Situation], Sequence[str]]
"""Names the roles whose blocks are rewritten together; none ends the optimisation."""


def by_credit(situation: Situation) -> Sequence[str]:
    """Role blocks with the aggregations fixed, then aggregations with the roles fixed, those blamed most first.

    A block that was rejected comes after all that were rejected less often. A kind is passed over while nothing points
    at it and something points at the other.
    """
    kinds: list[BlockKind] = ["role", "aggregation"]
    if situation.last:
        now = situation.prompts.block(situation.last[0]).kind
        kinds.sort(key=lambda kind: (kind == now) != situation.kept)  # stay while it helps
    ranked = {kind: _ranked([found for found in situation.open if found.kind == kind], situation) for kind in kinds}
    kinds = [kind for kind in kinds if ranked[kind]]
    if len(kinds) == 2:
        first, second = (ranked[kind][0] for kind in kinds)
        tried = situation.rejections
        if first.priority <= 0 < second.priority or tried.get(first.role, 0) > tried.get(second.role, 0):
            kinds.reverse()
    return [found.role for kind in kinds[:1] for found in ranked[kind][: situation.width[kind]]]


def _ranked(found: Sequence[Diagnosis], situation: Situation) -> list[Diagnosis]:
    return sorted(found, key=lambda one: (situation.rejections.get(one.role, 0), -one.priority, one.role))


def by_chance(situation: Situation) -> Sequence[str]:
    """Any one block."""
    draw = random.Random(f"block {situation.seed} {situation.attempt}")  # noqa: S311 - a baseline, not a secret
    return [draw.choice([found.role for found in situation.diagnoses])]


def in_turn(situation: Situation) -> Sequence[str]:
    """One block after the other, in the order they were declared."""
    roles = list(situation.prompts)
    return [roles[(situation.attempt - 1) % len(roles)]]


def every_block(situation: Situation) -> Sequence[str]:
    """All blocks at once."""
    return list(situation.prompts)
