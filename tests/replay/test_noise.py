"""Models whose replies vary: no standard error may be surer than they allow, and the budget holds."""

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_team import Agent, MadeUpSystem, Team, scored

from credit_hooks.credit import CreditConfig, shapley
from credit_hooks.replay import ReplayLimits, recompute, replay_credit

ONE = ReplayLimits(parallel=1)


def is_right(run):
    return float(run.answer.startswith("right"))


def chance(heard):
    """Of being right, after so many that were or were not."""
    return 0.2 + 0.7 * sum(text.startswith("right") for text in heard) / len(heard) if heard else 0.6


def moody(seed, n=4):
    """A chain whose members are right by chance, in other words each time."""
    rng = random.Random(seed)

    def says(texts):
        verdict = "right" if rng.random() < chance(texts.values()) else "wrong"
        return f"{verdict} {rng.random()}"

    return MadeUpSystem(Team([Agent(f"a{i}", says, tuple(range(i))) for i in range(n)]))


def credit_of(system, evaluate=is_right, **config):
    config = CreditConfig(**{"method": "replay", "level": "shapley", **config})
    return replay_credit(scored(system, evaluate), system, evaluate, config, ONE, declared=0.0)


def truth(said):
    """Shapley values in expectation over replies, given what was said."""

    def expected(kept, heard):
        turn = len(heard)
        if turn == len(said):
            return float(heard[-1].startswith("right"))
        if not kept >> turn & 1:
            return expected(kept, (*heard, ""))
        if not ~kept & (1 << turn) - 1:
            return expected(kept, (*heard, said[turn]))
        p = chance(heard)
        return p * expected(kept, (*heard, "right")) + (1 - p) * expected(kept, (*heard, "wrong"))

    return shapley([expected(kept, ()) for kept in range(1 << len(said))])


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(1, 6), budget=st.integers(1, 150))
def test_the_budget_holds_and_credit_is_conserved_however_replies_vary(seed, n, budget):
    system = moody(seed, n)
    credit = credit_of(system, budget=budget)
    assert system.runs <= budget + 2  # the unchanged replay, and one to see whether replies vary, are checks
    assert sum(reward.reward for reward in credit.messages) == pytest.approx(credit.total, abs=1e-9)
    again = recompute(credit.replay.model_validate_json(credit.replay.model_dump_json()))
    assert again.values.tolist() == [player.value for player in credit.replay.players]


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(2, 6), budget=st.integers(4, 150))
def test_nothing_is_taken_as_exact_where_outcomes_were_seen_to_vary(seed, n, budget):
    credit = credit_of(moody(seed, n), budget=budget)
    values = {}
    for coalition, value in zip(credit.replay.coalitions, credit.replay.values, strict=True):
        values.setdefault(coalition, set()).add(value)
    if any(len(seen) > 1 for seen in values.values()):
        assert credit.replay.repeats == 4
        assert credit.replay.noise > 0.0
        assert credit.replay.stopped != "exact"
        assert all(reward.std_err for reward in credit.messages)


def test_intervals_cover_the_expected_values_by_default():
    covered = []
    for seed in range(40):
        system = moody(seed)
        credit = credit_of(system)
        wrong = abs(
            truth([message.text for message in system.trajectory.messages])
            - [reward.reward for reward in credit.messages]
        )
        covered += [w <= 1.96 * (reward.std_err or 0.0) for w, reward in zip(wrong, credit.messages, strict=True)]
    assert sum(covered) >= 0.85 * len(covered)  # 34% when each coalition was evaluated once


@pytest.mark.parametrize("budget", [15, 39])
def test_a_budget_without_room_for_repeats_claims_no_standard_error(budget):
    credit = credit_of(moody(1), budget=budget)
    assert credit.replay.repeats == 1
    assert [reward.std_err for reward in credit.messages] == [1.0] * 4
    assert any("standard errors are not known" in note for note in credit.notes)


def test_a_budget_with_room_for_them_is_spent_on_repeats_which_the_credit_says():
    credit = credit_of(moody(1), budget=40)
    assert (credit.replay.repeats, len(credit.replay.coalitions)) == (4, 40)
    assert any("each coalition was evaluated 4 times" in note for note in credit.notes)
    assert all(0.0 < reward.std_err < 1.0 for reward in credit.messages)


def test_repeats_that_were_asked_for_are_left_as_they_are():
    credit = credit_of(moody(1), budget=30, repeats=3)
    assert (credit.replay.repeats, len(credit.replay.coalitions)) == (3, 30)


def test_other_words_for_the_same_outcome_cost_thirty_evaluations_of_the_budget():
    words = itertools.count()
    agents = [Agent(f"a{i}", lambda texts: f"right {next(words)}", tuple(range(i))) for i in range(4)]
    exact, short = (credit_of(MadeUpSystem(Team(agents)), budget=budget) for budget in (44, 43))
    assert (exact.replay.repeats, exact.replay.stopped, exact.replay.noise) == (1, "exact", None)
    assert "replies vary, outcomes did not when 30 evaluations were repeated" in exact.notes
    assert short.replay.stopped == "budget"
