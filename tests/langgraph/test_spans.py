"""The spans of a run: one trace, the right tree, credit on it, nothing leaked, whatever the provider is like."""

import asyncio
import contextvars
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from capture_cases.basic import say
from capture_cases.kit import MODES, THREAD, TOPOLOGIES, ScriptedModel, captured, dag, says, user
from capture_cases.state import pipeline
from inline_snapshot import snapshot
from langchain.agents import create_agent
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langgraph.graph import MessagesState
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry._logs import set_logger_provider
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from credit_hooks.langgraph import CreditCallback
from credit_hooks.testing import span_tree

INVOKE, AINVOKE = MODES["invoke"], MODES["ainvoke"]
SEQUENTIAL, TOOLS = TOPOLOGIES["sequential"], TOPOLOGIES["agent_with_a_tool"]
CONTENT = {
    "gen_ai.input.messages",
    "gen_ai.output.messages",
    "gen_ai.system_instructions",
    "gen_ai.tool.call.arguments",
    "gen_ai.tool.call.result",
    "input.value",
    "output.value",
}


class Traced:
    """A provider whose spans are kept in memory, and a callback on it."""

    def __init__(self, provider=None, **options):
        self.memory = InMemorySpanExporter()
        self.provider = provider or TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self.memory))
        self.tracer = self.provider.get_tracer("foreign")
        self.callback = CreditCallback(**{"evaluate": lambda run: True, "tracer_provider": self.provider, **options})

    def finished(self):
        assert self.callback.flush()
        return list(self.memory.get_finished_spans())

    def by_name(self):
        return {span.name: span for span in self.finished()}

    def tree(self):
        """Names only: (name, children)."""

        def names(nodes):
            return [(node["name"], names(node.get("children", []))) for node in nodes]

        return names(span_tree(self.finished()))


@pytest.fixture
def traced():
    traced = Traced()
    yield traced
    assert traced.callback.flush()
    assert traced.callback.open_entries == 0
    assert traced.callback.failures == []
    traced.provider.shutdown()


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


async def test_one_trace_per_run(topology, mode, traced):
    await topology.run(mode, callbacks=[traced.callback])
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


# --- Spans of others ------------------------------------------------------------------------------------------------


def foreign_spans(traced, mode):
    """A graph in which everything starts a span of another instrumentation."""

    def http(name):
        with traced.tracer.start_as_current_span(f"http {name}"), traced.tracer.start_as_current_span(f"dns {name}"):
            pass

    def call_model(messages):
        http("model")
        done = any(message.type == "tool" for message in messages)
        return "done" if done else TOOL_CALL.model_copy()

    @tool
    def search(query: str) -> str:
        """Search."""
        http("tool")
        return "found"

    def node(state):
        http("node")
        with ThreadPoolExecutor() as pool:
            pool.submit(contextvars.copy_context().run, http, "pool").result()
        return {"messages": [AIMessage("noted")]}

    agent = create_agent(ScriptedModel(reply=call_model), tools=[search], name="finder")
    return pipeline(MessagesState, ("note", mode(node)), ("find", agent))


TOOL_CALL = AIMessage("", tool_calls=[{"name": "search", "args": {"query": "x"}, "id": "call-1", "type": "tool_call"}])


async def test_foreign_spans_nest_where_they_run(mode, traced):
    await mode.run(foreign_spans(traced, mode), user()(), {"callbacks": [traced.callback]})

    def http(name):
        return (f"http {name}", [(f"dns {name}", [])])

    assert traced.tree() == [
        (
            "invoke_workflow LangGraph",
            [
                ("invoke_agent note", [http("node"), http("pool")]),
                (
                    "invoke_agent find",
                    [
                        # LangChain does not tell which model is running, only which agent.
                        ("invoke_agent finder", [("chat scripted", []), http("model")]),
                        ("invoke_agent finder", [("execute_tool search", [http("tool")])]),
                        ("invoke_agent finder", [("chat scripted", []), http("model")]),
                    ],
                ),
            ],
        )
    ]


