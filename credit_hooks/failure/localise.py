"""Where a failed run first went wrong, as a posterior over its messages, from all evidence there is.

A prior by evidence rules, or by a localiser fitted on the team's own failures; times the likelihood of step scores, and
of what replays showed. By rules alone this is a ranking with probabilities that sum to one, not a calibrated forecast:
accuracy differs between teams, so quote it beside the random and the constant baseline.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from credit_hooks.errors import ConfigurationError
from credit_hooks.failure.bisection import DEFAULT_NOISE, Observation, ProbeNoise, probe_likelihood
from credit_hooks.failure.change_point import change_point_likelihood, combine
from credit_hooks.failure.features import FeatureTable
from credit_hooks.failure.localiser import Localiser

__all__ = ["FailureCase", "Location", "confidence_of", "expected_step_potential", "localise", "posterior"]

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
    features: FeatureTable | None = None
    """What a localiser looks at. None: not computed."""
    localiser: Localiser | None = None
    """Takes the place of the rules. None: the rules decide."""
    scores: Vector | None = None
    """Score of the run up to each message, shape (M,), in [0, 1], NaN where there is none. None: there are none."""
    observations: tuple[Observation, ...] = ()
    """What came of doing the run anew from some messages on."""
    noise: ProbeNoise = DEFAULT_NOISE
    """How far the observations can be trusted."""


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
    posterior: Vector
    """P(first error = m), shape (M,), sum 1."""
    confidence: float
    """1 - entropy / log(number of candidates), in [0, 1]; 1 with a single candidate."""
    evidence: tuple[str, ...]
    """What it rests on: `rules` or `localiser`, then `step_scores` and `replay` where they were there."""


def posterior(case: FailureCase) -> Vector:
    """P(first error = m) for every message, shape (M,), sum 1.

    The rules' prior or the localiser's, times the likelihood of step scores (:mod:`.change_point`) and of probes
    (:mod:`.bisection`). A message that cannot be to blame keeps 0.0, whatever the rest says.

    Raises:
        ConfigurationError: the prior is not a distribution.
    """
    result = _prior(case)
    if case.scores is not None and np.isfinite(case.scores).any():
        result = combine(result, change_point_likelihood(case.scores))
    if case.observations:
        result = combine(result, probe_likelihood(len(result), case.observations, case.noise))
    return result


def _prior(case: FailureCase) -> Vector:
    if case.localiser is not None and case.features is not None and case.features.candidates.any():
        return case.localiser.probability(case.features)
    return _by_rules(case)


def _by_rules(case: FailureCase) -> Vector:
    """Prior times likelihood ratios of caused symptoms.

    The cause of a symptom is not the message that shows it: a traceback in a tool's result was caused by the message
    that had the tool run. A symptom whose cause is unknown counts for the message that shows it.
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
    evidence = _evidence(case)
    by_rules = "prior" if symptom is None else case.symptoms[symptom]
    return Location(
        position=best,
        probability=min(float(probability[best]), 1.0),
        rule=by_rules if evidence == ("rules",) else evidence[-1],
        symptom=symptom,
        candidates=tuple((m, min(float(probability[m]), 1.0)) for m in ranked if probability[m] > 0),
        posterior=probability,
        confidence=confidence_of(probability),
        evidence=evidence,
    )


def confidence_of(probability: Vector) -> float:
    """1 - entropy / log n over the n messages that are possible, in [0, 1]; 1 where one alone is."""
    possible = probability[probability > 0]
    if possible.size < 2:
        return 1.0
    entropy = -float((possible * np.log(possible)).sum())
    return min(max(1.0 - entropy / float(np.log(possible.size)), 0.0), 1.0)


def _evidence(case: FailureCase) -> tuple[str, ...]:
    fitted = case.localiser is not None and case.features is not None and bool(case.features.candidates.any())
    scored = case.scores is not None and bool(np.isfinite(case.scores).any())
    return (
        "localiser" if fitted else "rules",
        *(("step_scores",) if scored else ()),
        *(("replay",) if case.observations else ()),
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
