"""The run behaves as without us: every result, id, chunk, checkpoint and exception is compared with a run without."""

import copy
import functools
import itertools
import operator
import random
import re
import sys
import uuid
from typing import Annotated, TypedDict

import pytest
from capture_cases.basic import say
from capture_cases.kit import MODES, THREAD, TOPOLOGIES, ScriptedModel, user
from capture_cases.state import pipeline
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import MessagesState
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from credit_hooks.langgraph import CreditCallback

INVOKE = MODES["invoke"]
DRAWN = ("uuid1", "uuid4", "uuid6", "uuid7")


@pytest.fixture
def counted_ids(monkeypatch):
    """Ids 1, 2, 3, ... instead of random ones, for everybody in the process; call it to begin again."""
    places = [
        (module, name)
        for module_name, module in list(sys.modules.items())
        if module_name.split(".")[0] in ("uuid", "langgraph", "langchain", "langchain_core")
        for name in DRAWN
        if callable(getattr(module, name, None))
    ]

    def begin():
        numbers = itertools.count(1)

        def draw(*args, **kwargs):
            return uuid.UUID(int=next(numbers))

        for module, name in places:
            monkeypatch.setattr(module, name, draw)

    return begin


@pytest.fixture
def watching():
    """A callback with everything switched on."""
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(InMemorySpanExporter()))
    callback = CreditCallback(evaluate=lambda run: True, tracer_provider=provider, capture_content=True)
    yield callback
    assert callback.flush()
    assert callback.open_entries == 0
    assert callback.failures == []
    assert callback.stats["failed: capture"] == 0
    provider.shutdown()


def with_checkpoints(graph):
    return graph.copy({"checkpointer": graph.checkpointer or InMemorySaver()})


def history(graph):
    """Every checkpoint of the thread, without the time it was made."""
    # A task's result is saved beside the run: whether its messages have their ids by then is the framework's own race.
    return [
        snapshot._replace(created_at=None, tasks=tuple(task._replace(result=None) for task in snapshot.tasks))
        for snapshot in graph.get_state_history({"configurable": THREAD})
    ]


SIDE_BY_SIDE = {
    "agent_with_parallel_tool_calls",
    "command_goto_with_send",
    "error_beside_a_sibling",
    "fan_out_and_join",
    "interrupt_beside_a_sibling",
    "parallel_tasks",
    "plain_state",
    "send_map_reduce",
    "send_messages",
}


def unordered(outcomes):
    """What threads side by side streamed, whatever thread came first: ids read the same, chunks are sorted."""
    blank = functools.partial(re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}").sub, "id")
    return [
        (kind, sorted(blank(repr(chunk)) for chunk in what[0])) if kind == "returned" else blank(repr(what))
        for kind, *what in outcomes
    ]


async def test_results_and_checkpoints_are_the_same(topology, mode, counted_ids, watching):
    limit = {"max_concurrency": 1}  # ids are drawn in the same order
    threads_race = topology.name in SIDE_BY_SIDE and mode is MODES["stream"]
    if mode is MODES["stream"] or topology.name in ("entrypoint_and_tasks", "parallel_tasks"):
        limit = {}  # what waits inside, a stream or a functional graph, would take the only place

    async def run(callbacks):
        counted_ids()
        graph = with_checkpoints(topology.build(mode))
        outcomes = await topology.run(mode, callbacks=callbacks, graph=graph, configurable=THREAD, **limit)
        return (unordered(outcomes), None) if threads_race else (outcomes, history(graph))

    without_us = await run([])
    with_us = await run([watching])
    assert with_us == without_us
    watching.flush()
    assert len(watching.runs) == len(topology.turns)


async def test_no_id_is_drawn_by_us(counted_ids, watching):
    """Neither while the run goes on nor when it is credited: the next id a user draws is the same."""
    drawn = []
    for callbacks in ([], [watching]):
        counted_ids()
        await TOPOLOGIES["fan_out_and_join"].run(INVOKE, callbacks=callbacks, max_concurrency=1)
        watching.flush()
        drawn.append(uuid.uuid4())
    assert drawn[0] == drawn[1]


