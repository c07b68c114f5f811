"""Games on a graph: path mass (exact per message) and reachability (exact per agent).

Both are provenance games: v(S) in [0, 1] says how much of the answer is left when only S contributed, g(N) = 1 and
g(∅) = 0. *Relay* nodes pass on what they read without being anybody's move; shared read sets are relays, so that the
graphs of teams that read the whole history stay linear.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from credit_hooks.credit.game import MAX_PLAYERS, Table
from credit_hooks.credit.owen import arrival_weights
from credit_hooks.credit.quadrature import gauss_legendre
from credit_hooks.errors import ConfigurationError

__all__ = ["PathGame", "path_owen", "path_shapley", "path_value", "reachability_table"]

_CELLS = 4_000_000  # floats per temporary of the passes: 32 MiB
_BLOCK_BITS = 16  # coalitions per pass of reachability: 8 KiB per node, kept in cache

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class PathGame:
    """y_k = x_k (own_k + sum over sources j of w_kj y_j) for moves, the same with x_k = 1 for relays; v = sinks · y.

    Weights may be signed. The game is multilinear in x, one variable per move.
    """

    own: Vector
    """What each node brings by itself, shape (K,); 0 for relays."""
    sources: Sequence[Sequence[int]]
    """Nodes read by each node; all of them come earlier."""
    weights: Sequence[Sequence[float]]
    """Weight of each source, parallel to `sources`."""
    is_move: NDArray[np.bool_]
    """False for relays, shape (K,)."""
    sinks: Vector
    """Weight of each node in the value, shape (K,)."""

    def __post_init__(self) -> None:
        for node, read in enumerate(self.sources):
            if any(not 0 <= source < node for source in read):
                raise ConfigurationError(f"node {node} of a path game reads a node that does not come before it")


def path_value(game: PathGame, present: NDArray[np.bool_]) -> float:
    """Value v when only the moves in `present` (shape (K,)) were made."""
    _, y = _forward(game, np.where(game.is_move, present, True).astype(np.float64)[:, None])
    return float(game.sinks @ np.array([row[0] for row in y]))


def path_shapley(game: PathGame, *, max_nodes: int | None = None) -> Vector:
    """Shapley value of every move, shape (K,), 0.0 for relays. Sums to v(N).

    The multilinear extension along its diagonal is a polynomial of degree L, the largest number of moves on a path to a
    sink, so that Gauss-Legendre with L // 2 + 1 nodes and one forward and one backward pass are exact. O(edges * L).

    Args:
        game: The game.
        max_nodes: Fewer quadrature nodes. Where the sources of a move weigh at most d < 1 together, the polynomial is
            bounded by one of a geometric series in d p, so that n nodes leave an error of order rho^(-2n), rho = z +
            sqrt(z^2 - 1), z = 2/d - 1 (Trefethen, "Is Gauss quadrature better than Clenshaw-Curtis?"): 32 nodes leave
            less than rounding does for d = .8, where rho = 2.6.
    """
    p, weight = gauss_legendre(_quadrature_size(game, game.is_move, max_nodes))
    result = np.zeros(game.own.size)
    for part in _chunks(p.size, game.own.size):
        x = np.where(game.is_move[:, None], p[None, part], 1.0)
        result += (_slopes(game, x) * weight[part]).sum(axis=1)
    return np.where(game.is_move, result, 0.0)


def path_owen(
    game: PathGame, unions: NDArray[np.intp], *, max_nodes: int | None = None, max_cells: int | None = None
) -> Vector | None:
    """Owen value of every move, shape (K,); `unions` holds the union of each move, numbered from 0, any for relays.

    Enumerates the 2^(m-1) coalitions of the other unions, with a quadrature inside the union. Sums to v(N).

    Args:
        game: The game.
        unions: Union of each move, shape (K,).
        max_nodes: As for :func:`path_shapley`.
        max_cells: Work allowed, in nodes x coalitions x quadrature nodes over all unions.

    Returns:
        The values, or None where they would take more than `max_cells`.
    """
    present = np.unique(unions[game.is_move])
    m = present.size
    grids = {int(union): _quadrature_size(game, game.is_move & (unions == union), max_nodes) for union in present}
    if max_cells is not None and game.own.size * sum(grids.values()) << max(m - 1, 0) > max_cells:
        return None
    if m > MAX_PLAYERS:
        raise ConfigurationError(f"the exact Owen value of a path game takes at most {MAX_PLAYERS} unions, not {m}")
    result = np.zeros(game.own.size)
    for union, size in grids.items():
        mine = game.is_move & (unions == union)
        others = [other for other in present.tolist() if other != union]
        p, weight = gauss_legendre(size)
        coalition_weight = arrival_weights(m)
        for part in _chunks(size << len(others), game.own.size):
            coalition, node = np.divmod(np.arange(part.start, min(part.stop, size << len(others))), size)
            inside = np.ones((int(present.max()) + 1, coalition.size))
            for bit, other in enumerate(others):
                inside[other] = coalition >> bit & 1
            x = np.where(game.is_move[:, None], inside[np.where(game.is_move, unions, union)], 1.0)
            x[mine] = p[node]
            slopes = _slopes(game, x)[mine]
            result[mine] += (slopes * (coalition_weight[coalition] * weight[node])).sum(axis=1)
    return result


def reachability_table(
    sources: Sequence[Sequence[int]],
    player: NDArray[np.intp],
    sinks: Sequence[int],
    n: int,
    *,
    need: Literal["any", "all"] = "any",
) -> Table:
    """Table of the game between n agents: does the answer live if only the agents in S are there? Shape (2^n,).

    A node lives if its agent is in S and `need` of its sources live; one without sources needs none. The answer lives
    to the share of the sinks that do. All coalitions at once, one bit each: O(edges * 2^n / 64).

    Args:
        sources: Nodes read by each node; all of them come earlier.
        player: Agent of each node, shape (K,); -1 for relays, which are always there.
        sinks: Nodes that carry the answer.
        n: Number of agents.
        need: Whether a node needs any or all of its sources.

    Raises:
        ConfigurationError: more than 24 agents.
    """
    if not 0 <= n <= MAX_PLAYERS:
        raise ConfigurationError(f"reachability over all coalitions takes at most {MAX_PLAYERS} agents, not {n}")
    join = np.bitwise_or if need == "any" else np.bitwise_and
    block = min(n, _BLOCK_BITS)
    bits = _membership_bits(block)
    everyone = np.full(bits.shape[1], np.iinfo(np.uint64).max, np.uint64)
    table = np.empty(1 << n)
    for high in range(1 << (n - block)):
        there = [*bits, *(everyone if high >> i & 1 else np.zeros_like(everyone) for i in range(n - block)), everyone]
        alive: list[NDArray[np.uint64]] = []
        for node, read in enumerate(sources):
            own = there[player[node]]  # -1, a relay, is the last entry
            alive.append(own & join.reduce([alive[source] for source in read], axis=0) if read else own)
        lives = [np.unpackbits(alive[sink].view(np.uint8), bitorder="little")[: 1 << block] for sink in sinks]
        table[high << block : (high + 1) << block] = np.mean(lives, axis=0)
    return table


def _forward(game: PathGame, x: Vector) -> tuple[list[Vector], list[Vector]]:
    """What each node has to pass on (z) and passes on (y = x z), K rows of shape (Q,)."""
    y: list[Vector] = []
    z: list[Vector] = []
    own = game.own.tolist()
    moves = game.is_move.tolist()
    # Rows as a list and weights as floats: indexing the arrays in this loop would take twice as long.
    for node, read in enumerate(game.sources):
        incoming = np.full(x.shape[1], own[node])
        for source, weight in zip(read, game.weights[node], strict=True):
            incoming += y[source] if weight == 1.0 else weight * y[source]
        z.append(incoming)
        y.append(x[node] * incoming if moves[node] else incoming)
    return z, y


def _slopes(game: PathGame, x: Vector) -> Vector:
    """dv/dx_k at every column of x, shape (K, Q): one forward and one backward pass."""
    z, _ = _forward(game, x)
    flow = np.repeat(game.sinks[:, None], x.shape[1], axis=1)
    rows, moves = list(flow), game.is_move.tolist()
    for node in range(len(game.sources) - 1, -1, -1):
        read = game.sources[node]
        if read:
            passed = rows[node] * x[node] if moves[node] else rows[node]
            for source, weight in zip(read, game.weights[node], strict=True):
                rows[source] += passed if weight == 1.0 else weight * passed
    for row, incoming in zip(rows, z, strict=True):
        row *= incoming
    return flow


def _quadrature_size(game: PathGame, counted: NDArray[np.bool_], max_nodes: int | None) -> int:
    """Nodes that integrate exactly: half the largest number of counted moves on a path to a sink, plus one."""
    depth = np.zeros(game.own.size, int)
    for node, read in enumerate(game.sources):
        depth[node] = max((depth[source] for source in read), default=0) + counted[node]
    exact = int(depth[game.sinks != 0].max(initial=1)) // 2 + 1
    return exact if max_nodes is None else min(exact, max_nodes)


def _chunks(columns: int, rows: int) -> Sequence[slice]:
    width = max(1, _CELLS // max(rows, 1))
    return [slice(start, start + width) for start in range(0, columns, width)]


def _membership_bits(n: int) -> NDArray[np.uint64]:
    """Whether each of n players is in each of 2^n coalitions, one bit per coalition, shape (n, max(1, 2^n / 64))."""
    member = (np.arange(max(1 << n, 64))[None] >> np.arange(n)[:, None] & 1).astype(np.uint8)
    return np.packbits(member, axis=1, bitorder="little").view(np.uint64)
