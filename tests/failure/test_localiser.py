"""The localiser: one optimum, found; probabilities; what it refuses; the same bits after a round trip."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credit_hooks.credit import CreditConfig, assign_credit, fit_localiser
from credit_hooks.errors import ConfigurationError
from credit_hooks.failure import FEATURES, FeatureTable, Localiser
from credit_hooks.failure.logit import Choices, choice_probabilities, fit_weights, log_loss
from credit_hooks.testing.credit_laws import CREDIT_LAWS, trajectories
from credit_hooks.trajectory import Label

F = len(FEATURES)


def tables(seed, runs=30, *, weight=3.0, size=8):
    """Runs in which the first error is drawn by the softmax of one feature."""
    rng = np.random.default_rng(seed)
    found, labels = [], []
    for _ in range(runs):
        values = rng.normal(size=(size, F))
        candidates = rng.random(size) < 0.8
        candidates[:2] = True
        utility = np.where(candidates, weight * values[:, 5], -np.inf)
        probability = np.exp(utility - utility.max())
        found.append(FeatureTable(values, candidates))
        labels.append(int(rng.choice(size, p=probability / probability.sum())))
    return found, labels


@given(st.integers(0, 10_000), st.sampled_from([0.1, 1.0, 10.0]))
@settings(max_examples=25)
def test_newton_finds_the_optimum_of_a_convex_loss(seed, l2):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 6, 12)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.intp)
    chosen = starts + np.array([rng.integers(size) for size in sizes])
    choices = Choices(rng.normal(size=(int(sizes.sum()), 4)) * 10, starts, chosen)
    weights = fit_weights(choices, l2=l2)

    def loss(at):
        return log_loss(choices, at) + 0.5 * l2 * at @ at

    for direction in np.eye(4):
        for size in (1e-2, 1.0):
            assert loss(weights) <= loss(weights + size * direction) + 1e-9
            assert loss(weights) <= loss(weights - size * direction) + 1e-9
    assert np.add.reduceat(choice_probabilities(choices.values @ weights, starts), starts) == pytest.approx(1.0)


def test_the_feature_that_gives_errors_away_is_found_and_held_out_accuracy_beats_the_baselines():
    runs, labels = tables(1, 60)
    fitted = Localiser.fit(runs, labels)
    weights = {feature.name: feature.weight for feature in fitted.features}
    assert max(weights, key=weights.get) == list(FEATURES)[5]
    found = fitted.validation
    assert found.step > 2 * max(found.uniform_step, found.constant_step)
    assert found.runs == 60


def test_held_out_accuracy_of_noise_is_about_that_of_chance():
    runs, labels = tables(2, 80, weight=0.0)
    found = Localiser.fit(runs, labels).validation
    assert found.step < found.uniform_step + 0.15


def test_the_same_runs_give_the_same_bits_and_a_round_trip_keeps_them():
    runs, labels = tables(3)
    fitted = Localiser.fit(runs, labels)
    assert Localiser.fit(runs, labels).to_json() == fitted.to_json()
    again = Localiser.from_json(fitted.to_json())
    assert again == fitted
    assert (again.probability(runs[0]) == fitted.probability(runs[0])).all()
    assert "does not transfer" in json.loads(fitted.to_json())["note"]


@given(st.integers(0, 1000))
@settings(max_examples=20)
def test_a_posterior_is_a_distribution_over_the_candidates(seed):
    runs, labels = tables(seed, 6)
    fitted = Localiser.fit(runs, labels, l2=1.0, folds=0)
    for run in runs:
        probability = fitted.probability(run)
        assert probability.sum() == pytest.approx(1.0, abs=1e-12)
        assert (probability[~run.candidates] == 0).all()


def test_held_out_tasks_are_held_out_whole():
    """Each task's label follows a feature of its own: who has seen the task knows, nobody else can."""
    rng = np.random.default_rng(0)
    runs, labels, groups = [], [], []
    for task in range(20):
        values, label = rng.normal(size=(8, F)), int(rng.integers(8))
        runs += [FeatureTable(values, np.ones(8, bool))] * 2
        labels += [label] * 2
        groups += [task] * 2
    leaking = Localiser.fit(runs, labels, l2=0.01, folds=40).validation
    honest = Localiser.fit(runs, labels, groups=groups, l2=0.01, folds=20).validation
    assert honest.step < leaking.step


def test_refusals_say_what_to_do():
    runs, labels = tables(4, 4)
    with pytest.raises(ConfigurationError, match="credit-hooks review"):
        Localiser.fit(runs, labels)
    with pytest.raises(ConfigurationError, match="one label"):
        Localiser.fit(runs, labels[:2])
    for broken in ("", "[]", "{}", '{"features": "x"}', "\x00"):
        with pytest.raises(ConfigurationError, match="no localiser"):
            Localiser.from_json(broken)


def test_a_feature_that_means_something_else_by_now_is_refused():
    runs, labels = tables(5, 8)
    document = json.loads(Localiser.fit(runs, labels, folds=0).to_json())
    document["features"][0]["version"] += 1
    with pytest.raises(ConfigurationError, match="fit the localiser again"):
        Localiser.from_json(json.dumps(document))


