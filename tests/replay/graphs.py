"""LangGraph teams whose agents are deterministic models, also with some messages silent from the start."""

import hashlib
import operator
from collections import Counter
from typing import Annotated, TypedDict

from capture_cases.kit import ScriptedModel
from langchain.agents import create_agent
from langchain_core.messages import AIMessage
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import Command, Send


class Cast:
    """Makes the agents of a team. An agent's model says a digest of all that it reads.

    Args:
        silent: (agent, turn) that say nothing: what brute force builds in, and replay has to find.
    """

    def __init__(self, silent=()):
        self.silent = frozenset(silent)
        self.calls = Counter()
        """Model calls by agent."""

    def model(self, name):
        def reply(messages):
            self.calls[name] += 1
            said = f"{name}|" + "|".join(f"{message.type}:{message.text}" for message in messages)
            return f"{name} {hashlib.sha256(said.encode()).hexdigest()[:8]}"

        return ScriptedModel(reply=reply)

    def node(self, name, turn=None):
        """A node that asks its model; `turn` tells which of its turns this is, from the messages."""
        model = self.model(name)

        def ask(state):
            which = 0 if turn is None else turn(state)
            if (name, which) in self.silent:
                return {"messages": [AIMessage("")]}
            return {"messages": [model.invoke(state["messages"])]}

        return ask


def chain(cast, names="abcd"):
    builder = StateGraph(MessagesState)
    builder.add_sequence([(name, cast.node(name)) for name in names])
    builder.add_edge(START, names[0])
    return builder.compile()


def star(cast, names="abcd"):
    """All but the last speak side by side, the last reads all."""
    builder = StateGraph(MessagesState)
    for name in names:
        builder.add_node(name, cast.node(name))
    for name in names[:-1]:
        builder.add_edge(START, name)
    builder.add_edge(list(names[:-1]), names[-1])
    return builder.compile()


class Rounds(TypedDict):
    messages: Annotated[list, operator.add]
    """The other roles' words of the last round only: each role reads what the round before said."""
    round: int
    last: list


def rounds(cast, roles="abc", count=2):
    """Roles speak side by side, round after round; each reads the whole round before, and no more."""
    builder = StateGraph(Rounds)

    def role(name):
        model = cast.model(name)

        def speak(state):
            if (name, state["round"]) in cast.silent:
                return {"messages": [AIMessage("", name=name)]}
            reply = model.invoke([*state["last"]])
            return {"messages": [AIMessage(reply.text, name=name)]}

        return speak

    def next_round(state):
        said = sorted(state["messages"][-len(roles) :], key=lambda message: message.name or "")
        return {"round": state["round"] + 1, "last": said}

    builder.add_node("next", next_round)
    for name in roles:
        builder.add_node(name, role(name))
        builder.add_edge(START, name)
    builder.add_edge(list(roles), "next")
    builder.add_conditional_edges("next", lambda state: list(roles) if state["round"] < count else END, [*roles, END])
    return builder.compile()


def debate(cast, names="ab", count=2):
    """Agents take turns and read all."""
    builder = StateGraph(MessagesState)

    def turn(name):
        return lambda state: (len(state["messages"]) - 1) // len(names)

    for name in names:
        builder.add_node(name, cast.node(name, turn(name)))
    builder.add_edge(START, names[0])
    for one, other in zip(names, names[1:], strict=False):
        builder.add_edge(one, other)
    builder.add_conditional_edges(
        names[-1], lambda state: names[0] if len(state["messages"]) <= len(names) * (count - 1) + 1 else END
    )
    return builder.compile()


def nested(cast):
    """A graph as a node."""
    inner = StateGraph(MessagesState)
    inner.add_sequence([(name, cast.node(name)) for name in "bc"])
    inner.add_edge(START, "b")
    builder = StateGraph(MessagesState)
    builder.add_sequence([("a", cast.node("a")), ("team", inner.compile()), ("d", cast.node("d"))])
    builder.add_edge(START, "a")
    return builder.compile()


def sent(cast):
    """Workers are sent the plan with a part each; a reader sums up."""
    builder = StateGraph(MessagesState)
    model = cast.model("work")

    def work(state):
        if ("work", state["part"]) in cast.silent:
            return {"messages": [AIMessage("")]}
        reply = model.invoke([*state["messages"], ("user", f"part {state['part']}")])
        return {"messages": [reply]}

    builder.add_node("plan", cast.node("plan"))
    builder.add_node("work", work)
    builder.add_node("sum", cast.node("sum"))
    builder.add_edge(START, "plan")
    builder.add_conditional_edges(
        "plan", lambda state: [Send("work", {"messages": state["messages"], "part": part}) for part in (0, 1)], ["work"]
    )
    builder.add_edge("work", "sum")
    return builder.compile()


def routed(cast):
    """A node that says something and names the next node: masked, it still goes there."""
    builder = StateGraph(MessagesState)
    model = cast.model("triage")

    def triage(state):
        if ("triage", 0) in cast.silent:
            return Command(goto="expert", update={"messages": [AIMessage("")]})
        return Command(goto="expert", update={"messages": [model.invoke(state["messages"])]})

    builder.add_node("triage", triage, destinations=("expert",))
    builder.add_node("expert", cast.node("expert"))
    builder.add_node("review", cast.node("review"))
    builder.add_edge(START, "triage")
    builder.add_edge("expert", "review")
    return builder.compile()


def judged(cast):
    """What is said decides who speaks next."""
    builder = StateGraph(MessagesState)
    for name in ("draft", "mend", "publish"):
        builder.add_node(name, cast.node(name))
    builder.add_edge(START, "draft")
    builder.add_conditional_edges(
        "draft", lambda state: "mend" if state["messages"][-1].text else "publish", ["mend", "publish"]
    )
    builder.add_edge("mend", "publish")
    return builder.compile()


def agents(cast):
    """`create_agent` in the nodes."""
    builder = StateGraph(MessagesState)
    for name in "ab":
        silent = (name, 0) in cast.silent
        model = ScriptedModel(reply=lambda messages: "") if silent else cast.model(name)
        builder.add_node(name, create_agent(model, tools=[], name=name))
    builder.add_node("c", cast.node("c"))
    builder.add_edge(START, "a")
    builder.add_edge("a", "b")
    builder.add_edge("b", "c")
    return builder.compile()


def score(run):
    """A score in [0, 1] that is neither additive nor monotone."""
    return int(hashlib.sha256(run.answer.encode()).hexdigest()[:6], 16) % 101 / 100


TEAMS = {
    "chain": (chain, [("a", 0), ("b", 0), ("c", 0), ("d", 0)]),
    "star": (star, [("a", 0), ("b", 0), ("c", 0), ("d", 0)]),
    "rounds": (rounds, [("a", 0), ("b", 0), ("c", 0), ("a", 1), ("b", 1), ("c", 1)]),
    "debate": (debate, [("a", 0), ("b", 0), ("a", 1), ("b", 1)]),
    "nested": (nested, [("a", 0), ("b", 0), ("c", 0), ("d", 0)]),
    "sent": (sent, [("plan", 0), ("work", 0), ("work", 1), ("sum", 0)]),
    "routed": (routed, [("triage", 0), ("expert", 0), ("review", 0)]),
    "judged": (judged, [("draft", 0), ("mend", 0), ("publish", 0)]),
    "agents": (agents, [("a", 0), ("b", 0), ("c", 0)]),
}
"""Name to a function that builds the team, and its turns in the order of a run."""
