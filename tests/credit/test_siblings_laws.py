"""The public laws of credit hold with evidence from siblings; and any order of runs gives the same credit."""

import math
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from credit_hooks.credit import CreditConfig, assign_credit
from credit_hooks.credit.provenance import Provenance
from credit_hooks.credit.siblings import (
    Expectation,
    RunFacts,
    SiblingConfig,
    SiblingIndex,
    assign_with_siblings,
    with_prompts,
)
from credit_hooks.credit.siblings.counts import TaskCounts
from credit_hooks.credit.siblings.index import _adjusted
from credit_hooks.credit.siblings.prompts import prompt_messages
from credit_hooks.credit.transcript import Transcript
from credit_hooks.testing import credit_laws
from credit_hooks.testing.credit_laws import CREDIT_LAWS, trajectories
from credit_hooks.trajectory import Outcome

SETTINGS = settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
ODD_LAWS = [law for law in CREDIT_LAWS if law is not credit_laws.names_do_not_matter]


@pytest.fixture(scope="module")
def index(run_of, said):
    """A store whose gate is open, with a task that the drawn runs are made to be of."""
    made = SiblingIndex(siblings=SiblingConfig(expectation=False))
    draw = random.Random(2)
    for t in range(30):
        for k in range(5):
            good = draw.random() < 0.5
            answer = 7 if good else draw.choice([42, 50, 3])
            run = run_of(
                said("user", "How many?", None),
                said("ada", f"The final answer is {answer}.", (0,)),
                id=f"store-{t}-{k}",
                group_id=f"t{t}",
                score=float(good),
            )
            made.add(run)
    assert made.gate.strength > 0
    return made


def of_task(run):
    return run.model_copy(update={"group_id": "t3"})


@pytest.mark.parametrize("law", CREDIT_LAWS, ids=lambda law: law.__name__)
@SETTINGS
@given(trajectory=trajectories())
def test_credit_with_siblings_keeps_the_law(law, index, trajectory):
    law(lambda run: index.credit(of_task(run)), trajectory)


@pytest.mark.parametrize("law", ODD_LAWS, ids=lambda law: law.__name__)
@SETTINGS
@given(trajectory=trajectories(odd=True))
def test_odd_data_neither_raises_nor_breaks_the_law(law, index, trajectory):
    law(lambda run: index.credit(of_task(run)), trajectory)


@SETTINGS
@given(trajectory=trajectories())
def test_messages_without_a_say_stay_at_zero(index, trajectory):
    run = of_task(trajectory)
    transcript = Transcript.of(run)
    players = Provenance.of(transcript, "consumed").players
    credit = index.credit(run)
    for place, player in zip(transcript.listed, players, strict=True):
        assert player or credit.messages[place].reward in (0.0, None)


facts = st.lists(
    st.tuples(st.sampled_from("tuv"), st.booleans(), st.sampled_from([None, "7", "9"])), min_size=1, max_size=12
).map(
    lambda drawn: [
        RunFacts(f"r{i}", t, float(ok), ok, frozenset([c] if c else []), c, ()) for i, (t, ok, c) in enumerate(drawn)
    ]
)


@given(facts, st.randoms(use_true_random=False))
def test_counts_leave_the_asking_run_out(runs, draw):
    own = draw.choice(runs)
    without = TaskCounts([run for run in runs if run is not own])
    for conclusion in (None, "7", "9", "unheard of"):
        assert TaskCounts(runs).evidence(own, conclusion) == without.evidence(own, conclusion, counted=False)


@given(facts, st.randoms(use_true_random=False))
def test_expectations_are_probabilities_that_the_own_outcome_does_not_move(runs, draw):
    place = draw.randrange(len(runs))
    own = runs[place]
    flipped = own._replace(score=1.0 - own.score, success=not own.success)
    value = Expectation(runs).of(own)
    assert 0.0 <= value <= 1.0
    others = [*runs[:place], flipped, *runs[place + 1 :]]
    assert Expectation(others).of(flipped) == value
    assert Expectation(draw.sample(runs, len(runs))).of(own) == value


@settings(max_examples=3, deadline=None)
@given(st.randoms(use_true_random=False), st.data())
def test_the_order_of_runs_changes_nothing(draw, data):
    drawn = data.draw(st.lists(trajectories(), min_size=2, max_size=5))
    runs = [
        run.model_copy(update={"id": f"r{i}", "group_id": f"g{i % 2}", "outcome": Outcome(score=float(i % 2))})
        for i, run in enumerate(drawn * 6)
    ]
    shuffled = draw.sample(runs, len(runs))
    first = {run.trajectory.id: run for run in assign_with_siblings(runs)}
    second = {run.trajectory.id: run for run in assign_with_siblings(shuffled)}
    assert first == second


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(trajectories(), st.lists(st.floats(-1, 1), min_size=2, max_size=2), st.floats(-0.2, 0.2))
def test_prompts_and_messages_share_all_of_it_within_bounds(trajectory, shares, term):
    actors = tuple(actor.model_copy(update={"system_prompt": f"You are {actor.id}."}) for actor in trajectory.actors)
    run = with_prompts(trajectory.model_copy(update={"actors": actors}))
    credit = assign_credit(run)
    if credit.status != "credited" or credit.steps or credit.unassigned or len(actors) < 2 or not credit.total:
        return
    prompts = {prompt_messages(run)[actor.id]: share for actor, share in zip(actors, shares, strict=False)}
    opposite = dict(zip(prompts, (shares[0], -shares[0]), strict=True))
    for given_shares in (prompts, dict.fromkeys(prompts, shares[0]), opposite):
        terms = {message.id: term for message in run.messages[::2]}
        adjusted = _adjusted(run, CreditConfig(), terms, given_shares, (True, ()))
        rewards = [reward.reward for reward in adjusted.messages]
        assert math.fsum(rewards) == pytest.approx(credit.total, abs=1e-12)
        assert max(map(abs, rewards)) <= 1.0
        wanted = sum(given_shares.values())
        if abs(credit.total - wanted) <= 1.0:
            assert [adjusted.reward_of[p] for p in given_shares] == pytest.approx(
                list(given_shares.values()), abs=1e-12
            )
