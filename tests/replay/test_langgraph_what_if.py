"""What if this message had been that one, and who speaks for those who are masked."""

import pytest
from capture_cases.kit import ScriptedModel, calls
from graphs import Cast, chain, nested, star
from langchain.agents import create_agent
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langgraph.graph import START, MessagesState, StateGraph
from typing_extensions import TypedDict

from credit_hooks.credit import CreditConfig
from credit_hooks.errors import ConfigurationError, ReplayStoppedError
from credit_hooks.langgraph import CreditCallback, MaskedTurn, Replay


def user(text="task"):
    return {"messages": [("user", text)]}


def adder(name):
    """Says one more than the last number."""
    return ScriptedModel(reply=lambda messages: str(int(messages[-1].text or 0) + 1), name_of_model=name)


def counting_team(model=adder):
    builder = StateGraph(MessagesState)
    for name in "abc":
        chat = model(name)
        builder.add_node(name, lambda state, chat=chat: {"messages": [chat.invoke(state["messages"])]})
    builder.add_edge(START, "a")
    builder.add_edge("a", "b")
    builder.add_edge("b", "c")
    return builder.compile()


def captured(graph, inputs=None, **options):
    """(callback, message ids by author) of one run."""
    callback = CreditCallback(evaluate=lambda run: int(run.answer or 0) / 100, replay=Replay(graph, **options))
    graph.invoke(inputs or user("1"), {"callbacks": [callback]})
    assert callback.flush()
    return callback, {message.actor_id: message.id for message in callback.last.trajectory.messages}


def test_text_in_place_of_a_message():
    callback, ids = captured(counting_team())
    found = callback.counterfactual(callback.last, ids["a"], "40")
    assert found.run.answer == "42"
    assert [message.text for message in found.run.messages] == ["1", "40", "41", "42"]
    assert found.difference == pytest.approx(0.42 - 0.04)
    assert (found.live_calls, found.pinned_calls, found.model_calls) == (2, 1, 2)


def test_the_same_text_changes_nothing_and_calls_nothing():
    callback, ids = captured(counting_team())
    found = callback.counterfactual(callback.last.trajectory.id, ids["b"], "3")
    assert (found.run.answer, found.live_calls, found.difference) == ("4", 0, 0.0)


async def test_on_the_callers_event_loop():
    graph = counting_team()
    callback = CreditCallback(evaluate=lambda run: int(run.answer) / 100, replay=Replay(graph))
    await graph.ainvoke(user("1"), {"callbacks": [callback]})
    assert callback.flush()
    first = callback.last.trajectory.messages[1].id
    found = await callback.acounterfactual(callback.last, first, "40")
    assert found.run.answer == "42"


def test_inside_a_graph_inside_the_graph():
    callback, ids = captured(nested(Cast()), user("task"), errors="score")
    before = callback.last.trajectory
    found = callback.counterfactual(callback.last, ids["team/b"], "something else")
    texts = {message.actor_id: message.text for message in found.run.messages}
    assert texts["team/b"] == "something else"
    assert texts["a"] == before.message_by_id[ids["a"]].text
    assert texts["d"] != before.message_by_id[ids["d"]].text


def test_only_the_sibling_that_was_changed_differs():
    callback, ids = captured(star(Cast()), user("task"), errors="score")
    found = callback.counterfactual(callback.last, ids["b"], "something else")
    assert (found.live_calls, found.pinned_calls) == (1, 3)


def test_a_message_with_a_tool_call_of_its_own():
    @tool
    def double(number: int) -> int:
        """Double a number."""
        return 2 * number

    def reply(messages):
        if messages[-1].type == "tool":
            return AIMessage(f"It is {messages[-1].text}")
        return calls(("double", {"number": 2}, "call-1"))

    agent = create_agent(ScriptedModel(reply=reply), tools=[double], name="maths")
    callback = CreditCallback(replay=Replay(agent, tools={"double": "repeat"}))
    agent.invoke(user(), {"callbacks": [callback]})
    assert callback.flush()
    asked = callback.last.trajectory.messages[1].id
    found = callback.counterfactual(callback.last, asked, calls(("double", {"number": 21}, "call-9")))
    assert found.run.answer == "It is 42"
    text = callback.counterfactual(callback.last, asked, "I would rather not.")
    assert (text.run.answer, text.live_calls) == ("I would rather not.", 0)


def test_a_write_of_plain_state():
    class Plain(TypedDict, total=False):
        number: int
        doubled: int
        total: int

    builder = StateGraph(Plain)
    builder.add_node("double", lambda state: {"doubled": 2 * state["number"]})
    builder.add_node("add", lambda state: {"total": state["doubled"] + state["number"]})
    builder.add_edge(START, "double")
    builder.add_edge("double", "add")
    graph = builder.compile()
    callback = CreditCallback(replay=Replay(graph))
    graph.invoke({"number": 3}, {"callbacks": [callback]})
    assert callback.flush()
    found = callback.counterfactual(callback.last, callback.last.trajectory.messages[1].id, 39)
    assert found.run.output == {"number": 3, "doubled": 39, "total": 42}


