import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_hooks.credit import owen, reader_vote_owen, reader_vote_shapley, reader_vote_value, shapley, tabulate
from credit_hooks.credit.game import members
from credit_hooks.errors import ConfigurationError


@st.composite
def votes(draw, max_n=8):
    n = draw(st.integers(1, max_n))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    q = rng.choice([0.0, 0.1, 1.0, 3.7], n) * rng.choice([1.0, rng.random() + 0.01])
    return q, rng.random(n), rng.integers(0, 3, n)


def table_of(q, s):
    return tabulate(lambda c: reader_vote_value(q[members(c)], s[members(c)]), q.size)


@given(votes())
def test_shapley_equals_the_value_from_the_table_of_all_coalitions(game):
    q, s, _ = game
    np.testing.assert_allclose(reader_vote_shapley(q, s), shapley(table_of(q, s)), rtol=0, atol=1e-11)


@given(votes())
def test_owen_equals_the_value_from_the_table_of_all_coalitions(game):
    q, s, union = game
    unions = [np.flatnonzero(union == k).tolist() for k in range(3)]
    np.testing.assert_allclose(reader_vote_owen(q, s, union), owen(table_of(q, s), unions), rtol=0, atol=1e-11)


@given(votes(max_n=40))
def test_messages_without_a_vote_get_exactly_zero_and_equal_ones_the_same(game):
    q, s, union = game
    phi = reader_vote_owen(np.append(q, q[0]), np.append(s, s[0]), np.append(union, union[0]))
    assert (phi[:-1][q == 0] == 0.0).all()
    assert phi[0] == phi[-1]


@pytest.mark.parametrize(("n", "agents", "tolerance"), [(200, 7, 1e-12), (1_000, 300, 1e-11), (10_000, 20, 1e-8)])
def test_many_messages_still_sum_to_the_value_of_all(n, agents, tolerance):
    rng = np.random.default_rng(n)
    q = np.where(rng.random(n) < 0.3, 1.0, 0.1)
    q, s, union = q / q.mean(), rng.random(n), rng.integers(0, agents, n)
    value = reader_vote_value(q, s)
    assert abs(reader_vote_owen(q, s, union).sum() - value) <= tolerance
    assert abs(reader_vote_shapley(q, s).sum() - value) <= tolerance


def test_many_different_weights_still_sum_to_the_value_of_all():
    rng = np.random.default_rng(1)
    q, s = rng.random(300) + 0.05, rng.random(300)
    assert abs(reader_vote_shapley(q, s).sum() - reader_vote_value(q, s)) <= 1e-11


def test_who_contradicts_is_negative_and_who_supports_positive():
    phi = reader_vote_shapley([1.0, 1.0, 1.0], [1.0, 1.0, 0.0])
    assert phi[2] < 0 < phi[0] == phi[1]


@pytest.mark.parametrize(("q", "s"), [([-1.0], [0.5]), ([1.0], [np.nan]), ([1.0, 2.0], [0.5]), ([[1.0]], [[1.0]])])
def test_votes_that_are_none_are_refused(q, s):
    with pytest.raises(ConfigurationError, match="votes"):
        reader_vote_shapley(q, s)


def test_nobody_votes():
    assert reader_vote_owen([0.0, 0.0], [1.0, 0.0], [0, 1]).tolist() == [0.0, 0.0]
