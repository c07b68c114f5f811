"""Bottlenecks: turns that move the conversation and not the outcome; a diagnosis in [0, 1]."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_hooks.credit import assign_credit
from credit_hooks.credit.bottleneck import bottlenecks, jensen_shannon
from credit_hooks.rewards import CreditedRun
from credit_hooks.testing import sample_run
from credit_hooks.trajectory import Message, Outcome, TextPart

bags = st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 50))


@given(bags, bags)
def test_the_divergence_is_symmetric_and_between_0_and_1(first, second):
    assert 0.0 <= jensen_shannon(first, second) <= 1.0
    assert jensen_shannon(first, second) == pytest.approx(jensen_shannon(second, first), abs=1e-12)
    assert jensen_shannon(first, first) == 0.0


def test_what_shares_nothing_is_as_far_apart_as_can_be():
    assert jensen_shannon({"a": 3}, {"b": 1, "c": 4}) == pytest.approx(1.0)
    assert jensen_shannon({"a": 1, "b": 1}, {"a": 2, "b": 2}) == pytest.approx(0.0)
    assert jensen_shannon({}, {"a": 1}) == 0.0
    # by hand: p = (1, 0), q = (1/2, 1/2), m = (3/4, 1/4): (log2(4/3) + (log2(2/3) + log2(2)) / 2) / 2
    assert jensen_shannon({"a": 1}, {"a": 1, "b": 1}) == pytest.approx(0.31127812445913283)


def credited(score):
    trajectory = sample_run().trajectory.with_outcome(Outcome(score=score))
    return CreditedRun(trajectory=trajectory, credit=assign_credit(trajectory))


@given(st.floats(0.0, 1.0))
def test_every_turn_has_a_score_between_0_and_1_whatever_the_outcome(score):
    run = credited(score)
    found = bottlenecks(run)
    assert [turn.turn for turn in found] == sorted({cell.turn for cell in run.credit.turns} | {t.turn for t in found})
    assert all(0.0 <= turn.score <= 1.0 for turn in found)
    assert {actor for turn in found for actor in turn.actor_ids} >= {cell.actor_id for cell in run.credit.turns}


def test_progress_makes_a_turn_less_of_a_bottleneck_and_harm_does_not_make_it_more():
    failed, won = bottlenecks(credited(0.0)), bottlenecks(credited(1.0))
    assert [turn.score for turn in failed] == pytest.approx([turn.score for turn in bottlenecks(credited(0.5))])
    assert all(better.score <= worse.score for better, worse in zip(won, failed))
    assert sum(turn.score for turn in won) < sum(turn.score for turn in failed)


def test_a_turn_that_repeats_the_one_before_is_none():
    run = credited(0.0)
    said = [
        message.model_copy(update={"parts": (TextPart(text="all the same"),)}) for message in run.trajectory.messages
    ]
    same = tuple(Message.model_validate(message.model_dump()) for message in said)  # a copy keeps its cached text
    trajectory = run.trajectory.model_copy(update={"messages": same})
    assert [turn.score for turn in bottlenecks(run.model_copy(update={"trajectory": trajectory}))] == pytest.approx(
        [0.0] * len(bottlenecks(run))
    )
