"""A credited run as annotations: all of the credit, stable identities, no content."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credit_hooks.credit import assign_credit
from credit_hooks.rewards import CreditedRun, FirstError
from credit_hooks.testing import sample_run, trajectories
from credit_hooks.trajectory import Outcome
from credit_hooks_exporters.annotators import annotations_of

SCORES = st.floats(0.0, 1.0)


def credited(trajectory, score):
    trajectory = trajectory.with_outcome(Outcome(score=score, baseline=0.5, explanation="SECRET RATIONALE"))
    return CreditedRun(trajectory=trajectory, credit=assign_credit(trajectory))


def in_a_trace(trajectory):
    steps = tuple(step.model_copy(update={"trace_id": f"{7:032x}"}) for step in trajectory.steps)
    return trajectory.model_copy(update={"steps": steps})


@settings(max_examples=40)
@given(trajectory=trajectories(), score=SCORES)
def test_scores_are_what_the_spans_say(trajectory, score):
    run = credited(in_a_trace(trajectory), score)
    by_message = run.credit.reward_of
    for annotation in annotations_of(run):
        if annotation.name == "credit.reward":
            written = run.trajectory.step_by_id[annotation.span_id].output_message_ids
            assert annotation.score == pytest.approx(sum(by_message[message_id] for message_id in written), abs=1e-12)
            assert annotation.score == pytest.approx(sum(annotation.metadata["rewards"]), abs=1e-12)


@settings(max_examples=40)
@given(trajectory=trajectories(), first=SCORES, second=SCORES)
def test_scoring_again_names_the_same_spans_and_ids(trajectory, first, second):
    one, other = (annotations_of(credited(in_a_trace(trajectory), score)) for score in (first, second))
    assert [each.id for each in one] == [each.id for each in other]
    assert len({each.id for each in one}) == len(one)
    assert [(each.span_id, each.name) for each in one] == [(each.span_id, each.name) for each in other]


@settings(max_examples=40)
@given(trajectory=trajectories(), score=SCORES)
def test_no_annotation_holds_content_unless_asked(trajectory, score):
    run = credited(in_a_trace(trajectory), score)
    told = "".join(annotation.model_dump_json() for annotation in annotations_of(run))
    assert "SECRET" not in told
    for message in run.trajectory.messages:
        if len(message.text) > 12:
            assert message.text not in told


def test_the_rationale_of_a_judge_is_sent_where_content_is_captured():
    run = credited(sample_run().trajectory, 1.0)
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
