r"""The reader-vote game: how firmly a reader who hears only the messages in S holds the run's conclusion.

    v(S) = sum_S q_m s_m / (1 + sum_S q_m)

with vote weights q_m >= 0 and stances s_m: the mean of a belief that starts at 0 with the weight of one vote. Who
contradicts the conclusion lowers it, so values are signed. Shapley and Owen values are exact without tables or sampling
(Owen 1972, "Multilinear extensions of games"): 1/x = ∫ t^(x-1) dt over [0, 1] turns the extension into a product,

    G(t, p) = prod_j g_j,  g_j = 1 - p + p t^q_j,      H(t, p) = sum_j h_j,  h_j = q_j s_j p t^q_j / g_j,
    phi_i = ∫∫ G/g_i [(t^q_i - 1) (H - h_i) + t^q_i q_i s_i] dt dp,

which is linear in s_i for a given q_i: the cost grows with the number of *distinct* vote weights, not of messages.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from credit_hooks.credit.quadrature import gauss_legendre
from credit_hooks.errors import ConfigurationError

__all__ = ["reader_vote_owen", "reader_vote_shapley", "reader_vote_value"]

_T_NODES = 96  # relative error at most 1e-13 up to 1,000 votes, 5e-11 at 10,000; 64 nodes: 6e-7 at 10,000
_P_NODES = 64  # beyond 2 x 64 players the polynomial in p is too long to integrate exactly, and need not be
_CHUNK = 64  # distinct weights at a time: 3 MiB per temporary

Vector = NDArray[np.float64]


class _Field(NamedTuple):
    """Product G and sum H over all players, on a grid of t and p, each of shape (t, p)."""

    G: Vector
    H: Vector


def reader_vote_value(votes: ArrayLike, stances: ArrayLike) -> float:
    """Value v of the coalition that holds exactly these messages."""
    q, s = np.asarray(votes, np.float64), np.asarray(stances, np.float64)
    return float(q @ s / (1.0 + q.sum()))


def reader_vote_shapley(votes: ArrayLike, stances: ArrayLike) -> Vector:
    """Shapley value of every message, shape (n,). Messages without a vote (q = 0) get exactly 0.0.

    Raises:
        ConfigurationError: a vote is negative or not finite, or the shapes differ.
    """
    q, s = _players(votes, stances)
    result = np.zeros(q.size)
    voting = np.flatnonzero(q)
    one, nothing = np.ones(_T_NODES), np.zeros(_T_NODES)
    if voting.size:
        result[voting] = _marginals(q[voting], s[voting], one, nothing)
    return result


def reader_vote_owen(votes: ArrayLike, stances: ArrayLike, unions: Sequence[int] | NDArray[np.intp]) -> Vector:
    """Owen value of every message, shape (n,); `unions` says for each message which union (agent) it is of.

    The other unions enter whole with probability P, a third integral that depends on t alone. No 2^n anywhere.

    Raises:
        ConfigurationError: as :func:`reader_vote_shapley`.
    """
    q, s = _players(votes, stances)
    result = np.zeros(q.size)
    voting = np.flatnonzero(q)
    if not voting.size:
        return result
    names, of = np.unique(np.asarray(unions)[voting], return_inverse=True)
    weight: Vector = np.bincount(of, q[voting], names.size).astype(np.float64)
    support: Vector = np.bincount(of, q[voting] * s[voting], names.size).astype(np.float64)
    t, _ = _t_rule()
    P, P_weight = _p_rule(names.size)
    field = _field(weight, np.ones(names.size), support, t, P)
    for union in range(names.size):
        mine = voting[of == union]
        power = P * t[:, None] ** weight[union]
        g = 1.0 - P + power
        others = field.G / g
        result[mine] = _marginals(
            q[mine], s[mine], others @ P_weight, (others * (field.H - support[union] * power / g)) @ P_weight
        )
    return result


def _marginals(q: Vector, s: Vector, outside: Vector, outside_support: Vector) -> Vector:
    """Values inside one union; `outside` and `outside_support` are the means of G and G H of the others, shape (t,)."""
    weights, kind = np.unique(q, return_inverse=True)
    count = np.bincount(kind, minlength=weights.size).astype(np.float64)
    t, t_weight = _t_rule()
    p, p_weight = _p_rule(q.size)
    field = _field(weights, count, weights * np.bincount(kind, s, weights.size), t, p)
    measure = t_weight[:, None] * p_weight
    context = measure * (field.H * outside[:, None] + outside_support[:, None])
    measure = measure * outside[:, None]
    against, support = np.empty(weights.size), np.empty(weights.size)
    for start in range(0, weights.size, _CHUNK):
        part = slice(start, start + _CHUNK)
        power = t ** weights[part, None]
        g = 1.0 - p + p * power[:, :, None]
        others = field.G / g
        loss = power[:, :, None] - 1.0
        against[part] = (others * loss * context).sum(axis=(1, 2))
        own = power[:, :, None] - loss * (p * power[:, :, None] / g)
        support[part] = weights[part] * (others * own * measure).sum(axis=(1, 2))
    return against[kind] + s * support[kind]


def _field(weights: Vector, count: Vector, support: Vector, t: Vector, p: Vector) -> _Field:
    """G and H of players of these weights, `count` of each, with the sums of q s in `support`."""
    G, H = np.ones((t.size, p.size)), np.zeros((t.size, p.size))
    for start in range(0, weights.size, _CHUNK):
        part = slice(start, start + _CHUNK)
        power = (t ** weights[part, None])[:, :, None] * p
        g = 1.0 - p + power
        G *= np.prod(g ** count[part, None, None], axis=0)
        H += (support[part, None, None] * power / g).sum(axis=0)
    return _Field(G, H)


@lru_cache(maxsize=1)
def _t_rule() -> tuple[Vector, Vector]:
    """Nodes and weights for t, gathered at both ends: t^q is singular at 0 and, with many votes, a spike at 1."""
    x, weight = gauss_legendre(_T_NODES)
    t = x**4 * (35.0 - 84.0 * x + 70.0 * x**2 - 20.0 * x**3)
    return t, weight * 140.0 * x**3 * (1.0 - x) ** 3


@lru_cache(maxsize=256)
def _p_rule(n: int) -> tuple[Vector, Vector]:
    """Nodes and weights for p: exact for n players while that takes few nodes, else gathered at 0 (p = y^3)."""
    if n <= 2 * _P_NODES:
        return gauss_legendre((n - 1) // 2 + 1)
    y, weight = gauss_legendre(_P_NODES)
    return y**3, weight * 3.0 * y**2


def _players(votes: ArrayLike, stances: ArrayLike) -> tuple[Vector, Vector]:
    q, s = np.asarray(votes, np.float64), np.asarray(stances, np.float64)
    if q.ndim != 1 or q.shape != s.shape or not (np.isfinite(q).all() and np.isfinite(s).all() and (q >= 0).all()):
        raise ConfigurationError("votes and stances are finite vectors of one length, and votes are not negative")
    return q, s
