"""Replays leave alone what is the user's: checkpoints, stores, caches, callbacks, inputs, threads."""

import asyncio
import copy
import threading

import pytest
from graphs import Cast, chain, debate, score, star
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.cache.memory import InMemoryCache
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.runtime import Runtime
from langgraph.store.memory import InMemoryStore
from langgraph.types import CachePolicy
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from credit_hooks.credit import CreditConfig
from credit_hooks.errors import ConfigurationError, ReplayRefusedError, UnknownRunError
from credit_hooks.langgraph import CreditCallback, Replay, install, uninstall
from credit_hooks.replay import ReplayLimits

SHAPLEY = CreditConfig(method="replay", level="shapley", budget=64)


def user(text="task"):
    return {"messages": [("user", text)]}


def replayed(graph, *, inputs=None, config=None, evaluate=score, runs=1, **options):
    callback = CreditCallback(evaluate=evaluate, credit=SHAPLEY, replay=Replay(graph, **options))
    for _ in range(runs):
        graph.invoke(inputs or user(), {**(config or {}), "callbacks": [callback]})
        assert callback.flush(120)
    assert callback.failures == []
    assert callback.last.credit.method == "replay.shapley", callback.last.credit.notes
    return callback.last.credit


def two_nodes(second, **compiled):
    cast = Cast()
    builder = StateGraph(MessagesState)
    builder.add_node("first", cast.node("first"))
    builder.add_node("second", second)
    builder.add_edge(START, "first")
    builder.add_edge("first", "second")
    return builder.compile(**compiled)


def test_checkpoints_of_the_users_threads_stay_as_they_are():
    builder = chain(Cast()).builder
    saver = InMemorySaver()
    graph = builder.compile(checkpointer=saver)
    config = {"configurable": {"thread_id": "mine"}}
    kept = []

    def evaluate(run):
        if not kept:  # the first evaluation is of the run itself, before any replay
            kept.append(list(saver.list(None)))
        return score(run)

    replayed(graph, config=config, evaluate=evaluate)
    assert list(saver.list(None)) == kept[0]
    assert set(saver.storage) == {"mine"}


def test_a_later_turn_is_replayed_from_the_first_turn_of_its_thread_on():
    graph = debate(Cast()).builder.compile(checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "mine"}}
    credit = replayed(graph, config=config, runs=2)
    assert credit.replay.stopped == "exact"
    assert len(graph.get_state(config).values["messages"]) == 8


def test_what_replays_put_into_a_store_stays_with_them():
    store = InMemoryStore()
    store.put(("notes",), "before", {"text": "kept"})

    def second(state, runtime: Runtime):
        before = runtime.store.get(("notes",), "before").value["text"]
        runtime.store.put(("notes",), state["messages"][-1].text or "nothing", {"text": "new"})
        found = sorted(item.key for item in runtime.store.search(("notes",)))
        return {"messages": [AIMessage(f"{before} {len(found)} {state['messages'][-1].text}")]}

    credit = replayed(two_nodes(second, store=store))
    assert credit.replay.stopped == "exact"
    assert len(store.search(("notes",))) == 2  # what was there, and what the run itself put
    assert not store.get(("notes",), "nothing")


def test_replays_neither_fill_nor_read_the_users_cache():
    cache = InMemoryCache()
    builder = chain(Cast(), "ab").builder
    for node in builder.nodes.values():
        object.__setattr__(node, "cache_policy", CachePolicy())
    graph = builder.compile(cache=cache)
    sizes = []

    def evaluate(run):
        sizes.append(sum(len(entries) for entries in cache._cache.values()))
        return score(run)

    credit = replayed(graph, evaluate=evaluate)
    assert credit.replay.costs.live_calls > 0
    assert set(sizes) == {2}


class Listener(BaseCallbackHandler):
    def __init__(self):
        self.heard = 0

    def on_chain_start(self, *args, **kwargs):
        self.heard += 1


def test_callbacks_of_the_graph_and_of_the_run_hear_the_run_only():
    of_graph, of_run = Listener(), Listener()
    graph = star(Cast()).with_config(callbacks=[of_graph])
    callback = CreditCallback(evaluate=score, credit=SHAPLEY, replay=Replay(graph))
    graph.invoke(user(), {"callbacks": [callback, of_run]})
    heard = (of_graph.heard, of_run.heard)
    assert callback.flush(120)
    assert callback.last.credit.replay.costs.system_runs > 8
    assert (of_graph.heard, of_run.heard) == heard
    assert heard[0] > 0 < heard[1]


def test_replays_are_no_runs_and_make_no_spans():
    memory = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(memory))
    cast = Cast()
    graph = chain(cast)
    callback = install(evaluate=score, credit=SHAPLEY, replay=Replay(graph), tracer_provider=provider)
    try:
        graph.invoke(user())
        assert callback.flush(120)
    finally:
        uninstall()
    assert callback.last.credit.replay.costs.system_runs == 17
    assert len(callback.runs) == 1
    assert sum(span.name == "invoke_workflow LangGraph" for span in memory.get_finished_spans()) == 1
    provider.shutdown()


def test_the_users_objects_are_not_written_to():
    inputs = {"messages": [HumanMessage("task", id="mine", additional_kwargs={"k": [1]})]}
    before = copy.deepcopy(inputs)
    said = AIMessage("the very same object", id="said")
    graph = two_nodes(lambda state: {"messages": [said]})
    replayed(graph, inputs=inputs)
    assert inputs == before
    assert (said.id, said.content) == ("said", "the very same object")


