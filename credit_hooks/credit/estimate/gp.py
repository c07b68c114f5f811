"""GP-Shapley: the posterior of the Shapley or Owen values given a few coalitions, in closed form.

Notation, after Rasmussen, Williams (2006), "Gaussian processes for machine learning", chapters 2 and 5:

    g(S) = (v(S) - v(S^c)) / 2     odd part of the game v: all that the values depend on
    K                              prior covariance of g at the observed coalitions, for s^2 = 1
    phi_i                          value of player i, linear in g
    rho, l, tau                    hyperparameters: correlation, weight of the linear part, nugget

The prior of g is a Gaussian process with covariance

    s^2 (k_rho(S, T) + l x_S·x_T / n + tau [S = T]),    x_S in ±1,

s^2 estimated, plus a surrogate game of unknown factor if one is given. (N, ∅) is conditioned on exactly, so that the
values sum to v(N) - v(∅). With c_i = cov(phi_i, g) and r the observed g, both given g(N),

    E phi_i = c_i · (K + tau I)^-1 r,    Var phi_i = s^2 (var phi_i - c_i · (K + tau I)^-1 c_i).

rho, l and tau are averaged over by their marginal likelihood: with few data no single choice is believed. Players may
differ in how much they matter: the values found in a first round set each player's own rho in a second, which the
likelihood then weighs against equal ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf
from typing import NamedTuple

import numpy as np

from credit_hooks.credit.estimate.kernel import HammingKernel
from credit_hooks.credit.estimate.stopping import student_factor
from credit_hooks.credit.estimate.structure import Coalitions, Structure, Vector

__all__ = ["Observations", "gp_values"]

_CORRELATIONS = (0.2, 0.4, 0.6, 0.75, 0.85, 0.92, 0.97)
_LINEAR_WEIGHTS = (1.0, 10.0, 100.0, 1e3, 1e5)  # the largest recovers additive games
_NUGGETS = np.array([1e-8, 1e-4, 1e-3, 1e-2, 0.03, 0.1, 0.3, 1.0, 3.0])
_SHARPNESS = (0.25, 0.5, 1.0)  # how far players' own correlations go apart in the second round
_SECOND_ROUND_COST = 2.0  # log-likelihood it has to gain, since it has seen the data before
_SURROGATE_VARIANCE = 1e3  # of the surrogate's factor: vague
_JITTER = 1e-9
_TRIED_SCALES = np.logspace(-4.0, 1.0, 31)  # s^2 with known noise, over mean square / mean prior variance
_KEEP = 0.01  # hyperparameters below this share of the best one's weight are left out
_SEARCHED = 256  # pairs that hyperparameters are chosen on: what takes O(m^3) each
_FEWEST = 5  # pairs below which the hyperparameters are no better than guessed, and no error is claimed

# What the closed form leaves out, as factors of the standard error. Chosen by the coverage of 95% intervals on tuning
# games (8 of each family of benchmarks/estimators.py, other seeds than it reports; n = 8, 12, 20; 9 to 149 pairs): in
# groups of 48 games it was .895 to .982 before, .935 to .982 after.
_UNMODELLED = 1.03
_NOISE_UNKNOWN = 1.1  # what is rough in the game is then taken for noise, which would average out
_UNSEEN_PLAYERS = 0.6  # more, as the share of the players that no pair has shown alone goes to one


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

    def over(self, scale: float) -> Observations:
        """The same game in units of `scale`, its surrogate with odd values of mean square one."""
        noise = None if self.noise is None else self.noise / scale**2
        return Observations(self.coalitions, self.odd / scale, self.grand / scale, noise, _normalised(self.surrogate))


class _Hyperparameters(NamedTuple):
    """One choice, and what speaks for it."""

    log_evidence: float
    kernel: HammingKernel
    linear_weight: float
    nugget: float


class _ValuesPrior(NamedTuple):
    """What the prior says of the players' values, for s^2 = 1 and without the nugget."""

    with_grand: Vector
    """Covariance with g(N), shape (n,)."""
    with_odd: Vector
    """Covariance with the observed odd values, shape (m, n)."""
    variance: Vector
    """Of each value, shape (n,)."""


