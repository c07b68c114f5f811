"""Step scores: a change point, telescoping rewards, and a scorer that may do what it likes."""

import asyncio
import gc
import threading
import time

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from credit_hooks.credit import CreditConfig, assign_credit
from credit_hooks.errors import ConfigurationError
from credit_hooks.failure import (
    STEP_SCORE,
    StepScore,
    StepScoring,
    change_point_likelihood,
    score_growth,
    telescoped_rewards,
)
from credit_hooks.step_scores import StepScorePool
from credit_hooks.testing.credit_laws import CREDIT_LAWS, trajectories
from credit_hooks.trajectory import Label

unit = st.floats(0.0, 1.0)


# --- change point ---------------------------------------------------------------------------------------------------


@given(st.lists(st.one_of(unit, st.just(float("nan"))), min_size=1, max_size=40))
def test_a_likelihood_is_a_positive_distribution(scores):
    likelihood = change_point_likelihood(np.array(scores))
    assert (likelihood > 0).all()
    assert likelihood.sum() == pytest.approx(1.0)


def test_no_score_is_no_evidence():
    assert change_point_likelihood(np.full(5, np.nan)) == pytest.approx(0.2)


@given(st.integers(0, 11), st.floats(0.6, 0.95), st.floats(0.05, 0.35))
def test_a_drop_that_stays_is_found(at, high, low):
    scores = np.where(np.arange(12) < at, high, low)
    assert change_point_likelihood(scores).argmax() == at


def test_a_single_low_score_is_a_weaker_hint_than_a_drop_that_stays():
    once, stays = np.full(10, 0.8), np.full(10, 0.8)
    once[4], stays[4:] = 0.2, 0.2
    assert change_point_likelihood(once)[4] < 0.5 < change_point_likelihood(stays)[4]


def test_one_missing_score_costs_that_score_only():
    scores = np.where(np.arange(10) < 5, 0.9, 0.1)
    scores[2] = np.nan
    assert change_point_likelihood(scores).argmax() == 5


# --- telescoping ----------------------------------------------------------------------------------------------------

growths = st.lists(st.floats(-1, 1), min_size=1, max_size=30)


@given(growths, st.floats(-1, 1), st.data())
def test_rewards_telescope_to_the_total_errors_negative_repairs_positive(growth, total, data):
    growth = np.array(growth)
    share = np.array(data.draw(st.lists(unit, min_size=len(growth), max_size=len(growth)).filter(any)))
    share = share / share.sum()
    rewards = telescoped_rewards(growth, share, total=total)
    assert rewards.sum() == pytest.approx(total, abs=1e-9)
    assert (np.abs(rewards) <= 1.0).all()
    giving = total * growth > 0
    if giving.any():
        assert (rewards[growth == 0] == 0).all()
        assert (rewards * growth >= 0).all()
        if total:
            assert (np.sign(rewards[giving]) == np.sign(total)).all() or np.abs(growth[giving]).min() < 1e-6


def test_a_repair_earns_and_the_error_pays_for_it():
    growth = score_growth(np.array([0.6, 0.1, np.nan, 0.7, 0.2]), baseline=0.5)
    assert growth == pytest.approx([0.1, -0.5, 0.0, 0.6, -0.5])
    rewards = telescoped_rewards(growth, np.full(5, 0.2), total=-0.5)
    assert rewards == pytest.approx([0.1, -0.6, 0.0, 0.6, -0.6])


def test_without_a_drop_blame_follows_the_posterior_and_spares_repairs():
    rewards = telescoped_rewards(np.array([0.2, 0.0, 0.0]), np.array([0.5, 0.4, 0.1]), total=-0.5)
    assert rewards == pytest.approx([0.2, -0.56, -0.14])


def test_what_cannot_be_shared_is_refused():
    with pytest.raises(ConfigurationError):
        telescoped_rewards(np.zeros(2), np.array([0.7, 0.7]), total=0.5)
    with pytest.raises(ConfigurationError):
        telescoped_rewards(np.zeros(2), np.full(2, 0.5), total=1.5)


