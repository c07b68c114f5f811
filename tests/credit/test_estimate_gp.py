"""The closed forms of the Gaussian process, against the definition of the values, and what its posterior promises."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credit_hooks.credit import Surrogate, estimate, owen, shapley
from credit_hooks.credit.estimate.gp import Observations, gp_values
from credit_hooks.credit.estimate.kernel import HammingKernel
from credit_hooks.credit.estimate.sampling import complement_pairs
from credit_hooks.credit.estimate.structure import Structure

LAWS = settings(max_examples=25, deadline=None)


def everything(n):
    return (np.arange(1 << n)[:, None] >> np.arange(n) & 1).astype(bool)


def value_of(structure, table):
    return shapley(table) if structure.is_flat else owen(table, structure.unions)


@st.composite
def structures(draw, max_n=6):
    n = draw(st.integers(2, max_n))
    of = draw(st.lists(st.integers(0, 3), min_size=n, max_size=n))
    unions = [[i for i in range(n) if of[i] == union] for union in sorted(set(of))]
    return Structure.of(n, unions if draw(st.booleans()) else None)


@st.composite
def kernels(draw):
    structure = draw(structures())
    rho = draw(st.lists(st.floats(0.05, 0.98), min_size=structure.n, max_size=structure.n))
    return HammingKernel(structure, np.array(rho))


@LAWS
@given(kernels())
def test_the_kernel_is_odd_symmetric_positive_and_one_on_its_diagonal(kernel):
    rows = everything(kernel.structure.n)
    covariance = kernel.between(rows, rows)
    np.testing.assert_allclose(covariance, covariance.T, atol=1e-12)
    np.testing.assert_allclose(np.diag(covariance), 1.0, atol=1e-9)
    np.testing.assert_allclose(kernel.between(rows, ~rows), -covariance, atol=1e-9)
    assert np.linalg.eigvalsh(covariance).min() > -1e-9


@LAWS
@given(kernels())
def test_values_of_the_kernel_are_those_of_the_definition(kernel):
    structure = kernel.structure
    rows = everything(structure.n)
    covariance = kernel.between(rows, rows)
    expected = np.array([value_of(structure, column) for column in covariance])
    np.testing.assert_allclose(kernel.values(rows), expected, atol=1e-10)
    variance = [value_of(structure, expected[:, i])[i] for i in range(structure.n)]
    np.testing.assert_allclose(kernel.variance(), variance, atol=1e-10)


@LAWS
@given(structures())
def test_values_of_the_rough_part_are_those_of_the_definition(structure):
    n = structure.n
    rows = everything(n)[1:-1]
    expected = []
    for row in rows:
        table = np.zeros(1 << n)
        table[row @ (1 << np.arange(n))], table[~row @ (1 << np.arange(n))] = 1.0, -1.0
        expected.append(value_of(structure, table))
    np.testing.assert_allclose(structure.white_values(rows), expected, atol=1e-12)
    once = rows[:, 0]
    np.testing.assert_allclose(structure.white_variance(), (np.array(expected)[once] ** 2).sum(axis=0), atol=1e-12)


def observed(structure, seed, m):
    rng = np.random.default_rng(seed)
    rows = np.array([row for row, _ in zip(complement_pairs(structure, rng), range(m))])
    weights = rng.normal(size=structure.n)
    return Observations(rows, np.tanh((2.0 * rows - 1.0) @ weights), float(np.tanh(weights.sum())), 0.0)


@LAWS
@given(structures(), st.integers(0, 99), st.integers(1, 20), st.randoms(use_true_random=False))
def test_the_posterior_conserves_and_does_not_depend_on_the_order_of_observations(structure, seed, m, random):
    data = observed(structure, seed, m)
    order = list(range(len(data.odd)))
    random.shuffle(order)
    flip = np.array([random.random() < 0.5 for _ in order])
    rows = np.where(flip[:, None], ~data.coalitions[order], data.coalitions[order])
    other = Observations(rows, np.where(flip, -data.odd[order], data.odd[order]), data.grand, 0.0)
    mean, sd = gp_values(structure, data)
    again, sd_again = gp_values(structure, other)
    assert mean.sum() == pytest.approx(2.0 * data.grand, abs=1e-13)
    np.testing.assert_allclose(again, mean, atol=1e-5)
    np.testing.assert_allclose(sd_again, sd, atol=1e-4)


def test_all_pairs_without_noise_leave_nothing_open():
    structure = Structure.of(6, None)
    table = np.random.default_rng(5).normal(size=64)
    rows = everything(6)[1:32]
    odd = np.array([(table[s] - table[63 ^ s]) / 2.0 for s in range(1, 32)])
    mean, sd = gp_values(structure, Observations(rows, odd, (table[63] - table[0]) / 2.0, 0.0))
    np.testing.assert_allclose(mean, shapley(table), atol=1e-4)
    assert sd.max() < 1e-3


def smooth_game(seed, n=10):
    rng = np.random.default_rng(seed)
    skill, pair = rng.normal(size=n), rng.normal(size=(n, n)) / n
    x = everything(n).astype(float)
    table = 1.0 / (1.0 + np.exp(-(x @ skill + np.einsum("ki,ij,kj->k", x, pair, x) - 0.5)))
    return table, lambda rows: table[rows @ (1 << np.arange(n))]


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    covered = []
    for seed in range(40):
        table, value = smooth_game(seed)
        low, high = estimate(value, 10, budget=60, seed=seed).interval(0.95)
        covered.append((low <= shapley(table)) & (shapley(table) <= high))
    assert 0.88 <= np.mean(covered) <= 1.0


def test_a_good_prior_saves_most_of_the_evaluations_and_a_bad_one_does_little_harm():
    errors = {"none": [], "good": [], "bad": []}
    for seed in range(12):
        table, value = smooth_game(seed)
        rng = np.random.default_rng(seed)
        near = table + 0.02 * rng.normal(size=table.size)
        far = rng.normal(size=table.size)
        priors = {
            "none": None,
            "good": Surrogate(lambda rows, near=near: near[rows @ (1 << np.arange(10))], shapley(near)),
            "bad": Surrogate(lambda rows, far=far: far[rows @ (1 << np.arange(10))], shapley(far)),
        }
        for name, prior in priors.items():
            result = estimate(value, 10, budget=24, prior=prior, seed=seed)
            errors[name].append(np.linalg.norm(result.values - shapley(table)))
    assert np.mean(errors["good"]) < 0.5 * np.mean(errors["none"])
    assert np.mean(errors["bad"]) < 1.5 * np.mean(errors["none"])


def test_repeats_tell_noise_from_a_rough_game():
    table, value = smooth_game(1)
    rng = np.random.default_rng(0)

    def noisy(rows):
        return value(rows) + 0.2 * rng.normal(size=len(rows)) * ~(rows.all(axis=1) | ~rows.any(axis=1))

    result = estimate(noisy, 10, budget=400, noise=None, repeats=4)
    assert result.evaluations == 400
    assert (np.abs(result.values - shapley(table)) <= 4.0 * result.std_err).all()


def test_stopping_early_saves_evaluations_and_keeps_the_promise():
    kept, spent = [], []
    for seed in range(8):
        table, value = smooth_game(seed)
        result = estimate(value, 10, budget=1000, tolerance=0.04, seed=seed)
        assert result.stopped == "tolerance"
        kept.append(np.abs(result.values - shapley(table)).max() <= 0.04)
        spent.append(result.evaluations)
    assert np.mean(kept) >= 0.9
    assert np.mean(spent) < 300


def test_owen_values_of_larger_teams_are_estimated_from_coalitions_that_keep_unions_together():
    unions = [[0, 1, 2], [3, 4], [5, 6, 7], [8, 9]]
    table, value = smooth_game(2)
    asked = []
    structure = Structure.of(10, unions)

    def watched(rows):
        asked.extend(rows)
        return value(rows)

    result = estimate(watched, 10, budget=90, unions=unions)
    split = sum(
        (rows := np.array(asked))[:, list(u)].any(axis=1) & ~rows[:, list(u)].all(axis=1) for u in structure.unions
    )
    assert split.max() <= 1
    np.testing.assert_allclose(result.values, owen(table, unions), atol=4.0 * result.std_err.max())
    assert np.linalg.norm(result.values - owen(table, unions)) < 0.1 * np.linalg.norm(owen(table, unions))
