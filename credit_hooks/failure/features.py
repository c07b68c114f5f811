"""What is known of each message of a failed run before anybody labels it: names and versions of the features.

The numbers themselves come from whoever reads the run (:mod:`credit_hooks.credit.step_features`). A fitted localiser
names the features it uses with their versions, so that one whose meaning has changed since is refused, not misread.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["FEATURES", "FeatureTable"]

FEATURES: Final[Mapping[str, int]] = {
    "given": 1,
    "rules_prior": 1,
    "tool": 1,
    "orchestrator": 1,
    "human": 1,
    "novelty": 1,
    "hedges": 1,
    "length": 1,
    "cue": 1,
    "calls": 1,
    "stance": 1,
    "votes": 1,
    "states": 1,
    "flow": 1,
    "error_unrepaired": 1,
    "error_repaired": 1,
    "after_error": 1,
    "error_before": 1,
    "place": 1,
    "first_of_team": 1,
    "first_of_author": 1,
    "last": 1,
}
"""Version of every feature, by name. A change of what one means raises its version."""


@dataclass(frozen=True)
class FeatureTable:
    """Features of a run's messages 0..M-1."""

    values: NDArray[np.float64]
    """Shape (M, F), columns in the order of `FEATURES`."""
    candidates: NDArray[np.bool_]
    """Messages that can be the first error, shape (M,)."""

    def columns(self, names: tuple[str, ...]) -> NDArray[np.float64]:
        """The named features of all messages, shape (M, len(names))."""
        place = {name: column for column, name in enumerate(FEATURES)}
        result: NDArray[np.float64] = self.values[:, [place[name] for name in names]]
        return result
