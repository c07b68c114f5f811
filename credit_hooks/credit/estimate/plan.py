"""What is to be estimated, under which budget, and what came out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Literal, Required, Self, TypeAlias, TypedDict, Unpack, get_args

import numpy as np
from numpy.typing import ArrayLike

from credit_hooks.credit.estimate.stopping import normal_quantile
from credit_hooks.credit.estimate.structure import Coalitions, Structure, Vector
from credit_hooks.errors import ConfigurationError

__all__ = ["BatchValue", "Estimate", "EstimateMethod", "EstimateOptions", "Plan", "Stopped", "Surrogate"]

BatchValue: TypeAlias = Callable[[Coalitions], ArrayLike]
"""What coalitions are worth: rows of shape (k, n) to k numbers. Not a number says that a coalition has no value."""

EstimateMethod: TypeAlias = Literal["gp", "leverage", "permutation"]
Stopped: TypeAlias = Literal["exact", "tolerance", "budget", "exhausted", "failed"]


@dataclass(frozen=True, eq=False)
class Surrogate:
    """A game that is cheap to evaluate and believed to resemble the real one: its shape, never its size."""

    value: BatchValue
    """The surrogate's coalition values."""
    values: Vector
    """Its Shapley values, or Owen values where unions are given, shape (n,)."""

    @classmethod
    def additive(cls, values: ArrayLike) -> Surrogate:
        """The game in which every player brings its value whoever else is there."""
        shares = np.array(values, dtype=np.float64)
        return cls(lambda coalitions: coalitions @ shares, shares)


@dataclass(frozen=True, eq=False)
class Estimate:
    """Estimated Shapley or Owen values, which always sum to `total`."""

    values: Vector
    """Value of every player, shape (n,). Read-only."""
    std_err: Vector
    """Standard error of every value, shape (n,): 0 for exact ones, infinite where too little was seen. Read-only."""
    total: float
    """v(N) - v(∅), what is distributed; it is taken as exact, also where evaluations are noisy."""
    evaluations: int
    """Calls of the value function that were paid for: rows, repeats included, failed ones too."""
    stopped: Stopped
    """Why no more was evaluated. `exact`: every coalition that matters is known. `tolerance`: the stopping rule.
    `budget`: nothing is left of it. `exhausted`: nothing is left to evaluate, but values are noisy or missing.
    `failed`: the value function raised; the result rests on what came before."""
    method: EstimateMethod
    """How it was estimated."""
    notes: tuple[str, ...] = ()
    """What a reader should know: missing values, what was assumed. Empty if there is nothing."""

    def interval(self, confidence: float = 0.95) -> tuple[Vector, Vector]:
        """Lower and upper ends of the central interval of every single value, each of shape (n,)."""
        width = normal_quantile((1.0 + confidence) / 2.0) * self.std_err
        return self.values - width, self.values + width


class _PlanOptions(TypedDict, total=False):
    """Options that say how to estimate."""

    budget: Required[int]
    """Evaluations allowed, v(∅) and v(N) included unless `ends` has them."""
    method: EstimateMethod
    """`gp` (default), the most precise per evaluation; `leverage`, least squares on the same coalitions, which assumes
    nothing about the game; `permutation`, unbiased at any budget, exactly 0 for null players."""
    ends: tuple[float, float] | None
    """v(∅) and v(N), if known: the baseline and the outcome of the run that was observed. Default: None, not known."""
    noise: float | None
    """Standard deviation of one evaluation; 0 (default) if a coalition always has the same value; None if unknown, when
    it is taken from `repeats`, or for one repeat from how rough the game looks."""
    repeats: int
    """Evaluations of each coalition, all of them paid for. Default: 1."""
    tolerance: float | None
    """Stop early when all values are this close, jointly with probability `confidence`. None (default): never."""
    confidence: float
    """How sure of that. Default: .95."""
    seed: int
    """Of the choice of coalitions. The global random state is neither read nor changed. Default: 0."""
    batch: int
    """Most rows of one call. Default: 64."""


class EstimateOptions(_PlanOptions, total=False):
    """Keyword arguments of `estimate`; all but the budget have a default."""

    unions: Sequence[Sequence[int]] | None
    """A partition of the players, such as the messages of each agent; None (default) for none."""
    prior: Surrogate | ArrayLike | None
    """For `gp`, a game believed to be similar: a :class:`Surrogate`, or one value per player. Default: None."""


@dataclass(frozen=True, eq=False)
class Plan:
    """A validated request for an estimate."""

    structure: Structure
    """Players and unions."""
    budget: int
    """Evaluations allowed."""
    method: EstimateMethod = "gp"
    """How to estimate."""
    surrogate: Surrogate | None = None
    """Prior mean of `gp`, up to a factor; None is a mean of zero."""
    ends: tuple[float, float] | None = None
    """v(∅) and v(N) where they are known already; None has them evaluated."""
    noise: float | None = 0.0
    """Standard deviation of one evaluation; 0 where a coalition has one value, None where it is to be estimated."""
    repeats: int = 1
    """Evaluations of each coalition, of which the mean is used."""
    tolerance: float | None = None
    """Stop when all values are believed to be this close; None spends the budget."""
    confidence: float = 0.95
    """How sure of that."""
    seed: int = 0
    """Of the coalitions' choice."""
    batch: int = 64
    """Most rows of one call of the value function."""

    @classmethod
    def of(
        cls,
        n: int,
        *,
        unions: Sequence[Sequence[int]] | None = None,
        prior: Surrogate | ArrayLike | None = None,
        **options: Unpack[_PlanOptions],
    ) -> Self:
        """The plan for n players.

        Raises:
            ConfigurationError: an argument cannot work.
        """
        if n < 0:
            raise ConfigurationError(f"a game has 0 or more players, not {n}")
        surrogate = prior if prior is None or isinstance(prior, Surrogate) else Surrogate.additive(prior)
        return cls(Structure.of(n, unions), surrogate=surrogate, **options)

    def __post_init__(self) -> None:
        """Refuse what cannot work.

        Raises:
            ConfigurationError: says which argument.
        """
        n = self.structure.n
        if self.method not in get_args(EstimateMethod):
            raise ConfigurationError(f"method must be one of {get_args(EstimateMethod)}, not {self.method!r}")
        if self.method == "leverage" and not self.structure.is_flat:
            raise ConfigurationError("the Owen value is no least squares value: with unions use gp or permutation")
        if self.budget < 0 or self.repeats < 1 or self.batch < 1:
            raise ConfigurationError("budget must be at least 0, repeats and batch at least 1")
        if self.noise is not None and not 0.0 <= self.noise < np.inf:
            raise ConfigurationError(f"noise must be a standard deviation or None, not {self.noise}")
        if self.tolerance is not None and not 0.0 < self.tolerance < np.inf:
            raise ConfigurationError(f"tolerance must be above 0, not {self.tolerance}")
        if not 0.0 < self.confidence < 1.0:
            raise ConfigurationError(f"confidence must be between 0 and 1, not {self.confidence}")
        if self.ends is not None and not all(isfinite(end) for end in self.ends):
            raise ConfigurationError("ends must be two finite numbers: v(∅), v(N)")
        if self.surrogate is not None:
            if self.method != "gp":
                raise ConfigurationError("only gp takes a prior")
            if self.surrogate.values.shape != (n,) or not np.isfinite(self.surrogate.values).all():
                raise ConfigurationError(f"the prior's values must be {n} finite numbers")
