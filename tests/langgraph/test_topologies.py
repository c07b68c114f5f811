"""Who read what: the exact provenance of every topology, however it is run."""

import asyncio
import contextlib
import operator
import threading
from typing import Annotated, Any, TypedDict

import pytest
from capture_cases.basic import say
from capture_cases.kit import MODES, THREAD, TOPOLOGIES, captured, dag, user
from langchain.agents import create_agent
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, RemoveMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.func import entrypoint
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import Command, interrupt
from langgraph_supervisor import create_supervisor

from credit_hooks.langgraph import CreditCallback

INVOKE = MODES["invoke"]


async def test_provenance_is_exactly_what_was_read(topology, mode, callback):
    outcomes = await topology.run(mode, callbacks=[callback])
    runs = captured(callback)
    assert [dag(run) for run in runs] == [turn.dag for turn in topology.turns]
    assert [run.status for run in runs] == [turn.status for turn in topology.turns]
    assert [run.answer for run in runs] == [turn.answer for turn in topology.turns]
    raised = [outcome[1] if outcome[0] == "raised" else None for outcome in outcomes]
    assert raised == [turn.raises for turn in topology.turns]
    assert callback.open_entries == 0


def test_nothing_is_read_before_it_is_written(callback):
    for topology in TOPOLOGIES.values():
        asyncio.run(topology.run(INVOKE, callbacks=[callback]))
    for run in captured(callback):
        place = {message.id: message.index for message in run.messages}
        assert all(place[parent] < place[child] for parent, child in run.edges())


# --- Streams that nobody reads to the end ---------------------------------------------------------------------------

BROKEN_OFF = {"user:task": [], "draft:a draft": ["user:task"]}


def test_a_stream_broken_off_keeps_what_was_written(callback):
    stream = TOPOLOGIES["sequential"].build(INVOKE).stream(user()(), {"callbacks": [callback]}, stream_mode="updates")
    next(stream)
    stream.close()
    (run,) = captured(callback)
    assert (dag(run), run.status) == (BROKEN_OFF, "abandoned")
    assert callback.open_entries == 0


async def test_an_async_stream_broken_off_keeps_what_was_written(callback):
    graph = TOPOLOGIES["sequential"].build(MODES["astream"])
    async with contextlib.aclosing(graph.astream(user()(), {"callbacks": [callback]}, stream_mode="updates")) as stream:
        async for _ in stream:
            break
    (run,) = captured(callback)
    assert (dag(run), run.status) == (BROKEN_OFF, "abandoned")
    assert callback.open_entries == 0


async def test_a_cancelled_run_keeps_what_was_written(callback):
    started = asyncio.Event()

    async def waits(state):
        started.set()
        await asyncio.sleep(60)

    builder = StateGraph(MessagesState)
    builder.add_sequence([("draft", say("a draft")), ("waits", waits)])
    builder.add_edge(START, "draft")
    run = asyncio.create_task(builder.compile().ainvoke(user()(), {"callbacks": [callback]}))
    await started.wait()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    (run,) = captured(callback)
    assert (dag(run), run.status) == (BROKEN_OFF, "cancelled")
    assert callback.open_entries == 0


# --- Threads and names ----------------------------------------------------------------------------------------------


def test_a_new_question_on_an_interrupted_thread_resumes_nothing(callback):
    graph = TOPOLOGIES["interrupt_and_resume"].build(INVOKE)
    config = {"configurable": THREAD, "callbacks": [callback]}
    for text in ("task", "another task"):
        graph.invoke(user(text)(), config)
    first, second = captured(callback)
    assert "credit.resumes" not in second.meta
    assert second.steps[0].links == ()


def test_a_resumed_run_links_to_the_interrupted_one(callback):
    asyncio.run(TOPOLOGIES["interrupt_and_resume"].run(INVOKE, callbacks=[callback]))
    first, second = captured(callback)
    assert second.meta["credit.resumes"] == first.id
    assert second.steps[0].links == (first.steps[0].id,)
    assert second.session_id == first.session_id == "thread-1"


