"""The exceptions of credit-hooks.

::

    CreditHooksError
    ├── ConfigurationError      the caller passed something that cannot work: says what to type instead
    │   └── MissingExtraError   an optional dependency is not installed: names the pip line
    ├── EvaluationError         the user's evaluator raised, timed out or returned something that is no outcome
    ├── TrajectoryError         spans or logs could not be read as a trajectory
    │   └── UnknownDialectError no adapter recognises the source
    ├── StoreError              the run store cannot be opened, read or written
    └── CaptureError            one of our own callbacks failed: counted and logged, never raised into the user's run

None of these is ever raised into a user's graph or team: capture has one guard at its edge.
"""

from __future__ import annotations

__all__ = [
    "CaptureError",
    "ConfigurationError",
    "CreditHooksError",
    "EvaluationError",
    "MissingExtraError",
    "StoreError",
    "TrajectoryError",
    "UnknownDialectError",
]


class CreditHooksError(Exception):
    """Base of every exception that credit-hooks raises."""


class ConfigurationError(CreditHooksError, ValueError):
    """An argument, option or environment variable has a value that cannot work."""


class MissingExtraError(ConfigurationError):
    """A feature needs an optional dependency that is not installed."""

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(f"{feature} needs an optional dependency: pip install 'credit-hooks[{extra}]'")
        self.extra = extra


class EvaluationError(CreditHooksError):
    """The user's evaluator raised, took too long, or returned something that is no outcome."""


class TrajectoryError(CreditHooksError, ValueError):
    """Spans or logs could not be read as a trajectory."""


class UnknownDialectError(TrajectoryError):
    """No registered adapter recognises the source."""


class StoreError(CreditHooksError):
    """The run store cannot be opened, read or written."""


class CaptureError(CreditHooksError):
    """A failure inside our own capture, kept for the operator and never raised into the user's run."""
