"""GP-Shapley: the posterior of the Shapley or Owen values given a few coalitions, in closed form.

The odd part of the game is s^2 (k_rho + linear + nugget), s^2 estimated, plus a surrogate game of unknown factor if one
is given. (N, ∅) is conditioned on exactly, so that the values sum to v(N) - v(∅). Correlation rho, weight of the linear
part and nugget are averaged over by their marginal likelihood: with few data no single choice is believed. Players may
differ in how much they matter: the values found in a first round set each player's own rho in a second, which the
likelihood then weighs against equal ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from credit_hooks.credit.estimate.kernel import HammingKernel
from credit_hooks.credit.estimate.stopping import student_factor
from credit_hooks.credit.estimate.structure import Coalitions, Structure, Vector

__all__ = ["Observations", "gp_values"]

_RHO = (0.2, 0.4, 0.6, 0.75, 0.85, 0.92, 0.97)
_LINEAR = (1.0, 10.0, 100.0, 1e3, 1e5)  # variance of the linear part; the largest recovers additive games
_NUGGET = np.array([1e-8, 1e-4, 1e-3, 1e-2, 0.03, 0.1, 0.3, 1.0, 3.0])
_SHARPNESS = (0.25, 0.5, 1.0)  # how far players' own correlations go apart in the second round
_SHARPNESS_COST = 2.0  # log-likelihood a second round has to gain, since it has seen the data before
_SURROGATE = 1e3  # variance of the surrogate's factor: vague
_JITTER = 1e-9
_SCALES = np.logspace(-4.0, 1.0, 31)  # s^2 with known noise, over the ratio of mean square and mean prior variance
_KEEP = 0.01  # hyperparameters below this share of the best one's weight are left out
_FITTED = 4  # degrees of freedom that scale, rho, linear part and nugget are counted as
_SEARCH = 256  # pairs that hyperparameters are chosen on: what takes O(m^3) each


@dataclass(frozen=True)
class Observations:
    """Odd values g(S) = (v(S) - v(S^c)) / 2 of a game."""

    coalitions: Coalitions
    """One of each pair of complements, shape (m, n)."""
    odd: Vector
    """g of each, shape (m,)."""
    grand: float
    """g(N), known exactly."""
    noise: float | None
    """Variance of the noise in each odd value; None is unknown, and then the nugget stands for it."""
    surrogate: tuple[Vector, Vector] | None = None
    """A surrogate's odd values at N and at the coalitions, shape (1 + m,), and its players' values, shape (n,)."""

    def first(self, m: int) -> Observations:
        """The first m of them."""
        surrogate = None if self.surrogate is None else (self.surrogate[0][: m + 1], self.surrogate[1])
        return Observations(self.coalitions[:m], self.odd[:m], self.grand, self.noise, surrogate)


class _Choice(NamedTuple):
    """Hyperparameters and what speaks for them."""

    log_evidence: float
    kernel: HammingKernel
    linear: float
    nugget: float


def gp_values(structure: Structure, data: Observations) -> tuple[Vector, Vector]:
    """Posterior mean and standard deviation of every player's value, each of shape (n,).

    The means sum to 2 g(N) = v(N) - v(∅). O(m^3) per pair of correlation and linear weight.
    """
    scale = max(np.abs(data.odd).max(initial=0.0), abs(data.grand))
    n, m = structure.n, data.odd.size
    if m == 0 or scale == 0.0:
        return _without_data(data, n, scale)
    noise = None if data.noise is None else data.noise / scale**2
    data = Observations(data.coalitions, data.odd / scale, data.grand / scale, noise, _normalised(data.surrogate))
    searched = data.first(_SEARCH)
    correlations = _RHO if noise == 0.0 else _RHO[1:]  # the roughest games are not to be told from noise
    equal = [HammingKernel(structure, np.full(n, rho)) for rho in correlations]
    choices = _search(searched, equal, _LINEAR)
    if m >= 2 * n:
        found = _posterior(structure, searched, _weighed(choices)[:1])[0]
        linear = sorted({choice.linear for choice, _ in _weighed(choices)})
        choices += _search(searched, _unequal(structure, found, correlations), linear, _SHARPNESS_COST)
    weighed = _weighed(choices)
    mean, variance = _posterior(structure, data, weighed if m <= _SEARCH else weighed[:1])
    # s^2 is estimated from the data, and few data also leave hyperparameters that fit too well: Student's t.
    return mean * scale, np.sqrt(variance) * scale * student_factor(m - _FITTED)


def _without_data(data: Observations, n: int, scale: float) -> tuple[Vector, Vector]:
    """Nothing but (N, ∅) is known, or all values are zero."""
    mean = np.zeros(n) if data.surrogate is None or data.odd.size else data.surrogate[1]
    return mean + (2.0 * data.grand - mean.sum()) / n, np.full(n, 0.0 if data.odd.size and scale == 0.0 else np.inf)


def _normalised(surrogate: tuple[Vector, Vector] | None) -> tuple[Vector, Vector] | None:
    """The surrogate with odd values of mean square one; None where it says nothing."""
    if surrogate is None:
        return None
    size = float(np.sqrt(np.mean(surrogate[0] ** 2)))
    return (surrogate[0] / size, surrogate[1] / size) if size > 0.0 else None


def _unequal(structure: Structure, values: Vector, correlations: tuple[float, ...]) -> list[HammingKernel]:
    """Kernels in which players of small values matter less: rho_i = rho^(size_i^sharpness)."""
    size = np.abs(values)
    size = size / max(size.mean(), 1e-300) + 0.1
    size = size / size.mean()
    return [HammingKernel(structure, rho ** (size**sharpness)) for sharpness in _SHARPNESS for rho in correlations]


class _Conditioned:
    """The covariance of the odd values given g(N), diagonalised; the nugget is still to be added."""

    def __init__(self, data: Observations, kernel: HammingKernel, linear: float) -> None:
        rows = np.concatenate([np.ones((1, data.coalitions.shape[1]), bool), data.coalitions])
        self.rows = rows
        x = 2.0 * rows - 1.0
        prior = kernel.between(rows, rows) + linear / x.shape[1] * (x @ x.T)
        if data.surrogate is not None:
            prior += _SURROGATE * np.outer(data.surrogate[0], data.surrogate[0])
        self.to_grand, self.grand = prior[1:, 0], prior[0, 0]
        inner = prior[1:, 1:] - np.outer(self.to_grand, self.to_grand) / self.grand
        eigenvalues, self.basis = np.linalg.eigh(inner)
        self.eigenvalues = np.maximum(eigenvalues, 0.0)
        self.residual = self.basis.T @ (data.odd - self.to_grand * (data.grand / self.grand))

    def scaled(self, nugget: Vector, noise: float | None) -> tuple[Vector, Vector]:
        """The likeliest s^2 for every nugget, shape (k,), and the variances over s^2 in the eigenbasis, shape (k, m).

        In closed form without known noise, on a grid with it.
        """
        spread = self.eigenvalues + nugget[:, None] + _JITTER
        squares = self.residual**2
        if not noise:
            return np.maximum((squares / spread).mean(axis=1), 1e-24), spread
        tried = np.maximum(squares.mean() / spread.mean(axis=1), 1e-24)[:, None] * _SCALES
        variance = tried[:, :, None] * spread[:, None] + noise
        cost = np.log(variance).sum(axis=2) + (squares / variance).sum(axis=2)
        scale = np.take_along_axis(tried, cost.argmin(axis=1)[:, None], axis=1)[:, 0]
        return scale, spread + noise / scale[:, None]

    def log_evidence(self, nugget: Vector, noise: float | None) -> Vector:
        """Log marginal likelihood for every nugget, up to a constant, shape (k,)."""
        scale, spread = self.scaled(nugget, noise)
        fit: Vector = (self.residual**2 / spread).sum(axis=1) / scale
        evidence: Vector = -0.5 * (np.log(scale[:, None] * spread).sum(axis=1) + fit)
        return evidence


def _search(
    data: Observations, kernels: list[HammingKernel], linear: tuple[float, ...] | list[float], cost: float = 0.0
) -> list[_Choice]:
    """The evidence of all combinations."""
    found = []
    for kernel in kernels:
        for weight in linear:
            evidence = _Conditioned(data, kernel, weight).log_evidence(_NUGGET, data.noise) - cost
            found += [_Choice(e, kernel, weight, t) for e, t in zip(evidence.tolist(), _NUGGET.tolist(), strict=True)]
    return found


def _weighed(choices: list[_Choice]) -> list[tuple[_Choice, float]]:
    """Those that count, best first, with their posterior probabilities under equal prior ones."""
    best = max(choice.log_evidence for choice in choices)
    weights = {k: float(np.exp(choice.log_evidence - best)) for k, choice in enumerate(choices)}
    kept = sorted((k for k in weights if weights[k] >= _KEEP), key=lambda k: (-weights[k], k))
    total = sum(weights[k] for k in kept)
    return [(choices[k], weights[k] / total) for k in kept]


def _posterior(structure: Structure, data: Observations, weighed: list[tuple[_Choice, float]]) -> tuple[Vector, Vector]:
    """Mean and variance of the values under a mixture of hyperparameters, each of shape (n,)."""
    total = sum(weight for _, weight in weighed)
    parts = [
        (weight / total, *part)
        for (_, weight), part in zip(weighed, _components(structure, data, weighed), strict=True)
    ]
    mean = sum((w * values for w, values, _ in parts), start=np.zeros(structure.n))
    variance = sum((w * (var + (values - mean) ** 2) for w, values, var in parts), start=np.zeros(structure.n))
    return mean + (2.0 * data.grand - mean.sum()) / structure.n, variance


def _components(
    structure: Structure, data: Observations, weighed: list[tuple[_Choice, float]]
) -> Iterator[tuple[Vector, Vector]]:
    conditioned: dict[tuple[int, float], tuple[_Conditioned, Vector, Vector]] = {}
    for choice, _ in weighed:
        name = (id(choice.kernel), choice.linear)
        if name not in conditioned:
            given = _Conditioned(data, choice.kernel, choice.linear)
            conditioned[name] = (given, *_prior_of_values(structure, data, choice, given))
        yield _component(structure, data, choice, *conditioned[name])


def _prior_of_values(
    structure: Structure, data: Observations, choice: _Choice, given: _Conditioned
) -> tuple[Vector, Vector]:
    """Covariance of g(N) and the odd values with the players' values, shape (1 + m, n), and the values' variances."""
    n = structure.n
    covariance = choice.kernel.values(given.rows) + choice.linear * 2.0 / n * (2.0 * given.rows - 1.0)
    variance = choice.kernel.variance() + choice.linear * 4.0 / n
    if data.surrogate is not None:
        covariance = covariance + _SURROGATE * np.outer(*data.surrogate)
        variance = variance + _SURROGATE * data.surrogate[1] ** 2
    return covariance, variance


def _component(
    structure: Structure, data: Observations, choice: _Choice, given: _Conditioned, covariance: Vector, variance: Vector
) -> tuple[Vector, Vector]:
    """Mean and variance of the values for one choice of hyperparameters."""
    ratio = data.grand / given.grand
    inner = covariance[1:] - np.outer(given.to_grand, covariance[0]) / given.grand
    left = variance - covariance[0] ** 2 / given.grand
    if data.noise is not None:
        # What noise does not explain belongs to the game: coalitions have values that no smooth kernel foresees.
        inner = inner + choice.nugget * structure.white_values(data.coalitions)
        left = left + choice.nugget * structure.white_variance()
    scale, spread = given.scaled(np.array([choice.nugget]), data.noise)
    turned = given.basis.T @ inner
    mean = turned.T @ (given.residual / spread[0]) + covariance[0] * ratio
    variance = scale[0] * (left - (turned**2 / spread[0][:, None]).sum(axis=0))
    return mean, np.maximum(variance, 0.0)
