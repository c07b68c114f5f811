"""Kinds of state: message formats, reducers, removal, private and typed schemas, no messages at all."""

import operator
from dataclasses import dataclass
from typing import Annotated, TypedDict

from capture_cases.basic import say
from capture_cases.kit import ScriptedModel, Turn, topology, user
from langchain_core.messages import AIMessage, AnyMessage, RemoveMessage, trim_messages
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.graph.message import REMOVE_ALL_MESSAGES, add_messages
from pydantic import BaseModel


def pipeline(schema, *nodes):
    """Nodes one after the other."""
    builder = StateGraph(schema)
    builder.add_sequence(list(nodes))
    builder.add_edge(START, nodes[0][0])
    return builder.compile()


def writes(*messages):
    """A node that writes values into the messages channel."""
    return lambda state: {"messages": messages[0] if len(messages) == 1 else list(messages)}


@topology(
    Turn(
        lambda: {"messages": [{"role": "user", "content": "task"}]},
        {
            "user:task": [],
            "first:one": ["user:task"],
            "second:two": ["user:task", "first:one"],
            "third:three": ["user:task", "first:one", "second:two"],
        },
        answer="three",
    )
)
def messages_as_dicts(mode):
    return pipeline(
        MessagesState,
        ("first", mode(writes({"role": "assistant", "content": "one"}))),
        ("second", mode(lambda state: {"messages": [{"role": "assistant", "content": "two"}]})),
        ("third", mode(lambda state: {"messages": {"type": "ai", "content": "three"}})),
    )


@topology(
    Turn(
        lambda: {"messages": [("user", "task"), ("user", "and more")]},
        {
            "user:task": [],
            "user:and more": [],
            "first:one": ["user:task", "user:and more"],
            "second:two": ["user:task", "user:and more", "first:one"],
        },
        answer="two",
    )
)
def messages_as_pairs(mode):
    return pipeline(
        MessagesState,
        ("first", mode(lambda state: {"messages": [("ai", "one")]})),
        ("second", mode(lambda state: {"messages": ("assistant", "two")})),
    )


@topology(
    Turn(
        lambda: {"messages": "task"},
        {
            "user:task": [],
            "first:one": ["user:task"],
            "second:two": ["user:task", "first:one"],
        },
        answer="two",
    )
)
def messages_as_strings(mode):
    return pipeline(
        MessagesState,
        ("first", mode(lambda state: {"messages": "one"})),
        ("second", mode(lambda state: {"messages": ["two"]})),
    )


class Appended(TypedDict):
    log: Annotated[list[AnyMessage], operator.add]


@topology(
    Turn(
        lambda: {"log": [AIMessage("as it was", name="historian")]},
        {
            "historian:as it was": [],
            "first:one": ["historian:as it was"],
            "second:one": ["historian:as it was", "first:one"],
            "third:three": ["historian:as it was", "first:one", "second:one"],
        },
        answer="three",
    )
)
def appended_messages(mode):
    """A channel without ids: equal messages of two authors stay two messages."""
    return pipeline(
        Appended,
        ("first", mode(lambda state: {"log": [AIMessage("one")]})),
        ("second", mode(lambda state: {"log": [AIMessage("one")]})),
        ("third", mode(lambda state: {"log": [AIMessage("three")]})),
    )


@topology(
    Turn(
        user(),
        {
            "user:task": [],
            "first:one": ["user:task"],
            "second:two": ["user:task", "first:one"],
            "last:last": ["first:one", "second:two"],
        },
        answer="last",
    )
)
def removed_message(mode):
    def forget(state):
        return {"messages": [RemoveMessage(id=state["messages"][0].id)]}

    return pipeline(
        MessagesState,
        ("first", mode(say("one"))),
        ("second", mode(say("two"))),
        ("forget", mode(forget)),
        ("last", mode(say("last"))),
    )


@topology(
    Turn(
        user(),
        {
            "user:task": [],
            "first:one": ["user:task"],
            "condense:summary of 2": ["user:task", "first:one"],
            "last:last": ["condense:summary of 2"],
        },
        answer="last",
    )
)
def removed_all(mode):
    def condense(state):
        summary = AIMessage(f"summary of {len(state['messages'])}")
        return {"messages": [RemoveMessage(id=REMOVE_ALL_MESSAGES), summary]}

    return pipeline(
        MessagesState, ("first", mode(say("one"))), ("condense", mode(condense)), ("last", mode(say("last")))
    )


@topology(
    Turn(
        user(),
        {
            "user:task": [],
            "first:one": ["user:task"],
            "edit:one, edited": ["user:task", "first:one"],
            "last:last": ["user:task", "edit:one, edited"],
        },
        answer="last",
    )
)
def edited_message(mode):
    """The same id with new content is a new version, written by its editor."""

    def edit(state):
        return {"messages": [AIMessage("one, edited", id=state["messages"][-1].id)]}

    return pipeline(MessagesState, ("first", mode(say("one"))), ("edit", mode(edit)), ("last", mode(say("last"))))


