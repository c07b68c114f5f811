"""Evidence of the first error as labels of the run: what judges, replays and persons said, and when.

Evidence that costs money or comes later is kept with the run it is about. Credit reads scores and probes from there, so
that it stays a pure function of the stored run, and can be recomputed without asking anybody again. What a *person*
says of the first error is never read by the credit of that run: it trains and measures the localiser.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from credit_hooks.failure.bisection import Observation
from credit_hooks.trajectory import Label

__all__ = [
    "FIRST_ERROR",
    "PROBE",
    "READ_BY_CREDIT",
    "STEP_SCORE",
    "first_error_of",
    "observations_of",
    "probe_label",
    "step_scores_of",
]

FIRST_ERROR: Final = "first_error"
"""Somebody says that the run first went wrong in the labelled message; without a target: in none of them."""
STEP_SCORE: Final = "step_score"
"""A score in [0, 1] of the run up to the labelled message. Value None: there should be one, `reason` says why not."""
PROBE: Final = "first_error_probe"
"""Success, 0 to 1, of doing the labelled message and everything after it anew."""
READ_BY_CREDIT: Final = (STEP_SCORE, PROBE)
"""Names of the labels that :func:`credit_hooks.credit.assign_credit` reads."""


def step_scores_of(labels: Iterable[Label], message_ids: Sequence[str]) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Scores by message, shape (M,), NaN where there is none, and a note for every scorer that missed some.

    Several scorers of a message count by their mean.
    """
    place = {message_id: position for position, message_id in reversed(list(enumerate(message_ids)))}
    sums, counts = np.zeros(len(message_ids)), np.zeros(len(message_ids))
    missed: dict[str, int] = {}
    asked: dict[str, int] = {}
    for label in labels:
        if label.name != STEP_SCORE or label.target_id not in place:
            continue
        who = label.annotator or "a scorer"
        asked[who] = asked.get(who, 0) + 1
        value = _share(label.value)
        if value is None:
            missed[who] = missed.get(who, 0) + 1
        else:
            sums[place[label.target_id]] += value
            counts[place[label.target_id]] += 1
    scores = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    notes = tuple(f"{count} of {asked[who]} step scores of {who} are missing" for who, count in sorted(missed.items()))
    return scores, notes


def probe_label(message_id: str, observation: Observation, *, annotator: str | None = None) -> Label:
    """The answer of a probe, to be kept with the run."""
    return Label(
        target="message", target_id=message_id, name=PROBE, value=observation.success, annotator=annotator or "replay"
    )


def observations_of(labels: Iterable[Label], message_ids: Sequence[str]) -> tuple[Observation, ...]:
    """Answers of probes by position, in the order in which they are listed."""
    place = {message_id: position for position, message_id in reversed(list(enumerate(message_ids)))}
    probes = ((place.get(label.target_id or ""), _share(label.value)) for label in labels if label.name == PROBE)
    return tuple(Observation(at, value) for at, value in probes if at is not None and value is not None)


def first_error_of(labels: Iterable[Label]) -> Label | None:
    """The first-error label that counts: the latest by time, of equals the last listed. None: there is none."""
    found = [label for label in labels if label.name == FIRST_ERROR]
    return max(enumerate(found), key=lambda item: (item[1].timestamp or 0, item[0]))[1] if found else None


def _share(value: object) -> float | None:
    """A number in [0, 1]; None for anything else."""
    if isinstance(value, bool | int | float) and 0.0 <= value <= 1.0:
        return float(value)
    return None
