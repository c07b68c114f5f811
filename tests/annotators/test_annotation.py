"""A credited run as annotations: all of the credit, stable identities, no content."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_hooks.rewards import Credit, CreditedRun, FirstError, Reward
from credit_hooks.testing import sample_run
from credit_hooks.trajectory import Actor, Message, Outcome, Step, TextPart, Trajectory
from credit_hooks_exporters.annotators import annotations_of

TRACE = f"{7:032x}"
REWARDS = st.floats(-1.0, 1.0)


@st.composite
def credited_runs(draw, unscored=False):
    """A root, agents' turns, some of them around an inner turn, each of which wrote messages with rewards."""
    steps = [Step(id=f"{1:016x}", trace_id=TRACE, kind="workflow", name="team")]
    messages, rewards = [], []
    for number in range(draw(st.integers(1, 5))):
        agent = draw(st.sampled_from("abc"))
        parent = steps[0].id
        if draw(st.booleans()):
            parent = f"{100 + number:016x}"
            steps.append(Step(id=parent, parent_id=steps[0].id, trace_id=TRACE, kind="agent", actor_id=agent))
        wrote = [f"m{number}-{count}" for count in range(draw(st.integers(0, 3)))]
        steps.append(
            Step(
                id=f"{10 + number:016x}",
                parent_id=parent,
                trace_id=TRACE,
                kind="agent",
                actor_id=agent,
                output_message_ids=tuple(wrote),
            )
        )
        for message_id in wrote:
            text = TextPart(text=f"CONTENT of {message_id}")
            step_id = steps[-1].id
            messages.append(Message(id=message_id, index=len(messages), actor_id=agent, step_id=step_id, parts=(text,)))
            reward = None if unscored and draw(st.booleans()) else draw(REWARDS)
            rewards.append(Reward(message_id=message_id, actor_id=agent, reward=reward))
    outcome = Outcome(score=draw(st.floats(0.0, 1.0)), baseline=0.5, explanation="SECRET RATIONALE")
    actors = tuple(Actor(id=name, name=f"agent {name}") for name in "abc")
    trajectory = Trajectory(id="run", actors=actors, messages=tuple(messages), steps=tuple(steps), outcome=outcome)
    return CreditedRun(trajectory=trajectory, credit=credit_of(trajectory, rewards))


def credit_of(trajectory, rewards):
    agents = {}
    for reward in rewards:
        agents[reward.actor_id] = agents.get(reward.actor_id, 0.0) + (reward.reward or 0.0)
    outcome = trajectory.outcome
    return Credit(
        trajectory_id="run", outcome=outcome.score, baseline=0.5, agents=agents, messages=tuple(rewards), method="drawn"
    )


def of_name(run, name):
    return [annotation for annotation in annotations_of(run) if annotation.name == name]


@given(run=credited_runs())
def test_all_rewards_are_on_spans_and_add_up_at_both_levels(run):
    rewards = of_name(run, "credit.reward")
    total = sum(reward.reward for reward in run.credit.messages)
    assert sum(annotation.score for annotation in rewards) == pytest.approx(total, abs=1e-9)
    wrote = {step.id for step in run.trajectory.steps if step.output_message_ids}
    assert {annotation.span_id for annotation in rewards} == wrote
    inner = {step.id: step.parent_id for step in run.trajectory.steps}
    for turn in of_name(run, "credit.agent"):
        below = [each.score for each in rewards if inner[each.span_id] == turn.span_id]
        assert below
        assert turn.score == pytest.approx(sum(below), abs=1e-9)


@given(run=credited_runs(unscored=True))
def test_a_span_with_an_unscored_message_has_no_reward_rather_than_a_false_one(run):
    of_message = run.credit.reward_of
    for annotation in of_name(run, "credit.reward"):
        written = run.trajectory.step_by_id[annotation.span_id].output_message_ids
        assert annotation.score == pytest.approx(sum(of_message[each] for each in written), abs=1e-12)
        signs = {"blamed": annotation.score < 0, "rewarded": annotation.score > 0, "neutral": annotation.score == 0}
        assert signs[annotation.label]