def test_what_cannot_be_replaced_is_refused_with_a_reason():
    callback, ids = captured(counting_team())
    with pytest.raises(ConfigurationError, match="of user cannot be replaced: it is an input"):
        callback.counterfactual(callback.last, ids["user"], "2")
    with pytest.raises(ConfigurationError, match="has no message 'nobody'"):
        callback.counterfactual(callback.last, "nobody", "2")
    with pytest.raises(ReplayStoppedError, match="replaced by text, content blocks or a message, not by int"):
        callback.counterfactual(callback.last, ids["a"], 2)


# --- Baselines --------------------------------------------------------------------------------------------------------


def credit_with(baseline, graph=None, **options):
    graph = graph or counting_team()
    credit = CreditConfig(method="replay", level="shapley", budget=64)
    replay = Replay(graph, baseline=baseline, **options)
    callback = CreditCallback(evaluate=lambda run: int(run.answer or 0) / 100, credit=credit, replay=replay)
    graph.invoke(user("1"), {"callbacks": [callback]})
    assert callback.flush(60)
    assert callback.last.credit.replay is not None, callback.last.credit.notes
    return callback.last.credit


def of(credit, *agents):
    return [credit.agents[agent] for agent in agents]


def test_silence():
    """v(S) counts those of S at the end of the chain: whoever is silent sets the count back to nothing."""
    credit = credit_with("")
    assert credit.replay.substitute == "silence"
    assert credit.baseline == 0.0
    assert sum(of(credit, "a", "b", "c")) == pytest.approx(0.04)


def test_a_given_text():
    credit = credit_with("10")
    assert credit.replay.substitute == "the text '10'"
    assert credit.baseline == 0.10
    assert sum(of(credit, "a", "b", "c")) == pytest.approx(0.04 - 0.10)


def test_a_function_of_the_turn():
    seen = []

    def same_again(turn: MaskedTurn):
        seen.append((turn.agent, turn.recorded["messages"][0].text))
        return {"messages": [AIMessage(turn.state["messages"][-1].text)]}

    credit = credit_with(same_again)
    assert credit.baseline == 0.01
    assert of(credit, "a", "b", "c") == pytest.approx([0.01, 0.01, 0.01])
    assert set(seen) == {("a", "2"), ("b", "3"), ("c", "4")}


@pytest.mark.parametrize("kind", ["graph", "model"])
def test_a_weaker_model(kind):
    """It repeats what it hears: every agent is worth the one that it adds."""

    def weak(name):
        return ScriptedModel(reply=lambda messages: messages[-1].text, name_of_model="weak")

    credit = credit_with(counting_team(weak) if kind == "graph" else weak("weak"))
    assert credit.baseline == 0.01
    assert of(credit, "a", "b", "c") == pytest.approx([0.01, 0.01, 0.01])
    assert credit.replay.costs.model_calls > 0


def test_a_baseline_that_is_none_is_refused():
    with pytest.raises(ConfigurationError, match="baseline is a text, a function"):
        Replay(chain(Cast()), baseline=3)


def test_plain_state_needs_a_baseline_of_its_own():
    """Where a masked write leaves nothing to read, the coalition has no value, and the reason names the missing key."""

    class Plain(TypedDict, total=False):
        number: int
        doubled: int
        total: int

    builder = StateGraph(Plain)
    builder.add_node("double", lambda state: {"doubled": 2 * state["number"]})
    builder.add_node("add", lambda state: {"total": state["doubled"] + state["number"]})
    builder.add_edge(START, "double")
    builder.add_edge("double", "add")
    graph = builder.compile()

    def credit_of(**options):
        credit = CreditConfig(method="replay", level="shapley")
        replay = Replay(graph, **options)
        callback = CreditCallback(
            evaluate=lambda run: (run.output or {}).get("total", 0) / 10, credit=credit, replay=replay
        )
        graph.invoke({"number": 3}, {"callbacks": [callback]})
        assert callback.flush(60)
        return callback.last.credit

    assert set(credit_of().replay.failures.values()) == {"the replay raised KeyError: 'doubled'"}
    assert credit_of(errors="score").replay.stopped == "exact"
    neutral = {"double": {"doubled": 0}, "add": {"total": 0}}
    exact = credit_of(baseline=lambda turn: neutral[turn.agent])
    # v: both .9, the adder alone .3, else 0.
    assert (exact.agents["double"], exact.agents["add"]) == pytest.approx((0.3, 0.6))


def test_named_agents_only():
    credit = credit_with("", agents=["b"])
    assert [player.actor_id for player in credit.replay.players] == ["b"]
    assert credit.agents["a"] == credit.agents["c"] == 0.0
