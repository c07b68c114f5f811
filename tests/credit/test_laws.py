import pytest
from hypothesis import HealthCheck, given, settings

from credit_hooks.credit import CreditConfig, assign_credit
from credit_hooks.rewards import Credit, Reward
from credit_hooks.testing import credit_laws
from credit_hooks.testing.credit_laws import CREDIT_LAWS, check_credit, trajectories

CONFIGS = {
    "default": CreditConfig(),
    "shapley": CreditConfig(level="shapley", relation="visible"),
    "provenance": CreditConfig(method="provenance", potential="expected_step"),
    "provenance_shapley": CreditConfig(method="provenance", level="shapley"),
    "reachability": CreditConfig(method="reachability", relation="scheduled"),
    "flow": CreditConfig(method="flow"),
}
# Where several messages or steps share an id or an index, names do decide which of them comes first.
ODD_LAWS = [law for law in CREDIT_LAWS if law is not credit_laws.names_do_not_matter]
SETTINGS = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def by_name(law):
    return law.__name__


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.parametrize("law", CREDIT_LAWS, ids=by_name)
@SETTINGS
@given(trajectory=trajectories())
def test_credit_keeps_the_law(law, config, trajectory):
    law(lambda run: assign_credit(run, config), trajectory)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.parametrize("law", ODD_LAWS, ids=by_name)
@SETTINGS
@given(trajectory=trajectories(odd=True))
def test_odd_data_neither_raises_nor_breaks_the_law(law, config, trajectory):
    law(lambda run: assign_credit(run, config), trajectory)


def broken(change):
    def assign(trajectory):
        credit = assign_credit(trajectory)
        return change(credit, trajectory) if credit.status == "credited" else credit

    return assign


def scaled(credit, factor):
    rewards = tuple(r.model_copy(update={"reward": r.reward * factor}) for r in credit.messages)
    return credit.model_copy(update={"messages": rewards})


def shared_by_all(credit, trajectory):
    even = credit.total / len(credit.messages)
    return credit.model_copy(update={"messages": tuple(r.model_copy(update={"reward": even}) for r in credit.messages)})


def first_listed_takes_it(credit, trajectory):
    rewards = [Reward(message_id=r.message_id, actor_id=r.actor_id, reward=0.0) for r in credit.messages]
    rewards[0] = rewards[0].model_copy(update={"reward": credit.total})
    return credit.model_copy(update={"messages": tuple(rewards)})


def first_by_name_takes_it(credit, trajectory):
    first = min(r.message_id for r in credit.messages)
    rewards = (r.model_copy(update={"reward": credit.total * (r.message_id == first)}) for r in credit.messages)
    return credit.model_copy(update={"messages": tuple(rewards)})


def noisy():
    calls = iter(range(10_000))
    return broken(lambda credit, run: credit.model_copy(update={"notes": (f"call {next(calls)}",)}))


def always_something(trajectory):
    credit = assign_credit(trajectory)
    rewards = tuple(Reward(message_id=m.id, actor_id=m.actor_id, reward=0.1) for m in trajectory.messages)
    return credit.model_copy(update={"messages": rewards})


BROKEN = {
    credit_laws.credit_is_conserved: broken(lambda credit, run: scaled(credit, 0.9)),
    credit_laws.every_message_is_scored_in_order: broken(
        lambda credit, run: credit.model_copy(update={"messages": credit.messages[:-1]})
    ),
    credit_laws.rewards_are_bounded: broken(lambda credit, run: scaled(credit, 9.0)),
    credit_laws.null_players_get_exactly_zero: broken(shared_by_all),
    credit_laws.names_do_not_matter: broken(first_by_name_takes_it),
    credit_laws.equal_outcomes_earn_nothing: always_something,
    credit_laws.the_sign_of_the_total_is_kept: broken(lambda credit, run: scaled(credit, 0.0)),
    credit_laws.order_of_listing_does_not_matter: broken(first_listed_takes_it),
    credit_laws.same_run_same_bytes: noisy(),
    credit_laws.without_an_outcome_nothing_is_assigned: always_something,
}


@pytest.fixture
def sample(run_of, said):
    return run_of(
        said("user", "How many?", None),
        said("zoe", "It is 41.", (0,)),
        said("ada", "Therefore the answer is 42.", (0, 1)),
        said("bob", "The final answer is 42.", (0, 1, 2)),
    )


def test_every_law_is_listed_and_has_a_counterexample():
    assert set(CREDIT_LAWS) == set(BROKEN)


@pytest.mark.parametrize("law", CREDIT_LAWS, ids=by_name)
def test_the_law_catches_who_breaks_it(law, sample):
    with pytest.raises(AssertionError):
        law(BROKEN[law], sample)


def test_check_credit_names_the_broken_law(sample):
    check_credit(assign_credit, [sample])
    with pytest.raises(AssertionError) as caught:
        check_credit(BROKEN[credit_laws.credit_is_conserved], [sample])
    assert caught.value.__notes__ == ["law credit_is_conserved, trajectory 'run'"]


def test_a_credit_that_was_never_assigned_breaks_no_law(sample):
    check_credit(lambda run: Credit(trajectory_id=run.id, status="no_outcome"), [sample])
