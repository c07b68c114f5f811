"""One team of each kind, beside the provenance that must come of it.

`member` makes the member that can be made to misbehave: it takes a name and a script, as `agent` does.
"""

import json

from autogen_agentchat.agents import MessageFilterAgent, MessageFilterConfig, PerSourceFilter, SocietyOfMindAgent
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.teams import (
    DiGraphBuilder,
    GraphFlow,
    MagenticOneGroupChat,
    RoundRobinGroupChat,
    SelectorGroupChat,
    Swarm,
)
from autogen_agentchat.tools import AgentTool, TeamTool
from autogen_core.model_context import BufferedChatCompletionContext, HeadAndTailChatCompletionContext
from team_cases.kit import Plain, ScriptedClient, agent, call, team_case


def add(a: int, b: int) -> int:
    """Adds."""
    return a + b


@team_case(
    dag={
        "user:task": [],
        "a:a1": ["user:task"],
        "b:b1": ["user:task", "a:a1"],
        "c:c1": ["user:task", "a:a1", "b:b1"],
        "a:a2": ["user:task", "a:a1", "b:b1", "c:c1"],
        "b:b2": ["user:task", "a:a1", "b:b1", "c:c1", "a:a2"],
    },
    answer="b2",
    scheduling={"a 1": [], "b 1": ["a 1"], "c 1": ["b 1"], "a 2": ["c 1"], "b 2": ["a 2"]},
)
def round_robin(member):
    return RoundRobinGroupChat([agent("a", "a1", "a2"), member("b", "b1", "b2"), Plain("c", "c1")], max_turns=5)


@team_case(
    dag={
        "user:task": [],
        'a:add({"a":1,"b":2})': ["user:task"],
        "add:3": ['a:add({"a":1,"b":2})'],
        "a:three": ["user:task", 'a:add({"a":1,"b":2})', "add:3"],
        "b:b1": ["user:task", "a:three"],
    },
    answer="b1",
)
def tools_and_reflection(member):
    asks = agent("a", [call("add", a=1, b=2)], "three", tools=[add], reflect_on_tool_use=True)
    return RoundRobinGroupChat([asks, member("b", "b1")], max_turns=2)


@team_case(
    dag={
        "user:task": [],
        'a:add({"a":1,"b":2}) add({"a":3,"b":4})': ["user:task"],
        "add:3\n7": ['a:add({"a":1,"b":2}) add({"a":3,"b":4})'],
        "a:3\n7": ["user:task", 'a:add({"a":1,"b":2}) add({"a":3,"b":4})', "add:3\n7"],
        "b:b1": ["user:task", "a:3\n7"],
    },
    answer="b1",
)
def two_tool_calls_at_once(member):
    asks = agent("a", [call("add", a=1, b=2), call("add", "call-2", a=3, b=4)], tools=[add])
    return RoundRobinGroupChat([asks, member("b", "b1")], max_turns=2)


@team_case(
    dag={"user:task": [], "a:a1": ["user:task"], "b:b1": ["user:task", "a:a1"]},
    answer="b1",
    scheduling={
        "SelectorGroupChatManager 1": [],
        "a 1": ["SelectorGroupChatManager 1"],
        "SelectorGroupChatManager 2": ["a 1"],
        "b 1": ["SelectorGroupChatManager 2"],
    },
)
def selector(member):
    return SelectorGroupChat(
        [agent("a", "a1"), member("b", "b1")],
        model_client=ScriptedClient("a", "b"),
        allow_repeated_speaker=True,
        max_turns=2,
    )


HANDOFF = "Transferred to b, adopting the role of b immediately."


@team_case(
    dag={
        "user:task": [],
        "a:transfer_to_b({})": ["user:task"],
        f"transfer_to_b:{HANDOFF}": ["a:transfer_to_b({})"],
        f"a:{HANDOFF}": ["user:task", "a:transfer_to_b({})", f"transfer_to_b:{HANDOFF}"],
        "b:b1": ["user:task", f"a:{HANDOFF}"],
    },
    answer="b1",
    scheduling={"a 1": [], "b 1": ["a 1"]},
)
def swarm(member):
    return Swarm([agent("a", [call("transfer_to_b")], handoffs=["b"]), member("b", "b1")], max_turns=2)