# --- Random numbers -------------------------------------------------------------------------------------------------


async def test_seeded_code_draws_the_same_numbers(mode, watching):
    def rolls(state):
        return {"messages": [AIMessage(f"{random.random()} {random.randint(0, 10**9)}")]}

    graph = pipeline(MessagesState, ("first", mode(rolls)), ("second", mode(rolls)), ("third", mode(rolls)))
    texts = []
    for callbacks in ([], [watching]):
        random.seed(0)
        result = await mode.run(graph, user()(), {"callbacks": callbacks})
        watching.flush()
        texts.append(([message.text for message in last_messages(result)], random.random()))
    assert texts[0] == texts[1]
    assert len(set(texts[0][0])) == 4


def last_messages(result):
    """The messages of an output, or of the last values streamed."""
    if isinstance(result, list):
        result = [chunk for kind, chunk in result if kind == "values"][-1]
    return result["messages"]


# --- What users hand in ---------------------------------------------------------------------------------------------


class Watched(AIMessage):
    """A message that notes every attribute set on it."""

    def __setattr__(self, name, value):
        WRITES.append((self.content, name, value))
        super().__setattr__(name, value)


WRITES: list = []


async def test_nobody_but_the_framework_writes_to_messages(mode, counted_ids, watching):
    def first(state):
        return {"messages": [Watched("one"), Watched("two")]}

    graph = pipeline(MessagesState, ("first", mode(first)), ("second", mode(say("last"))))
    seen = []
    for callbacks in ([], [watching]):
        counted_ids()
        WRITES.clear()
        inputs = {"messages": [Watched("zero")]}
        await mode.run(graph, inputs, {"callbacks": callbacks})
        watching.flush()
        fields = [sorted(vars(message)) + sorted(message.model_fields_set) for message in inputs["messages"]]
        seen.append((list(WRITES), fields))
    assert seen[0] == seen[1]
    assert seen[0][0]


class Frozen:
    """A user's object that cannot be written to, compared, hashed, printed, copied or measured."""

    __slots__ = ("value",)

    def __init__(self, value):
        object.__setattr__(self, "value", value)

    def refuse(self, *args):
        raise AssertionError("a user's object was touched")

    __setattr__ = __delattr__ = __eq__ = __len__ = __bool__ = __iter__ = __copy__ = __deepcopy__ = refuse
    __hash__ = None


class Objects(TypedDict, total=False):
    thing: Frozen
    things: Annotated[list[Frozen], operator.add]


async def test_objects_in_the_state_are_not_touched(mode, watching):
    graph = pipeline(
        Objects,
        ("make", mode(lambda state: {"thing": Frozen(1), "things": [Frozen(2)]})),
        ("pass_on", mode(lambda state: {"thing": state["thing"]})),
        ("count", mode(lambda state: {"things": [Frozen(state["thing"].value)]})),
    )
    await mode.run(graph, {"things": [Frozen(0)]}, {"callbacks": [watching]})


def test_inputs_and_configuration_are_not_changed(watching):
    inputs = {"messages": [{"role": "user", "content": "task"}, ("ai", "so?")], "extra": [1, {"a": 2}]}
    config = {"callbacks": [watching], "tags": ["mine"], "metadata": {"task_id": "t"}, "configurable": {"x": 1}}
    before = copy.deepcopy(inputs), {**config, "callbacks": [watching]}
    TOPOLOGIES["sequential"].build(INVOKE).invoke(inputs, config)
    assert (inputs, config) == before


