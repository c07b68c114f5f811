"""Laws of every estimator: what holds whatever the game, the budget and the seed."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from credit_hooks.credit import Surrogate, estimate, estimation, owen, shapley
from credit_hooks.errors import ConfigurationError, EvaluationError

METHODS = ["gp", "leverage", "permutation"]
LAWS = settings(max_examples=25, deadline=None)


class Table:
    """A game from its table, which counts what it is asked for."""

    def __init__(self, table):
        self.table = np.asarray(table, float)
        self.n = self.table.size.bit_length() - 1
        self.asked = []

    def __call__(self, coalitions):
        assert coalitions.dtype == bool
        assert coalitions.shape[1:] == (self.n,)
        self.asked += [tuple(row) for row in coalitions.tolist()]
        return self.table[coalitions @ (1 << np.arange(self.n))]


def random_game(seed, n):
    """A smooth game with a rough part, in general position."""
    rng = np.random.default_rng(seed)
    inside = (np.arange(1 << n)[:, None] >> np.arange(n) & 1).astype(float)
    return 1.0 / (1.0 + np.exp(-inside @ rng.normal(size=n))) + 0.1 * rng.normal(size=1 << n)


@st.composite
def requests(draw, max_n=7):
    n = draw(st.integers(1, max_n))
    of = draw(st.lists(st.integers(0, 2), min_size=n, max_size=n))
    unions = [[i for i in range(n) if of[i] == union] for union in sorted(set(of))]
    method = draw(st.sampled_from(METHODS))
    return {
        "table": random_game(draw(st.integers(0, 2**32 - 1)), n),
        "budget": draw(st.integers(0, 140)),
        "method": method,
        "unions": unions if method != "leverage" and draw(st.booleans()) else None,
        "noise": draw(st.sampled_from([0.0, 0.1, None])),
        "repeats": draw(st.integers(1, 3)),
        "seed": draw(st.integers(0, 1000)),
        "tolerance": draw(st.sampled_from([None, 0.05])),
    }


def run(request, **more):
    options = {name: option for name, option in request.items() if name != "table"} | more
    game = Table(request["table"])
    return estimate(game, game.n, **options), game


@LAWS
@given(requests())
def test_values_sum_to_what_is_distributed(request):
    result, game = run(request)
    assert abs(result.values.sum() - result.total) <= 1e-13 * max(1.0, abs(result.values).max())
    if request["budget"] >= 2 * request["repeats"]:
        assert result.total == pytest.approx(game.table[-1] - game.table[0], abs=1e-12)
    assert np.isfinite(result.values).all()
    assert (result.std_err >= 0.0).all()


@LAWS
@given(requests())
def test_the_budget_is_never_exceeded_and_no_coalition_is_paid_for_twice(request):
    result, game = run(request)
    assert result.evaluations == len(game.asked) <= request["budget"]
    assert len(set(game.asked)) * request["repeats"] == len(game.asked)


@settings(LAWS, max_examples=10)
@given(requests(max_n=6), st.integers(1, 200))
def test_the_seed_alone_decides_whatever_the_size_of_batches(request, batch):
    state = np.random.get_state()[1].tolist()
    first, one = run(request)
    second, other = run(request, batch=batch)
    assert one.asked == other.asked
    assert first.values.tolist() == second.values.tolist()
    assert first.std_err.tolist() == second.std_err.tolist()
    assert np.random.get_state()[1].tolist() == state


@LAWS
@given(requests(max_n=6))
def test_values_are_exact_where_the_budget_reaches_all_coalitions(request):
    n = request["table"].size.bit_length() - 1
    result, game = run(request, budget=1 << n, repeats=1, noise=0.0, tolerance=None)
    expected = shapley(game.table) if request["unions"] is None else owen(game.table, request["unions"])
    assert result.stopped == "exact"
    np.testing.assert_allclose(result.values, expected, atol=1e-12)
    assert not result.std_err.any()


@LAWS
@given(st.integers(0, 2**32 - 1), st.integers(3, 7), st.integers(2, 100), st.integers(0, 9))
def test_null_players_get_exactly_nothing_from_random_orders(seed, n, budget, choice):
    null, table = choice % n, random_game(seed, n)
    table = table[np.arange(1 << n) & ~(1 << null)]
    result = estimate(Table(table), n, budget=budget, method="permutation", seed=choice)
    assume(not any("order" in note for note in result.notes))
    assert result.values[null] == pytest.approx(0.0, abs=1e-15)


@pytest.mark.parametrize("method", METHODS)
def test_null_and_symmetric_players_are_recognised_within_the_standard_error(method):
    inside = [], []
    for seed in range(30):
        table, index = random_game(seed, 9), np.arange(1 << 9)
        index &= ~(1 << 3)  # player 3 is null; 1 and 2 are interchangeable
        swapped = (index & ~0b110) | ((index & 0b10) << 1) | ((index & 0b100) >> 1)
        result = estimate(Table((table[index] + table[swapped]) / 2.0), 9, budget=120, method=method, seed=seed)
        inside[0].append(abs(result.values[3]) <= 3.0 * result.std_err[3] + 1e-12)
        both = np.hypot(result.std_err[1], result.std_err[2])
        inside[1].append(abs(result.values[1] - result.values[2]) <= 3.0 * both + 1e-12)
    assert np.mean(inside[0]) >= 0.9
    assert np.mean(inside[1]) >= 0.9


@LAWS
@given(requests(), st.floats(0.01, 100.0), st.floats(-5.0, 5.0))
def test_values_scale_with_the_game(request, factor, shift):
    assume(request["noise"] != 0.1 and request["tolerance"] is None and request["budget"] >= 2 * request["repeats"])
    plain, _ = run(request)
    scaled, _ = run(request | {"table": request["table"] * factor + shift})
    np.testing.assert_allclose(scaled.values, plain.values * factor, rtol=1e-5, atol=1e-6 * factor)


@LAWS
@given(requests(), st.integers(0, 60), st.sampled_from(["raise", "nan", "short"]))
def test_what_failure_leaves_is_still_distributed(request, after, how):
    game = Table(request["table"])
    options = {name: option for name, option in request.items() if name != "table"}

    def value(coalitions):
        values = game(coalitions)
        if len(game.asked) <= after:
            return values
        if how == "raise":
            raise TimeoutError("the model is gone")
        return values[:-1] if how == "short" else np.full(len(values), np.nan)

    result = estimate(value, game.n, batch=4, ends=(0.25, 1.0), **options)
    assert result.total == 0.75
    assert result.values.sum() == pytest.approx(0.75, abs=1e-13)
    assert np.isfinite(result.values).all()
    assert result.evaluations == len(game.asked) <= request["budget"]
    if len(game.asked) > after:
        assert result.stopped != "exact"
        assert result.notes
        assert (result.stopped == "failed") == (how != "nan")


def test_the_reason_of_a_failure_is_told():
    def value(coalitions):
        raise TimeoutError("the model is gone")

    result = estimate(value, 5, budget=20, ends=(0.0, 1.0))
    assert result.stopped == "failed"
    assert any("TimeoutError: the model is gone" in note for note in result.notes)
    assert result.values.tolist() == [0.2] * 5
    assert np.isinf(result.std_err).all()


def test_one_evaluation_is_the_run_itself_and_says_what_it_assumes():
    result = estimate(Table([0.25, 0.5, 0.5, 1.0]), 2, budget=1)
    assert (result.total, result.evaluations) == (1.0, 1)
    assert result.values.tolist() == [0.5, 0.5]
    assert result.notes == ("v(∅) is not known: it is taken to be 0",)
    assert np.isinf(result.std_err).all()


def test_without_any_evaluation_known_ends_are_shared_equally_or_as_the_prior_has_it():
    assert estimate(Table(np.zeros(8)), 3, budget=0, ends=(0.0, 1.5)).values.tolist() == [0.5] * 3
    believed = estimate(Table(np.zeros(8)), 3, budget=0, ends=(0.0, 1.5), prior=[1.0, 0.0, 0.5])
    np.testing.assert_allclose(believed.values, [1.0, 0.0, 0.5], atol=1e-12)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n", [0, 1, 2])
def test_the_smallest_games(method, n):
    game = Table(np.arange(1 << n, dtype=float) ** 2)
    for budget in range(6):
        result = estimate(game, n, budget=budget, method=method)
        assert result.values.shape == result.std_err.shape == (n,)
        assert result.values.sum() == pytest.approx(result.total)
        if budget >= 1 << n:
            assert result.stopped == "exact"
            np.testing.assert_allclose(result.values, shapley(game.table), atol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_a_game_without_any_value_has_values_of_zero(method):
    result = estimate(Table(np.zeros(1 << 10)), 10, budget=100, method=method)
    assert not result.values.any()


def test_results_cannot_be_written_to():
    result = estimate(Table(random_game(0, 6)), 6, budget=20)
    with pytest.raises(ValueError, match="read-only"):
        result.values[0] = 1.0


def test_values_can_be_computed_by_the_caller_at_its_own_pace():
    table = random_game(3, 8)
    steps = estimation(8, budget=60, seed=4)
    game = Table(table)
    with pytest.raises(StopIteration) as done:
        asked = next(steps)
        while True:
            asked = steps.send(game(asked))
    assert done.value.value.values.tolist() == estimate(Table(table), 8, budget=60, seed=4).values.tolist()


def test_an_evaluation_error_thrown_in_ends_the_estimation():
    steps = estimation(8, budget=60, ends=(0.0, 1.0))
    next(steps)
    with pytest.raises(StopIteration) as done:
        steps.throw(EvaluationError("cancelled"))
    assert done.value.value.stopped == "failed"


@pytest.mark.parametrize(
    "wrong",
    [
        {"budget": -1},
        {"method": "guess"},
        {"method": "leverage", "unions": [[0, 1], [2]]},
        {"method": "permutation", "prior": [0.0, 0.0, 0.0]},
        {"unions": [[0, 1]]},
        {"prior": [1.0]},
        {"ends": (0.0, float("nan"))},
        {"noise": -1.0},
        {"repeats": 0},
        {"batch": 0},
        {"tolerance": 0.0},
        {"confidence": 1.0},
        {"n": -1},
    ],
    ids=str,
)
def test_arguments_that_cannot_work_are_refused_before_anything_is_evaluated(wrong):
    game = Table(np.zeros(8))
    with pytest.raises(ConfigurationError):
        estimate(game, **({"n": 3, "budget": 10} | wrong))
    assert not game.asked


def test_surrogate_of_values_is_the_additive_game():
    surrogate = Surrogate.additive([1.0, -2.0])
    assert np.asarray(surrogate.value(np.array([[True, False], [True, True]]))).tolist() == [1.0, -1.0]