@team_case(
    dag={
        "user:task": [],
        "a:a1": ["user:task"],
        "b:b1": ["user:task", "a:a1"],
        "c:c1": ["user:task", "a:a1"],
        "d:d1": ["user:task", "a:a1", "b:b1", "c:c1"],
    },
    answer="d1",
    scheduling={"a 1": [], "b 1": ["a 1"], "c 1": ["a 1"], "d 1": ["b 1", "c 1"]},
)
def graph_fan_out_and_join(member):
    members = [agent("a", "a1"), member("b", "b1"), agent("c", "c1", delay=0.01), agent("d", "d1")]
    a, b, c, d = members
    builder = DiGraphBuilder()
    for each in members:
        builder.add_node(each)
    builder.add_edge(a, b).add_edge(a, c).add_edge(b, d).add_edge(c, d)
    return GraphFlow(members, graph=builder.build())


@team_case(
    dag={
        "user:task": [],
        "a:a1": ["user:task"],
        "b:again": ["user:task", "a:a1"],
        "a:a2": ["user:task", "a:a1", "b:again"],
        "b:fine": ["user:task", "a:a1", "b:again", "a:a2"],
        "c:c1": ["user:task", "a:a1", "b:again", "a:a2", "b:fine"],
    },
    answer="c1",
    scheduling={"a 1": [], "b 1": ["a 1"], "a 2": ["b 1"], "b 2": ["a 2"], "c 1": ["b 2"]},
)
def graph_loop(member):
    a, b, c = members = [agent("a", "a1", "a2"), member("b", "again", "fine"), agent("c", "c1")]
    builder = DiGraphBuilder()
    for each in members:
        builder.add_node(each)
    builder.add_edge(a, b)
    builder.add_edge(b, a, condition=lambda message: "again" in message.content)
    builder.add_edge(b, c, condition="fine")
    builder.set_entry_point(a)
    return GraphFlow(members, graph=builder.build(), termination_condition=MaxMessageTermination(20))


def _ledger(done, speaker, instruction):
    said = {
        "is_request_satisfied": done,
        "is_progress_being_made": True,
        "is_in_loop": False,
        "instruction_or_question": instruction,
        "next_speaker": speaker,
    }
    return json.dumps({key: {"reason": "because", "answer": value} for key, value in said.items()})


LEDGER = """MagenticOneOrchestrator:
We are working to address the following user request:

task


To answer this request we have assembled the following team:

a: a
b: b


Here is an initial fact sheet to consider:

facts


Here is the plan to follow as best as possible:

plan
"""
DO_A, DO_B = "MagenticOneOrchestrator:do a", "MagenticOneOrchestrator:do b"


@team_case(
    dag={
        "user:task": [],
        LEDGER: ["user:task"],
        DO_A: ["user:task", LEDGER],
        "a:a1": [LEDGER, DO_A],
        DO_B: ["user:task", LEDGER, DO_A, "a:a1"],
        "b:b1": [LEDGER, DO_A, "a:a1", DO_B],
        "MagenticOneOrchestrator:final": ["user:task", LEDGER, DO_A, "a:a1", DO_B, "b:b1"],
    },
    answer="final",
)
def magentic_one(member):
    plan = ("facts", "plan", _ledger(False, "a", "do a"), _ledger(False, "b", "do b"), _ledger(True, "b", ""), "final")
    return MagenticOneGroupChat([agent("a", "a1"), member("b", "b1")], model_client=ScriptedClient(*plan))