def gp_values(structure: Structure, data: Observations) -> tuple[Vector, Vector]:
    """Posterior mean and standard error of every player's value, each of shape (n,).

    The means sum to 2 g(N) = v(N) - v(∅). Standard errors are infinite below five pairs. O(m^3) per correlation and
    linear weight.
    """
    scale = max(np.abs(data.odd).max(initial=0.0), abs(data.grand))
    if data.odd.size == 0 or scale == 0.0:
        return _without_data(data, structure.n, scale)
    data = data.over(scale)
    m = data.odd.size
    weighed = _weighed(_hyperparameters(structure, data.first(_SEARCHED)))
    mean, variance = _mixture(structure, data, weighed if m <= _SEARCHED else weighed[:1])
    return mean * scale, np.sqrt(variance) * scale * _widening(m, structure.n, is_noise_known=data.noise is not None)


def _widening(m: int, n: int, *, is_noise_known: bool) -> float:
    """How much larger the standard error of a value is than the posterior's standard deviation, after m pairs.

    Under the scale-invariant prior of s^2 a value is Student's t with m degrees of freedom.
    """
    if m < _FEWEST:
        return inf
    unseen = max(0.0, 1.0 - m / n)
    measured = _UNMODELLED * (1.0 + _UNSEEN_PLAYERS * unseen) * (1.0 if is_noise_known else _NOISE_UNKNOWN)
    return student_factor(m) * measured


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


def _hyperparameters(structure: Structure, data: Observations) -> list[_Hyperparameters]:
    """All that are considered: equal players first, then players as unequal as the best of these found them."""
    n = structure.n
    # The roughest games are not to be told from noise.
    correlations = _CORRELATIONS if data.noise == 0.0 else _CORRELATIONS[1:]
    choices = _search(data, [HammingKernel(structure, np.full(n, rho)) for rho in correlations], _LINEAR_WEIGHTS)
    if data.odd.size < 2 * n:
        return choices
    likely = _weighed(choices)
    found, _ = _mixture(structure, data, likely[:1])
    linear_weights = sorted({choice.linear_weight for choice, _ in likely})
    return choices + _search(data, _unequal(structure, found, correlations), linear_weights, _SECOND_ROUND_COST)


def _unequal(structure: Structure, values: Vector, correlations: tuple[float, ...]) -> list[HammingKernel]:
    """Kernels in which players of small values matter less: rho_i = rho^(size_i^sharpness)."""
    size = np.abs(values)
    size = size / max(size.mean(), 1e-300) + 0.1
    size = size / size.mean()
    return [HammingKernel(structure, rho ** (size**sharpness)) for sharpness in _SHARPNESS for rho in correlations]


class _Conditioned:
    """The covariance of the observed odd values given g(N), diagonalised; the nugget is still to be added."""

    def __init__(self, data: Observations, kernel: HammingKernel, linear_weight: float) -> None:
        n = data.coalitions.shape[1]
        self.rows = np.concatenate([np.ones((1, n), bool), data.coalitions])
        """N and the observed coalitions, shape (1 + m, n)."""
        signs = 2.0 * self.rows - 1.0
        prior = kernel.between(self.rows, self.rows) + linear_weight / n * (signs @ signs.T)
        if data.surrogate is not None:
            prior += _SURROGATE_VARIANCE * np.outer(data.surrogate[0], data.surrogate[0])
        self.grand_variance = prior[0, 0]
        self.with_grand = prior[1:, 0]
        given = prior[1:, 1:] - np.outer(self.with_grand, self.with_grand) / self.grand_variance
        eigenvalues, self.basis = np.linalg.eigh(given)
        self.eigenvalues = np.maximum(eigenvalues, 0.0)
        self.residual = self.basis.T @ (data.odd - self.with_grand * (data.grand / self.grand_variance))
        """What g(N) does not foresee, in the eigenbasis, shape (m,)."""

    def scaled(self, nuggets: Vector, noise: float | None) -> tuple[Vector, Vector]:
        """The likeliest s^2 for every nugget, shape (k,), and the variances over s^2 in the eigenbasis, shape (k, m).

        In closed form without known noise, on a grid with it.
        """
        variances = self.eigenvalues + nuggets[:, None] + _JITTER
        squares = self.residual**2
        if not noise:
            return np.maximum((squares / variances).mean(axis=1), 1e-24), variances
        tried = np.maximum(squares.mean() / variances.mean(axis=1), 1e-24)[:, None] * _TRIED_SCALES
        total = tried[:, :, None] * variances[:, None] + noise
        cost = np.log(total).sum(axis=2) + (squares / total).sum(axis=2)
        scale = np.take_along_axis(tried, cost.argmin(axis=1)[:, None], axis=1)[:, 0]
        return scale, variances + noise / scale[:, None]

    def log_evidence(self, nuggets: Vector, noise: float | None) -> Vector:
        """Log marginal likelihood for every nugget, up to a constant, shape (k,)."""
        scale, variances = self.scaled(nuggets, noise)
        fit: Vector = (self.residual**2 / variances).sum(axis=1) / scale
        evidence: Vector = -0.5 * (np.log(scale[:, None] * variances).sum(axis=1) + fit)
        return evidence