@given(run=credited_runs(), data=st.data())
def test_scoring_again_names_the_same_spans_and_ids(run, data):
    again = [reward.model_copy(update={"reward": data.draw(REWARDS)}) for reward in run.credit.messages]
    other = CreditedRun(trajectory=run.trajectory, credit=credit_of(run.trajectory, again))
    first, second = annotations_of(run), annotations_of(other)
    assert [each.id for each in first] == [each.id for each in second]
    assert len({each.id for each in first}) == len(first)
    assert [(each.span_id, each.name) for each in first] == [(each.span_id, each.name) for each in second]


@given(run=credited_runs())
def test_no_annotation_holds_content_unless_asked(run):
    told = "".join(annotation.model_dump_json() for annotation in annotations_of(run))
    assert "SECRET" not in told
    assert "CONTENT" not in told


def test_the_rationale_of_a_judge_is_sent_where_content_is_captured():
    trajectory = sample_run().trajectory
    outcome = Outcome(score=1.0, baseline=0.5, explanation="SECRET RATIONALE")
    run = sample_run().model_copy(update={"trajectory": trajectory.with_outcome(outcome)})
    assert not any("SECRET" in each.explanation for each in annotations_of(run))
    assert [each.name for each in annotations_of(run, content=True) if "SECRET" in each.explanation] == [
        "credit.outcome"
    ]


def test_a_run_without_credit_or_trace_has_none():
    run = sample_run()
    uncredited = run.model_copy(update={"credit": run.credit.model_copy(update={"status": "no_outcome"})})
    assert annotations_of(uncredited) == ()
    steps = tuple(step.model_copy(update={"trace_id": None}) for step in run.trajectory.steps)
    assert (
        annotations_of(run.model_copy(update={"trajectory": run.trajectory.model_copy(update={"steps": steps})})) == ()
    )


@pytest.mark.parametrize(("trace_id", "span_id"), [("run-7", f"{1:016x}"), (f"{1:032x}", "step 1"), ("A" * 32, "a")])
def test_steps_with_ids_of_another_kind_have_none(trace_id, span_id):
    run = sample_run()
    steps = tuple(step.model_copy(update={"trace_id": trace_id, "id": span_id}) for step in run.trajectory.steps)
    assert (
        annotations_of(run.model_copy(update={"trajectory": run.trajectory.model_copy(update={"steps": steps})})) == ()
    )


def test_the_first_error_is_marked_on_its_span_and_named_on_the_root():
    run = sample_run()
    error = FirstError(message_id="m4", actor_id="checker", index=4, probability=0.5, rule="hedging")
    failed = run.model_copy(update={"credit": run.credit.model_copy(update={"first_error": error})})
    labels = {(each.name, each.metadata.get("agent")): each.label for each in annotations_of(failed)}
    assert labels["credit.reward", "checker"] == "first error"
    assert labels["credit.first_error", "checker"] == "checker"
    assert {(each.name, each.label) for each in annotations_of(run)} >= {("credit.first_error", "none")}


def test_an_agent_whose_inner_spans_wrote_shows_their_sum_on_its_outermost_span():
    run = sample_run()
    (solver,) = (step for step in run.trajectory.steps if step.id == f"{3:016x}")
    outer = solver.model_copy(update={"id": f"{9:016x}", "output_message_ids": ()})
    steps = tuple(
        step.model_copy(update={"parent_id": outer.id}) if step.id == solver.id else step
        for step in run.trajectory.steps
    )
    nested = run.model_copy(update={"trajectory": run.trajectory.model_copy(update={"steps": (*steps, outer)})})
    found = {(each.name, each.span_id): each.score for each in annotations_of(nested)}
    assert found["credit.agent", outer.id] == found["credit.reward", solver.id] == 0.375
    assert sum(each.name == "credit.agent" for each in annotations_of(nested)) == 1
