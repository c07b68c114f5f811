"""Agents with models and tools: `create_agent`, `ToolNode`, agents as tools, supervisors and swarms."""

import warnings

from capture_cases.basic import say
from capture_cases.kit import ScriptedModel, Turn, calls, says, topology, user
from capture_cases.state import pipeline
from langchain.agents import create_agent
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from langgraph_supervisor import create_supervisor
from langgraph_swarm import create_handoff_tool, create_swarm


@tool
def multiply(a: int, b: int) -> int:
    """Multiply."""
    return a * b


@tool
def add(a: int, b: int) -> int:
    """Add."""
    return a + b


def model(*replies):
    return ScriptedModel(reply=says(*replies))


def reader(name="model"):
    """A model that says what it has read."""
    return ScriptedModel(reply=lambda messages: f"{name} read {len(messages)}", name_of_model=name)


def asks(chat):
    """A node that calls a model with all messages."""

    def node(state):
        return {"messages": [chat.invoke(state["messages"])]}

    async def anode(state):
        return {"messages": [await chat.ainvoke(state["messages"])]}

    return node, anode


@topology(
    Turn(
        user(),
        {
            "user:task": [],
            "first:small read 1": ["user:task"],
            "second:large read 2": ["user:task", "first:small read 1"],
        },
        answer="large read 2",
    )
)
def model_nodes(mode):
    return pipeline(
        MessagesState, ("first", mode.pick(*asks(reader("small")))), ("second", mode.pick(*asks(reader("large"))))
    )


@topology(
    Turn(
        user("6 * 7?"),
        {
            "user:6 * 7?": [],
            'maths:multiply({"a":6,"b":7})': ["user:6 * 7?"],
            "multiply:42": ['maths:multiply({"a":6,"b":7})'],
            "maths:It is 42.": ["user:6 * 7?", 'maths:multiply({"a":6,"b":7})', "multiply:42"],
        },
        answer="It is 42.",
    )
)
def agent_with_a_tool(mode):
    replies = (calls(("multiply", {"a": 6, "b": 7}, "call-1")), AIMessage("It is 42."))
    return create_agent(model(*replies), tools=[multiply], name="maths", system_prompt="You calculate.")


@topology(
    Turn(
        user("6 * 7 and 6 + 7?"),
        {
            "user:6 * 7 and 6 + 7?": [],
            'maths:multiply({"a":6,"b":7}) add({"a":6,"b":7})': ["user:6 * 7 and 6 + 7?"],
            "multiply:42": ['maths:multiply({"a":6,"b":7}) add({"a":6,"b":7})'],
            "add:13": ['maths:multiply({"a":6,"b":7}) add({"a":6,"b":7})'],
            "maths:42 and 13": [
                "user:6 * 7 and 6 + 7?",
                'maths:multiply({"a":6,"b":7}) add({"a":6,"b":7})',
                "multiply:42",
                "add:13",
            ],
        },
        answer="42 and 13",
    )
)
def agent_with_parallel_tool_calls(mode):
    wanted = calls(("multiply", {"a": 6, "b": 7}, "call-1"), ("add", {"a": 6, "b": 7}, "call-2"))
    return create_agent(model(wanted, AIMessage("42 and 13")), tools=[multiply, add], name="maths")


@topology(
    Turn(
        user("6 * 7?"),
        {
            "user:6 * 7?": [],
            'lead:consult({"question":"6 * 7"})': ["user:6 * 7?"],
            "lead:6 * 7": ['lead:consult({"question":"6 * 7"})'],
            "expert:surely 42": ["lead:6 * 7"],
            "consult:surely 42": ['lead:consult({"question":"6 * 7"})', "expert:surely 42"],
            "lead:They say 42.": ["user:6 * 7?", 'lead:consult({"question":"6 * 7"})', "consult:surely 42"],
        },
        answer="They say 42.",
    )
)
def agent_as_a_tool_of_an_agent(mode):
    expert = create_agent(model(AIMessage("surely 42")), tools=[], name="expert")

    def ask(question: str) -> str:
        """Ask the expert."""
        return expert.invoke({"messages": [("user", question)]})["messages"][-1].text

    async def aask(question: str) -> str:
        """Ask the expert."""
        return (await expert.ainvoke({"messages": [("user", question)]}))["messages"][-1].text

    consult = tool("consult")(mode.pick(ask, aask))
    replies = (calls(("consult", {"question": "6 * 7"}, "call-1")), AIMessage("They say 42."))
    return create_agent(model(*replies), tools=[consult], name="lead")


@topology(
    Turn(
        user("6 * 7?"),
        {
            "user:6 * 7?": [],
            'caller:multiply({"a":6,"b":7})': ["user:6 * 7?"],
            "multiply:42": ['caller:multiply({"a":6,"b":7})'],
            "caller:so 42": ["user:6 * 7?", 'caller:multiply({"a":6,"b":7})', "multiply:42"],
        },
        answer="so 42",
    )
)
def tool_node(mode):
    chat = model(calls(("multiply", {"a": 6, "b": 7}, "call-1")), AIMessage("so 42"))
    builder = StateGraph(MessagesState)
    builder.add_node("caller", mode.pick(*asks(chat)))
    builder.add_node("tools", ToolNode([multiply]))
    builder.add_edge(START, "caller")
    builder.add_conditional_edges("caller", tools_condition)
    builder.add_edge("tools", "caller")
    return builder.compile()


