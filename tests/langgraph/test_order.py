"""What is captured does not depend on which thread was faster: not the parents, nor any order."""

import asyncio
import operator
import time
from itertools import permutations
from typing import Annotated, TypedDict

import pytest
from capture_cases.agents import asks
from capture_cases.kit import MODES, ScriptedModel, calls, captured, dag, said, user
from capture_cases.state import pipeline
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langgraph.func import entrypoint, task
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.types import Send

SLOTS = list(permutations("abc"))
"""Orders in which three that run side by side return."""


def later(slots, name):
    """Wait for one's turn to return."""
    time.sleep(0.004 * slots.index(name))


def drawn(run):
    """The run's messages by index, each with all that was read for it, in order."""
    return list(dag(run).items())


@pytest.mark.parametrize("slots", SLOTS)
def test_nodes_side_by_side(slots, callback):
    class State(TypedDict, total=False):
        messages: Annotated[list, operator.add]
        notes: Annotated[list, operator.add]

    def node(name):
        def run(state):
            later(slots, name)
            return {"messages": [AIMessage(f"from {name}")], "notes": [f"note of {name}"]}

        return run

    builder = StateGraph(State)
    for name in "cab":
        builder.add_node(name, node(name))
        builder.add_edge(START, name)
    builder.add_node("join", lambda state: {"messages": [AIMessage(" ".join(state["notes"]))]})
    builder.add_edge(list("cab"), "join")
    builder.compile().invoke({"messages": [("user", "task")]}, {"callbacks": [callback]})
    (run,) = captured(callback)
    beside = [message for name in "abc" for message in (f"{name}:from {name}", f'{name}:notes: ["note of {name}"]')]
    assert drawn(run) == [
        ("user:task", []),
        *((message, ["user:task"]) for message in beside),
        ("join:note of a note of b note of c", ["user:task", *beside[1::2], *beside[0::2]]),
    ]


@pytest.mark.parametrize("slots", SLOTS)
async def test_sends(slots, callback):
    class State(TypedDict, total=False):
        found: Annotated[list, operator.add]
        best: str

    async def work(part):
        await asyncio.sleep(0.002 * slots.index(part["name"]))
        return {"found": [f"found {part['name']}"]}

    builder = StateGraph(State)
    builder.add_node("work", work)
    builder.add_node("pick", lambda state: {"best": state["found"][0]})
    builder.add_conditional_edges(START, lambda state: [Send("work", {"name": name}) for name in "abc"], ["work"])
    builder.add_edge("work", "pick")
    await builder.compile().ainvoke({"best": "none"}, {"callbacks": [callback]})
    (run,) = captured(callback)
    found = [f'work:found: ["found {name}"]' for name in "abc"]
    assert [name for name, _ in drawn(run)] == ["user:best: none", *found, "pick:best: found a"]
    assert dict(drawn(run)) == {
        "user:best: none": [],
        **dict.fromkeys(found, ["user:best: none"]),
        "pick:best: found a": [*found, "user:best: none"],
    }


@pytest.mark.parametrize("slots", SLOTS)
def test_graphs_side_by_side(slots, callback):
    """Everything written inside one of them stays together."""

    def team(name):
        def draft(state):
            later(slots, name)
            return {"messages": [AIMessage(f"draft {name}")]}

        return pipeline(
            MessagesState, ("draft", draft), ("edit", lambda state: {"messages": [AIMessage(f"ed {name}")]})
        )

    builder = StateGraph(MessagesState)
    for name in "abc":
        builder.add_node(name, team(name))
        builder.add_edge(START, name)
    builder.compile().invoke(user()(), {"callbacks": [callback]})
    (run,) = captured(callback)
    assert [said(message) for message in run.messages] == [
        "task", "draft a", "ed a", "draft b", "ed b", "draft c", "ed c",
    ]  # fmt: skip
    assert run.answer == "ed c"


@pytest.mark.parametrize("slots", SLOTS)
def test_tools_side_by_side_that_ask_agents(slots, callback):
    def expert(name):
        inner = pipeline(MessagesState, (f"expert_{name}", lambda state: {"messages": [AIMessage(f"{name} knows")]}))

        @tool(f"ask_{name}")
        def ask() -> str:
            """Ask."""
            later(slots, name)
            return inner.invoke({"messages": [("user", f"ask {name}")]})["messages"][-1].text

        return ask

    wanted = calls(*((f"ask_{name}", {}, f"call-{name}") for name in "abc"))
    node, _ = asks(ScriptedModel(reply=lambda messages: wanted))
    graph = pipeline(MessagesState, ("lead", node), ("tools", ToolNode([expert(name) for name in "abc"])))
    graph.invoke(user()(), {"callbacks": [callback]})
    (run,) = captured(callback)
    experts = [message.text for message in run.messages if message.text.endswith("knows") and message.role != "tool"]
    assert experts == ["a knows", "b knows", "c knows"]
    assert [message.text for message in run.messages[-3:]] == experts


# --- Calls of tasks -------------------------------------------------------------------------------------------------


BY_THEMSELVES = [
    ("user:go", []),
    ("work:worked on 0", ["user:go"]),
    ("work:worked on 1", ["user:go"]),
    ("work:worked on 2", ["user:go"]),
    ("flow:all 3", ["user:go", "work:worked on 0", "work:worked on 1", "work:worked on 2"]),
]


