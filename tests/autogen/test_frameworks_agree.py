"""The same conversation in LangGraph and in AutoGen: the same provenance, and the same rewards."""

import pytest

pytest.importorskip("autogen_agentchat", reason="AutoGen is not installed: pip install 'credit-hooks[autogen]'")
pytest.importorskip("langgraph.graph", reason="LangGraph is not installed")

from autogen_agentchat.teams import DiGraphBuilder, GraphFlow, RoundRobinGroupChat
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage
from langgraph.graph import START, MessagesState, StateGraph
from team_cases.kit import Plain, agent, dag

from credit_hooks.autogen import capture_of, instrument
from credit_hooks.langgraph import CreditCallback

TASK = "Two trains leave with 12 and 30 wagons. How many wagons are there?"
SAID = {
    "reader": "There are 12 wagons and 30 wagons.",
    "planner": "Add 12 and 30.",
    "solver": "12 + 30 = 42",
    "checker": "42 - 30 = 12, so 42 is right. The answer is 42.",
}


def node(name, text):
    return lambda state: {"messages": [AIMessage(text, name=name)]}


def in_langgraph(said, edges, outcome):
    builder = StateGraph(MessagesState)
    for name, text in said.items():
        builder.add_node(name, node(name, text))
    for source, target in edges:
        builder.add_edge([*source] if isinstance(source, tuple) else source, target)
    callback = CreditCallback(evaluate=lambda run: outcome)
    builder.compile().invoke({"messages": [("user", TASK)]}, {"callbacks": [callback]})
    assert callback.flush()
    return callback.last


async def in_autogen(team, outcome):
    team = instrument(team, evaluate=lambda run: outcome)
    await team.run(task=TASK)
    capture = capture_of(team)
    assert capture.flush()
    return capture.last


def rewards(credited):
    """Author and text to reward."""
    messages = credited.trajectory.message_by_id
    return {
        (messages[reward.message_id].actor_id, messages[reward.message_id].text): reward.reward
        for reward in credited.credit.messages
    }


def assert_the_same(ours, theirs):
    assert dag(ours.trajectory) == dag(theirs.trajectory)
    assert ours.trajectory.answer == theirs.trajectory.answer
    assert ours.credit.status == theirs.credit.status == "credited"
    left, right = rewards(ours), rewards(theirs)
    assert left.keys() == right.keys()
    for key, reward in left.items():
        assert right[key] == (None if reward is None else pytest.approx(reward, abs=1e-12))
    assert ours.credit.agents == pytest.approx(theirs.credit.agents, abs=1e-12)


@pytest.mark.parametrize("outcome", [True, False, 0.3])
@pytest.mark.parametrize("make", [Plain, agent], ids=["functions", "models"])
async def test_a_conversation_in_turns(outcome, make):
    names = list(SAID)
    edges = [(START, names[0]), *zip(names, names[1:])]
    members = [make(name, text) for name, text in SAID.items()]
    team = RoundRobinGroupChat(members, max_turns=len(members))
    assert_the_same(in_langgraph(SAID, edges, outcome), await in_autogen(team, outcome))


@pytest.mark.parametrize("outcome", [True, False])
async def test_fan_out_and_join(outcome):
    edges = [(START, "reader"), ("reader", "planner"), ("reader", "solver"), (("planner", "solver"), "checker")]
    members = {name: agent(name, text) for name, text in SAID.items()}
    builder = DiGraphBuilder()
    for member in members.values():
        builder.add_node(member)
    for source, target in (("reader", "planner"), ("reader", "solver"), ("planner", "checker"), ("solver", "checker")):
        builder.add_edge(members[source], members[target])
    team = GraphFlow(list(members.values()), graph=builder.build())
    assert_the_same(in_langgraph(SAID, edges, outcome), await in_autogen(team, outcome))


@settings(max_examples=15, deadline=None)
@given(
    texts=st.lists(
        st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40),
        min_size=1,
        max_size=4,
        unique=True,
    ),
    outcome=st.floats(0, 1),
)
async def test_whatever_is_said(texts, outcome):
    said = {f"agent_{number}": text for number, text in enumerate(texts)}
    names = list(said)
    team = RoundRobinGroupChat([Plain(name, text) for name, text in said.items()], max_turns=len(names))
    edges = [(START, names[0]), *zip(names, names[1:])]
    assert_the_same(in_langgraph(said, edges, outcome), await in_autogen(team, outcome))
