"""Failures: hard errors, and where a run first went wrong. Knows messages and numbers, not the credit engine."""

from credit_hooks.failure.localise import FailureCase, Location, expected_step_potential, localise, posterior
from credit_hooks.failure.symptoms import results_of, symptom_of

__all__ = [
    "FailureCase",
    "Location",
    "expected_step_potential",
    "localise",
    "posterior",
    "results_of",
    "symptom_of",
]