async def test_state_that_nodes_change_in_place_stays_theirs(mode, watching):
    """A node that edits a message and a list it was given gets what it would get without us."""

    def scribble(state):
        state["messages"][0].content += ", scribbled on"
        state["messages"][0].additional_kwargs["note"] = ["x"]
        return {"messages": [AIMessage(f"{len(state['messages'])}")]}

    graph = pipeline(MessagesState, ("first", mode(scribble)), ("second", mode(scribble)))
    results = []
    for callbacks in ([], [watching]):
        inputs = {"messages": [HumanMessage("task", id="0")]}
        results.append((await mode.run(graph, inputs, {"callbacks": callbacks}), inputs))
    texts = [[message.content for message in last_messages(result)] for result, _ in results]
    assert texts[0] == texts[1] == ["task, scribbled on, scribbled on", "1", "2"]
    assert results[0][1] == results[1][1]


# --- Exceptions -----------------------------------------------------------------------------------------------------


class UnprintableError(Exception):
    def __str__(self):
        raise RuntimeError("cannot be printed")


async def test_the_very_exception_arrives(mode, watching):
    thrown = UnprintableError("with", {"arguments": 1})

    def broken(state):
        raise thrown

    graph = pipeline(MessagesState, ("broken", mode(broken)))
    with pytest.raises(UnprintableError) as raised:
        await mode.run(graph, user()(), {"callbacks": [watching]})
    assert raised.value is thrown
    assert thrown.args == ("with", {"arguments": 1})


def test_keyboard_interrupts_arrive(watching):
    def broken(state):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pipeline(MessagesState, ("broken", broken)).invoke(user()(), {"callbacks": [watching]})
    watching.flush()
    assert watching.last.trajectory.status == "cancelled"


# --- Our own failures -----------------------------------------------------------------------------------------------


SAID = ("6 * 7?", "multiply them", "", "42", "It is 42.", "right")


@pytest.mark.parametrize("method", ["_start_run", "_start_task", "_end_task", "_end_run", "_start_model", "_end_inner"])
async def test_a_failure_of_ours_reaches_nobody(method, monkeypatch, caplog):
    """Whatever breaks in capture: the result is the same, the failure is counted and logged, nothing leaks."""

    def broken(*args, **kwargs):
        raise ZeroDivisionError("ours")

    monkeypatch.setattr(CreditCallback, method, broken)
    callback = CreditCallback(evaluate=lambda run: True)
    result = TOPOLOGIES["agent_as_a_node"].build(INVOKE).invoke(user("6 * 7?")(), {"callbacks": [callback]})
    assert [message.text for message in result["messages"]] == list(SAID)
    assert callback.stats["failed: capture"] > 0
    assert "the run is not affected" in caplog.text


# --- Streams --------------------------------------------------------------------------------------------------------


class Streaming(ScriptedModel):
    def _stream(self, messages, stop=None, run_manager=None, **kwargs):
        from langchain_core.messages import AIMessageChunk
        from langchain_core.outputs import ChatGenerationChunk

        for token in self.reply(messages).split(" "):
            yield ChatGenerationChunk(message=AIMessageChunk(token + " "))


async def test_tokens_stream_as_without_us(mode, counted_ids, watching):
    model = Streaming(reply=lambda messages: "one two three")

    def ask(state):
        return {"messages": [model.invoke(state["messages"])]}

    async def aask(state):
        return {"messages": [await model.ainvoke(state["messages"])]}

    graph = pipeline(MessagesState, ("ask", mode.pick(ask, aask)))
    results = []
    for callbacks in ([], [watching]):
        counted_ids()
        results.append(await mode.run(graph, user()(), {"callbacks": callbacks}))
    assert results[0] == results[1]


async def test_astream_events_are_the_same(counted_ids, watching):
    graph = TOPOLOGIES["agent_with_a_tool"].build(MODES["astream"])
    seen = []
    for callbacks in ([], [watching]):
        counted_ids()
        config = {"callbacks": callbacks}
        seen.append([event async for event in graph.astream_events(user()(), config, version="v2")])
    assert [e["event"] for e in seen[0]] == [e["event"] for e in seen[1]]
    assert seen[0] == seen[1]
