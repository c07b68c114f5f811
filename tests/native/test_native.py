"""Our own spans read as they were meant, whatever lies around them and whatever was cut."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_hooks import semconv
from credit_hooks.errors import TrajectoryError
from credit_hooks.native import ADAPTER
from credit_hooks.rewards import span_attributes
from credit_hooks.spans import LinkData, SpanData
from credit_hooks.testing import sample_run, sample_spans
from credit_hooks.trajectory import Outcome, TextPart, Usage, WithheldPart

TRACE = f"{7:032x}"


def span(number, parent, attributes=None, *, scope="credit_hooks", start=None, **fields):
    return SpanData(
        name=f"span {number}",
        trace_id=TRACE,
        span_id=f"{number:016x}",
        parent_id=None if parent is None else f"{parent:016x}",
        start_ns=number if start is None else start,
        end_ns=number + 100,
        attributes=attributes or {},
        scope=scope,
        **fields,
    )


def root(number, parent=None, run="run", **attributes):
    own = {semconv.GEN_AI_OPERATION_NAME: "invoke_workflow", semconv.CREDIT_RUN_ID: run}
    return span(number, parent, {**own, **{key.replace("__", "."): value for key, value in attributes.items()}})


def agent(number, parent, *written, **attributes):
    own = {
        semconv.GEN_AI_OPERATION_NAME: "invoke_agent",
        semconv.GEN_AI_AGENT_NAME: f"agent {number}",
        semconv.CREDIT_ACTOR_ID: f"a{number}",
        semconv.CREDIT_WRITES: list(written),
    }
    return span(number, parent, {**own, **{key.replace("__", "."): value for key, value in attributes.items()}})


def one(spans):
    (trajectory,) = ADAPTER.trajectories(spans)
    return trajectory


def changed(spans, name, **attributes):
    new = {key.replace("__", "."): value for key, value in attributes.items()}
    return [replace(s, attributes={**s.attributes, **new}) if s.name == name else s for s in spans]


def without(spans, *keys):
    return [replace(s, attributes={k: v for k, v in s.attributes.items() if k not in keys}) for s in spans]


# --- The run ------------------------------------------------------------------------------------------------------


def test_the_provenance_of_the_sample_is_exact():
    run = one(sample_spans())
    assert {message.id: run.parents(message.id) for message in run.messages} == {
        "m0": (),
        "m1": ("m0",),
        "m2": ("m1",),
        "m3": ("m2",),
        "m4": ("m0", "m1", "m2", "m3"),
    }
    assert run.reads(run.messages[2].step_id) == ("m0", "m1")


def test_the_root_states_the_run():
    run = one(changed(sample_spans(), "invoke_workflow team", credit__task__id="t", credit__group__id="g"))
    assert (run.id, run.name, run.framework, run.status) == ("run-1", "team", "langgraph", "ok")
    assert (run.task_id, run.group_id, run.session_id, run.answer_id) == ("t", "g", "thread-1", "m4")
    assert run.answer == "The answer is 42."
    assert [step.parent_id for step in run.steps if step.kind == "workflow"] == [None]
    assert run.messages[0].step_id is None


def test_what_a_model_generated_carries_its_tokens_and_actors_their_prompt():
    run = one(sample_spans())
    assert run.message_by_id["m2"].usage == Usage(input_tokens=12, output_tokens=5)
    assert [actor.system_prompt for actor in run.actors] == [None, None, "You solve.", None, None]
    several = changed(sample_spans(), "chat toy-1", credit__generates=["m2", "m4"])
    assert one(several).message_by_id["m2"].usage is None


def test_rewards_on_the_spans_do_not_change_the_trajectory_and_the_outcome_is_read():
    run = sample_run()
    rewards = span_attributes(run)
    credited = [replace(s, attributes={**s.attributes, **rewards.get(s.span_id, {})}) for s in sample_spans()]
    assert len(rewards) == 4
    assert one(credited).outcome == Outcome(success=True, score=1.0, baseline=0.25)
    assert one(credited).with_outcome(None) == one(sample_spans())


@pytest.mark.parametrize("outcome", [float("nan"), 1.5, -0.1, True, "1", None, [1.0]])
def test_an_outcome_that_is_none_is_left_out(outcome):
    assert one(changed(sample_spans(), "invoke_workflow team", credit__outcome=outcome)).outcome is None


def test_other_attributes_are_kept_and_mirrors_and_content_are_not():
    extra = {"langgraph.step": 3, "gen_ai.provider.name": "toy", "mine": (1, 2), "blob": b"\x00"}
    mirrors = {"openinference.span.kind": "AGENT", "input.value": "secret", "graph.node.id": "x", "agent.name": "x"}
    step = one([root(1), agent(2, 1, credit__removes=["m9"], **extra, **mirrors)]).steps[1]
    assert step.attributes == {
        "credit.removes": ["m9"],
        "langgraph.step": 3,
        "gen_ai.provider.name": "toy",
        "mine": [1, 2],
        "blob": "b'\\x00'",
    }


def test_a_resumed_run_says_what_it_resumes():
    run = one([root(1, credit__resumes="earlier", credit__writes=["m0"], credit__writes__step=["abc"])])
    assert run.meta == {"credit.resumes": "earlier"}
    assert run.messages[0].step_id == "abc"
    assert run.message_by_id


def test_statuses_errors_links_and_schedulers_are_read():
    spans = [
        root(1, credit__run__status="interrupted"),
        agent(2, 1, credit__step__status="handoff"),
        replace(agent(3, 1), status="error", status_message="it broke"),
        replace(agent(4, 1, error__type="ValueError"), status="error", status_message="it broke"),
        replace(agent(5, 1), end_ns=None, links=(LinkData(TRACE, "f" * 16),)),
        agent(6, 1, credit__scheduled_by=[f"{2:016x}"], credit__step__status="no such status"),
    ]
    run = one(spans)
    assert run.status == "interrupted"
    assert [step.status for step in run.steps] == ["interrupted", "handoff", "error", "error", "unknown", "ok"]
    assert [step.error for step in run.steps] == [None, None, "it broke", "ValueError", None, None]
    assert run.steps[4].links == ("f" * 16,)
    assert run.steps[5].scheduled_by == (f"{2:016x}",)


# --- Content ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content", ["__REDACTED__", None, "", '[{"role": "assistant", "parts"', "[null]", '["__REDACTED__"]', 7]
)
def test_hidden_or_cut_content_is_withheld_with_its_digest(content):
    spans = [
        root(1),
        agent(2, 1, "m0", credit__writes__sha256=["d"], credit__writes__length=[9], gen_ai__output__messages=content),
    ]
    assert one(spans).messages[0].parts == (WithheldPart(sha256="d", length=9),)


def test_content_goes_by_the_message_id_where_it_states_one():
    contents = json.dumps(
        [{"id": "m1", "content": "one"}, {"id": "m0", "content": "zero"}, {"id": "m7", "content": "?"}]
    )
    messages = one([root(1), agent(2, 1, "m0", "m1", "m2", gen_ai__output__messages=contents)]).messages
    assert [message.parts for message in messages] == [
        (TextPart(text="zero"),),
        (TextPart(text="one"),),
        (WithheldPart(),),
    ]


def test_parallel_lists_of_unequal_length_give_what_is_there():
    spans = [
        root(1),
        agent(
            2,
            1,
            "m0",
            "m1",
            "m2",
            credit__writes__role=["user"],
            credit__writes__author=["x", "y"],
            credit__writes__time=[5, 6, 7, 8],
            credit__writes__index=[0, 1],
        ),
    ]
    messages = one(spans).messages
    assert [m.id for m in messages] == ["m0", "m1", "m2"]
    assert [m.role for m in messages] == ["user", "assistant", "assistant"]
    assert [m.actor_id for m in messages] == ["x", "y", "a2"]
    assert [m.timestamp for m in messages] == [5, 6, 7]


def test_messages_are_ordered_by_index_then_time():
    spans = [
        root(1),
        agent(2, 1, "late", "early", credit__writes__time=[9, 3]),
        agent(3, 1, "second", credit__writes__index=[1]),
        agent(4, 1, "first", credit__writes__index=[0]),
    ]
    assert [message.id for message in one(spans).messages] == ["first", "second", "early", "late"]


def test_actors_are_known_even_where_the_list_was_cut():
    spans = changed(sample_spans(), "invoke_workflow team", credit__actors='[{"id": "hum')
    kinds = {actor.id: actor.kind for actor in one(spans).actors}
    assert kinds == {
        "planner": "agent",
        "solver": "agent",
        "checker": "agent",
        "human": "unknown",
        "multiply": "unknown",
    }


def test_lists_that_a_backend_wrote_as_json_strings_are_read():
    flattened = [
        replace(s, attributes={k: json.dumps(v) if isinstance(v, list) else v for k, v in s.attributes.items()})
        for s in sample_spans()
    ]
    assert one(flattened) == one(sample_spans())


# --- Which spans are of a run -------------------------------------------------------------------------------------


def test_spans_of_other_scopes_are_looked_through():
    between = [
        root(1),
        span(2, 1, scope="http"),
        agent(3, 2, "m0"),
        span(4, 3, {"gen_ai.operation.name": "chat"}, scope="openai"),
    ]
    run = one(between)
    assert [(step.id, step.parent_id) for step in run.steps] == [(f"{1:016x}", None), (f"{3:016x}", f"{1:016x}")]


def test_a_root_may_have_a_foreign_parent_and_runs_may_share_a_trace_and_nest():
    spans = [
        span(1, None, scope="http"),
        root(2, 1, "first"),
        agent(3, 2, "m0"),
        root(4, 3, "inner"),
        agent(5, 4, "m0"),
        root(6, 99, "second"),
        agent(7, 6, "m0"),
    ]
    runs = list(ADAPTER.trajectories(reversed(spans)))
    assert [(run.id, [step.id[-1] for step in run.steps]) for run in runs] == [
        ("first", ["2", "3"]),
        ("inner", ["4", "5"]),
        ("second", ["6", "7"]),
    ]


def test_a_workflow_without_a_run_id_is_an_ordinary_step():
    nested = span(2, 1, {semconv.GEN_AI_OPERATION_NAME: "invoke_workflow"})
    run = one([root(1), nested, agent(3, 2, "m0")])
    assert [step.kind for step in run.steps] == ["workflow", "workflow", "agent"]
    assert [step.parent_id for step in run.steps] == [None, f"{1:016x}", f"{2:016x}"]


def test_spans_whose_parent_was_lost_belong_to_the_only_run_of_the_trace():
    lost = agent(5, 98, "m1")
    assert {message.id for message in one([root(1), agent(2, 1, "m0"), lost]).messages} == {"m0", "m1"}
    two = list(ADAPTER.trajectories([root(1, run="one"), root(3, run="two"), lost]))
    assert [len(run.messages) for run in two] == [0, 0]


def test_spans_that_contain_each_other_are_of_no_run():
    assert len(one([root(1), agent(5, 6), agent(6, 5), agent(7, 7)]).steps) == 1


def test_spans_without_a_run_are_refused_with_the_reason():
    for spans in ([], [agent(2, 1)], [span(1, None, {semconv.GEN_AI_OPERATION_NAME: "invoke_workflow"})]):
        with pytest.raises(TrajectoryError, match=r"no span has .* the root span is missing"):
            list(ADAPTER.trajectories(spans))


@given(st.permutations(range(12)), st.data())
def test_runs_of_several_traces_do_not_depend_on_the_order(order, data):
    spans = [
        *sample_spans(),
        *[replace(s, trace_id=TRACE) for s in changed(sample_spans(), "invoke_workflow team", credit__run__id="run-2")],
    ]
    expected = list(ADAPTER.trajectories(spans))
    assert [run.id for run in expected] == ["run-1", "run-2"]
    kept = data.draw(st.sets(st.sampled_from(range(12))))
    lost = [spans[i] for i in order if i in kept]
    assert list(ADAPTER.trajectories([spans[i] for i in order])) == expected
    try:
        found = list(ADAPTER.trajectories(lost))
    except TrajectoryError:
        assert not kept & {0, 6}
    else:
        assert found == list(ADAPTER.trajectories(sorted(lost, key=lambda s: s.span_id)))


def test_reading_is_linear_in_the_spans():
    """10,000 turns where everyone reads everything: read sets stay deltas, and resolve to the whole history."""
    spans = [root(1, credit__writes=["m0"], credit__writes__index=[0])]
    for i in range(1, 10_000):
        base = {"credit__reads__base": f"{i + 1:016x}"} if i > 1 else {}
        reads = {"credit__reads__new": [f"m{i - 1}"], **base}
        spans.append(agent(i + 2, 1, f"m{i}", credit__writes__index=[i], **reads))
    run = one(spans)
    assert sum(len(step.reads.new) for step in run.steps) == 9_999
    assert run.reads(run.steps[-1].id) == tuple(f"m{i}" for i in range(9_999))