@topology(
    Turn(
        user("6 * 7?"),
        {
            "user:6 * 7?": [],
            "planner:multiply them": ["user:6 * 7?"],
            'maths:multiply({"a":6,"b":7})': ["user:6 * 7?", "planner:multiply them"],
            "multiply:42": ['maths:multiply({"a":6,"b":7})'],
            "maths:It is 42.": [
                "user:6 * 7?",
                "planner:multiply them",
                'maths:multiply({"a":6,"b":7})',
                "multiply:42",
            ],
            "checker:right": [
                "user:6 * 7?",
                "planner:multiply them",
                'maths:multiply({"a":6,"b":7})',
                "multiply:42",
                "maths:It is 42.",
            ],
        },
        answer="right",
    )
)
def agent_as_a_node(mode):
    replies = (calls(("multiply", {"a": 6, "b": 7}, "call-1")), AIMessage("It is 42."))
    chat = ScriptedModel(
        reply=lambda messages: replies[any(message.type == "tool" for message in messages)].model_copy()
    )
    agent = create_agent(chat, tools=[multiply], name="maths")
    return pipeline(
        MessagesState, ("planner", mode(say("multiply them"))), ("solver", agent), ("checker", mode(say("right")))
    )


def by_history(*rules):
    """A script: the first reply whose condition holds for the texts and tool calls read so far."""

    def reply(messages):
        seen = " | ".join(
            [message.text + "".join(c["name"] for c in getattr(message, "tool_calls", ())) for message in messages]
        )
        return next(answer for wanted, answer in rules if wanted in seen).model_copy()

    return ScriptedModel(reply=reply)


def supervised(output_mode):
    maths = create_agent(
        by_history(("42", AIMessage("It is 42.")), ("", calls(("multiply", {"a": 6, "b": 7}, "call-2")))),
        tools=[multiply],
        name="maths",
    )
    boss = by_history(
        ("Transferring back", AIMessage("The answer is 42.")),
        ("", calls(("transfer_to_maths", {}, "call-1"))),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the package still uses create_react_agent
        team = create_supervisor([maths], model=boss, output_mode=output_mode, supervisor_name="boss")
    return team.compile(name="office")


_HANDED_TO_MATHS = {
    "user:6 * 7?": [],
    "boss:transfer_to_maths({})": ["user:6 * 7?"],
    "transfer_to_maths:Successfully transferred to maths": ["boss:transfer_to_maths({})"],
    'maths:multiply({"a":6,"b":7})': [
        "user:6 * 7?",
        "boss:transfer_to_maths({})",
        "transfer_to_maths:Successfully transferred to maths",
    ],
    "multiply:42": ['maths:multiply({"a":6,"b":7})'],
    "maths:It is 42.": [
        "user:6 * 7?",
        "boss:transfer_to_maths({})",
        "transfer_to_maths:Successfully transferred to maths",
        'maths:multiply({"a":6,"b":7})',
        "multiply:42",
    ],
    "maths:Transferring back to boss transfer_back_to_boss({})": [
        "user:6 * 7?",
        "boss:transfer_to_maths({})",
        "transfer_to_maths:Successfully transferred to maths",
        'maths:multiply({"a":6,"b":7})',
        "multiply:42",
        "maths:It is 42.",
    ],
    "transfer_back_to_boss:Successfully transferred back to boss": [
        "user:6 * 7?",
        "boss:transfer_to_maths({})",
        "transfer_to_maths:Successfully transferred to maths",
        'maths:multiply({"a":6,"b":7})',
        "multiply:42",
        "maths:It is 42.",
    ],
}


@topology(
    Turn(
        user("6 * 7?"),
        _HANDED_TO_MATHS | {"boss:The answer is 42.": list(_HANDED_TO_MATHS)},
        answer="The answer is 42.",
    )
)
def supervisor_with_full_history(mode):
    return supervised("full_history")


@topology(
    Turn(
        user("6 * 7?"),
        _HANDED_TO_MATHS
        | {
            "boss:The answer is 42.": [
                "user:6 * 7?",
                "boss:transfer_to_maths({})",
                "transfer_to_maths:Successfully transferred to maths",
                "maths:It is 42.",
                "maths:Transferring back to boss transfer_back_to_boss({})",
                "transfer_back_to_boss:Successfully transferred back to boss",
            ]
        },
        answer="The answer is 42.",
    )
)
def supervisor_with_last_message(mode):
    return supervised("last_message")


@topology(
    Turn(
        user("6 * 7?"),
        {
            "user:6 * 7?": [],
            "front:transfer_to_maths({})": ["user:6 * 7?"],
            "transfer_to_maths:Successfully transferred to maths": ["front:transfer_to_maths({})"],
            "front:active_agent: maths": ["front:transfer_to_maths({})"],
            'maths:multiply({"a":6,"b":7})': [
                "user:6 * 7?",
                "front:transfer_to_maths({})",
                "transfer_to_maths:Successfully transferred to maths",
            ],
            "multiply:42": ['maths:multiply({"a":6,"b":7})'],
            "maths:It is 42.": [
                "user:6 * 7?",
                "front:transfer_to_maths({})",
                "transfer_to_maths:Successfully transferred to maths",
                'maths:multiply({"a":6,"b":7})',
                "multiply:42",
            ],
        },
        answer="It is 42.",
    )
)
def swarm(mode):
    front = create_agent(
        by_history(("", calls(("transfer_to_maths", {}, "call-1")))),
        tools=[create_handoff_tool(agent_name="maths")],
        name="front",
    )
    maths = create_agent(
        by_history(("42", AIMessage("It is 42.")), ("", calls(("multiply", {"a": 6, "b": 7}, "call-2")))),
        tools=[multiply],
        name="maths",
    )
    return create_swarm([front, maths], default_active_agent="front").compile()
