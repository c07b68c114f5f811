"""Runs that stop, fail, repeat or go on: interrupts, errors, retries, caches, threads."""

import asyncio
import operator
import time
from typing import Annotated, TypedDict

from capture_cases.basic import say
from capture_cases.kit import THREAD, Turn, resume, topology, user
from capture_cases.state import pipeline
from langchain_core.messages import AIMessage
from langgraph.cache.memory import InMemoryCache
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.errors import GraphRecursionError
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import CachePolicy, RetryPolicy, interrupt


class NodeError(Exception):
    """What the nodes of these graphs raise."""


@topology(
    Turn(
        user(),
        {"user:task": [], "draft:a draft": ["user:task"]},
        answer="a draft",
        status="interrupted",
    ),
    Turn(
        resume("looks good"),
        {
            "user:resume: looks good": [],
            "user:task": [],
            "draft:a draft": ["user:task"],
            "approve:approved: looks good": ["user:resume: looks good", "user:task", "draft:a draft"],
            "publish:published": ["user:task", "draft:a draft", "approve:approved: looks good"],
        },
        answer="published",
    ),
    configurable=THREAD,
)
def interrupt_and_resume(mode):
    """The run that resumes finds the messages of the interrupted one in its state and knows their authors."""

    def approve(state):
        return {"messages": [AIMessage(f"approved: {interrupt('approve?')}")]}

    builder = StateGraph(MessagesState)
    builder.add_sequence(
        [("draft", mode(say("a draft"))), ("approve", mode(approve)), ("publish", mode(say("published")))]
    )
    builder.add_edge(START, "draft")
    return builder.compile(checkpointer=InMemorySaver())


@topology(
    Turn(
        user(),
        {"user:task": [], "draft:a draft": ["user:task"]},
        answer="a draft",
        status="interrupted",
    ),
    Turn(
        lambda: None,
        {"user:task": [], "draft:a draft": ["user:task"], "publish:published": ["user:task", "draft:a draft"]},
        answer="published",
    ),
    configurable=THREAD,
)
def static_breakpoint(mode):
    builder = StateGraph(MessagesState)
    builder.add_sequence([("draft", mode(say("a draft"))), ("publish", mode(say("published")))])
    builder.add_edge(START, "draft")
    return builder.compile(checkpointer=InMemorySaver(), interrupt_before=["publish"])


@topology(
    Turn(
        user(),
        {"user:task": [], "left:from the left": ["user:task"]},
        answer="from the left",
        status="interrupted",
    ),
    Turn(
        resume("yes"),
        {
            "user:resume: yes": [],
            "user:task": [],
            "ask:told yes": ["user:resume: yes", "user:task"],
            "left:from the left": ["user:task"],
            "join:joined": ["user:task", "ask:told yes", "left:from the left"],
        },
        answer="joined",
    ),
    configurable=THREAD,
)
def interrupt_beside_a_sibling(mode):
    """What the sibling wrote before the interrupt is read by those after it, as written in the earlier run."""

    def ask(state):
        return {"messages": [AIMessage(f"told {interrupt('?')}")]}

    builder = StateGraph(MessagesState)
    builder.add_node("ask", mode(ask))
    builder.add_node("left", mode(say("from the left")))
    builder.add_node("join", mode(say("joined")))
    builder.add_edge(START, "ask")
    builder.add_edge(START, "left")
    builder.add_edge(["ask", "left"], "join")
    return builder.compile(checkpointer=InMemorySaver())


@topology(
    Turn(user("one"), {"user:one": [], "answer:answer 1": ["user:one"]}, answer="answer 1"),
    Turn(
        user("two"),
        {
            "user:two": [],
            "user:one": [],
            "answer:answer 1": ["user:one"],
            "answer:answer 3": ["user:one", "answer:answer 1", "user:two"],
        },
        answer="answer 3",
    ),
    configurable=THREAD,
)
def two_turns_of_a_conversation(mode):
    """Messages of an earlier turn are read, by their authors' names, with their parents, and not written again."""

    def answer(state):
        return {"messages": [AIMessage(f"answer {len(state['messages'])}")]}

    builder = StateGraph(MessagesState)
    builder.add_node("answer", mode(answer))
    builder.add_edge(START, "answer")
    return builder.compile(checkpointer=InMemorySaver())


