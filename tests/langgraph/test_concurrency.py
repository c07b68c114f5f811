"""Many runs on one callback object: none leaks, none mixes with another, however the callback is attached."""

import asyncio
import contextvars
import gc
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from capture_cases.agents import asks, reader
from capture_cases.basic import say
from capture_cases.kit import MODES, TOPOLOGIES, captured, dag, user
from capture_cases.state import pipeline
from langchain_core.messages import AIMessage
from langgraph.graph import START, MessagesState, StateGraph

from credit_hooks.langgraph import CreditCallback, install, uninstall

INVOKE, AINVOKE = MODES["invoke"], MODES["ainvoke"]
RUNS = 120


def echoing(mode):
    """Three agents, two side by side, that all repeat the run's own number."""

    def echo(state):
        return {"messages": [AIMessage(f"{state['messages'][0].text} again")]}

    builder = StateGraph(MessagesState)
    for name in ("first", "left", "right"):
        builder.add_node(name, mode(echo))
    builder.add_edge(START, "first")
    builder.add_edge("first", "left")
    builder.add_edge("first", "right")
    return builder.compile()


def of_run(number):
    said = f"run {number} again"
    return {
        f"user:run {number}": [],
        f"first:{said}": [f"user:run {number}"],
        f"left:{said}": [f"user:run {number}", f"first:{said}"],
        f"right:{said}": [f"user:run {number}", f"first:{said}"],
    }


def numbered(runs):
    """Provenance by the number the user gave."""
    return {run.messages[0].text: dag(run) for run in runs}


EVERY_RUN = {f"run {number}": of_run(number) for number in range(RUNS)}


def test_threads(callback):
    graph = echoing(INVOKE)
    with ThreadPoolExecutor(16) as pool:
        for number in range(RUNS):
            pool.submit(graph.invoke, user(f"run {number}")(), {"callbacks": [callback]})
    runs = captured(callback)
    assert numbered(runs) == EVERY_RUN
    assert len(runs) == RUNS
    assert callback.open_entries == 0


async def test_gather(callback):
    graph = echoing(AINVOKE)
    await asyncio.gather(*(graph.ainvoke(user(f"run {number}")(), {"callbacks": [callback]}) for number in range(RUNS)))
    runs = captured(callback)
    assert numbered(runs) == EVERY_RUN
    assert len(runs) == RUNS
    assert callback.open_entries == 0


def test_batch(callback):
    echoing(INVOKE).batch([user(f"run {number}")() for number in range(RUNS)], {"callbacks": [callback]})
    assert numbered(captured(callback)) == EVERY_RUN
    assert callback.open_entries == 0


async def test_abatch(callback):
    await echoing(AINVOKE).abatch([user(f"run {number}")() for number in range(RUNS)], {"callbacks": [callback]})
    assert numbered(captured(callback)) == EVERY_RUN
    assert callback.open_entries == 0


async def test_all_topologies_at_once(callback):
    """Different graphs, some of which fail or pause, side by side on one object."""
    mode = AINVOKE
    topologies = [topology for topology in TOPOLOGIES.values() if not topology.config.get("configurable")]
    await asyncio.gather(*(topology.run(mode, callbacks=[callback]) for topology in topologies for _ in range(3)))
    found = Counter(repr(sorted(dag(run).items())) for run in captured(callback))
    wanted = Counter(repr(sorted(turn.dag.items())) for topology in topologies for turn in topology.turns)
    assert found == Counter({key: 3 * count for key, count in wanted.items()})
    assert callback.open_entries == 0


def test_a_thread_pool_inside_a_node(callback):
    """Models called from threads with a copied context are captured; each answer is known as its model's result."""
    chat = reader("pooled")

    def node(state):
        def ask(text):
            return chat.invoke([*state["messages"], ("user", text)])

        with ThreadPoolExecutor(4) as pool:
            futures = [pool.submit(contextvars.copy_context().run, ask, f"part {part}") for part in range(4)]
        return {"messages": [AIMessage(" | ".join(future.result().text for future in futures))]}

    pipeline(MessagesState, ("pool", node)).invoke(user()(), {"callbacks": [callback]})
    (run,) = captured(callback)
    assert dag(run) == {"user:task": [], "pool:" + " | ".join(["pooled read 2"] * 4): ["user:task"]}
    assert [step.name for step in run.steps] == ["invoke_workflow LangGraph", "invoke_agent pool", *["chat pooled"] * 4]
    assert {step.parent_id for step in run.steps[2:]} == {run.steps[1].id}


