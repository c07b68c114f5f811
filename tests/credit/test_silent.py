"""Nothing that a run was given is to blame: where nobody said anything, the steps that failed are."""

import pytest

from credit_hooks.credit import assign_credit
from credit_hooks.rewards import CreditedRun, span_attributes
from credit_hooks.testing import CREDIT_LAWS
from credit_hooks.trajectory import Actor, Message, Outcome, Step, TextPart, Trajectory


def step(step_id, actor_id, status="error", parent="root", kind="agent", start=1):
    return Step(
        id=step_id, parent_id=parent, kind=kind, actor_id=actor_id, status=status, start_ns=start, end_ns=start + 1
    )


def run(*steps, score=0.0, status="error"):
    """A run that was asked something and has no message but that."""
    root = Step(id="root", kind="workflow", status=status, output_message_ids=("m0",), start_ns=0, end_ns=9)
    actors = {s.actor_id: Actor(id=s.actor_id, name=s.actor_id) for s in steps if s.actor_id}
    return Trajectory(
        id="run",
        status=status,
        actors=(Actor(id="user", name="user", kind="human"), *actors.values()),
        messages=(Message(id="m0", index=0, actor_id="user", role="user", parts=(TextPart(text="6 * 7?"),)),),
        steps=(root, *steps),
        outcome=Outcome(score=score),
    )


FAILED_AT_ONCE = run(step("solver", "solver"), step("chat", "solver", parent="solver", kind="chat"))


def test_the_agent_whose_step_failed_is_to_blame():
    credit = assign_credit(FAILED_AT_ONCE)
    assert credit.agents == {"user": 0.0, "solver": -0.5}
    assert (credit.steps, credit.unassigned) == ({"solver": -0.5}, 0.0)
    assert [reward.reward for reward in credit.messages] == [0.0]
    assert (credit.status, credit.method, credit.low_evidence) == ("credited", "failed_steps", True)
    assert "failed steps of solver" in credit.notes[-1]


def test_the_blame_is_on_the_span_of_that_step():
    credit = assign_credit(FAILED_AT_ONCE)
    shown = span_attributes(CreditedRun(trajectory=FAILED_AT_ONCE, credit=credit))
    assert shown["solver"] == {"credit.reward": -0.5, "credit.agent.credit": -0.5}
    assert "credit.unassigned" not in shown["root"]


def test_the_innermost_step_is_to_blame_and_attempts_share():
    team = run(step("team", "team"), step("one", "worker", parent="team"), step("two", "worker", parent="team"))
    assert assign_credit(team).agents == {"user": 0.0, "team": 0.0, "worker": -0.5}
    assert assign_credit(team).steps == {"one": -0.25, "two": -0.25}


def test_what_no_step_accounts_for_is_unassigned():
    credit = assign_credit(run(step("solver", "solver", status="ok"), status="ok"))
    assert credit.agents == {"user": 0.0, "solver": 0.0}
    assert (credit.total, credit.unassigned, credit.steps) == (-0.5, -0.5, {})
    assert "unassigned -0.500" in str(credit)
    shown = span_attributes(CreditedRun(trajectory=FAILED_AT_ONCE, credit=credit))
    assert shown["root"]["credit.unassigned"] == -0.5


def test_nobody_earns_a_success_without_a_contribution():
    credit = assign_credit(run(step("solver", "solver"), score=1.0))
    assert set(credit.agents.values()) == {0.0}
    assert credit.unassigned == 0.5


@pytest.mark.parametrize("law", CREDIT_LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize(
    "trajectory",
    [
        FAILED_AT_ONCE,
        run(step("solver", "solver", status="ok"), status="ok"),
        run(step("solver", "solver"), score=1.0),
        run(step("a", "a", parent="b"), step("b", "b", parent="a")),
    ],
    ids=["failed", "silent", "succeeded", "steps inside each other"],
)
def test_the_laws_hold(law, trajectory):
    law(assign_credit, trajectory)
