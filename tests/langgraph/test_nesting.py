"""Spans of other instrumentations nest where they run, and no context leaks, however a run ends."""

import asyncio
import contextvars
from concurrent.futures import ThreadPoolExecutor

import pytest
from capture_cases.kit import MODES, TOPOLOGIES, ScriptedModel, says, user
from capture_cases.state import pipeline
from langchain.agents import create_agent
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langgraph.graph import MessagesState
from opentelemetry import context as otel_context
from opentelemetry import trace

INVOKE = MODES["invoke"]
SEQUENTIAL, TOOLS = TOPOLOGIES["sequential"], TOPOLOGIES["agent_with_a_tool"]


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


async def test_no_context_leaks(topology, around, traced):
    for mode in MODES.values():
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