def test_a_graph_in_a_bare_thread_is_a_run_of_nobody(callback):
    """LangChain's callbacks do not reach a thread with an empty context: nothing is captured, nothing breaks."""
    inner = pipeline(MessagesState, ("inner", say("inside")))

    def node(state):
        thread = threading.Thread(target=lambda: inner.invoke(user("hidden")()))
        thread.start()
        thread.join()
        return {"messages": [AIMessage("done")]}

    pipeline(MessagesState, ("outer", node)).invoke(user()(), {"callbacks": [callback]})
    (run,) = captured(callback)
    assert dag(run) == {"user:task": [], "outer:done": ["user:task"]}


# --- Ways to attach -------------------------------------------------------------------------------------------------

SEQUENTIAL = TOPOLOGIES["sequential"]


async def test_the_same_callback_listed_twice_counts_once(mode, callback):
    await SEQUENTIAL.run(mode, callbacks=[callback, callback])
    assert [dag(run) for run in captured(callback)] == [SEQUENTIAL.turns[0].dag]
    assert callback.open_entries == 0


async def test_two_callbacks_both_capture_all(mode, callback):
    other = CreditCallback(evaluate=lambda run: False)
    await SEQUENTIAL.run(mode, callbacks=[callback, other])
    for one in (callback, other):
        assert [dag(run) for run in captured(one)] == [SEQUENTIAL.turns[0].dag]
        assert one.open_entries == 0
    assert callback.last.trajectory.id == other.last.trajectory.id
    assert (callback.last.credit.outcome, other.last.credit.outcome) == (1.0, 0.0)


async def test_attached_to_the_graph(mode, callback):
    graph = SEQUENTIAL.build(mode).with_config(callbacks=[callback])
    await mode.run(graph, user()(), {})
    assert [dag(run) for run in captured(callback)] == [SEQUENTIAL.turns[0].dag]


async def test_attached_to_the_graph_and_the_call(mode, callback):
    graph = SEQUENTIAL.build(mode).with_config(callbacks=[callback])
    await mode.run(graph, user()(), {"callbacks": [callback]})
    assert [dag(run) for run in captured(callback)] == [SEQUENTIAL.turns[0].dag]


@pytest.fixture
def installed():
    callback = install(evaluate=lambda run: True)
    yield callback
    uninstall()


async def test_installed_for_the_process(topology, installed):
    await topology.run(INVOKE)
    await topology.run(AINVOKE)
    assert [dag(run) for run in captured(installed)] == [turn.dag for turn in topology.turns] * 2
    assert installed.open_entries == 0


def test_installed_in_threads_without_context(installed):
    thread = threading.Thread(target=lambda: SEQUENTIAL.build(INVOKE).invoke(user()()))
    thread.start()
    thread.join()
    assert [dag(run) for run in captured(installed)] == [SEQUENTIAL.turns[0].dag]


def test_a_listed_callback_wins_over_the_installed_one(installed, callback):
    SEQUENTIAL.build(INVOKE).invoke(user()(), {"callbacks": [callback]})
    assert len(captured(callback)) == 1
    assert captured(installed) == []


def test_uninstalled_captures_nothing():
    callback = install(evaluate=lambda run: True)
    assert uninstall() is callback
    assert uninstall() is None
    SEQUENTIAL.build(INVOKE).invoke(user()())
    assert captured(callback) == []


def test_uninstalled_in_the_middle_of_a_run_captures_it_to_its_end():
    callback = install(evaluate=lambda run: True)
    stream = SEQUENTIAL.build(INVOKE).stream(user()(), stream_mode="updates")
    next(stream)
    uninstall()
    list(stream)
    assert [dag(run) for run in captured(callback)] == [SEQUENTIAL.turns[0].dag]


def test_models_and_chains_outside_graphs_leak_nothing(callback):
    """A model called on its own is no run of a team; whatever is made of it, nothing is left behind."""
    reader().invoke("hello", {"callbacks": [callback]})
    node, _ = asks(reader())
    pipeline(MessagesState, ("model", node)).invoke(user()(), {"callbacks": [callback]})
    assert len(captured(callback)) == 1
    assert callback.open_entries == 0


def test_threads_end_with_their_callbacks():
    """A callback made for each call leaves no thread behind, and loses no run that is queued."""
    stored = []

    class Collecting:
        def export(self, run):
            stored.append(run.trajectory.status)

    def ours():
        return [thread for thread in threading.enumerate() if thread.name.startswith("credit-hooks-")]

    before = len(ours())
    for _ in range(20):
        callback = CreditCallback(evaluate=lambda run: True, exporters=[Collecting()])
        SEQUENTIAL.build(INVOKE).invoke(user()(), {"callbacks": [callback]})
    del callback
    for _ in range(100):
        gc.collect()
        if len(ours()) <= before and len(stored) == 20:
            break
        time.sleep(0.1)
    assert stored == ["ok"] * 20
    assert len(ours()) <= before
