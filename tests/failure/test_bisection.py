"""Bayesian bisection: right where probes are, robust where they are not, never beyond its budget."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credit_hooks.credit import CreditConfig, assign_credit, locate_by_replay
from credit_hooks.errors import ConfigurationError
from credit_hooks.failure import Observation, ProbeNoise, bisect, change_point_likelihood, probe_likelihood
from credit_hooks.testing.credit_laws import trajectories

CERTAIN = ProbeNoise(1.0, 0.0)


def uniform(steps):
    return np.full(steps, 1.0 / steps)


@given(st.integers(1, 64), st.data())
def test_probes_that_never_lie_find_every_error_in_log_2_of_the_steps(steps, data):
    error = data.draw(st.integers(0, steps - 1))
    found = bisect(uniform(steps), lambda t: t <= error, noise=CERTAIN, confidence=0.95)
    assert (found.position, found.stopped) == (error, "confident")
    assert found.calls <= int(np.ceil(np.log2(steps)))


priors = st.lists(st.floats(0, 1), min_size=1, max_size=20).filter(any).map(lambda p: np.array(p) / np.sum(p))
answers = st.lists(st.one_of(st.booleans(), st.floats(0, 1), st.none()), min_size=60, max_size=60)


@given(priors, answers, st.integers(0, 12), st.sampled_from([1, 3, 5]), st.booleans())
def test_whatever_is_answered_the_posterior_is_a_distribution_and_the_budget_holds(
    prior, given_answers, budget, tries, repeatable
):
    prior = prior / prior.sum()
    left = iter(given_answers)
    asked = []

    def probe(t):
        asked.append(t)
        return next(left)

    found = bisect(prior, probe, budget=budget, tries=tries, repeatable=repeatable)
    assert len(asked) == found.calls <= budget
    assert all(0 < t < len(prior) for t in asked)
    assert found.posterior.sum() == pytest.approx(1.0)
    assert (found.posterior[prior == 0] == 0).all()
    assert found.posterior[found.position] == found.posterior.max()
    if not repeatable and tries == 1:
        assert len(set(asked)) == len(asked)


def accuracy(noise, *, runs=200, steps=32, scores=True, **options):
    rng = np.random.default_rng(5)
    hits, calls = [], []
    for _ in range(runs):
        error = int(rng.integers(steps))
        shown = np.where(np.arange(steps) < error, 0.75, 0.4) + rng.normal(0, 0.2, steps)
        prior = change_point_likelihood(shown) if scores else uniform(steps)
        rate = lambda t: noise.success if t <= error else noise.false_success
        found = bisect(prior, lambda t: bool(rng.random() < rate(t)), noise=noise, **options)
        hits.append(found.position == error)
        calls.append(found.calls)
    return np.mean(hits), np.mean(calls)


def test_four_probes_are_enough_at_32_steps_where_replays_do_not_lie_and_steps_are_scored():
    right, calls = accuracy(CERTAIN, budget=4, repeatable=False)
    assert right >= 0.95
    assert calls <= 4


def test_a_prior_of_step_scores_saves_most_probes_under_noise():
    right, calls = accuracy(ProbeNoise(), confidence=0.9)
    plain_right, plain_calls = accuracy(ProbeNoise(), confidence=0.9, scores=False)
    assert right >= 0.9
    assert plain_right >= 0.9
    assert calls < 0.6 * plain_calls


def test_unknown_noise_is_learnt_on_the_way():
    models = [ProbeNoise(0.95, 0.05), ProbeNoise(0.6, 0.2)]
    truth = ProbeNoise(0.95, 0.05)
    known, _ = accuracy(truth, runs=150, scores=False, budget=12, confidence=0.95)
    rng = np.random.default_rng(5)
    hits = []
    for _ in range(150):
        error = int(rng.integers(32))
        rate = lambda t: truth.success if t <= error else truth.false_success
        hits.append(
            bisect(uniform(32), lambda t: bool(rng.random() < rate(t)), noise=models, budget=12).position == error
        )
    assert np.mean(hits) > known - 0.15


@given(st.floats(0.51, 1.0), st.floats(0.0, 0.49))
def test_a_majority_of_three_is_less_noisy_than_one_answer(success, false_success):
    three = ProbeNoise(success, false_success).majority(3)
    assert three.success >= success - 1e-12
    assert three.false_success <= false_success + 1e-12


def test_a_probe_that_cannot_be_answered_costs_a_call_and_is_not_asked_again():
    asked = []
    found = bisect(uniform(4), lambda t: asked.append(t), budget=10)
    assert sorted(asked) == [1, 2, 3]
    assert (found.stopped, found.calls, found.observations) == ("nothing_to_ask", 3, ())
    assert (found.posterior == 0.25).all()


@given(st.lists(st.tuples(st.integers(0, 9), st.floats(0, 1)), max_size=300))
@settings(max_examples=30)
def test_any_number_of_answers_leaves_a_likelihood(drawn):
    likelihood = probe_likelihood(10, [Observation(t, y) for t, y in drawn])
    assert np.isfinite(likelihood).all()
    assert likelihood.max() == 1.0


def test_what_cannot_work_is_refused():
    for prior in (np.array([]), np.array([0.5, 0.6]), np.array([1.5, -0.5])):
        with pytest.raises(ConfigurationError, match="sums to 1"):
            bisect(prior, bool)
    for options in ({"tries": 2}, {"budget": -1}, {"confidence": 0.0}):
        with pytest.raises(ConfigurationError):
            bisect(uniform(3), bool, **options)
    with pytest.raises(ConfigurationError, match="more often"):
        ProbeNoise(0.1, 0.9)
    with pytest.raises(ConfigurationError, match="a number from 0 to 1"):
        bisect(uniform(3), lambda t: 7)


# --- on a run -------------------------------------------------------------------------------------------------------


def test_answers_of_replays_stay_with_the_run_and_count_when_it_is_credited(team):
    wrong = 2
    config = CreditConfig(probe_noise=CERTAIN)
    asked = []

    def probe(message_id):
        asked.append(message_id)
        return int(message_id[1:]) <= wrong

    assert assign_credit(team, config).first_error.evidence == ("rules",)
    known, found = locate_by_replay(team, probe, config=config)
    error = assign_credit(known, config).first_error
    assert (error.index, error.rule, error.evidence) == (wrong, "replay", ("rules", "replay"))
    assert error.probability == pytest.approx(found.probability, abs=1e-9)
    assert error.probability > 0.9
    assert [label.target_id for label in known.labels] == asked
    assert team.labels == ()


def test_messages_of_one_turn_are_told_apart_by_the_prior_alone(failed_run):
    run = failed_run(("user", "Count."), ("a", "One 1."), ("b", "Two 2."), ("b", "Five 5."), ("c", "Six 6."))
    same = run.messages[3].model_copy(update={"step_id": "s2"})
    run = run.model_copy(update={"messages": (*run.messages[:3], same, run.messages[4])})
    asked = set()
    locate_by_replay(run, lambda message_id: asked.add(message_id) or message_id <= "m2", budget=20, confidence=1.0)
    assert asked
    assert "m3" not in asked


@settings(max_examples=60)
@given(trajectories(), answers)
def test_any_run_can_be_replayed_and_credited_with_the_answers(trajectory, given_answers):
    if trajectory.outcome is None or not trajectory.messages:
        return
    lost = trajectory.with_outcome(trajectory.outcome.model_copy(update={"score": 0.0, "baseline": 0.5}))
    left, ids = iter(given_answers), {message.id for message in lost.messages}
    asked = []
    try:
        known, found = locate_by_replay(lost, lambda m: asked.append(m) or next(left), budget=6)
    except ConfigurationError:
        assert assign_credit(lost).first_error is None
        return
    assert set(asked) <= ids
    assert len(known.labels) - len(lost.labels) == len(found.observations) <= 6
    credit = assign_credit(known)
    assert [reward.reward for reward in credit.messages] == [reward.reward for reward in assign_credit(lost).messages]
    assert (credit.first_error.rule == "replay") == bool(found.observations)


def test_a_run_that_says_nothing_cannot_be_bisected(failed_run):
    with pytest.raises(ConfigurationError, match="nothing to bisect"):
        locate_by_replay(failed_run(), lambda message_id: True)
