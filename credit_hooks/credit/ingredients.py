"""Ingredients of the conclusion: figures that a message brought in, and that whoever states the conclusion says again.

"12 times 17 makes 204" holds no figure of the answer "204 + 6 = 210", and yet the answer rests on it: who is restated
on the way to the conclusion does not contradict it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from credit_hooks.credit.evidence import Evidence
from credit_hooks.language import NUMBER

__all__ = ["INGREDIENT_STANCE", "stances_with_ingredients"]

INGREDIENT_STANCE = 0.5
"""Stance of a message that brought in an ingredient: the least that counts as support."""


def stances_with_ingredients(evidence: Evidence) -> NDArray[np.float64]:
    """Stances, shape (M,), those of ingredients raised to one half; nobody's is lowered.

    A message brings in an ingredient if it states a figure that neither the task nor anything that led to it states,
    and if a message that it led to supports the conclusion and states the figure again. What states a conclusion itself
    (a cue) is a rival, not an ingredient. Code and tool calls follow their result, as in :attr:`Evidence.stances`.

    O(edges x M / 64): ancestors are bits of one integer per node.
    """
    stance, _ = evidence.stances
    raised = _raised(evidence, stance)
    result = stance.copy()
    for m in evidence.players:
        source = evidence.clean_result(m) if evidence.calls[m] else m
        if source is not None and raised >> source & 1:
            result[m] = max(result[m], INGREDIENT_STANCE)
    return result


def _raised(evidence: Evidence, stance: NDArray[np.float64]) -> int:
    """Messages that bring in an ingredient, as bits."""
    figures = _figures(evidence)
    stated: dict[str, int] = {}  # by figure: who states it
    for m, units in figures.items():
        for unit in units:
            stated[unit] = stated.get(unit, 0) | 1 << m
    reached: dict[int, int] = {}
    brought: dict[str, int] = {}  # by figure: who brought it in without concluding anything
    raised = 0
    for node in evidence.provenance.order:
        ancestors = 0
        for source in evidence.provenance.sources[node]:
            ancestors |= reached.get(source, 0)
        for unit in figures.get(node, ()):
            if stance[node] >= INGREDIENT_STANCE:
                raised |= brought.get(unit, 0) & ancestors
            elif not evidence.cues[node] and not stated[unit] & ancestors:
                brought[unit] = brought.get(unit, 0) | 1 << node
        reached[node] = ancestors | (1 << node if node in figures else 0)
    return raised


def _figures(evidence: Evidence) -> Mapping[int, frozenset[str]]:
    """Numbers that each player states and the task does not."""
    given, rank = evidence.task_units, evidence.rank
    found = {
        m: frozenset(u for u in evidence.units[m] if rank[u] == NUMBER and u not in given) for m in evidence.players
    }
    return {m: units for m, units in found.items() if units}