# --- in credit ------------------------------------------------------------------------------------------------------


def scored(run, values, **fields):
    labels = tuple(
        Label(target="message", target_id=f"m{m}", name=STEP_SCORE, value=v, annotator="prm", **fields)
        for m, v in values.items()
    )
    return run.model_copy(update={"labels": labels})


def test_scores_on_the_run_move_the_first_error_and_missing_ones_are_reported(team):
    run = scored(team, {1: 0.9, 2: 0.85, 3: 0.1, 4: None, 5: 0.15})
    credit = assign_credit(run)
    assert (credit.first_error.index, credit.first_error.rule) == (3, "step_scores")
    assert credit.first_error.evidence == ("rules", "step_scores")
    assert "1 of 5 step scores of prm are missing" in credit.notes
    assert assign_credit(team).messages == credit.messages


def test_scored_steps_earn_what_they_moved(team):
    config = CreditConfig(method="step_scores")
    credit = assign_credit(scored(team, {1: 0.8, 2: 0.2, 3: 0.1, 4: 0.6, 5: 0.1}), config)
    rewards = [reward.reward for reward in credit.messages]
    assert credit.method == "step_scores"
    assert rewards[0] == 0.0
    assert rewards[1] > 0 > rewards[2]
    assert rewards[4] > 0 > rewards[5]
    assert sum(rewards) == pytest.approx(-0.5, abs=1e-12)
    assert assign_credit(team, config).method == assign_credit(team).method


# The law of null players adds a message, which would move the scores of this test to other messages.
LAWS = [law for law in CREDIT_LAWS if law.__name__ != "null_players_get_exactly_zero"]


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@settings(max_examples=30)
@given(trajectory=trajectories(), values=st.lists(unit, min_size=30, max_size=30))
def test_credit_by_step_scores_keeps_the_laws(law, trajectory, values):
    def assign(run):
        ids = sorted({message.index for message in run.messages})
        by_index = dict(zip(ids, values, strict=False))
        labels = tuple(
            Label(target="message", target_id=message.id, name=STEP_SCORE, value=by_index.get(message.index))
            for message in sorted(run.messages, key=lambda m: (m.index, m.model_dump_json()))
        )
        return assign_credit(run.model_copy(update={"labels": labels}), CreditConfig(method="step_scores"))

    assume(len({message.id for message in trajectory.messages}) == len(trajectory.messages))
    law(assign, trajectory)


def test_a_model_that_judged_its_own_work_is_named(team):
    actor = team.actors[1].model_copy(update={"model": "big-1"})
    run = team.model_copy(update={"actors": (*team.actors[:1], actor, *team.actors[2:])})
    assert any("also wrote in this run" in note for note in assign_credit(scored(run, {2: 0.1}, source="big-1")).notes)
    assert not any("also wrote" in note for note in assign_credit(scored(run, {2: 0.1}, source="big-2")).notes)


# --- asking a scorer ------------------------------------------------------------------------------------------------


def values_of(run):
    return {label.target_id: label.value for label in run.labels}


def test_a_scorer_sees_each_agents_step_with_what_led_to_it_and_a_little_of_what_followed(team):
    seen = {}

    def scorer(view):
        seen[view.step.id] = (len(view.history), [message.id for message in view.ahead])
        assert view.trajectory.outcome is None
        assert view.trajectory.labels == ()
        return 0.5

    run = StepScorePool().score(team, StepScoring(scorer, lookahead=2))
    assert seen == {
        "m1": (1, ["m2", "m3"]),
        "m2": (2, ["m3", "m4"]),
        "m3": (3, ["m4", "m5"]),
        "m4": (4, ["m5"]),
        "m5": (5, []),
    }
    assert values_of(run) == dict.fromkeys(seen, 0.5)
    assert all(label.annotator == "function" and label.timestamp for label in run.labels)