def test_runs_are_listed_in_the_order_in_which_they_finished():
    """However long each took to credit."""
    second_credited = threading.Event()

    def evaluate(run):
        if "task 1" in run.messages[0].text:
            second_credited.wait(10)
        return True

    def on_credit(run):
        second_credited.set()

    callback = CreditCallback(evaluate=evaluate, on_credit=on_credit)
    graph = TOPOLOGIES["sequential"].build(INVOKE)
    for number in (1, 2):
        graph.invoke(user(f"task {number}")(), {"callbacks": [callback]})
    callback.flush()
    assert [run.trajectory.messages[0].text for run in callback.runs] == ["task 1", "task 2"]
    assert callback.last.trajectory.messages[0].text == "task 2"


def test_agents_of_equal_name_in_different_graphs_stay_apart(callback):
    asyncio.run(TOPOLOGIES["node_named_as_the_node_around_it"].run(INVOKE, callbacks=[callback]))
    (run,) = captured(callback)
    assert [message.actor_id for message in run.messages] == ["user", "team/team", "editor"]


def test_a_retried_node_shows_every_attempt(callback):
    asyncio.run(TOPOLOGIES["retries"].run(INVOKE, callbacks=[callback]))
    (run,) = captured(callback)
    attempts = [(step.name, step.status, step.error) for step in run.steps if step.kind == "agent"]
    failed = ("invoke_agent shaky", "error", "NodeError")
    assert attempts == [failed, failed, ("invoke_agent shaky", "ok", None), ("invoke_agent after", "ok", None)]


def test_handoffs_and_interrupts_are_no_errors(callback):
    for name in ("swarm", "supervisor_with_full_history", "interrupt_and_resume"):
        asyncio.run(TOPOLOGIES[name].run(INVOKE, callbacks=[callback]))
    steps = [step for run in captured(callback) for step in run.steps]
    assert {step.status for step in steps} == {"ok", "handoff", "interrupted"}
    assert {step.error for step in steps} == {None}


def test_a_long_history_is_read_as_deltas(callback):
    """The size of what is kept grows with the run, not with its square."""

    def talk(state):
        return {"messages": [AIMessage(f"{len(state['messages'])}")]}

    builder = StateGraph(MessagesState)
    builder.add_node("talk", talk)
    builder.add_edge(START, "talk")
    builder.add_conditional_edges("talk", lambda state: "talk" if len(state["messages"]) < 200 else "__end__")
    builder.compile().invoke(user()(), {"callbacks": [callback], "recursion_limit": 300})
    (run,) = captured(callback)
    assert max(len(step.reads.new) for step in run.steps) == 1
    assert len(run.parents(run.messages[-1].id)) == 199


class Scripted(BaseChatModel):
    """Says what a function of the messages says."""

    reply: Any

    @property
    def _llm_type(self):
        return "scripted"

    def _generate(self, messages, *args, **kwargs):
        return ChatResult(generations=[ChatGeneration(message=self.reply(messages))])

    def bind_tools(self, tools, **kwargs):
        return self


def handoff(worker):
    return AIMessage("", tool_calls=[{"name": f"transfer_to_{worker}", "args": {}, "id": f"to-{worker}"}])


@pytest.mark.filterwarnings("ignore:create_react_agent has been moved")
def test_handed_off_copies_of_the_history_are_no_new_messages(callback):
    asked = iter([*"ab", None])

    def supervise(messages):
        worker = next(asked)
        return AIMessage("done") if worker is None else handoff(worker)

    workers = [
        create_agent(Scripted(reply=lambda _, said=name: AIMessage(f"{said} did it")), [], name=name) for name in "ab"
    ]
    graph = create_supervisor(workers, model=Scripted(reply=supervise)).compile()
    result = graph.invoke(user()(), {"callbacks": [callback]})
    (run,) = captured(callback)
    assert [message.id for message in run.messages] == [message.id for message in result["messages"]]


