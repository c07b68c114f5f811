import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from credit_hooks.credit import banzhaf, leave_one_out, shapley, shapley_batch, tabulate
from credit_hooks.credit.game import MAX_PLAYERS, members
from credit_hooks.errors import ConfigurationError


def shapley_by_orders(table, n):
    """The definition: average marginal contribution over all orders."""
    total = np.zeros(n)
    for order in itertools.permutations(range(n)):
        coalition = 0
        for i in order:
            total[i] += table[coalition | 1 << i] - table[coalition]
            coalition |= 1 << i
    return total / math.factorial(n)


def tables(min_n=0, max_n=6):
    values = st.floats(-1, 1, allow_subnormal=False)
    return st.integers(min_n, max_n).flatmap(lambda n: arrays(np.float64, 1 << n, elements=values))


def swapped(coalition, i, j):
    bits = coalition & ~(1 << i | 1 << j)
    return bits | (coalition >> i & 1) << j | (coalition >> j & 1) << i


@given(tables())
def test_shapley_is_the_mean_marginal_over_all_orders(table):
    n = table.size.bit_length() - 1
    np.testing.assert_allclose(shapley(table), shapley_by_orders(table, n), rtol=0, atol=1e-13)


@given(tables(max_n=10))
def test_shapley_sums_to_what_everyone_gains(table):
    assert abs(shapley(table).sum() - (table[-1] - table[0])) <= 1e-12


@given(tables(min_n=1), st.data())
def test_null_player_gets_nothing(table, data):
    n = table.size.bit_length() - 1
    i = data.draw(st.integers(0, n - 1))
    without = table[[coalition & ~(1 << i) for coalition in range(table.size)]]
    assert abs(shapley(without)[i]) <= 1e-15
    assert banzhaf(without)[i] == pytest.approx(0, abs=1e-15)
    assert leave_one_out(without)[i] == 0.0


@given(tables(min_n=2), st.data())
def test_symmetric_players_get_the_same(table, data):
    n = table.size.bit_length() - 1
    i, j = data.draw(st.lists(st.integers(0, n - 1), min_size=2, max_size=2, unique=True))
    symmetric = table + table[[swapped(coalition, i, j) for coalition in range(table.size)]]
    phi = shapley(symmetric)
    assert abs(phi[i] - phi[j]) <= 1e-14


@given(tables(min_n=3, max_n=3), tables(min_n=3, max_n=3), st.floats(-3, 3))
def test_shapley_is_linear(u, v, factor):
    np.testing.assert_allclose(shapley(u + factor * v), shapley(u) + factor * shapley(v), atol=1e-13)


@pytest.mark.parametrize("n", [15, 16, 17, 18])
def test_large_tables_are_streamed_to_the_same_values(n):
    # Every player's weight in an additive game, and an equal share of a carrier game, are its value by the axioms.
    weights = np.random.default_rng(n).normal(size=n)
    carrier = 1 << 3 | 1 << (n - 1) | 1 << (n // 2)
    coalitions = np.arange(1 << n)
    additive = sum(weights[i] * (coalitions >> i & 1) for i in range(n))
    expected = weights + np.where([carrier >> i & 1 for i in range(n)], 1 / 3, 0)
    np.testing.assert_allclose(shapley(additive + (coalitions & carrier == carrier)), expected, atol=1e-12)


def test_streaming_and_folding_agree_on_a_game_without_structure():
    from credit_hooks.credit import exact

    table = np.random.default_rng(0).random(1 << 17)
    sums = exact._fold(exact._kernel(17)[exact.coalition_sizes(17)] * table, 17)
    folded = sums - sums.mean() + (table[-1] - table[0]) / 17
    np.testing.assert_allclose(shapley(table), folded, rtol=0, atol=1e-14)


@given(st.integers(0, 8), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_batch_equals_one_by_one(n, games, seed):
    batch = np.random.default_rng(seed).random((games, 1 << n))
    np.testing.assert_allclose(shapley_batch(batch), [shapley(table) for table in batch], atol=1e-13)


@given(tables(min_n=1, max_n=5))
def test_banzhaf_is_the_mean_marginal_over_all_coalitions(table):
    n = table.size.bit_length() - 1
    for i in range(n):
        others = [s for s in range(table.size) if not s >> i & 1]
        assert banzhaf(table)[i] == pytest.approx(np.mean([table[s | 1 << i] - table[s] for s in others]), abs=1e-13)


def test_leave_one_out_gives_redundant_players_nothing():
    either = tabulate(lambda coalition: float(coalition & 3 != 0), 2)
    assert leave_one_out(either).tolist() == [0.0, 0.0]
    assert shapley(either).tolist() == [0.5, 0.5]


def test_game_without_players_and_with_one():
    assert shapley([7.0]).size == 0
    assert shapley([1.0, 4.0]).tolist() == [3.0]


@pytest.mark.parametrize("values", [[], [1.0, 2.0, 3.0], [[1.0, 2.0]]])
def test_a_table_that_is_none_is_refused(values):
    with pytest.raises(ConfigurationError, match=r"2\^n values"):
        shapley(values)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("solve", [shapley, banzhaf, leave_one_out])
def test_values_that_are_no_numbers_are_refused(solve, bad):
    with pytest.raises(ConfigurationError, match="finite"), np.errstate(invalid="ignore"):
        solve([0.0, bad, 1.0, bad])


def test_a_batch_of_wrong_shape_is_refused():
    with pytest.raises(ConfigurationError, match="batch"):
        shapley_batch(np.zeros((2, 3)))
    with pytest.raises(ConfigurationError, match="batch"):
        shapley_batch(np.zeros(4))


def test_too_many_players_are_refused_before_memory_is():
    with pytest.raises(ConfigurationError, match=str(MAX_PLAYERS)):
        tabulate(lambda coalition: 0.0, MAX_PLAYERS + 1)


def test_members_are_the_bits_of_a_coalition():
    assert members(0b10110) == [1, 2, 4]
