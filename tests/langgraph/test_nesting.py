"""Spans of other instrumentations nest where they run, and no context leaks, however a run ends."""

import asyncio
import contextlib
import contextvars
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from capture_cases.kit import MODES, TOPOLOGIES, ScriptedModel, says, user
from capture_cases.state import pipeline
from langchain.agents import create_agent
from langchain_core.language_models import LLM, BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
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
                        ("invoke_agent finder", [("chat scripted", [http("model")])]),
                        ("invoke_agent finder", [("execute_tool search", [http("tool")])]),
                        ("invoke_agent finder", [("chat scripted", [http("model")])]),
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


class Networked(BaseChatModel):
    """A model that makes a request named after the last message, in each of the ways a model may be called."""

    tracer: Any
    pause: Any = None

    def request(self, messages):
        if self.pause is not None:
            self.pause.wait(10)
        with self.tracer.start_as_current_span(f"http {messages[-1].text}"):
            return AIMessage("answered")

    def _generate(self, messages, *args, **kwargs):
        return ChatResult(generations=[ChatGeneration(message=self.request(messages))])

    async def _agenerate(self, messages, *args, **kwargs):
        await asyncio.sleep(0)
        return self._generate(messages)

    def _stream(self, messages, *args, **kwargs):
        for text in ("an", "swered"):
            self.request(messages)
            yield ChatGenerationChunk(message=AIMessageChunk(text))

    async def _astream(self, messages, *args, **kwargs):
        for chunk in self._stream(messages):
            await asyncio.sleep(0)
            yield chunk

    @property
    def _llm_type(self):
        return "networked"


def under_chats(traced):
    """Names of the spans below each chat span, sorted; and those right below the agent that are no chats."""
    (agents,) = [children for _, children in traced.tree()]
    ((_, inside),) = agents
    chats = sorted([name for name, _ in children] for title, children in inside if title.startswith("chat"))
    return chats, sorted(title for title, _ in inside if not title.startswith("chat"))


def http(traced, name):
    with traced.tracer.start_as_current_span(f"http {name}"):
        pass


async def run_node(traced, node):
    await pipeline(MessagesState, ("node", node)).ainvoke(user()(), {"callbacks": [traced.callback]})


async def test_requests_of_a_streaming_model(traced):
    chat = Networked(tracer=traced.tracer)

    def node(state):
        text = "".join(chunk.text for chunk in chat.stream("sync"))
        http(traced, "after")
        return {"messages": [AIMessage(text)]}

    await run_node(traced, node)
    assert under_chats(traced) == ([["http sync", "http sync"]], ["http after"])


async def test_requests_of_an_async_streaming_model(traced):
    chat = Networked(tracer=traced.tracer)

    async def node(state):
        text = "".join([chunk.text async for chunk in chat.astream("async")])
        http(traced, "after")
        return {"messages": [AIMessage(text)]}

    await run_node(traced, node)
    assert under_chats(traced) == ([["http async", "http async"]], ["http after"])


async def test_requests_of_models_side_by_side(traced):
    """Each nests under its own call; what the node does in the meantime is the node's."""
    chat = Networked(tracer=traced.tracer)

    async def node(state):
        asked = [asyncio.create_task(chat.ainvoke(name)) for name in "abc"]
        await asyncio.sleep(0)
        http(traced, "meantime")
        await asyncio.gather(*asked)
        http(traced, "after")
        return {"messages": [AIMessage("done")]}

    await run_node(traced, node)
    assert under_chats(traced) == ([["http a"], ["http b"], ["http c"]], ["http after", "http meantime"])


async def test_requests_of_models_in_threads(traced):
    together = threading.Barrier(3)
    chat = Networked(tracer=traced.tracer, pause=together)

    def node(state):
        with ThreadPoolExecutor(3) as pool:
            asked = [pool.submit(contextvars.copy_context().run, chat.invoke, name) for name in "abc"]
            http(traced, "meantime")
        http(traced, "after")
        return {"messages": [AIMessage(asked[0].result().text)]}

    await run_node(traced, node)
    assert under_chats(traced) == ([["http a"], ["http b"], ["http c"]], ["http after", "http meantime"])


async def test_requests_of_a_model_that_fails(traced):
    chat = ScriptedModel(reply=lambda messages: http(traced, "model") or 1 / 0)

    def node(state):
        with contextlib.suppress(ZeroDivisionError):
            chat.invoke("hello")
        http(traced, "after")
        return {"messages": [AIMessage("done")]}

    await run_node(traced, node)
    assert under_chats(traced) == ([["http model"]], ["http after"])


async def test_requests_of_a_text_completion_model(traced):
    class Completes(LLM):
        def _call(self, prompt, *args, **kwargs):
            http(traced, prompt)
            return "completed"

        @property
        def _llm_type(self):
            return "completes"

    await run_node(traced, lambda state: {"messages": [AIMessage(Completes().invoke("prompt"))]})
    assert under_chats(traced) == ([["http prompt"]], [])


async def test_requests_of_a_model_inside_a_span_of_the_node(traced):
    """The nearest thing around a request is its model call, also where the node opened a span around that."""
    chat = Networked(tracer=traced.tracer)

    def node(state):
        with traced.tracer.start_as_current_span("mine"):
            chat.invoke("model")
            http(traced, "own")
        return {"messages": [AIMessage("done")]}

    await run_node(traced, node)
    assert under_chats(traced) == ([["http model"]], ["mine"])


async def test_a_graph_that_a_model_runs_keeps_its_own_spans(traced):
    inner = pipeline(MessagesState, ("inner", lambda state: http(traced, "inner") or {"messages": [AIMessage("in")]}))
    chat = ScriptedModel(reply=lambda messages: inner.invoke({"messages": messages})["messages"][-1].text)
    await run_node(traced, lambda state: {"messages": [chat.invoke(state["messages"])]})
    assert traced.by_name()["http inner"].parent.span_id == traced.by_name()["invoke_agent inner"].context.span_id


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
