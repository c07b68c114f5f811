import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credit_hooks.credit import PathGame, owen, path_owen, path_shapley, path_value, reachability_table, shapley
from credit_hooks.errors import ConfigurationError


@st.composite
def path_games(draw, max_nodes=9):
    """Random graphs with relays, signed weights and several sinks; and an agent for every node."""
    count = draw(st.integers(1, max_nodes))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    sources = [
        tuple(sorted(rng.choice(k, rng.integers(0, min(k, 3) + 1), replace=False).tolist())) for k in range(count)
    ]
    is_move = rng.random(count) < 0.75
    is_move[-1] = True
    game = PathGame(
        own=np.where(is_move, rng.random(count), 0.0),
        sources=sources,
        weights=[tuple(rng.normal(size=len(read)).tolist()) for read in sources],
        is_move=is_move,
        sinks=np.where(rng.random(count) < 0.3, rng.random(count), 0.0) + np.eye(count)[-1],
    )
    return game, rng.integers(0, 3, count)


def table_of(game):
    moves = np.flatnonzero(game.is_move)
    return np.array(
        [
            path_value(game, np.isin(np.arange(game.own.size), moves[[c >> i & 1 == 1 for i in range(moves.size)]]))
            for c in range(1 << moves.size)
        ]
    )


@given(path_games())
def test_shapley_of_path_mass_equals_the_value_from_the_table(case):
    game, _ = case
    values = path_shapley(game)
    np.testing.assert_allclose(values[game.is_move], shapley(table_of(game)), rtol=0, atol=1e-11)
    assert (values[~game.is_move] == 0.0).all()


@settings(max_examples=50)
@given(path_games(max_nodes=8))
def test_owen_of_path_mass_equals_the_value_from_the_table(case):
    game, agent = case
    own = agent[game.is_move]
    unions = [np.flatnonzero(own == k).tolist() for k in range(3)]
    np.testing.assert_allclose(path_owen(game, agent)[game.is_move], owen(table_of(game), unions), rtol=0, atol=1e-11)


def chain(length, damping=0.8):
    return PathGame(
        own=np.array([1.0] + [1 - damping] * (length - 1)),
        sources=[(k - 1,) if k else () for k in range(length)],
        weights=[(damping,) if k else () for k in range(length)],
        is_move=np.ones(length, bool),
        sinks=np.eye(length)[-1],
    )


def test_fewer_nodes_suffice_where_paths_lose_weight():
    game = chain(600)
    np.testing.assert_allclose(path_shapley(game, max_nodes=32), path_shapley(game), rtol=0, atol=1e-14)


def test_long_chains_sum_to_their_value():
    assert abs(path_shapley(chain(3_000), max_nodes=32).sum() - 1.0) <= 1e-12


def test_owen_says_when_it_would_take_too_long():
    assert path_owen(chain(10), np.arange(10), max_cells=100) is None


def test_a_graph_out_of_order_is_refused():
    with pytest.raises(ConfigurationError, match="come before"):
        PathGame(np.ones(2), [(1,), ()], [(1.0,), ()], np.ones(2, bool), np.array([1.0, 0.0]))


def lives(node, sources, player, coalition, need):
    there = player[node] < 0 or coalition >> player[node] & 1
    read = [lives(source, sources, player, coalition, need) for source in sources[node]]
    return bool(there) and (not read or (any(read) if need == "any" else all(read)))


@settings(max_examples=60)
@given(path_games(), st.sampled_from(["any", "all"]), st.integers(1, 8))
def test_reachability_equals_asking_every_coalition(case, need, n):
    game, _ = case
    player = np.where(game.is_move, np.arange(game.own.size) * 7 % n, -1)
    sinks = [game.own.size - 1, 0]
    table = reachability_table(game.sources, player, sinks, n, need=need)
    expected = [
        np.mean([lives(sink, game.sources, player, coalition, need) for sink in sinks]) for coalition in range(1 << n)
    ]
    assert table.tolist() == expected


@pytest.mark.parametrize("n", [17, 18])
def test_reachability_of_more_agents_than_one_block_holds(n):
    # A message of the last agent reads one of everybody: it lives with the last agent and any other one.
    sources = [*[()] * (n - 1), tuple(range(n - 1))]
    table = reachability_table(sources, np.arange(n), [n - 1], n)
    coalitions = np.arange(1 << n)
    last, others = coalitions >> (n - 1) & 1 == 1, coalitions & ((1 << (n - 1)) - 1)
    assert (table == (last & (others > 0))).all()


def test_reachability_refuses_too_many_agents():
    with pytest.raises(ConfigurationError, match="24 agents"):
        reachability_table([()], np.zeros(1, int), [0], 25)