@topology(
    Turn(
        user(),
        {
            "user:task": [],
            "shaky:attempt 3": ["user:task"],
            "after:after": ["user:task", "shaky:attempt 3"],
        },
        answer="after",
    )
)
def retries(mode):
    attempts = []

    def shaky(state):
        attempts.append(1)
        if len(attempts) < 3:
            raise NodeError("not yet")
        return {"messages": [AIMessage(f"attempt {len(attempts)}")]}

    builder = StateGraph(MessagesState)
    policy = RetryPolicy(max_attempts=3, initial_interval=0.001, jitter=False, retry_on=NodeError)
    builder.add_node("shaky", mode(shaky), retry_policy=policy)
    builder.add_node("after", mode(say("after")))
    builder.add_edge(START, "shaky")
    builder.add_edge("shaky", "after")
    return builder.compile()


class Cached(TypedDict, total=False):
    question: str
    messages: Annotated[list, operator.add]


@topology(
    Turn(
        lambda: {"question": "why?"},
        {
            "user:question: why?": [],
            "slow:found": ["user:question: why?"],
            "after:after": ["user:question: why?", "slow:found"],
        },
        answer="after",
    ),
    Turn(
        lambda: {"question": "why?"},
        {
            "user:question: why?": [],
            "unknown:found": [],
            "after:after": ["user:question: why?", "unknown:found"],
        },
        answer="after",
    ),
)
def cached_node(mode):
    """A cache hit calls no node: its message appears in the next input and nobody here wrote it."""
    builder = StateGraph(Cached)
    builder.add_node("slow", mode(say("found")), cache_policy=CachePolicy())
    builder.add_node("after", mode(say("after")))
    builder.add_edge(START, "slow")
    builder.add_edge("slow", "after")
    return builder.compile(cache=InMemoryCache())


@topology(
    Turn(
        user(),
        {"user:task": [], "draft:a draft": ["user:task"]},
        answer="a draft",
        status="error",
        raises=NodeError,
    )
)
def error_in_a_node(mode):
    def broken(state):
        raise NodeError("broken")

    return pipeline(MessagesState, ("draft", mode(say("a draft"))), ("broken", mode(broken)))


@topology(
    Turn(
        user(),
        {"user:task": [], "fine:fine": ["user:task"]},
        answer="fine",
        status="error",
        raises=NodeError,
    )
)
def error_beside_a_sibling(mode):
    """The sibling has returned before the other raises."""

    def broken(state):
        time.sleep(0.05)
        raise NodeError("broken")

    async def abroken(state):
        await asyncio.sleep(0.05)
        raise NodeError("broken")

    builder = StateGraph(MessagesState)
    builder.add_node("fine", mode(say("fine")))
    builder.add_node("broken", mode.pick(broken, abroken))
    builder.add_edge(START, "fine")
    builder.add_edge(START, "broken")
    return builder.compile()


@topology(
    Turn(
        user(),
        {
            "user:task": [],
            "again:round 1": ["user:task"],
            "again:round 2": ["user:task", "again:round 1"],
            "again:round 3": ["user:task", "again:round 1", "again:round 2"],
        },
        answer="round 3",
        status="error",
        raises=GraphRecursionError,
    ),
    recursion_limit=3,
)
def recursion_limit(mode):
    builder = StateGraph(MessagesState)
    builder.add_node("again", mode(lambda state: {"messages": [AIMessage(f"round {len(state['messages'])}")]}))
    builder.add_edge(START, "again")
    builder.add_edge("again", "again")
    return builder.compile()
