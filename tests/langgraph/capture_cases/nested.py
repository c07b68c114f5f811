"""Graphs inside graphs, and the functional API."""

import asyncio
import time
from typing import TypedDict

from capture_cases.basic import say
from capture_cases.kit import Turn, topology, user
from capture_cases.state import pipeline
from langchain_core.messages import AIMessage
from langgraph.func import entrypoint, task
from langgraph.graph import START, MessagesState, StateGraph


def team(mode):
    """A graph of two nodes."""
    return pipeline(MessagesState, ("draft", mode(say("a draft"))), ("review", mode(say("a review"))))


_AROUND_A_TEAM = {
    "user:task": [],
    "plan:a plan": ["user:task"],
    "draft:a draft": ["user:task", "plan:a plan"],
    "review:a review": ["user:task", "plan:a plan", "draft:a draft"],
    "publish:published": ["user:task", "plan:a plan", "draft:a draft", "review:a review"],
}


@topology(Turn(user(), _AROUND_A_TEAM, answer="published"))
def subgraph_as_node(mode):
    return pipeline(
        MessagesState, ("plan", mode(say("a plan"))), ("team", team(mode)), ("publish", mode(say("published")))
    )


@topology(Turn(user(), _AROUND_A_TEAM, answer="published"))
def subgraph_called_in_a_node(mode):
    inner = team(mode)

    def call(state):
        return {"messages": inner.invoke({"messages": state["messages"]})["messages"]}

    async def acall(state):
        return {"messages": (await inner.ainvoke({"messages": state["messages"]}))["messages"]}

    return pipeline(
        MessagesState,
        ("plan", mode(say("a plan"))),
        ("team", mode.pick(call, acall)),
        ("publish", mode(say("published"))),
    )


@topology(
    Turn(
        user(),
        {
            "user:task": [],
            "plan:a plan": ["user:task"],
            "team:do it": ["user:task", "plan:a plan"],
            "draft:a draft": ["team:do it"],
            "review:a review": ["team:do it", "draft:a draft"],
            "team:they say a review": ["user:task", "plan:a plan", "draft:a draft", "review:a review"],
        },
        answer="they say a review",
    )
)
def subgraph_with_a_question_of_its_own(mode):
    """The caller writes the question; its own answer was written having seen what its team wrote."""
    inner = team(mode)

    def question():
        return {"messages": [("ai", "do it")]}

    def answer(result):
        return {"messages": [AIMessage(f"they say {result['messages'][-1].text}")]}

    def call(state):
        return answer(inner.invoke(question()))

    async def acall(state):
        return answer(await inner.ainvoke(question()))

    return pipeline(MessagesState, ("plan", mode(say("a plan"))), ("team", mode.pick(call, acall)))


@topology(
    Turn(
        user(),
        {
            "user:task": [],
            "draft:a draft": ["user:task"],
            "review:a review": ["user:task", "draft:a draft"],
            "edit:edited": ["user:task", "draft:a draft", "review:a review"],
            "publish:published": ["user:task", "draft:a draft", "review:a review", "edit:edited"],
        },
        answer="published",
    )
)
def subgraphs_two_deep(mode):
    office = pipeline(MessagesState, ("team", team(mode)), ("edit", mode(say("edited"))))
    return pipeline(MessagesState, ("office", office), ("publish", mode(say("published"))))


class Paper(TypedDict, total=False):
    topic: str
    text: str


class Draft(TypedDict, total=False):
    topic: str
    outline: str
    text: str


@topology(
    Turn(
        lambda: {"topic": "ants"},
        {
            "user:topic: ants": [],
            "outline:outline: about ants": ["user:topic: ants"],
            "write:text: text about ants": ["user:topic: ants", "outline:outline: about ants"],
            "print:text: TEXT ABOUT ANTS": ["user:topic: ants", "write:text: text about ants"],
        },
        answer="text: TEXT ABOUT ANTS",
    )
)
def subgraph_of_plain_state(mode):
    """The inner graph's own channel stays inside."""
    inner = pipeline(
        Draft,
        ("outline", mode(lambda state: {"outline": f"about {state['topic']}"})),
        ("write", mode(lambda state: {"text": f"text {state['outline']}"})),
    )
    return pipeline(Paper, ("writer", inner), ("print", mode(lambda state: {"text": state["text"].upper()})))


@topology(
    Turn(
        lambda: "ants",
        {
            "user:ants": [],
            "research:facts on ants": ["user:ants"],
            "write:text from facts on ants": ["research:facts on ants"],
            "essay:TEXT FROM FACTS ON ANTS": [
                "user:ants",
                "research:facts on ants",
                "write:text from facts on ants",
            ],
        },
        answer="TEXT FROM FACTS ON ANTS",
    )
)
def entrypoint_and_tasks(mode):
    @task
    def research(topic):
        return f"facts on {topic}"

    @task
    def write(facts):
        return f"text from {facts}"

    @task(name="research")
    async def aresearch(topic):
        return f"facts on {topic}"

    @task(name="write")
    async def awrite(facts):
        return f"text from {facts}"

    @entrypoint()
    def essay(topic):
        return write(research(topic).result()).result().upper()

    async def aessay(topic):
        return (await awrite(await aresearch(topic))).upper()

    aessay.__name__ = "essay"
    return mode.pick(essay, entrypoint()(aessay))


@topology(
    Turn(
        lambda: "ants",
        {
            "user:ants": [],
            "fact:ants have 6 legs": ["user:ants"],
            "fact:ants have 2 eyes": ["user:ants"],
            "essay:ants have 6 legs, ants have 2 eyes": ["user:ants", "fact:ants have 6 legs", "fact:ants have 2 eyes"],
        },
        answer="ants have 6 legs, ants have 2 eyes",
    )
)
def parallel_tasks(mode):
    def text(topic, what):
        if what == "2 eyes":
            time.sleep(0.02)  # so that the results come in this order
        return f"{topic} have {what}"

    fact = task(name="fact")(text)

    async def atext(topic, what):
        return text(topic, what)

    afact = task(name="fact")(atext)

    @entrypoint()
    def essay(topic):
        futures = [fact(topic, what) for what in ("6 legs", "2 eyes")]
        return ", ".join(future.result() for future in futures)

    async def aessay(topic):
        return ", ".join(await asyncio.gather(*[afact(topic, what) for what in ("6 legs", "2 eyes")]))

    aessay.__name__ = "essay"
    return mode.pick(essay, entrypoint()(aessay))


@topology(
    Turn(
        user(),
        {
            "user:task": [],
            "team:a draft": ["user:task"],
            "editor:a review": ["user:task", "team:a draft"],
        },
        answer="a review",
    )
)
def node_named_as_the_node_around_it(mode):
    """A node inside a graph has the same name as the node around it."""
    inner = StateGraph(MessagesState)
    inner.add_node("team", mode(say("a draft")))
    inner.add_edge(START, "team")
    outer = StateGraph(MessagesState)
    outer.add_node("team", inner.compile())
    outer.add_node("editor", mode(say("a review")))
    outer.add_edge(START, "team")
    outer.add_edge("team", "editor")
    return outer.compile()