def test_bad_answers_cost_their_score_only(team):
    def scorer(view):
        match view.step.id:
            case "m1":
                raise RuntimeError("secret content")
            case "m2":
                return "fine"
            case "m3":
                return 7
            case "m4":
                return None
        return StepScore(0.25, "because")

    run = StepScorePool().score(team, StepScoring(scorer, name="prm"))
    assert values_of(run) == {"m1": None, "m2": None, "m3": None, "m4": None, "m5": 0.25}
    reasons = [label.reason for label in run.labels]
    assert reasons[0] == "raised RuntimeError"
    assert "4 of 5 step scores of prm are missing" in assign_credit(run).notes


def test_async_scorers_share_one_loop(team):
    loops = set()

    async def scorer(view):
        await asyncio.sleep(0)
        loops.add(asyncio.get_running_loop())
        return 0.5

    pool = StepScorePool()
    for _ in range(2):
        assert set(values_of(pool.score(team, StepScoring(scorer))).values()) == {0.5}
    assert len(loops) == 1
    del pool


def test_the_loop_of_async_scorers_ends_with_the_pool(team):
    async def scorer(view):
        return 0.5

    pool = StepScorePool()
    pool.score(team, StepScoring(scorer))
    (thread,) = [thread for thread in threading.enumerate() if thread.name == "credit-hooks-scores"]
    del pool
    gc.collect()
    thread.join(10)
    assert not thread.is_alive()


def test_a_scorer_that_hangs_is_given_up(team):
    release = threading.Event()

    def scorer(view):
        if view.step.id == "m2":
            release.wait(30)
        return 0.5

    try:
        run = StepScorePool().score(team, StepScoring(scorer, timeout=0.2, workers=2))
    finally:
        release.set()
    assert values_of(run) == {"m1": 0.5, "m2": None, "m3": 0.5, "m4": 0.5, "m5": 0.5}


def test_time_for_a_run_is_bounded_and_what_was_not_asked_says_so(team):
    run = StepScorePool().score(team, StepScoring(lambda view: time.sleep(0.15), workers=1, max_seconds=0.2))
    assert "not asked within 0.2 s" in [label.reason for label in run.labels]
    assert len(run.labels) == 5


def test_long_runs_are_scored_at_evenly_spaced_steps(failed_run):
    run = failed_run(("user", "Count."), *((f"a{n % 3}", f"{n}") for n in range(1, 100)))
    labels = StepScorePool().score(run, StepScoring(lambda view: 0.5, max_steps=5)).labels
    assert [label.target_id for label in labels] == ["m1", "m25", "m50", "m75", "m99"]
    assert len(StepScorePool().score(run, StepScoring(lambda view: 0.5, max_steps=1)).labels) == 1


def test_scoring_again_replaces_what_the_same_scorer_said(team):
    pool = StepScorePool()
    once = pool.score(team, StepScoring(lambda view: 0.1, name="a"))
    other = pool.score(once, StepScoring(lambda view: 0.2, name="b"))
    again = pool.score(other, StepScoring(lambda view: 0.3, name="a"))
    assert sorted({(label.annotator, label.value) for label in again.labels}) == [("a", 0.3), ("b", 0.2)]


def test_only_failures_are_scored(team):
    config = CreditConfig(step_scoring=StepScoring(lambda view: 0.5))
    pool = StepScorePool()
    won = team.with_outcome(team.outcome.model_copy(update={"score": 1.0, "success": True}))
    assert pool.score_failure(won, config) is won
    assert pool.score_failure(team, CreditConfig()) is team
    assert len(pool.score_failure(team, config).labels) == 5


def test_options_that_cannot_work_are_refused():
    for options in ({"lookahead": -1}, {"max_steps": 0}, {"timeout": 0}, {"workers": 0}):
        with pytest.raises(ConfigurationError):
            StepScoring(lambda view: 0.5, **options)
    with pytest.raises(ConfigurationError, match="cannot be"):
        StepScoring("a judge")
