"""The spans of a run: one trace, the right tree, credit on it, content where wanted."""

import asyncio

import pytest
from capture_cases.agents import asks
from capture_cases.kit import MODES, TOPOLOGIES, ScriptedModel, captured, user
from capture_cases.state import pipeline
from capture_cases.traced import Traced
from inline_snapshot import snapshot
from langgraph.graph import MessagesState

from credit_hooks.testing import span_tree

INVOKE = MODES["invoke"]
SEQUENTIAL, TOOLS = TOPOLOGIES["sequential"], TOPOLOGIES["agent_with_a_tool"]
CONTENT = {
    "gen_ai.input.messages",
    "gen_ai.output.messages",
    "gen_ai.system_instructions",
    "gen_ai.tool.call.arguments",
    "gen_ai.tool.call.result",
    "gen_ai.tool.definitions",
    "input.value",
    "output.value",
}


# --- The tree -------------------------------------------------------------------------------------------------------


def test_the_tree_of_an_agent_with_a_tool(traced):
    asyncio.run(TOOLS.run(INVOKE, callbacks=[traced.callback]))
    drawn = (
        "credit.writes",
        "credit.reads",
        "credit.run.id",
        "credit.answer",
        "credit.generates",
        "langgraph.checkpoint",
    )
    numbers = (
        "credit.reward",
        "credit.agent.",
        "credit.conviction",
        "credit.evidence",
        "credit.method",
        "credit.actors",
    )
    tree = span_tree(traced.finished(), keep=lambda key: not key.startswith(drawn + numbers))
    assert tree == snapshot(
        [
            {
                "name": "invoke_workflow maths",
                "attributes": {
                    "credit.baseline": 0.5,
                    "credit.evaluations": 0,
                    "credit.framework": "langgraph",
                    "credit.low_evidence": False,
                    "credit.outcome": 1.0,
                    "credit.run.status": "ok",
                    "credit.schema_version": "1",
                    "credit.status": "credited",
                    "credit.step.status": "ok",
                    "credit.success": True,
                    "credit.total": 0.5,
                    "gen_ai.operation.name": "invoke_workflow",
                    "gen_ai.workflow.name": "maths",
                    "openinference.span.kind": "CHAIN",
                },
                "children": [
                    {
                        "name": "invoke_agent maths",
                        "attributes": {
                            "agent.name": "maths",
                            "credit.actor.id": "maths",
                            "credit.step.status": "ok",
                            "gen_ai.agent.name": "maths",
                            "gen_ai.operation.name": "invoke_agent",
                            "graph.node.id": "model",
                            "langgraph.node": "model",
                            "langgraph.step": 1,
                            "langgraph.triggers": ["branch:to:model"],
                            "openinference.span.kind": "AGENT",
                        },
                        "children": [
                            {
                                "name": "chat scripted",
                                "attributes": {
                                    "credit.actor.id": "maths",
                                    "credit.step.status": "ok",
                                    "gen_ai.operation.name": "chat",
                                    "gen_ai.provider.name": "test",
                                    "gen_ai.request.model": "scripted",
                                    "llm.model_name": "scripted",
                                    "openinference.span.kind": "LLM",
                                },
                            }
                        ],
                    },
                    {
                        "name": "invoke_agent maths",
                        "attributes": {
                            "agent.name": "maths",
                            "credit.actor.id": "maths",
                            "credit.step.status": "ok",
                            "gen_ai.agent.name": "maths",
                            "gen_ai.operation.name": "invoke_agent",
                            "graph.node.id": "tools",
                            "langgraph.node": "tools",
                            "langgraph.step": 2,
                            "langgraph.triggers": ["__pregel_push"],
                            "openinference.span.kind": "AGENT",
                        },
                        "children": [
                            {
                                "name": "execute_tool multiply",
                                "attributes": {
                                    "credit.actor.id": "tool:multiply",
                                    "credit.step.status": "ok",
                                    "gen_ai.operation.name": "execute_tool",
                                    "gen_ai.tool.call.id": "call-1",
                                    "gen_ai.tool.name": "multiply",
                                    "openinference.span.kind": "TOOL",
                                    "tool.name": "multiply",
                                },
                            }
                        ],
                    },
                    {
                        "name": "invoke_agent maths",
                        "attributes": {
                            "agent.name": "maths",
                            "credit.actor.id": "maths",
                            "credit.step.status": "ok",
                            "gen_ai.agent.name": "maths",
                            "gen_ai.operation.name": "invoke_agent",
                            "graph.node.id": "model",
                            "langgraph.node": "model",
                            "langgraph.step": 3,
                            "langgraph.triggers": ["branch:to:model"],
                            "openinference.span.kind": "AGENT",
                        },
                        "children": [
                            {
                                "name": "chat scripted",
                                "attributes": {
                                    "credit.actor.id": "maths",
                                    "credit.step.status": "ok",
                                    "gen_ai.operation.name": "chat",
                                    "gen_ai.provider.name": "test",
                                    "gen_ai.request.model": "scripted",
                                    "llm.model_name": "scripted",
                                    "openinference.span.kind": "LLM",
                                },
                            }
                        ],
                    },
                ],
            }
        ]
    )


