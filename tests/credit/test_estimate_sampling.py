"""Which coalitions are asked for, what random orders and least squares make of them, and when to stop."""

from itertools import islice
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credit_hooks.credit import estimate, owen, shapley
from credit_hooks.credit.estimate.leverage import leverage_values
from credit_hooks.credit.estimate.sampling import complement_pairs, key
from credit_hooks.credit.estimate.stopping import StoppingRule, normal_quantile, student_factor
from credit_hooks.credit.estimate.structure import Structure

LAWS = settings(max_examples=25, deadline=None)


@LAWS
@given(st.integers(2, 9), st.integers(0, 99))
def test_every_pair_of_complements_comes_exactly_once(n, seed):
    rows = np.array(list(complement_pairs(Structure.of(n, None), np.random.default_rng(seed))))
    assert len(rows) == 2 ** (n - 1) - 1
    assert len({min(key(row), key(~row)) for row in rows}) == len(rows)


@LAWS
@given(st.lists(st.integers(0, 3), min_size=2, max_size=8), st.integers(0, 99))
def test_with_unions_every_pair_that_matters_comes_exactly_once(of, seed):
    unions = [[i for i in range(len(of)) if of[i] == union] for union in sorted(set(of))]
    structure = Structure.of(len(of), unions)
    rows = list(complement_pairs(structure, np.random.default_rng(seed)))
    names = {min(key(row), key(~row)) for row in rows}
    assert len(names) == len(rows)
    inner = [row for row in structure.coalitions() if row.any() and not row.all()]
    assert names == {min(key(row), key(~row)) for row in inner}


def test_every_player_alone_comes_first_then_sizes_take_turns_and_players_too():
    n = 12
    rows = np.array(list(islice(complement_pairs(Structure.of(n, None), np.random.default_rng(0)), n + 60)))
    assert (rows[:n].sum(axis=1) == 1).all()
    assert (rows[:n].sum(axis=0) == 1).all()
    sizes = np.bincount(rows[n:].sum(axis=1), minlength=7)[2:]
    assert sizes.max() - sizes.min() <= 1
    for size in (1, 2, 3, 4):
        players = rows[rows.sum(axis=1) == size].sum(axis=0)
        assert players.max() - players.min() <= 2  # repetitions that are left out leave gaps


def additive(weights):
    return lambda rows: rows @ np.asarray(weights)


@LAWS
@given(st.integers(3, 30), st.integers(0, 99))
def test_additive_games_are_solved_by_few_pairs_per_player(n, seed):
    weights = np.random.default_rng(seed).normal(size=n)
    for method in ("gp", "leverage", "permutation"):
        result = estimate(additive(weights), n, budget=10 * n, method=method, seed=seed)
        np.testing.assert_allclose(result.values, weights, atol=1e-4)


def test_least_squares_say_when_players_were_never_told_apart():
    rows = np.array([[1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [1, 1, 1, 0]], bool)
    _, std_err = leverage_values(rows, rows @ np.ones(4) - 2.0, 4.0)
    assert np.isinf(std_err).all()


def test_least_squares_on_all_pairs_is_the_shapley_value():
    table = np.random.default_rng(1).normal(size=128)
    rows = (np.arange(1, 64)[:, None] >> np.arange(7) & 1).astype(bool)
    odd = np.array([(table[s] - table[127 ^ s]) / 2.0 for s in range(1, 64)])
    values, std_err = leverage_values(rows, odd, table[127] - table[0])
    np.testing.assert_allclose(values, shapley(table), atol=1e-10)
    assert std_err.max() < 1e-10  # nothing was left out


@pytest.mark.parametrize("unions", [None, [[0, 1, 2], [3, 4], [5]]])
def test_random_orders_are_unbiased_and_their_standard_errors_right(unions):
    table = np.random.default_rng(2).normal(size=64)
    expected = shapley(table) if unions is None else owen(table, unions)
    runs = [
        estimate(
            lambda rows: table[rows @ (1 << np.arange(6))], 6, budget=20, method="permutation", unions=unions, seed=s
        )
        for s in range(300)
    ]
    values = np.array([run.values for run in runs])
    assert (np.abs(values.mean(axis=0) - expected) <= 4.5 * values.std(axis=0) / np.sqrt(300)).all()


@pytest.mark.parametrize("p", [1e-12, 0.001, 0.3, 0.5, 0.9, 0.975, 1.0 - 1e-9])
def test_quantiles_of_the_normal_distribution(p):
    assert normal_quantile(p) == pytest.approx(NormalDist().inv_cdf(p), abs=1e-6)


def test_quantiles_at_the_ends_are_infinite():
    assert (normal_quantile(0.0), normal_quantile(1.0)) == (-np.inf, np.inf)


@pytest.mark.parametrize(("degrees", "t"), [(1, 12.706), (2, 4.303), (3, 3.182), (5, 2.571), (10, 2.228), (100, 1.984)])
def test_few_degrees_of_freedom_widen_intervals_as_in_the_tables(degrees, t):
    assert student_factor(degrees) * 1.959964 == pytest.approx(t, rel=0.01)
    assert student_factor(0) == np.inf


def test_the_rule_wants_two_looks_in_a_row():
    rule = StoppingRule(0.1, 0.95, 4)
    within, beyond = (
        np.full(4, 0.025),
        np.full(4, 0.05),
    )  # z = 2.73 at the first look of four players, 3.48 at the fourth
    assert [rule.is_met(look) for look in (within, beyond, within, within)] == [False, False, False, True]


def test_the_rule_asks_more_the_more_often_it_looked():
    first, late = StoppingRule(0.1, 0.95, 4), StoppingRule(0.1, 0.95, 4)
    for _ in range(20):
        late.is_met(np.full(4, 1.0))
    look = np.full(4, 0.025)
    assert [first.is_met(look), first.is_met(look)] == [False, True]
    assert [late.is_met(look), late.is_met(look)] == [False, False]


@LAWS
@given(st.integers(1, 6), st.integers(0, 999), st.sampled_from([0.5, 0.8]))
def test_the_rule_rarely_passes_by_luck_on_honest_errors(n, seed, confidence):
    """Looks at errors that are exactly normal: passing while a player is beyond the tolerance is rare."""
    rng = np.random.default_rng(seed)
    wrong = 0
    for _ in range(100):
        rule = StoppingRule(1.0, confidence, n)
        for look in range(12):
            std_err = np.full(n, 1.5 / (look + 1.0))
            if rule.is_met(std_err):
                wrong += bool((np.abs(std_err * rng.normal(size=n)) > 1.0).any())
                break
    assert wrong <= 100 * (1.0 - confidence)


def test_without_a_tolerance_there_is_one_look_at_the_end():
    rule = StoppingRule(None, 0.95, 4)
    assert rule.until_next_look(0, 77) == 77
    assert not rule.is_met(np.zeros(4))
