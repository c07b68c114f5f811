"""What an optimisation may cost, and what it has cost."""

from __future__ import annotations

from pydantic import Field

from credit_hooks.errors import CreditHooksError
from credit_hooks.parts import FrozenModel

__all__ = ["Budget", "BudgetError", "Spent"]


class Budget(FrozenModel):
    """Hard limits; nothing is begun that could exceed one."""

    system_runs: int = Field(ge=0)
    """Runs of the team, counted when they begin: a run that was interrupted has cost something too."""
    model_calls: int = Field(ge=0)
    """Calls of the critic, counted when they begin. What the team's own models are asked is part of its runs."""


class Spent(FrozenModel):
    """What has begun so far, interrupted attempts included."""

    system_runs: int = 0
    """Runs of the team."""
    model_calls: int = 0
    """Calls of the critic."""


class BudgetError(CreditHooksError):
    """The next step would exceed the budget."""