async def test_one_trace_per_run(topology, traced):
    await topology.run(MODES["astream"], callbacks=[traced.callback])
    spans = traced.finished()
    roots = [span for span in spans if span.parent is None]
    assert len(roots) == len({span.context.trace_id for span in spans}) == len(topology.turns)
    ids = {span.context.span_id for span in spans}
    assert all(span.parent.span_id in ids for span in spans if span.parent is not None)
    assert all(span.attributes["gen_ai.operation.name"] for span in spans)
    assert all(span.attributes["openinference.span.kind"] for span in spans)


async def test_spans_say_what_the_trajectory_says(topology, traced):
    await topology.run(INVOKE, callbacks=[traced.callback])
    spans = {f"{span.context.span_id:016x}": span for span in traced.finished()}
    for run in captured(traced.callback):
        for step in run.steps:
            span = spans.pop(step.id)
            assert (span.start_time, span.end_time) == (step.start_ns, step.end_ns)
            assert list(span.attributes.get("credit.writes", ())) == list(step.output_message_ids)
    assert not spans


async def test_rewards_on_spans_sum_to_the_total(topology, traced):
    await topology.run(INVOKE, callbacks=[traced.callback])
    spans = traced.finished()
    for run in traced.callback.runs:
        own = [span for span in spans if f"{span.context.trace_id:032x}" == run.trajectory.steps[0].trace_id]
        (root,) = [span for span in own if span.parent is None]
        assert root.attributes["credit.status"] == run.credit.status
        if run.credit.status == "credited":
            on_spans = sum(span.attributes.get("credit.reward", 0.0) for span in own)
            written = {message_id for step in run.trajectory.steps[1:] for message_id in step.output_message_ids}
            # What a resumed run carries on was written, and its spans ended, in the interrupted run.
            outside = {message.id for message in run.trajectory.messages} - written
            on_inputs = sum(reward.reward or 0.0 for reward in run.credit.messages if reward.message_id in outside)
            assert on_spans + on_inputs == pytest.approx(root.attributes["credit.total"], abs=1e-9)
            assert root.attributes["credit.total"] == pytest.approx(0.5)


def test_the_users_active_span_is_the_parent(traced):
    with traced.tracer.start_as_current_span("request") as request:
        asyncio.run(SEQUENTIAL.run(INVOKE, callbacks=[traced.callback]))
    root = traced.by_name()["invoke_workflow LangGraph"]
    assert root.parent.span_id == request.get_span_context().span_id
    assert root.context.trace_id == request.get_span_context().trace_id


# --- Content --------------------------------------------------------------------------------------------------------


def content_keys(spans):
    return {key for span in spans for key in span.attributes if key in CONTENT}


def test_no_content_by_default():
    traced = Traced()
    asyncio.run(TOOLS.run(INVOKE, callbacks=[traced.callback]))
    spans = traced.finished()
    assert content_keys(spans) == set()
    assert "It is 42." not in repr([dict(span.attributes) for span in spans])
    assert traced.callback.last.trajectory.answer == "It is 42."


@pytest.mark.parametrize("how", ["option", "SPAN_ONLY", "SPAN_AND_EVENT"])
def test_content_where_wanted(how, monkeypatch):
    if how != "option":
        monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", how)
    traced = Traced(**({"capture_content": True} if how == "option" else {}))
    asyncio.run(TOOLS.run(INVOKE, callbacks=[traced.callback]))
    assert content_keys(traced.finished()) == CONTENT
    (root,) = [span for span in traced.finished() if span.parent is None]
    assert (root.attributes["input.value"], root.attributes["output.value"]) == ("6 * 7?", "It is 42.")


def test_an_errors_text_is_content():
    for capture_content in (False, True):
        traced = Traced(capture_content=capture_content)
        asyncio.run(TOPOLOGIES["error_in_a_node"].run(INVOKE, callbacks=[traced.callback]))
        span = traced.by_name()["invoke_agent broken"]
        assert span.status.description == ("broken" if capture_content else "NodeError")
        assert span.attributes["error.type"] == "NodeError"


def test_a_model_that_fails_at_its_first_call_is_its_agents_fault():
    """The question is not to blame; the blame is on the span of the step that failed."""
    traced = Traced(evaluate=lambda run: False)
    node, _ = asks(ScriptedModel(reply=lambda messages: 1 / 0))
    with pytest.raises(ZeroDivisionError):
        pipeline(MessagesState, ("solver", node)).invoke(user()(), {"callbacks": [traced.callback]})
    spans = traced.by_name()
    credit = traced.callback.last.credit
    assert credit.agents == {"user": 0.0, "solver": -0.5}
    assert spans["invoke_agent solver"].attributes["credit.reward"] == -0.5
    assert "credit.reward" not in spans["invoke_workflow LangGraph"].attributes
