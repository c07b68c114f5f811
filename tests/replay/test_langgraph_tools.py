"""Tools in replays: pinned where unchanged, never called again unless that is allowed."""

import pytest
from capture_cases.agents import by_history
from capture_cases.kit import ScriptedModel, calls
from langchain.agents import create_agent
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langgraph.graph import START, MessagesState, StateGraph

from credit_hooks.credit import CreditConfig
from credit_hooks.errors import ConfigurationError
from credit_hooks.langgraph import CreditCallback, Replay


class Office:
    """A planner says a number, an agent looks it up with a tool, and tells. The tool counts its calls."""

    def __init__(self, **tool_options):
        self.called = []

        @tool(**tool_options)
        def look_up(number: str) -> str:
            """Look a number up."""
            self.called.append(number)
            return f"value of {number}"

        def reply(messages):
            if messages[-1].type == "tool":
                return AIMessage(f"It is the {messages[-1].text}.")
            return calls(("look_up", {"number": messages[-1].text}, "call-1"))

        builder = StateGraph(MessagesState)
        builder.add_node("planner", lambda state: {"messages": [AIMessage("42")]})
        builder.add_node("clerk", create_agent(ScriptedModel(reply=reply), tools=[look_up], name="clerk"))
        builder.add_edge(START, "planner")
        builder.add_edge("planner", "clerk")
        self.graph = builder.compile()

    def run(self, *, evaluate=lambda run: "42" in run.answer, **options):
        credit = CreditConfig(method="replay", level="shapley", budget=64)
        callback = CreditCallback(evaluate=evaluate, credit=credit, replay=Replay(self.graph, **options))
        self.graph.invoke({"messages": [("user", "task")]}, {"callbacks": [callback]})
        assert callback.flush(60)
        assert callback.failures == []
        self.callback = callback
        return callback.last.credit


def test_an_unmarked_tool_with_a_changed_input_stops_that_replay_and_says_what_to_do():
    office = Office()
    credit = office.run()
    assert office.called == ["42"]
    assert credit.method == "replay.shapley"
    reasons = set(credit.replay.failures.values())
    assert len(reasons) == 1
    stopped = "tool 'look_up' would be called with arguments that the run did not have"
    assert stopped in reasons.pop()
    assert any(note.startswith(f"replays without a value: {stopped}") for note in credit.notes)
    assert sum(credit.agents.values()) == pytest.approx(credit.total, abs=1e-9)


@pytest.mark.parametrize(
    ("options", "marks"),
    [
        ({"tools": {"look_up": "repeat"}}, {}),
        ({"unmarked_tools": "repeat"}, {}),
        ({}, {"extras": None}),
    ],
    ids=["by name", "by default", "unmarked"],
)
def test_a_tool_is_called_again_where_that_is_allowed(options, marks):
    office = Office()
    credit = office.run(**options)
    if options:
        assert office.called == ["42", ""]
        assert credit.replay.stopped == "exact"
        assert credit.replay.failures == {}
    else:
        assert office.called == ["42"]


@pytest.mark.parametrize(
    ("metadata", "called", "stopped"),
    [
        ({"credit_hooks": "repeat"}, ["42", ""], "exact"),
        ({"readOnlyHint": True}, ["42", ""], "exact"),
        ({"credit_hooks": "pin"}, ["42"], "exact"),
        ({"destructiveHint": True}, ["42"], "exact"),
        ({"credit_hooks": "stop", "readOnlyHint": True}, ["42"], "exhausted"),
    ],
)
def test_a_tool_says_of_itself_whether_it_may_be_repeated(metadata, called, stopped):
    office = Office()
    office.graph.nodes["clerk"].bound.nodes["tools"].bound.tools_by_name["look_up"].metadata = metadata
    credit = office.run()
    assert office.called == called
    assert credit.replay.stopped == stopped


def test_a_rule_by_name_beats_what_the_tool_says():
    office = Office()
    office.graph.nodes["clerk"].bound.nodes["tools"].bound.tools_by_name["look_up"].metadata = {"readOnlyHint": True}
    office.run(tools={"look_up": "pin"})
    assert office.called == ["42"]