def test_what_a_workflow_returns_is_its_answer_and_not_what_it_saves(callback):
    @entrypoint(checkpointer=InMemorySaver())
    def workflow(inputs):
        return entrypoint.final(value="returned", save=[AIMessage("saved")])

    workflow.invoke("go", {"callbacks": [callback], "configurable": THREAD})
    (run,) = captured(callback)
    assert run.answer == "returned"
    assert "saved" not in [message.text for message in run.messages]


class Plan(TypedDict):
    question: str
    plan: str
    answer: str


def test_plain_state_keeps_its_writers_over_an_interrupt(callback):
    builder = StateGraph(Plan)
    builder.add_node("planner", lambda state: {"plan": f"plan for {state['question']}"})
    builder.add_node("approve", lambda state: {"plan": f"{state['plan']}, {interrupt('ok?')}"})
    builder.add_node("writer", lambda state: {"answer": f"{state['question']} by {state['plan']}"})
    builder.add_edge(START, "planner")
    builder.add_edge("planner", "approve")
    builder.add_edge("approve", "writer")
    graph = builder.compile(checkpointer=InMemorySaver())
    config = {"callbacks": [callback], "configurable": THREAD}
    graph.invoke({"question": "bread"}, config)
    graph.invoke(Command(resume="approved"), config)
    run = captured(callback)[-1]
    assert dag(run) == {
        "user:resume: approved": [],
        "user:question: bread": [],
        "planner:plan: plan for bread": ["user:question: bread"],
        "approve:plan: plan for bread, approved": [
            "user:question: bread",
            "planner:plan: plan for bread",
            "user:resume: approved",
        ],
        "writer:answer: bread by plan for bread, approved": [
            "user:question: bread",
            "approve:plan: plan for bread, approved",
        ],
    }
    assert callback.last.credit.agents["planner"] != 0.0


def test_a_later_turn_reads_plain_state_of_those_who_wrote_it(callback):
    builder = StateGraph(Plan)
    builder.add_node("planner", lambda state: {} if state.get("plan") else {"plan": "a plan"})
    builder.add_node("writer", lambda state: {"answer": f"{state['question']} by {state['plan']}"})
    builder.add_edge(START, "planner")
    builder.add_edge("planner", "writer")
    graph = builder.compile(checkpointer=InMemorySaver())
    config = {"callbacks": [callback], "configurable": THREAD}
    graph.invoke({"question": "one"}, config)
    graph.invoke({"question": "two"}, config)
    run = captured(callback)[-1]
    assert set(dag(run)["writer:answer: two by a plan"]) >= {"user:question: two", "planner:plan: a plan"}
    assert callback.last.credit.agents["planner"] == 0.0  # it was credited for that plan in the turn that made it


class Logged(TypedDict, total=False):
    question: str
    log: Annotated[list[str], operator.add]
    total: Annotated[int, operator.add]
    answer: str


class OnlyQuestion(TypedDict):
    question: str


def logged():
    """`second` writes to the log without having read it; `last` reads what both have written."""
    builder = StateGraph(Logged)
    builder.add_node("first", lambda state: {"log": ["one"], "total": 1})
    builder.add_node("second", lambda state: {"log": [f"two: {interrupt('?')}"], "total": 1}, input_schema=OnlyQuestion)
    builder.add_node("last", lambda state: {"answer": f"{state['log']} {state['total']}"})
    builder.add_edge(START, "first")
    builder.add_edge("first", "second")
    builder.add_edge("second", "last")
    return builder.compile(checkpointer=InMemorySaver())


def test_a_reducers_channel_keeps_its_writers_over_an_interrupt(callback):
    graph, config = logged(), {"callbacks": [callback], "configurable": THREAD}
    graph.invoke({"question": "go"}, config)
    graph.invoke(Command(resume="yes"), config)
    run = captured(callback)[-1]
    first, second = 'first:log: ["one"]\ntotal: 1', 'second:log: ["two: yes"]\ntotal: 1'
    assert set(dag(run)["last:answer: ['one', 'two: yes'] 2"]) == {"user:question: go", first, second}
    assert callback.last.credit.agents["first"] != 0.0