@team_case(
    dag={
        "user:task": [],
        "x:x1": ["user:task"],
        "y:y1": ["user:task", "x:x1"],
        "mind:summary": ["x:x1", "y:y1"],
        "b:b1": ["user:task", "mind:summary"],
    },
    answer="b1",
)
def society_of_mind(member):
    inner = RoundRobinGroupChat([agent("x", "x1"), member("y", "y1")], max_turns=2)
    mind = SocietyOfMindAgent("mind", team=inner, model_client=ScriptedClient("summary"))
    return RoundRobinGroupChat([mind, agent("b", "b1")], max_turns=2)


@team_case(dag={"user:task": [], "a:a1": ["user:task"], "b:b1": ["user:task", "a:a1"], "c:c1": ["a:a1"]}, answer="c1")
def message_filter(member):
    only_a = MessageFilterConfig(per_source=[PerSourceFilter(source="a", position="last", count=1)])
    filtered = MessageFilterAgent("c", wrapped_agent=agent("c", "c1"), filter=only_a)
    return RoundRobinGroupChat([agent("a", "a1"), member("b", "b1"), filtered], max_turns=3)


@team_case(
    dag={
        "user:task": [],
        "x:x1": ["user:task"],
        "y:y1": ["user:task", "x:x1"],
        "b:b1": ["user:task", "x:x1", "y:y1"],
    },
    answer="b1",
    scheduling={"x 1": [], "y 1": ["x 1"], "b 1": ["inner 1"]},
)
def nested_team(member):
    inner = RoundRobinGroupChat([agent("x", "x1"), member("y", "y1")], max_turns=2, name="inner")
    return RoundRobinGroupChat([inner, agent("b", "b1")], max_turns=2)


@team_case(
    dag={
        "user:task": [],
        'a:helper({"task":"help"})': ["user:task"],
        "a:help": ["user:task", 'a:helper({"task":"help"})'],
        "helper:h1": ["a:help"],
        "helper:helper: h1": ['a:helper({"task":"help"})', "helper:h1"],
        "a:done": ["user:task", 'a:helper({"task":"help"})', "helper:helper: h1"],
    },
    answer="done",
)
def agent_as_tool(member):
    helper = AgentTool(member("helper", "h1"))
    asks = agent("a", [call("helper", task="help")], "done", tools=[helper], reflect_on_tool_use=True)
    return RoundRobinGroupChat([asks], max_turns=1)


@team_case(
    dag={
        "user:task": [],
        'a:inner({"task":"help"})': ["user:task"],
        "a:help": ["user:task", 'a:inner({"task":"help"})'],
        "x:x1": ["a:help"],
        "y:y1": ["a:help", "x:x1"],
        "inner:x: x1\n\ny: y1": ['a:inner({"task":"help"})', "x:x1", "y:y1"],
        "a:done": ["user:task", 'a:inner({"task":"help"})', "inner:x: x1\n\ny: y1"],
    },
    answer="done",
)
def team_as_tool(member):
    inner = TeamTool(
        RoundRobinGroupChat([agent("x", "x1"), member("y", "y1")], max_turns=2, name="inner"),
        name="inner",
        description="a team",
    )
    asks = agent("a", [call("inner", task="help")], "done", tools=[inner], reflect_on_tool_use=True)
    return RoundRobinGroupChat([asks], max_turns=1)


@team_case(dag={"user:task": [], "solo:s1": ["user:task"]}, answer="s1")
def single_agent(member):
    return member("solo", "s1")


@team_case(
    dag={
        "user:task": [],
        "a:a1": ["user:task"],
        "b:same": ["user:task", "a:a1"],
        "c:same": ["a:a1", "b:same"],
        "a:a2": ["b:same", "c:same"],
        "b:same (2)": ["user:task", "a:a2"],
    },
    answer="same",
)
def limited_contexts(member):
    """Equal texts, and contexts that forget."""
    return RoundRobinGroupChat(
        [
            agent("a", "a1", "a2", model_context=BufferedChatCompletionContext(2)),
            member("b", "same", "same", model_context=HeadAndTailChatCompletionContext(1, 1)),
            agent("c", "same", model_context=BufferedChatCompletionContext(2)),
        ],
        max_turns=5,
    )