async def test_a_span_the_node_opened_around_a_model_stays_its_own(traced):
    """What the user makes current inside a node wins over the agent's span."""
    chat = ScriptedModel(reply=says("hi"))

    def node(state):
        with traced.tracer.start_as_current_span("mine") as mine:
            assert trace.get_current_span() is mine
            chat.invoke(state["messages"])
            assert trace.get_current_span() is mine
        return {"messages": [AIMessage("done")]}

    pipeline(MessagesState, ("node", node)).invoke(user()(), {"callbacks": [traced.callback]})
    assert traced.by_name()["mine"].parent.span_id == traced.by_name()["invoke_agent node"].context.span_id


class ContextKept:
    """The current context and span are the very same objects afterwards."""

    def __enter__(self):
        self.before = (otel_context.get_current(), trace.get_current_span())

    def __exit__(self, *error):
        after = (otel_context.get_current(), trace.get_current_span())
        assert after[0] is self.before[0]
        assert after[1] is self.before[1]
        return False


@pytest.fixture(params=["no span is current", "a span is current"])
def around(request, traced):
    if request.param == "no span is current":
        yield
    else:
        with traced.tracer.start_as_current_span("request"):
            yield


async def test_no_context_leaks(topology, mode, around, traced):
    with ContextKept():
        await topology.run(mode, callbacks=[traced.callback])


def test_no_context_leaks_from_streams_broken_off(around, traced):
    with ContextKept():
        stream = SEQUENTIAL.build(INVOKE).stream(user()(), {"callbacks": [traced.callback]})
        next(stream)
        with ContextKept():
            next(stream)
        stream.close()


async def test_no_context_leaks_from_cancelled_runs(around, traced):
    started = asyncio.Event()

    async def waits(state):
        started.set()
        await asyncio.sleep(60)

    graph = pipeline(MessagesState, ("waits", waits))
    with ContextKept():
        run = asyncio.create_task(graph.ainvoke(user()(), {"callbacks": [traced.callback]}))
        await started.wait()
        with ContextKept():
            run.cancel()
            with pytest.raises(asyncio.CancelledError):
                await run


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


# --- Held ends ------------------------------------------------------------------------------------------------------


def test_ends_wait_for_the_credit_and_state_the_recorded_end():
    evaluating, judged = threading.Event(), threading.Event()

    def evaluate(run):
        evaluating.set()
        judged.wait(10)
        return True

    traced = Traced(evaluate=evaluate)
    asyncio.run(SEQUENTIAL.run(INVOKE, callbacks=[traced.callback]))
    assert evaluating.wait(10)
    assert traced.memory.get_finished_spans() == ()
    assert traced.callback.open_entries == 4
    judged.set()
    spans = traced.finished()
    (root,) = [span for span in spans if span.parent is None]
    assert all(span.end_time <= root.end_time for span in spans)
    assert root.end_time == traced.callback.last.trajectory.steps[0].end_ns
    assert traced.callback.open_entries == 0


def test_children_end_before_their_parents():
    traced = Traced()
    asyncio.run(TOOLS.run(INVOKE, callbacks=[traced.callback]))
    order = [span.context.span_id for span in traced.finished()]
    parents = {span.context.span_id: span.parent.span_id for span in traced.finished() if span.parent}
    assert all(order.index(child) < order.index(parent) for child, parent in parents.items())


def test_too_many_held_spans_are_released_uncredited():
    traced = Traced(max_held_spans=2)
    asyncio.run(SEQUENTIAL.run(INVOKE, callbacks=[traced.callback]))
    spans = traced.finished()
    (root,) = [span for span in spans if span.parent is None]
    assert len(spans) == 4
    assert root.attributes["credit.status"] == "overflow"
    assert not any("credit.reward" in span.attributes for span in spans)
    assert traced.callback.stats["released: overflow"] == 1
    assert traced.callback.last.credit.status == "credited"  # the run itself is kept, with its credit
    assert traced.callback.open_entries == 0


def test_spans_held_too_long_are_released_uncredited():
    traced = Traced(max_hold_seconds=0.0)
    released = threading.Event()

    def waits(state):
        for _ in range(500):
            if traced.callback.stats["released: timeout"]:
                break
            threading.Event().wait(0.02)
        traced.callback.flush()
        released.set()
        return {"messages": [AIMessage("late")]}

    graph = pipeline(MessagesState, ("early", say("early")), ("waits", waits))
    graph.invoke(user()(), {"callbacks": [traced.callback]})
    assert released.is_set()
    spans = traced.finished()
    (root,) = [span for span in spans if span.parent is None]
    assert root.attributes["credit.status"] == "timeout"
    assert traced.by_name()["invoke_agent early"].attributes["credit.writes"]
    assert traced.callback.open_entries == 0