def test_a_reducers_channel_keeps_its_writers_over_turns(callback):
    builder = StateGraph(Logged)
    builder.add_node("note", lambda state: {"log": [state["question"]]}, input_schema=OnlyQuestion)
    builder.add_node("last", lambda state: {"answer": " ".join(state["log"])})
    builder.add_edge(START, "note")
    builder.add_edge("note", "last")
    graph, config = builder.compile(checkpointer=InMemorySaver()), {"callbacks": [callback], "configurable": THREAD}
    for question in ("one", "two"):
        graph.invoke({"question": question}, config)
    run = captured(callback)[-1]
    answer = dag(run)["last:answer: one two"]
    assert "user:question: two" in answer
    assert [name.partition(":")[0] for name in answer].count("note") == 2  # the turn before, and this one


def talk(callback, questions, *, keep=1_000):
    """A conversation in which every answer has read the newest messages of the thread; its runs."""

    def answer(state):
        return {"messages": [AIMessage(f"answer {len(state['messages'])}")]}

    def forget(state):
        return {"messages": [RemoveMessage(id=message.id) for message in state["messages"][:-keep]]}

    builder = StateGraph(MessagesState)
    builder.add_sequence([("answer", answer), ("forget", forget)])
    builder.add_edge(START, "answer")
    graph = builder.compile(checkpointer=InMemorySaver())
    for question in questions:
        graph.invoke(user(question)(), {"callbacks": [callback], "configurable": THREAD})
    return captured(callback)


def test_messages_of_every_earlier_turn_keep_their_parents(callback):
    *_, run = talk(callback, ["one", "two", "three"])
    assert dag(run) == {
        "user:three": [],
        "user:one": [],
        "answer:answer 1": ["user:one"],
        "user:two": [],
        "answer:answer 3": ["user:one", "answer:answer 1", "user:two"],
        "answer:answer 5": ["user:one", "answer:answer 1", "user:two", "answer:answer 3", "user:three"],
    }
    credit = callback.last.credit
    assert [reward.reward for reward in credit.messages[:-1]] == [0.0] * 5  # given, whoever wrote it


def test_parents_that_were_forgotten_are_left_out(callback):
    *_, run = talk(callback, ["one", "two", "three"], keep=2)
    assert dag(run)["answer:answer 3"] == ["user:two"]


def test_a_message_keeps_a_bounded_number_of_parents(callback):
    *_, run = talk(callback, [f"question {number}" for number in range(40)])
    parents = [run.parents(message.id) for message in run.messages if message.earlier_parents]
    assert max(map(len, parents)) == 64
    carried = next(message for message in run.messages if message.text == "answer 77")
    assert run.parents(carried.id)[-1] == next(m.id for m in run.messages if m.text == "question 38")


def test_what_led_to_an_earlier_message_is_credited_when_the_run_goes_on(callback):
    """`helper` is read by `draft` alone, before the interrupt; the answer rests on both."""

    class State(MessagesState):
        hint: str

    builder = StateGraph(State)
    builder.add_node("helper", lambda state: {"hint": "use bread"})
    builder.add_node("draft", lambda state: {"messages": [AIMessage(f"a draft: {state['hint']}")]})
    builder.add_node("ask", lambda state: {"messages": [AIMessage(f"told {interrupt('?')}")]})
    for one, other in (("helper", "draft"), ("draft", "ask")):
        builder.add_edge(one, other)
    builder.add_edge(START, "helper")
    graph, config = builder.compile(checkpointer=InMemorySaver()), {"callbacks": [callback], "configurable": THREAD}
    graph.invoke(user()(), config)
    graph.invoke(Command(resume="yes"), config)
    run = captured(callback)[-1]
    assert dag(run)["draft:a draft: use bread"] == ["user:task", "helper:hint: use bread"]
