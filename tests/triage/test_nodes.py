"""Plain nodes of a graph that are asked again: capped, recorded, and otherwise as without."""

import copy
import threading
from dataclasses import dataclass, field
from typing import Annotated, Literal, TypedDict

import pytest

pytest.importorskip("langgraph.graph", reason="LangGraph is not installed: pip install 'credit-hooks[langgraph]'")

from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.runnables import RunnableLambda
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.graph.message import add_messages
from langgraph.types import Command, interrupt
from opentelemetry.sdk.trace import TracerProvider
from pydantic import BaseModel

from credit_hooks.errors import ConfigurationError
from credit_hooks.langgraph import CreditCallback
from credit_hooks.langgraph.triage_nodes import NodeRetries
from credit_hooks.store import RunStore
from credit_hooks.triage import Finding, Judged, RetryLimits, TriagePolicy, TriageQueue

BLAME = TriagePolicy(below_probability=None, below_confidence=None, low_evidence=False, least_blame=0.2)


def no_42(view):
    return Finding("no_42", 0.8, "Not 42.") if "42" in view.step.text else None


class Answers:
    """What a node says, call by call; keeps the states it was shown."""

    def __init__(self, *answers):
        self.answers, self.shown = list(answers), []

    def __call__(self, state):
        self.shown.append(state)
        answer = self.answers.pop(0) if self.answers else "nothing left to say"
        if isinstance(answer, threading.Event):
            answer.wait(30)
        if isinstance(answer, BaseException):
            raise answer
        return answer if isinstance(answer, AIMessage) else AIMessage(str(answer))

    def prompts(self):
        return [[message.text for message in state["messages"]] for state in self.shown]


class Graph:
    """One node, captured, with triage."""

    def __init__(self, node, limits=None, path=None, schema=MessagesState, checkpointer=None, queue=None, **options):
        self.provider = TracerProvider()
        self.queue = queue or TriageQueue(BLAME, store=path)
        limits = limits or RetryLimits(total=10)
        signals = options.pop("signals", [no_42])
        self.retries = NodeRetries(limits, signals=signals, queue=self.queue, tracer_provider=self.provider)
        self.callback = CreditCallback(
            evaluate=lambda run: "43" in run.answer,
            store=path,
            exporters=[self.queue],
            tracer_provider=self.provider,
            capture_content=True,
        )
        graph = StateGraph(schema)
        graph.add_node("worker", self.retries.wrap(node, **options))
        graph.add_edge(START, "worker")
        self.graph = graph.compile(checkpointer=checkpointer)

    def config(self, **configurable):
        return {"callbacks": [self.callback], "configurable": configurable}

    def ask(self, inputs=None, **configurable):
        inputs = {"messages": [HumanMessage("How much?", id="q")]} if inputs is None else inputs
        out = self.graph.invoke(inputs, config=self.config(**configurable))
        self.settle()
        return out

    def settle(self):
        assert self.callback.flush()
        assert self.callback.failures == []
        assert self.callback.open_entries == 0


def speaking(answers):
    def worker(state: MessagesState):
        return {"messages": [answers(state)]}

    return worker


def texts(out):
    return [message.text for message in out["messages"]]


def test_a_node_is_asked_again_with_its_answer_and_the_critique_and_the_graph_sees_one_answer(tmp_path):
    said = Answers("It is 42.", "It is 43.")
    graph = Graph(speaking(said), path=tmp_path / "r.db")
    assert texts(graph.ask()) == ["How much?", "It is 43."]
    assert said.prompts() == [["How much?"], ["How much?", "It is 42.", "Not 42."]]
    assert [message.type for message in said.shown[1]["messages"]] == ["human", "ai", "human"]
    assert graph.retries.stats["kept"] == graph.retries.stats["begun"] == 1
    assert [message.text for message in graph.callback.last.trajectory.messages] == ["How much?", "It is 43."]
    with RunStore(tmp_path / "r.db", read_only=True) as store:
        labels = store.get(graph.callback.last.trajectory.id).trajectory.labels
    (label,) = [label for label in labels if label.name == "retry"]
    assert label.category == "kept"
    assert graph.callback.last.trajectory.step_by_id[label.target_id].actor_id == "worker"


async def test_an_async_node_is_asked_again():
    said = Answers("It is 42.", "It is 43.")

    async def worker(state: MessagesState):
        return {"messages": [said(state)]}

    graph = Graph(worker)
    out = await graph.graph.ainvoke({"messages": [("user", "How much?")]}, config=graph.config())
    assert texts(out) == ["How much?", "It is 43."]
    graph.settle()


async def test_a_judge_is_asked_off_the_event_loop():
    threads = []

    def scorer(view):
        threads.append(threading.current_thread())
        return 0.9 if "43" in view.step.text else 0.1

    said = Answers("It is 42.", "It is 43.")

    async def worker(state: MessagesState):
        return {"messages": [said(state)]}

    graph = Graph(worker, signals=[Judged(scorer)])
    out = await graph.graph.ainvoke({"messages": [("user", "?")]}, config=graph.config())
    assert texts(out)[-1] == "It is 43."
    assert threading.main_thread() not in threads
    graph.settle()


