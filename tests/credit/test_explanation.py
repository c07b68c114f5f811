import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credit_hooks.credit import CreditConfig, assign_credit
from credit_hooks.credit.explanation import explain, settings_of
from credit_hooks.errors import ConfigurationError
from credit_hooks.language import ENGLISH
from credit_hooks.rewards import CreditedRun
from credit_hooks.testing import credit_laws

METHODS = ["auto", "provenance", "reachability", "flow", "step_scores"]
configs = st.builds(
    CreditConfig,
    method=st.sampled_from(METHODS),
    level=st.sampled_from(["owen", "shapley"]),
    relation=st.sampled_from(["consumed", "visible", "scheduled"]),
    baseline=st.floats(0, 1),
)


def credited(trajectory, config):
    return CreditedRun(trajectory=trajectory, credit=assign_credit(trajectory, config))


@settings(max_examples=60, deadline=None)
@given(credit_laws.trajectories(odd=True), configs)
def test_every_reward_follows_from_its_terms_and_is_reproduced(trajectory, config):
    stored = CreditedRun.model_validate_json(credited(trajectory, config).model_dump_json())
    found = explain(stored)
    if stored.credit.status != "credited":
        assert found.reproduced is None
        return
    if stored.credit.settings:
        assert settings_of(stored.credit) == config
    assert found.reproduced is True
    for message, reward in zip(found.messages, stored.credit.messages, strict=True):
        assert message.message_id == reward.message_id
        if message.standing != "player":
            assert reward.reward == 0.0
        if found.formula:
            assert reward.reward == pytest.approx(stored.credit.total * message.share + message.shift, abs=1e-12)


@pytest.fixture
def two_voices(run_of, said):
    return run_of(
        said("ann", "The answer is 42."),
        said("bob", "No, the answer is 17.", (0,)),
        said("ann", "So it is 42.", (0, 1)),
    )


def test_the_reader_vote_adds_up_as_its_formula_says(two_voices):
    run = credited(two_voices, CreditConfig())
    found = explain(run)
    phi = sum(message.parts["phi"] for message in found.messages)
    assert phi == pytest.approx(run.credit.conviction)
    assert min(message.parts["phi"] for message in found.messages) < 0 < phi
    for message in found.messages:
        term, w = message.parts, run.credit.evidence
        assert message.share == pytest.approx(w * term["phi"] + (1 - w * phi) * term["p"])


def test_changed_rewards_are_told(two_voices):
    run = credited(two_voices, CreditConfig())
    first, *others = run.credit.messages
    changed = run.credit.model_copy(update={"messages": (first.model_copy(update={"reward": 0.9}), *others)})
    found = explain(run.model_copy(update={"credit": changed}))
    assert found.reproduced is False
    assert "stored rewards" in found.reason


def test_a_language_of_ones_own_is_not_guessed(two_voices):
    language = dataclasses.replace(ENGLISH)
    run = credited(two_voices, CreditConfig(language=language))
    with pytest.raises(ConfigurationError, match="language of its own"):
        explain(run)
    assert explain(run, CreditConfig(language=language)).reproduced is True


def test_settings_of_another_version_are_refused_by_name(two_voices):
    run = credited(two_voices, CreditConfig())
    credit = run.credit.model_copy(update={"settings": {"mood": "good"}})
    with pytest.raises(ConfigurationError, match="mood"):
        settings_of(credit)