def _search(
    data: Observations, kernels: Sequence[HammingKernel], linear_weights: Sequence[float], cost: float = 0.0
) -> list[_Hyperparameters]:
    """The evidence of all combinations."""
    found = []
    for kernel in kernels:
        for weight in linear_weights:
            evidence = _Conditioned(data, kernel, weight).log_evidence(_NUGGETS, data.noise) - cost
            pairs = zip(evidence.tolist(), _NUGGETS.tolist(), strict=True)
            found += [_Hyperparameters(log_evidence, kernel, weight, nugget) for log_evidence, nugget in pairs]
    return found


def _weighed(choices: list[_Hyperparameters]) -> list[tuple[_Hyperparameters, float]]:
    """Those that count, best first, with their posterior probabilities under equal prior ones."""
    best = max(choice.log_evidence for choice in choices)
    weights = [float(np.exp(choice.log_evidence - best)) for choice in choices]
    kept = sorted((k for k in range(len(choices)) if weights[k] >= _KEEP), key=lambda k: (-weights[k], k))
    total = sum(weights[k] for k in kept)
    return [(choices[k], weights[k] / total) for k in kept]


def _mixture(
    structure: Structure, data: Observations, weighed: list[tuple[_Hyperparameters, float]]
) -> tuple[Vector, Vector]:
    """Posterior mean and variance of the values, averaged over hyperparameters, each of shape (n,)."""
    shares = np.array([weight for _, weight in weighed])[:, None]
    shares = shares / shares.sum()
    posteriors = list(_posteriors(structure, data, [choice for choice, _ in weighed]))
    means = np.array([mean for mean, _ in posteriors])
    variances = np.array([variance for _, variance in posteriors])
    mean = (shares * means).sum(axis=0)
    variance: Vector = (shares * (variances + (means - mean) ** 2)).sum(axis=0)
    return mean + (2.0 * data.grand - mean.sum()) / structure.n, variance


def _posteriors(
    structure: Structure, data: Observations, choices: list[_Hyperparameters]
) -> Iterator[tuple[Vector, Vector]]:
    """Mean and variance of the values for each choice; what choices share is computed once."""
    shared: dict[tuple[int, float], tuple[_Conditioned, _ValuesPrior]] = {}
    for choice in choices:
        name = (id(choice.kernel), choice.linear_weight)
        if name not in shared:
            given = _Conditioned(data, choice.kernel, choice.linear_weight)
            shared[name] = (given, _values_prior(structure, data, choice, given.rows))
        yield _posterior(structure, data, choice.nugget, *shared[name])


def _values_prior(structure: Structure, data: Observations, choice: _Hyperparameters, rows: Coalitions) -> _ValuesPrior:
    """Covariances of the players' values with g at N and at the observed coalitions."""
    weight = choice.linear_weight / structure.n
    covariance = choice.kernel.values(rows) + 2.0 * weight * (2.0 * rows - 1.0)
    variance = choice.kernel.variance() + 4.0 * weight
    if data.surrogate is not None:
        covariance = covariance + _SURROGATE_VARIANCE * np.outer(*data.surrogate)
        variance = variance + _SURROGATE_VARIANCE * data.surrogate[1] ** 2
    return _ValuesPrior(covariance[0], covariance[1:], variance)


def _posterior(
    structure: Structure, data: Observations, nugget: float, given: _Conditioned, prior: _ValuesPrior
) -> tuple[Vector, Vector]:
    """Mean and variance of the values for one choice of hyperparameters: the formulas of the module's docstring."""
    covariance = prior.with_odd - np.outer(given.with_grand, prior.with_grand) / given.grand_variance
    before = prior.variance - prior.with_grand**2 / given.grand_variance
    if data.noise is not None:
        # What noise does not explain belongs to the game: coalitions have values that no smooth kernel foresees.
        covariance = covariance + nugget * structure.white_values(data.coalitions)
        before = before + nugget * structure.white_variance()
    scales, variances = given.scaled(np.array([nugget]), data.noise)
    turned = given.basis.T @ covariance
    mean = turned.T @ (given.residual / variances[0]) + prior.with_grand * (data.grand / given.grand_variance)
    explained = (turned**2 / variances[0][:, None]).sum(axis=0)
    return mean, scales[0] * np.maximum(before - explained, 0.0)