def test_rewards_as_events():
    """Spans end at once; what they would have carried follows as log events parented to them."""
    logs = InMemoryLogRecordExporter()
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(logs))
    set_logger_provider(provider)
    traced = Traced(reward_delivery="event")
    asyncio.run(SEQUENTIAL.run(INVOKE, callbacks=[traced.callback]))
    spans = {span.context.span_id: span for span in traced.finished()}
    assert not any("credit.reward" in span.attributes for span in spans.values())
    events = [item.log_record for item in logs.get_finished_logs()]
    assert {event.event_name for event in events} == {"gen_ai.evaluation.result"}
    assert {spans[event.span_id].name for event in events} == {
        "invoke_workflow LangGraph",
        "invoke_agent draft",
        "invoke_agent review",
        "invoke_agent publish",
    }
    rewards = [event.attributes["credit.reward"] for event in events if "credit.reward" in event.attributes]
    assert sum(rewards) == pytest.approx(traced.callback.last.credit.total)


# --- Providers ------------------------------------------------------------------------------------------------------

EXPECTED = SEQUENTIAL.turns[0].dag


def test_a_sampler_that_drops_everything_costs_no_credit():
    traced = Traced(TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False))
    asyncio.run(SEQUENTIAL.run(INVOKE, callbacks=[traced.callback]))
    assert traced.finished() == []
    assert dag(traced.callback.last.trajectory) == EXPECTED
    assert traced.callback.last.credit.status == "credited"
    assert traced.callback.open_entries == 0


def test_credit_survives_attribute_limits():
    traced = Traced(
        TracerProvider(span_limits=SpanLimits(max_attributes=20), shutdown_on_exit=False), capture_content=True
    )
    asyncio.run(SEQUENTIAL.run(INVOKE, callbacks=[traced.callback]))
    spans = traced.by_name()
    root = spans["invoke_workflow LangGraph"]
    assert max(len(span.attributes) for span in spans.values()) <= 20
    assert root.attributes["credit.total"] == 0.5
    assert root.attributes["credit.status"] == "credited"
    assert all("credit.reward" in spans[f"invoke_agent {name}"].attributes for name in ("draft", "review", "publish"))


def test_no_provider_at_all(mode):
    callback = CreditCallback(evaluate=lambda run: True)
    asyncio.run(SEQUENTIAL.run(mode, callbacks=[callback]))
    (run,) = captured(callback)
    assert dag(run) == EXPECTED
    assert len({step.id for step in run.steps}) == 4
    assert callback.open_entries == 0


def test_a_provider_that_was_shut_down(caplog):
    traced = Traced()
    traced.provider.shutdown()
    outcomes = asyncio.run(SEQUENTIAL.run(INVOKE, callbacks=[traced.callback]))
    assert outcomes[0][0] == "returned"
    assert traced.callback.flush()
    assert dag(traced.callback.last.trajectory) == EXPECTED
    assert traced.callback.open_entries == 0


def test_a_processor_that_raises_costs_the_other_spans_nothing(caplog):
    class Raising(SimpleSpanProcessor):
        def on_end(self, span):
            if span.name == "invoke_agent review":
                raise RuntimeError("processor broke")
            super().on_end(span)

    memory = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(Raising(memory))
    callback = CreditCallback(evaluate=lambda run: True, tracer_provider=provider)
    asyncio.run(SEQUENTIAL.run(INVOKE, callbacks=[callback]))
    assert callback.flush()
    assert len(memory.get_finished_spans()) == 3
    assert callback.last.credit.status == "credited"
    assert any("processor broke" in failure for failure in callback.failures)
    assert callback.open_entries == 0


def test_the_thread_is_the_session():
    traced = Traced()
    asyncio.run(TOPOLOGIES["two_turns_of_a_conversation"].run(INVOKE, callbacks=[traced.callback]))
    roots = [span for span in traced.finished() if span.parent is None]
    assert [root.attributes["session.id"] for root in roots] == [THREAD["thread_id"]] * 2