def test_labels_that_name_no_candidate_are_left_out_and_counted():
    runs, labels = tables(6, 12)
    labels[3] = -1
    labels[4] = 99
    fitted = Localiser.fit(runs, labels)
    assert (fitted.runs, fitted.left_out, fitted.validation.runs) == (10, 2, 12)


# --- on trajectories ------------------------------------------------------------------------------------------------


def labelled(failed_run, count=8):
    """Failures whose first error is the one message that was assumed rather than found out, at changing places."""
    for k in range(count):
        work = [("solver", f"I looked it up: there are {n + k} of them.") for n in (110, 120, 130, 140)]
        wrong = 1 + k % 4
        work[wrong - 1] = ("solver", f"Let's assume that it is probably likely {900 + k}, a placeholder.")
        run = failed_run(("user", f"How many in case {k}?"), *work, ("writer", "So much for the report."), id=f"run{k}")
        label = Label(target="message", target_id=f"m{wrong}", name="first_error")
        yield run.model_copy(update={"labels": (label,), "task_id": f"t{k}"}), wrong


def test_a_localiser_fitted_on_trajectories_names_the_first_error_in_credit(failed_run):
    runs = list(labelled(failed_run, 12))
    fitted = fit_localiser([run for run, _ in runs[:8]], l2=0.1)
    config = CreditConfig(localiser=fitted)
    for run, wrong in runs[8:]:
        credit = assign_credit(run, config)
        error = credit.first_error
        assert (error.index, error.rule, error.evidence) == (wrong, "localiser", ("localiser",))
        assert sum(error.posterior) == pytest.approx(1.0)
        assert error.posterior[error.index] == error.probability == max(error.posterior)
        assert 0 < error.confidence < 1
        assert sum(reward.reward for reward in credit.messages) == pytest.approx(-0.5, abs=1e-9)


def test_labels_of_persons_never_change_the_credit_of_their_run(failed_run):
    for run, _ in labelled(failed_run, 4):
        unlabelled = run.model_copy(update={"labels": ()})
        assert assign_credit(run).model_dump_json() == assign_credit(unlabelled).model_dump_json()


def test_the_newest_label_of_a_run_counts(failed_run):
    runs = [run for run, _ in labelled(failed_run, 8)]
    older = Label(target="message", target_id="m5", name="first_error", timestamp=1)
    newer = Label(target="message", target_id="m1", name="first_error", timestamp=2)
    swapped = [run.model_copy(update={"labels": (newer, older)}) for run in runs]
    plain = [run.model_copy(update={"labels": (newer,)}) for run in runs]
    assert fit_localiser(swapped) == fit_localiser(plain)


def test_a_configuration_with_a_localiser_survives_json(failed_run):
    fitted = fit_localiser([run for run, _ in labelled(failed_run)])
    config = CreditConfig(localiser=fitted)
    assert CreditConfig.model_validate_json(config.model_dump_json()).localiser == fitted


@pytest.fixture(scope="session")
def fitted():
    runs, labels = tables(9, 20)
    return Localiser.fit(runs, labels, l2=1.0, folds=0)


@pytest.mark.parametrize("law", CREDIT_LAWS, ids=lambda law: law.__name__)
@settings(max_examples=25)
@given(trajectory=trajectories())
def test_credit_with_a_localiser_keeps_the_laws(law, fitted, trajectory):
    config = CreditConfig(localiser=fitted, potential="expected_step")
    law(lambda run: assign_credit(run, config), trajectory)


@settings(max_examples=50)
@given(trajectory=trajectories())
def test_a_posterior_has_one_probability_per_message_and_names_the_most_probable(fitted, trajectory):
    for config in (CreditConfig(), CreditConfig(localiser=fitted)):
        error = assign_credit(trajectory, config).first_error
        if error is not None:
            assert len(error.posterior) == len(trajectory.messages)
            assert sum(error.posterior) == pytest.approx(1.0)
            assert error.probability == pytest.approx(max(error.posterior))
            assert 0.0 <= error.confidence <= 1.0


def test_what_the_run_was_given_may_be_named_first_error_but_is_never_credited(failed_run):
    """A plan that was handed to the team, by an agent: labellers blame it, rewards do not."""
    runs = []
    for k in range(8):
        plan = ("planner", f"How many in case {k}? Assume 900, a placeholder, it is likely known.")
        said = [plan, *(("solver", f"I looked it up: {n} of them.") for n in (110, 120))]
        run = failed_run(*said, id=f"r{k}", task=f"How many in case {k}?")
        label = Label(target="message", target_id="m0", name="first_error")
        runs.append(run.model_copy(update={"labels": (label,), "task_id": f"t{k}"}))
    config = CreditConfig(localiser=fit_localiser(runs, l2=0.1), potential="expected_step")
    credit = assign_credit(runs[0], config)
    assert credit.first_error.index == 0
    assert credit.messages[0].reward == 0.0
    assert "planner" not in {cell.actor_id for cell in credit.turns}
    assert sum(cell.credit for cell in credit.turns) == pytest.approx(-0.5)
