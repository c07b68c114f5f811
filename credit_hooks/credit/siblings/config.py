"""What can be chosen about evidence from other runs."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["SiblingConfig"]


class SiblingConfig(BaseModel):
    """How other runs of the same task count. Frozen."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)

    actions: frozenset[str] = frozenset()
    """Names of the tools that change something, such as `book_reservation`. Where given, what a message concludes is
    the call it makes to one of them, and a run ends in all that it called; else conclusions are read from what is
    said."""
    expectation: bool = True
    """Whether the baseline b is the expected outcome of the task, from its other runs. `Outcome.baseline` wins."""
    prompts: bool = True
    """Whether the prompts of agents are players: a changed prompt takes its share of what the outcomes changed by."""
    weight: float = Field(default=0.2, ge=0.0, le=1.0)
    """Most that the evidence adds to a reward or takes from it, before the sum is restored."""
    min_runs: int = Field(default=20, ge=2)
    """Fewer runs with siblings decide nothing."""
    min_z: float = Field(default=2.0, ge=0.0)
    """The gate opens where the slope of outcome on evidence is so many standard errors above 0."""
