"""Failures: hard errors, and where a run first went wrong. Knows messages and numbers, not the credit engine."""

from credit_hooks.failure.bisection import Bisection, Observation, Probe, ProbeNoise, bisect, probe_likelihood
from credit_hooks.failure.change_point import change_point_likelihood
from credit_hooks.failure.evidence_labels import (
    FIRST_ERROR,
    PROBE,
    STEP_SCORE,
    first_error_of,
    observations_of,
    step_scores_of,
)
from credit_hooks.failure.features import FEATURES, FeatureTable
from credit_hooks.failure.localise import FailureCase, Location, expected_step_potential, localise, posterior
from credit_hooks.failure.localiser import DOES_NOT_TRANSFER, Localiser
from credit_hooks.failure.step_scoring import StepScore, StepScorer, StepScoring, StepView
from credit_hooks.failure.symptoms import results_of, symptom_of
from credit_hooks.failure.telescoping import score_growth, telescoped_rewards

__all__ = [
    "DOES_NOT_TRANSFER",
    "FEATURES",
    "FIRST_ERROR",
    "PROBE",
    "STEP_SCORE",
    "Bisection",
    "FailureCase",
    "FeatureTable",
    "Localiser",
    "Location",
    "Observation",
    "Probe",
    "ProbeNoise",
    "StepScore",
    "StepScorer",
    "StepScoring",
    "StepView",
    "bisect",
    "change_point_likelihood",
    "expected_step_potential",
    "first_error_of",
    "localise",
    "observations_of",
    "posterior",
    "probe_likelihood",
    "results_of",
    "score_growth",
    "step_scores_of",
    "symptom_of",
    "telescoped_rewards",
]
