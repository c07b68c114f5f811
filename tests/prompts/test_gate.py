"""Laws of the gate: its tests are exact, and looking after every batch does not make them lie."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_hooks.prompts.gate import Gate, Pair, betting, mcnemar, sign_flip, tally

grid = st.integers(-20, 20).map(lambda step: step / 20)
signs = st.lists(st.sampled_from([-1.0, 0.0, 1.0]), max_size=14)


@given(st.lists(grid, max_size=9))
def test_the_sign_flip_test_counts_all_patterns(differences):
    sizes = [abs(d) for d in differences]
    sums = [sum(s * d for s, d in zip(flips, sizes)) for flips in itertools.product([-1, 1], repeat=len(sizes))]
    expected = sum(total >= sum(differences) - 1e-9 for total in sums) / len(sums)
    assert sign_flip(differences) == pytest.approx(expected, abs=1e-12)


@given(signs)
def test_for_right_and_wrong_the_sign_flip_test_is_mcnemars(differences):
    gained, lost = differences.count(1.0), differences.count(-1.0)
    assert sign_flip(differences) == pytest.approx(mcnemar(gained, lost), abs=1e-12)


@given(signs)
def test_betting_on_right_and_wrong_is_the_incomplete_beta_integral(differences):
    gained, lost = differences.count(1.0), differences.count(-1.0)
    # integral of (1 + l)^g (1 - l)^k over (0, 1), by expanding the second factor
    expected = sum(
        math.comb(lost, j) * (-1) ** j * math.comb(gained, i) / (i + j + 1)
        for j in range(lost + 1)
        for i in range(gained + 1)
    )
    assert betting(differences) == pytest.approx(expected, rel=1e-9)


@given(st.lists(grid, max_size=8))
def test_a_fair_game_pays_one_on_average(differences):
    flips = itertools.product([-1, 1], repeat=len(differences))
    paid = [betting([s * d for s, d in zip(signs, differences)]) for signs in flips]
    assert sum(paid) / len(paid) == pytest.approx(1.0, rel=1e-9)


@given(st.permutations([1.0, 1.0, -1.0, 0.5, 0.0, -0.25]))
def test_the_order_of_tasks_does_not_matter_at_the_end(differences):
    assert betting(differences) == pytest.approx(betting(sorted(differences)), rel=1e-12)


@pytest.mark.parametrize("test", ["sequential", "exact"])
@pytest.mark.parametrize("level", [0.05, 0.1, 0.3])
@pytest.mark.parametrize("patience", [2, 100])
def test_a_useless_edit_is_kept_no_more_often_than_the_level(test, level, patience):
    """All sequences of 16 fair coins, by how many gains they have so far: exact, whatever the looks in between."""
    gate, tasks, kept = Gate(test=test, level=level, patience=patience), 16, 0.0
    going = {0: 1.0}
    for look in range(1, tasks + 1):
        after = {}
        for gained, chance in going.items():
            for more in (0, 1):
                after[gained + more] = after.get(gained + more, 0.0) + chance / 2
        going = {}
        for gained, chance in after.items():
            verdict = gate.decide([1.0] * gained + [-1.0] * (look - gained), tasks - look)
            kept += chance * (verdict == "keep")
            if verdict == "go on":
                going[gained] = chance
    assert 0 < kept <= level or (test == "sequential" and kept <= level)


@given(signs, st.integers(0, 10))
def test_nothing_is_kept_without_a_net_gain(differences, left):
    for test in ("sequential", "exact"):
        if Gate(test=test).decide(differences, left) == "keep":
            assert sum(differences) > 0


@given(signs)
def test_with_no_tasks_left_there_is_a_decision(differences):
    for test in ("sequential", "exact"):
        assert Gate(test=test).decide(differences, 0) in ("keep", "reject")


def test_an_edit_that_can_no_longer_make_it_is_given_up_early():
    assert Gate(patience=100).decide([-1.0] * 3, 5) == "reject"
    assert Gate(patience=100).decide([-1.0] * 3, 50) == "go on"
    assert Gate(patience=3).decide([-1.0] * 3, 50) == "reject"
    assert Gate().decide([1.0] * 5, 50) == "keep"


def test_gains_and_losses_are_counted_apart():
    pairs = [Pair("a", 0.0, 1.0), Pair("b", 1.0, 0.0), Pair("c", 0.0, 0.4), Pair("d", 1.0, 1.0), Pair("e", 0.2, 0.9)]
    assert tally(pairs)[:3] == (5, 2, 1)
    assert tally(pairs).mean_gain == pytest.approx(1.1 / 5)
