"""Where a failed run first went wrong, by evidence rules, as a posterior over its messages.

Without replay and without labels this is a ranking with probabilities that sum to one, not a calibrated forecast:
accuracy differs between teams, so quote it beside the random and the constant baseline.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from credit_hooks.errors import ConfigurationError

__all__ = ["FailureCase", "Location", "expected_step_potential", "localise", "posterior"]

Vector = NDArray[np.float64]

_CAUSED = 2.0
"""Likelihood ratio of a hard error in what a message had run, where a later attempt of the same author succeeded."""
_UNREPAIRED = 4.0
"""The same where no later attempt did."""
_MAX_CANDIDATES = 10


@dataclass(frozen=True)
class FailureCase:
    """What is known of a failed run; messages are numbered 0..M-1 in order."""

    prior: Vector
    """Share of blame of each message before its symptoms count, shape (M,), sum 1. 0: cannot have contributed."""
    author: NDArray[np.intp]
    """Author of each message, shape (M,)."""
    symptoms: Mapping[int, str]
    """Rule of the hard error that shows in a message."""
    results: Mapping[int, tuple[int, ...]]
    """Messages with what came of each message that had something run."""


@dataclass(frozen=True)
class Location:
    """The message blamed first, and the runners-up."""

    position: int
    """The message."""
    probability: float
    """Its posterior probability."""
    rule: str
    """The error rule whose symptom it caused; `prior` if none."""
    symptom: int | None
    """The message in which the symptom shows. None: no symptom."""
    candidates: tuple[tuple[int, float], ...]
    """(message, probability), most probable first, ten at most."""


def posterior(case: FailureCase) -> Vector:
    """P(first error = m) for every message, shape (M,), sum 1: prior times likelihood ratios of caused symptoms.

    The cause of a symptom is not the message that shows it: a traceback in a tool's result was caused by the message
    that had the tool run. A symptom whose cause is unknown counts for the message that shows it.

    Raises:
        ConfigurationError: the prior is not a distribution.
    """
    if not (case.prior >= 0).all() or abs(case.prior.sum() - 1.0) > 1e-9:
        raise ConfigurationError("a prior over messages is not negative and sums to 1")
    weight = case.prior.copy()
    for cause, _ in _caused(case):
        weight[cause] *= _CAUSED if _repaired(case, cause) else _UNREPAIRED
    result: Vector = weight / weight.sum()
    return result


def localise(case: FailureCase) -> Location:
    """The most probable place of the first error; of equals the earliest."""
    probability = posterior(case)
    ranked = np.argsort(-probability, kind="stable")[:_MAX_CANDIDATES].tolist()
    best = ranked[0]
    symptom = next((symptom for cause, symptom in _caused(case) if cause == best), None)
    return Location(
        position=best,
        probability=min(float(probability[best]), 1.0),
        rule="prior" if symptom is None else case.symptoms[symptom],
        symptom=symptom,
        candidates=tuple((m, float(probability[m])) for m in ranked if probability[m] > 0),
    )


def expected_step_potential(probability: Vector, turn: NDArray[np.intp], *, outcome: float, baseline: float) -> Vector:
    """Phi_0..Phi_T: expected outcome once the first error's place is known up to turn t, shape (turns + 1,).

    Phi_t = b + (R - b) P(first error in a turn <= t), so that Phi_t - Phi_{t-1} telescopes exactly to R - b.

    Args:
        probability: Posterior of the first error, shape (M,), sum 1.
        turn: Turn of each message, shape (M,).
        outcome: R.
        baseline: b = Phi_0.
    """
    growth = np.bincount(turn, probability, int(turn.max(initial=-1)) + 1)
    happened = np.concatenate([[0.0], np.cumsum(growth)])
    if happened[-1] > 0:
        happened /= happened[-1]
    potential: Vector = baseline + (outcome - baseline) * happened
    return potential


def _caused(case: FailureCase) -> list[tuple[int, int]]:
    """(cause, symptom) pairs, by symptom."""
    caller = {result: call for call, results in case.results.items() for result in results}
    pairs = ((caller.get(symptom, symptom), symptom) for symptom in sorted(case.symptoms))
    return [(cause, symptom) for cause, symptom in pairs if case.prior[cause] > 0]


def _repaired(case: FailureCase, cause: int) -> bool:
    """Whether the same author later had something run that showed no symptom."""
    return any(
        call > cause and case.author[call] == case.author[cause] and not case.symptoms.keys() & set(results)
        for call, results in case.results.items()
    )
