"""The exceptions of credit-hooks.

::

    CreditHooksError
    ├── ConfigurationError      the caller passed something that cannot work: says what to type instead
    │   └── MissingExtraError   an optional dependency is not installed: names the pip line
    ├── EvaluationError         the user's evaluator raised, timed out or returned something that is no outcome
    ├── TrajectoryError         spans or logs could not be read as a trajectory
    │   └── UnknownDialectError no adapter recognises the source
    ├── StoreError              the run store cannot be opened, read or written
    │   └── DamagedRunError     one run of it cannot be read; the others can
    ├── UnknownRunError         a verdict for a run that nobody knows
    ├── ReplayError             a run could not be run again
    │   ├── ReplayRefusedError  none of it can: nothing was recorded, it is another graph's, or it does not repeat
    │   └── ReplayStoppedError  one replay cannot go on: a limit, or a tool that must not be called again
    └── CaptureError            one of our own callbacks failed: counted and logged, never raised into the user's run

None of these is ever raised into a user's graph or team: capture has one guard at its edge.
"""

from __future__ import annotations

__all__ = [
    "CaptureError",
    "ConfigurationError",
    "CreditHooksError",
    "DamagedRunError",
    "EvaluationError",
    "MissingExtraError",
    "ReplayError",
    "ReplayRefusedError",
    "ReplayStoppedError",
    "StoreError",
    "TrajectoryError",
    "UnknownDialectError",
    "UnknownRunError",
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
    """The user's evaluator raised, took too long, or returned something that is no outcome.

    Args:
        message: What happened. It may quote what the evaluator said, which may quote the run.
        logged: The same without any content, for logs. None: the message holds none.
    """

    def __init__(self, message: str, *, logged: str | None = None) -> None:
        super().__init__(message)
        self.logged = message if logged is None else logged
        """What a log may say where contents are private."""


class TrajectoryError(CreditHooksError, ValueError):
    """Spans or logs could not be read as a trajectory."""


class UnknownDialectError(TrajectoryError):
    """No registered adapter recognises the source."""


class StoreError(CreditHooksError):
    """The run store cannot be opened, read or written."""


class DamagedRunError(StoreError):
    """One stored run cannot be read: it is damaged, or of another version. The other runs of its store can."""

    def __init__(self, message: str, run_id: str) -> None:
        super().__init__(message)
        self.run_id = run_id
        """The run."""


class UnknownRunError(CreditHooksError, LookupError):
    """A verdict was given for a run that is neither going on nor known."""


class ReplayError(CreditHooksError):
    """A run, or one counterfactual of it, could not be run again."""


class ReplayRefusedError(ReplayError):
    """No replay of a run is possible: it was not recorded, is another team's, or does not repeat unchanged."""


class ReplayStoppedError(ReplayError):
    """One replay cannot be carried on: a limit is reached, or a tool would be called that must not be."""


class CaptureError(CreditHooksError):
    """A failure inside our own capture, kept for the operator and never raised into the user's run."""
