"""What is expected of an unknown game, and the value of it: a Gaussian process over coalitions.

The Shapley value, and the Owen value too, depend only on the odd part of a game, g(S) = (v(S) - v(S^c)) / 2, since the
reverse of an order is an order. Its prior has the covariance

    k(S, T) = (rho^d - rho^(n-d)) / (1 - rho^n),    d = how many players S and T differ in,

the odd part of a Hamming kernel. Values of a game are linear in it, so that the posterior mean and variance of every
value follow in closed form, without any sampling of orders: for one player of the game rho^d(., S),

    phi_i = ± (1 - rho) * integral of prod over unions (p rho^out + (1-p) rho^in) dp
                        * integral of prod over partners (q rho^[not in S] + (1-q) rho^[in S]) dq,

exact by Gauss-Legendre. Source: the value of a Gaussian process prior after Chau, Muandet, Sejdinovic (2023),
"Explaining the uncertain: stochastic Shapley values for Gaussian process models"; odd part: Covert, Lee (2021),
"Improving KernelSHAP", on paired sampling; unions: Owen (1977).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from credit_hooks.credit.estimate.structure import Coalitions, Structure, Vector
from credit_hooks.credit.quadrature import gauss_legendre

__all__ = ["HammingKernel"]


@dataclass(frozen=True)
class HammingKernel:
    """The odd Hamming kernel with one correlation per player: what adding or removing it leaves of the similarity."""

    structure: Structure
    """Whose orders count."""
    rho: Vector
    """Correlation of two coalitions that differ in one player only, in (0, 1), shape (n,)."""

    def between(self, some: Coalitions, others: Coalitions) -> Vector:
        """k(S, T), shape (k, l)."""
        x, y = some.astype(float), others.astype(float)
        log = self._log_rho
        differing = (x * log) @ (1.0 - y).T + ((1.0 - x) * log) @ y.T
        kernel: Vector = (np.exp(differing) - np.exp(log.sum() - differing)) / self._norm
        return kernel

    def values(self, coalitions: Coalitions) -> Vector:
        """phi(k(., S)) for every S: the covariance of each player's value with g(S). Shape (k, n)."""
        return (self._half(coalitions) - self._half(~coalitions)) / self._norm

    def variance(self) -> Vector:
        """Prior variance of each player's value, shape (n,)."""
        structure, log = self.structure, self._log_rho
        p, wp = _square(len(structure.unions))
        q, wq = _square(max(len(union) for union in structure.unions))
        union_rho = np.exp(log @ structure.membership)
        total = np.zeros(structure.n)
        for same_p, same_q in ((p, q), (1.0 - p, 1.0 - q)):
            outer = np.log(same_p + (1.0 - same_p) * union_rho[:, None])
            outer = np.exp(outer.sum(axis=0) - outer) @ wp
            inner = np.log(same_q + (1.0 - same_q) * self.rho[:, None])
            inner = np.exp((structure.membership.T @ inner)[structure.union_of] - inner) @ wq
            total += outer[structure.union_of] * inner
        return 2.0 * (1.0 - self.rho) * total / self._norm

    @cached_property
    def _log_rho(self) -> Vector:
        return np.log(self.rho)

    @cached_property
    def _norm(self) -> float:
        return max(1.0 - float(np.exp(self._log_rho.sum())), 1e-12)

    def _half(self, coalitions: Coalitions) -> Vector:
        """The values under the plain Hamming kernel, its even part included."""
        structure, log = self.structure, self._log_rho
        x = coalitions.astype(float)
        p, wp = gauss_legendre(len(structure.unions) // 2 + 1)
        all_in = np.exp(((1.0 - x) * log) @ structure.membership)[:, :, None]
        none_in = np.exp((x * log) @ structure.membership)[:, :, None]
        outer = np.log(p * all_in + (1.0 - p) * none_in)
        outer = np.exp(outer.sum(axis=1, keepdims=True) - outer) @ wp
        result: Vector = np.where(coalitions, 1.0, -1.0) * (1.0 - self.rho) * outer[:, structure.union_of]
        if not structure.is_flat:
            result = result * self._inner(x)
        return result

    def _inner(self, x: Vector) -> Vector:
        """The integral over the partners in a player's own union, shape (k, n)."""
        structure = self.structure
        q, wq = gauss_legendre(max(len(union) for union in structure.unions) // 2 + 1)
        present = x[:, :, None]
        rho = self.rho[:, None]
        factor = np.log(present * (q + (1.0 - q) * rho) + (1.0 - present) * ((1.0 - q) + q * rho))
        whole = np.einsum("kiq,iu->kuq", factor, structure.membership)[:, structure.union_of]
        inner: Vector = np.exp(whole - factor) @ wq
        return inner


def _square(n: int) -> tuple[Vector, Vector]:
    """Probability that two independent orders agree on one of n, at nodes for a pair of times; and the weights."""
    nodes, weights = gauss_legendre(n // 2 + 1)
    agree = np.outer(nodes, nodes) + np.outer(1.0 - nodes, 1.0 - nodes)
    return agree.ravel(), np.outer(weights, weights).ravel()