def test_where_nothing_speaks_against_it_the_nodes_own_objects_are_passed_on():
    seen = []
    update = {"messages": [AIMessage("It is 43.", id="a")]}

    def worker(state: MessagesState):
        seen.append(state)
        return update

    graph = Graph(worker)
    wrapped = graph.retries.wrap(worker)
    assert texts(graph.ask()) == ["How much?", "It is 43."]
    assert len(seen) == 1
    assert graph.retries.stats == {}
    state = {"messages": []}
    assert wrapped(state) is update, "outside of a graph it is the node"
    assert seen[-1] is state


@pytest.mark.parametrize("mode", ["values", "updates", "messages"])
def test_streams_are_as_without(mode):
    def chunks(wrap):
        graph = Graph(speaking(Answers(AIMessage("It is 43.", id="a"))))
        plain = StateGraph(MessagesState)
        plain.add_node("worker", speaking(Answers(AIMessage("It is 43.", id="a"))))
        plain.add_edge(START, "worker")
        made = graph.graph if wrap else plain.compile()
        inputs = {"messages": [HumanMessage("How much?", id="q")]}
        return [
            chunk[0] if mode == "messages" else chunk
            for chunk in made.stream(inputs, config=graph.config(), stream_mode=mode)
        ]

    assert chunks(True) == chunks(False)


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_what_the_first_call_raises_is_the_users(asynchronous):
    error = ValueError("no model")
    said = Answers(error)

    async def worker(state: MessagesState):
        return {"messages": [said(state)]}

    graph = Graph(worker if asynchronous else speaking(said))
    with pytest.raises(ValueError, match="no model") as raised:
        if asynchronous:
            await graph.graph.ainvoke({"messages": []}, config=graph.config())
        else:
            graph.graph.invoke({"messages": []}, config=graph.config())
    assert raised.value is error
    assert graph.retries.stats == {}


def test_a_retry_that_raises_or_is_no_better_or_interrupts_changes_nothing():
    for retry, end in [(ValueError("rate limit"), "failed"), ("Still 42.", "not better")]:
        graph = Graph(speaking(Answers("It is 42.", retry)))
        assert texts(graph.ask())[-1] == "It is 42."
        assert graph.retries.stats[end] == 1

    said = Answers("It is 42.", "It is 43.")

    def asking(state: MessagesState):
        answer = said(state)
        return {"messages": [answer if "42" in answer.text else AIMessage(interrupt("sure?"))]}

    graph = Graph(asking, checkpointer=InMemorySaver())
    out = graph.ask(thread_id="t")
    assert texts(out)[-1] == "It is 42."
    assert "__interrupt__" not in out
    assert graph.retries.stats["failed"] == 1


async def test_a_retry_that_takes_too_long_changes_nothing():
    slow = threading.Event()
    graph = Graph(speaking(Answers("It is 42.", slow)), RetryLimits(total=1, timeout=0.05))
    try:
        assert texts(graph.ask())[-1] == "It is 42."
    finally:
        slow.set()
    assert graph.retries.stats["timeout"] == 1


def test_caps_hold_over_the_nodes_of_a_graph_and_over_runs():
    said = Answers()
    graph = Graph(speaking(said), RetryLimits(total=2, per_run=1))
    team = StateGraph(MessagesState)
    team.add_node("first", graph.retries.wrap(speaking(said)))
    team.add_node("second", graph.retries.wrap(speaking(said)))
    team.add_edge(START, "first")
    team.add_edge("first", "second")
    graph.graph = team.compile()
    for _ in range(3):
        said.answers[:] = ["first: 42", "again 42", "second: 42"]
        graph.ask()
    assert graph.retries.stats["begun"] == 2
    retried = [record for record in graph.retries.records if record.end != "carried"]
    assert len({record.trace_id for record in retried}) == 2
    assert graph.retries.stats["refused: per run"] + graph.retries.stats["refused: total"] >= 1


def test_the_token_budget_is_spent_and_then_nothing_is_retried():
    usage = {"input_tokens": 90, "output_tokens": 10, "total_tokens": 100}
    said = Answers("It is 42.", AIMessage("42", usage_metadata=usage), "It is 42.")
    graph = Graph(speaking(said), RetryLimits(total=10, tokens=100))
    graph.ask()
    graph.ask()
    assert (graph.retries.stats["begun"], graph.retries.stats["tokens"]) == (1, 100)


class Notes(TypedDict):
    messages: list
    answer: str
    critique: str


def test_the_critique_reaches_a_key_and_leaves_no_trace_in_the_state():
    shown = []

    def worker(state: Notes):
        shown.append(dict(state))
        return {**state, "answer": "It is 43." if state.get("critique") else "It is 42."}

    graph = Graph(worker, schema=Notes, answer="answer", critique="critique")
    out = graph.ask({"messages": [("user", "How much?")], "answer": "none"})
    assert out == {"messages": [("user", "How much?")], "answer": "It is 43."}
    assert [state.get("critique") for state in shown] == [None, "Not 42."]
    out = graph.ask({"messages": [("user", "How much?")], "critique": "Be brief."})
    assert out["critique"] == "Be brief."


