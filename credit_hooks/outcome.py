"""What an evaluator said, as an :class:`Outcome`; and the finished run that evaluators look at."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import numpy as np

from credit_hooks.errors import EvaluationError
from credit_hooks.trajectory import Message, Outcome, Trajectory

__all__ = ["FinishedRun", "to_outcome"]

_EXPECTED = "an evaluator returns True, False, a number from 0 to 1, an Outcome, or None for 'not known yet'"


@dataclass(frozen=True)  # with slots too, assigning to a property says "super(type, obj)" (CPython issue 90562)
class FinishedRun:
    """A run that has ended, as its evaluator sees it."""

    trajectory: Trajectory
    """Who said what, having read what."""
    output: Any = None
    """The framework's own result. None: the run raised, or was read from a trace."""
    inputs: Any = None
    """What the run was started with. None: read from a trace."""
    error: BaseException | None = None
    """What the run raised. None: nothing."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """Metadata the user gave the run."""

    @property
    def id(self) -> str:
        """The run's id, as `callback.score` takes it."""
        return self.trajectory.id

    @property
    def name(self) -> str | None:
        """Name of the graph or team."""
        return self.trajectory.name

    @property
    def status(self) -> str:
        """How the run ended, apart from whether its answer was right."""
        return self.trajectory.status

    @property
    def answer(self) -> str:
        """Text of the last message; empty if the run produced none, so that `"42" in run.answer` is always safe."""
        return self.trajectory.answer or ""

    @property
    def messages(self) -> tuple[Message, ...]:
        """Everything that was written."""
        return self.trajectory.messages


def to_outcome(verdict: object) -> Outcome | None:
    """Read an evaluator's verdict.

    Raises:
        EvaluationError: it is none of the things an evaluator may return; the message says what it was.
    """
    if verdict is None or isinstance(verdict, Outcome):
        return verdict
    if isinstance(verdict, bool | np.bool_):
        return Outcome(success=bool(verdict), score=float(verdict))
    if isinstance(verdict, np.ndarray) and verdict.ndim == 0:  # as numpy's own reductions may return
        return to_outcome(verdict.item())
    if isinstance(verdict, numbers.Real | Decimal):
        try:
            score = float(verdict)
        except (ValueError, OverflowError):  # Decimal's signalling NaN; a fraction beyond any float
            score = math.nan
        if math.isnan(score) or not 0.0 <= score <= 1.0:
            raise EvaluationError(f"the evaluator returned {score!r}, which is no score: {_EXPECTED}")
        return Outcome(score=score)
    kind = type(verdict).__name__
    raise EvaluationError(
        f"the evaluator returned {kind} {verdict!r:.80}: {_EXPECTED}",
        logged=f"the evaluator returned a value of type {kind}: {_EXPECTED}",
    )
