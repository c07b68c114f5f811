import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_hooks.credit import owen, quotient, shapley
from credit_hooks.errors import ConfigurationError


def owen_by_orders(table, unions):
    """The definition: average marginal contribution over the orders that keep each union together."""
    total, count = np.zeros(sum(map(len, unions))), 0
    for order in itertools.permutations(unions):
        for inner in itertools.product(*(list(itertools.permutations(union)) for union in order)):
            coalition = 0
            for i in itertools.chain(*inner):
                total[i] += table[coalition | 1 << i] - table[coalition]
                coalition |= 1 << i
            count += 1
    return total / count


@st.composite
def games(draw, max_n=6):
    n = draw(st.integers(1, max_n))
    of = draw(st.lists(st.integers(0, 2), min_size=n, max_size=n))
    unions = [[i for i in range(n) if of[i] == union] for union in sorted(set(of))]
    return np.random.default_rng(draw(st.integers(0, 2**32 - 1))).normal(size=1 << n), unions


@given(games())
def test_owen_is_the_mean_marginal_over_orders_that_keep_unions_together(game):
    table, unions = game
    np.testing.assert_allclose(owen(table, unions), owen_by_orders(table, unions), atol=1e-12)


@given(games(max_n=8))
def test_members_sum_to_the_shapley_value_of_their_union(game):
    table, unions = game
    values = owen(table, unions)
    sums = [values[union].sum() for union in unions]
    np.testing.assert_allclose(sums, shapley(quotient(table, unions)), atol=1e-12)


@given(games(max_n=8))
def test_owen_of_single_players_or_of_one_union_is_shapley(game):
    table, unions = game
    n = sum(map(len, unions))
    np.testing.assert_allclose(owen(table, [[i] for i in range(n)]), shapley(table), atol=1e-12)
    np.testing.assert_allclose(owen(table, [list(range(n))]), shapley(table), atol=1e-12)


@pytest.mark.parametrize("unions", [[[0]], [[0, 1], [1]], [[0], [2]], []])
def test_unions_that_are_no_partition_are_refused(unions):
    with pytest.raises(ConfigurationError, match="exactly once"):
        owen(np.zeros(4), unions)