def test_a_pinned_tool_gives_its_recorded_result():
    """Whoever asks whatever: so the answer holds 42 as soon as the clerk asks at all."""
    office = Office()
    credit = office.run(tools={"look_up": "pin"})
    assert credit.replay.failures == {}
    assert credit.agents["planner"] == 0.0
    found = office.callback.counterfactual(office.callback.last, _message(office, "planner"), "7")
    assert found.run.answer == "It is the value of 42."


def test_a_tool_inside_a_plain_node_is_stopped_too():
    called = []

    @tool
    def send(text: str) -> str:
        """Send a mail."""
        called.append(text)
        return "sent"

    builder = StateGraph(MessagesState)
    builder.add_node("writer", lambda state: {"messages": [AIMessage("hello")]})
    builder.add_node(
        "mailer", lambda state: {"messages": [AIMessage(send.invoke({"text": state["messages"][-1].text}))]}
    )
    builder.add_edge(START, "writer")
    builder.add_edge("writer", "mailer")
    graph = builder.compile()
    credit = CreditConfig(method="replay", level="shapley")
    callback = CreditCallback(evaluate=lambda run: True, credit=credit, replay=Replay(graph))
    graph.invoke({"messages": [("user", "task")]}, {"callbacks": [callback]})
    assert callback.flush(60)
    assert called == ["hello"]
    assert "tool 'send'" in next(iter(callback.last.credit.replay.failures.values()))


@pytest.mark.filterwarnings("ignore:create_react_agent has been moved")
def test_a_masked_supervisor_still_hands_over():
    from capture_cases.agents import supervised

    graph = supervised("last_message")
    credit = CreditConfig(method="replay", level="shapley")
    replay = Replay(graph, unmarked_tools="repeat")
    callback = CreditCallback(evaluate=lambda run: "42" in run.answer, credit=credit, replay=replay)
    graph.invoke({"messages": [("user", "6 * 7?")]}, {"callbacks": [callback]})
    assert callback.flush(60)
    credit = callback.last.credit
    assert credit.replay.stopped == "exact", credit.notes
    assert {player.actor_id for player in credit.replay.players} == {"boss", "maths"}
    assert sum(credit.agents.values()) == pytest.approx(credit.total, abs=1e-9)


def test_a_swarm_is_credited_with_its_handoffs_kept():
    from langgraph_swarm import create_handoff_tool, create_swarm

    front = create_agent(
        by_history(("", calls(("transfer_to_maths", {}, "call-1"), text="over to maths"))),
        tools=[create_handoff_tool(agent_name="maths")],
        name="front",
    )
    maths = create_agent(by_history(("over", AIMessage("It is 42.")), ("", AIMessage("What?"))), tools=[], name="maths")
    graph = create_swarm([front, maths], default_active_agent="front").compile()
    credit = CreditConfig(method="replay", level="shapley")
    callback = CreditCallback(evaluate=lambda run: "42" in run.answer, credit=credit, replay=Replay(graph))
    graph.invoke({"messages": [("user", "6 * 7?")]}, {"callbacks": [callback]})
    assert callback.flush(60)
    credit = callback.last.credit
    assert credit.replay.stopped == "exact", credit.notes
    assert (credit.agents["front"], credit.agents["maths"]) == (0.5, 0.5)  # neither gets there without the other


@pytest.mark.parametrize("options", [{"tools": {"look_up": "again"}}, {"unmarked_tools": "ask"}])
def test_rules_that_are_none_are_refused(options):
    with pytest.raises(ConfigurationError, match="is 'repeat', 'pin' or 'stop', not"):
        Replay(Office().graph, **options)


def _message(office, agent):
    return next(m.id for m in office.callback.last.trajectory.messages if m.actor_id == agent)


def test_a_rule_for_a_tool_that_nobody_has_is_told():
    credit = Office().run(tools={"look_up": "repeat", "nosuch": "pin"})
    (note,) = [note for note in credit.notes if "Replay(tools=...)" in note]
    assert "names 'nosuch':" in note
    assert not [note for note in Office().run(tools={"look_up": "repeat"}).notes if "Replay(tools=...)" in note]