def test_replays_run_on_threads_of_their_own():
    threads = []
    cast = Cast()
    model = cast.model("second")

    def second(state):
        threads.append(threading.current_thread().name)
        return {"messages": [model.invoke(state["messages"])]}

    replayed(two_nodes(second))
    assert threads.count(threading.current_thread().name) == 1
    assert len(threads) > 1


def test_a_node_that_runs_a_graph_with_a_checkpointer_of_its_own_is_not_run_again():
    saver = InMemorySaver()
    inner = chain(Cast(), "xy").builder.compile(checkpointer=saver)

    def second(state):
        said = inner.invoke({"messages": state["messages"][-1:]}, {"configurable": {"thread_id": "inner"}})
        return {"messages": [AIMessage(said["messages"][-1].text)]}

    credit = replayed(two_nodes(second))
    assert "runs a graph with a checkpointer of its own" in next(iter(credit.replay.failures.values()))
    assert len(list(saver.list(None))) == 4


# --- What is refused ------------------------------------------------------------------------------------------------


def test_replay_by_method_needs_a_graph_and_an_evaluator():
    with pytest.raises(ConfigurationError, match="needs replay="):
        CreditCallback(evaluate=score, credit=SHAPLEY)
    with pytest.raises(ConfigurationError, match="needs evaluate="):
        CreditCallback(credit=SHAPLEY, replay=Replay(chain(Cast())))
    with pytest.raises(ConfigurationError, match=r"replay is a Replay\(\.\.\.\), not str"):
        CreditCallback(evaluate=score, replay="graph")
    with pytest.raises(ConfigurationError, match="call compile"):
        Replay(StateGraph(MessagesState))


def test_runs_of_another_graph_are_credited_without_replay():
    other = star(Cast()).builder.compile(name="other")
    callback = CreditCallback(evaluate=score, credit=SHAPLEY, replay=Replay(chain(Cast())))
    other.invoke(user(), {"callbacks": [callback]})
    assert callback.flush(60)
    credit = callback.last.credit
    assert credit.notes[0] == "not replayed: the run is of graph 'other', replay= has a graph named 'LangGraph'"
    assert sum(credit.agents.values()) == pytest.approx(credit.total)
    with pytest.raises(ReplayRefusedError, match="the run is of graph 'other'"):
        callback.counterfactual(callback.last, "x", "y")


def test_an_unknown_run_is_refused():
    callback = CreditCallback(replay=Replay(chain(Cast())))
    with pytest.raises(UnknownRunError, match="no run 'nobody'"):
        callback.counterfactual("nobody", "x", "y")
    with pytest.raises(ConfigurationError, match="needs replay="):
        CreditCallback().counterfactual("nobody", "x", "y")


def test_a_late_verdict_replays_too():
    verdicts = []

    def evaluate(run):
        return None if not verdicts else score(run)

    graph = chain(Cast(), "ab")
    callback = CreditCallback(evaluate=evaluate, credit=SHAPLEY, replay=Replay(graph))
    graph.invoke(user(), {"callbacks": [callback]})
    assert callback.flush(60)
    assert callback.last.credit.status == "no_outcome"
    verdicts.append("known now")
    run = callback.score(callback.last.trajectory.id, score(callback.last.trajectory))
    assert run.credit.method == "replay.shapley", run.credit.notes


def test_limits_hold_on_graphs():
    graph = chain(Cast(), "abcd")
    limits = ReplayLimits(max_calls=3, parallel=1)
    credit = replayed(graph, limits=limits)
    assert credit.replay.costs.live_calls == 3
    assert "max_calls=3" in credit.replay.cut_short
    assert sum(credit.agents.values()) == pytest.approx(credit.total, abs=1e-9)


@pytest.mark.parametrize("is_async", [False, True])
def test_a_graph_with_the_same_names_is_another_graph(is_async):
    one, other = (two_nodes(Cast().node("second")) for _ in range(2))
    callback = CreditCallback(evaluate=score, credit=SHAPLEY, replay=Replay(one))
    config = {"callbacks": [callback]}
    if is_async:
        asyncio.run(other.ainvoke(user(), config))
    else:
        other.invoke(user(), config)
    assert callback.flush(60)
    credit = callback.last.credit
    assert credit.notes[0].startswith("not replayed: the run is of another graph 'LangGraph' than that of replay=")
    assert credit.replay is None


@pytest.mark.parametrize(
    "copied",
    [
        lambda graph: graph.with_config(tags=["x"]),
        lambda graph: graph.with_config(run_name="mine"),
        lambda graph: graph.builder.compile(checkpointer=False),
    ],
)
@pytest.mark.parametrize("is_async", [False, True])
def test_copies_and_recompilations_are_the_same_graph(copied, is_async):
    graph = two_nodes(Cast().node("second"))
    callback = CreditCallback(evaluate=score, credit=SHAPLEY, replay=Replay(graph))
    config = {"callbacks": [callback]}
    if is_async:
        asyncio.run(copied(graph).ainvoke(user(), config))
    else:
        copied(graph).invoke(user(), config)
    assert callback.flush(60)
    assert callback.last.credit.method == "replay.shapley", callback.last.credit.notes