@topology(
    Turn(
        user(),
        {
            "user:task": [],
            "first:one": ["user:task"],
            "second:two": ["user:task", "first:one"],
            "model:read one two": ["first:one", "second:two"],
        },
        answer="read one two",
    )
)
def trimmed_history(mode):
    """What the model was shown counts, not what the node could see."""
    model = ScriptedModel(reply=lambda messages: "read " + " ".join(message.text for message in messages))

    def trimmed(state):
        return trim_messages(state["messages"], max_tokens=2, token_counter=len, strategy="last")

    def ask(state):
        return {"messages": [model.invoke(trimmed(state))]}

    async def aask(state):
        return {"messages": [await model.ainvoke(trimmed(state))]}

    return pipeline(
        MessagesState, ("first", mode(say("one"))), ("second", mode(say("two"))), ("model", mode.pick(ask, aask))
    )


class Overall(TypedDict, total=False):
    question: str
    secret: str
    notes: str
    answer: str


class OnlyNotes(TypedDict):
    notes: str


@topology(
    Turn(
        lambda: {"question": "why?", "secret": "hush"},
        {
            "user:question: why?\nsecret: hush": [],
            "research:notes: noted why?": ["user:question: why?\nsecret: hush"],
            "answer:answer: from noted why?": ["research:notes: noted why?"],
        },
        answer="answer: from noted why?",
    )
)
def private_input_schema(mode):
    def research(state: Overall):
        return {"notes": f"noted {state['question']}"}

    def answer(state: OnlyNotes):
        return {"answer": f"from {state['notes']}"}

    builder = StateGraph(Overall)
    builder.add_node("research", mode(research))
    builder.add_node("answer", mode(answer), input_schema=OnlyNotes)
    builder.add_edge(START, "research")
    builder.add_edge("research", "answer")
    return builder.compile()


class PydanticState(BaseModel):
    messages: Annotated[list[AnyMessage], add_messages] = []
    total: int = 0


@topology(
    Turn(
        user(),
        {
            "user:task": [],
            "count:total: 7": ["user:task"],
            "first:one": ["user:task", "count:total: 7"],
            "second:two": ["user:task", "first:one", "count:total: 7"],
        },
        answer="two",
    )
)
def pydantic_state(mode):
    return pipeline(
        PydanticState,
        ("count", mode(lambda state: {"total": 7})),
        ("first", mode(say("one"))),
        ("second", mode(say("two"))),
    )


@dataclass
class DataclassState:
    messages: Annotated[list[AnyMessage], add_messages]
    total: int = 0


@topology(
    Turn(
        user(),
        {
            "user:task": [],
            "count:total: 7": ["user:task"],
            "first:one": ["user:task", "count:total: 7"],
            "second:two": ["user:task", "first:one", "count:total: 7"],
        },
        answer="two",
    )
)
def dataclass_state(mode):
    return pipeline(
        DataclassState,
        ("count", mode(lambda state: {"total": 7})),
        ("first", mode(say("one"))),
        ("second", mode(say("two"))),
    )


class Plain(TypedDict, total=False):
    number: int
    doubled: int
    squared: int
    total: int


@topology(
    Turn(
        lambda: {"number": 3},
        {
            "user:number: 3": [],
            "double:doubled: 6": ["user:number: 3"],
            "square:squared: 9": ["user:number: 3"],
            "add:total: 15": ["user:number: 3", "double:doubled: 6", "square:squared: 9"],
        },
        answer="total: 15",
    )
)
def plain_state(mode):
    """No messages: what a node writes to the state's channels is one message of data."""
    builder = StateGraph(Plain)
    builder.add_node("double", mode(lambda state: {"doubled": 2 * state["number"]}))
    builder.add_node("square", mode(lambda state: {"squared": state["number"] ** 2}))
    builder.add_node("add", mode(lambda state: {"total": state["doubled"] + state["squared"]}))
    builder.add_edge(START, "double")
    builder.add_edge(START, "square")
    builder.add_edge(["double", "square"], "add")
    return builder.compile()


@topology(
    Turn(
        lambda: {"number": 3},
        {
            "user:number: 3": [],
            "first:number: 4": ["user:number: 3"],
            "second:number: 5": ["first:number: 4"],
        },
        answer="number: 5",
    )
)
def overwritten_channel(mode):
    """Whoever reads a channel reads its last value only."""

    def add_one(state):
        return {"number": state["number"] + 1}

    return pipeline(Plain, ("first", mode(add_one)), ("second", mode(add_one)))


class TwoHistories(TypedDict):
    inbox: Annotated[list[AnyMessage], add_messages]
    drafts: Annotated[list[AnyMessage], add_messages]


@topology(
    Turn(
        lambda: {"inbox": [("user", "task")]},
        {
            "user:task": [],
            "draft:a draft": ["user:task"],
            "send:sent": ["user:task", "draft:a draft"],
        },
        answer="sent",
    )
)
def two_message_channels(mode):
    return pipeline(
        TwoHistories,
        ("draft", mode(lambda state: {"drafts": [AIMessage("a draft")]})),
        ("send", mode(lambda state: {"inbox": [AIMessage("sent")]})),
    )