@pytest.mark.parametrize("patient", [False, True])
@pytest.mark.parametrize("name", ["invoke", "ainvoke", "astream"])
async def test_calls_whose_arguments_nobody_wrote(name, patient, callback):
    """They have read what the workflow was given, whether or not other results had come in."""
    mode = MODES[name]

    @task
    def work(item):
        return f"worked on {item}"

    @task(name="work")
    async def awork(item):
        return f"worked on {item}"

    def flow(given):
        futures = []
        for item in range(3):
            futures.append(work(item))
            if patient:
                futures[-1].result()
        return f"all {len([future.result() for future in futures])}"

    async def aflow(given):
        futures = []
        for item in range(3):
            futures.append(awork(item))
            if patient:
                await futures[-1]
        return f"all {len(await asyncio.gather(*futures))}"

    aflow.__name__ = "flow"
    await mode.run(entrypoint()(mode.pick(flow, aflow)), "go", {"callbacks": [callback]})
    (run,) = captured(callback)
    assert drawn(run) == BY_THEMSELVES


@pytest.mark.parametrize("slots", SLOTS)
def test_calls_that_return_in_any_order(slots, callback):
    @task
    def work(item):
        later(slots, "abc"[item])
        return f"worked on {item}"

    @entrypoint()
    def flow(given):
        return f"all {len([future.result() for future in [work(item) for item in range(3)]])}"

    flow.invoke("go", {"callbacks": [callback]})
    (run,) = captured(callback)
    assert drawn(run) == BY_THEMSELVES


@pytest.mark.parametrize("slots", SLOTS)
def test_numbers_that_are_equal_by_accident(slots, callback):
    """`double(1)` returns 2, and has nothing to do with `double(2)`."""

    @task
    def double(item):
        later(slots, "abc"[item - 1])
        return 2 * item

    @entrypoint()
    def flow(given):
        return sum(future.result() for future in [double(item) for item in (1, 2, 3)])

    flow.invoke("go", {"callbacks": [callback]})
    (run,) = captured(callback)
    assert [parents for name, parents in drawn(run) if name.startswith("double")] == [["user:go"]] * 3


@pytest.mark.parametrize("slots", SLOTS)
def test_words_that_are_equal_by_accident_count_whenever_they_come(slots, callback):
    """Nobody can tell: `"green"` was returned by an earlier call, so it was made of that."""
    after = {"red": "green", "green": "blue", "blue": "red"}

    @task
    def turn(colour):
        later(slots, "abc"[list(after).index(colour)])
        return after[colour]

    @entrypoint()
    def flow(given):
        return " ".join(future.result() for future in [turn(colour) for colour in after])

    flow.invoke("go", {"callbacks": [callback]})
    (run,) = captured(callback)
    assert drawn(run)[:4] == [
        ("user:go", []),
        ("turn:green", ["user:go"]),
        ("turn:blue", ["turn:green"]),
        ("turn:red", ["turn:blue"]),
    ]


def test_arguments_made_of_results(callback):
    """A text is recognised inside another, in a container, as a message, and as what a message says."""

    @task
    def research(topic):
        return f"facts on {topic}"

    @task
    def reply(messages, style=None):
        return AIMessage(f"a reply to {len(messages)} messages")

    @task
    def review(**given):
        return "reviewed"

    @entrypoint()
    def flow(topic):
        facts = [research(part).result() for part in (f"{topic} in Europe", f"{topic} in Asia")]
        answer = reply([{"role": "user", "content": f"Summarise:\n{facts[0]}\n{facts[1]}"}]).result()
        review(answer=answer).result()
        return review(texts=[answer.content], extra=topic).result().upper()

    flow.invoke("the ants", {"callbacks": [callback]})
    (run,) = captured(callback)
    found = dag(run)
    facts = ["research:facts on the ants in Europe", "research:facts on the ants in Asia"]
    assert found["reply:a reply to 1 messages"] == facts
    assert found["review:reviewed"] == ["reply:a reply to 1 messages"]
    assert found["review:reviewed (2)"] == ["user:the ants", "reply:a reply to 1 messages"]


@pytest.mark.parametrize("wait", [0.0, 0.02])
def test_a_call_nobody_waits_for(wait, callback):
    @task
    def log(text):
        time.sleep(wait)
        return f"logged {text}"

    @entrypoint()
    def flow(given):
        log(given)
        time.sleep(0.01)
        return "done"

    flow.invoke("go", {"callbacks": [callback]})
    (run,) = captured(callback)
    assert drawn(run) == [("user:go", []), ("log:logged go", ["user:go"]), ("flow:done", ["user:go", "log:logged go"])]


def test_credit_is_the_same_whoever_was_faster(callback):
    for slots in SLOTS:

        def node(name, slots=slots):
            def run(state):
                later(slots, name)
                return {"messages": [AIMessage(f"The answer of {name} is 42.")]}

            return run

        builder = StateGraph(MessagesState)
        for name in "abc":
            builder.add_node(name, node(name))
            builder.add_edge(START, name)
        builder.add_node("join", lambda state: {"messages": [AIMessage("The answer is 42.")]})
        builder.add_edge(list("abc"), "join")
        builder.compile().invoke(user()(), {"callbacks": [callback]})
    captured(callback)
    assert len({repr(run.credit.agents) for run in callback.runs}) == 1