def test_a_node_that_returns_all_messages_returns_none_of_ours():
    said = Answers("It is 42.", "It is 43.")

    class State(TypedDict):
        messages: list

    def worker(state: State):
        return {"messages": [*state["messages"], said(state)]}

    graph = Graph(worker, schema=State)
    assert texts(graph.ask()) == ["How much?", "It is 43."]
    assert len(said.prompts()[1]) == 3


def test_the_users_state_and_messages_are_not_written_to():
    class State(TypedDict):
        messages: Annotated[list, add_messages]
        seen: list

    given_states = []

    def worker(state: State):
        given_states.append((state, copy.deepcopy(state)))
        state["seen"].append("call")  # what a node should not do, and some do
        return {"messages": [AIMessage("It is 42." if len(given_states) == 1 else "It is 43.")]}

    graph = Graph(worker, schema=State)
    question = HumanMessage("How much?", id="q")
    inputs = {"messages": [question], "seen": []}
    before = copy.deepcopy(question)
    out = graph.ask(inputs)
    assert texts(out)[-1] == "It is 43."
    assert question == before
    first, second = given_states
    assert first[0]["messages"] == first[1]["messages"], "nothing was added to what the node was shown first"
    assert first[0]["seen"] == ["call"], "the retry has written to a copy"
    assert second[1]["seen"] == [], "and began where the first call began"


def test_pydantic_and_dataclass_states_and_commands():
    class Model(BaseModel):
        messages: Annotated[list, add_messages] = []
        critique: str = ""

    @dataclass(frozen=True)
    class Data:
        messages: Annotated[list, add_messages] = field(default_factory=list)
        critique: str = ""

    for schema in (Model, Data):

        def worker(state: schema) -> Command[Literal["__end__"]]:
            text = "It is 43." if state.critique else "It is 42."
            return Command(update={"messages": [AIMessage(text)]}, goto="__end__")

        graph = Graph(worker, schema=schema, critique="critique")
        out = graph.ask()
        assert texts(out)[-1] == "It is 43."
        assert not out.get("critique")


def test_what_a_node_wrote_before_its_answer_is_seen_and_routers_are_no_turns():
    seen = []

    def signal(view):
        seen.append([message.role for message in (*view.history, view.step)])

    def worker(state: MessagesState):
        call = {"name": "lookup", "args": {}, "id": "c1", "type": "tool_call"}
        return {
            "messages": [AIMessage("", tool_calls=[call]), ToolMessage("no", tool_call_id="c1"), HumanMessage("42")]
        }

    Graph(worker, signals=[signal]).ask()
    assert seen == [["user", "assistant", "tool", "assistant"]]
    for nothing in ({}, None, {"messages": [ToolMessage("no", tool_call_id="c1")]}, {"messages": []}):
        graph = Graph(lambda state, nothing=nothing: nothing, signals=[signal])
        graph.ask()
        assert graph.retries.stats == {}
    assert len(seen) == 1


def test_injected_arguments_arrive_in_retries_too():
    configs = []

    def worker(state: MessagesState, config):
        configs.append(config)
        return {"messages": [AIMessage("It is 42." if len(configs) == 1 else "It is 43.")]}

    graph = Graph(worker)
    assert texts(graph.ask(user="anna"))[-1] == "It is 43."
    assert [config["configurable"]["user"] for config in configs] == ["anna", "anna"]


@pytest.mark.parametrize("first", [[], [SystemMessage("Be brief.")]])
def test_a_blamed_node_is_told_in_the_next_run_of_its_task_and_once(first):
    said = Answers("It is 40.", "It is 41.", "It is 43.")
    graph = Graph(speaking(said))
    inputs = {"messages": [*first, HumanMessage("How much?")]}
    graph.ask(inputs)
    assert len(graph.queue.critiques) == 1
    out = graph.ask(inputs)
    told = said.prompts()[1]
    assert told[len(first)].startswith("An earlier attempt at this ended badly")
    assert said.shown[1]["messages"][len(first)].type == "system"
    assert texts(out) == [*(message.text for message in inputs["messages"]), "It is 41."]
    assert [record.end for record in graph.retries.records] == ["carried"]


def test_without_a_callback_nothing_is_retried():
    graph = Graph(speaking(Answers("It is 42.", "It is 43.")))
    assert texts(graph.graph.invoke({"messages": [("user", "?")]}))[-1] == "It is 42."
    assert graph.retries.stats == {}


def test_limits_are_shared_with_agents():
    triage = pytest.importorskip("credit_hooks.langgraph.triage")
    middleware = triage.TriageMiddleware(RetryLimits(total=1))
    middleware.nodes.retries.ledger.begin("r1")
    assert middleware.stats["begun"] == 1
    assert middleware.stats is middleware.nodes.stats


@pytest.mark.parametrize("node", [RunnableLambda(lambda state: state), "worker"])
def test_only_functions_are_wrapped(node):
    with pytest.raises(ConfigurationError, match="node function"):
        NodeRetries(RetryLimits(total=1)).wrap(node)
