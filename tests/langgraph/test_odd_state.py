"""State that no JSON can hold: what can be kept of it is, and the run goes on in silence."""

import logging
from typing import Any, TypedDict

import pytest
from capture_cases.kit import captured, dag, user
from capture_cases.state import pipeline
from langchain_core.messages import AIMessage
from langgraph.graph import MessagesState
from pydantic import BaseModel


class Anything(TypedDict, total=False):
    question: str
    found: Any
    answer: str


class Node(BaseModel):
    name: str
    peer: Any = None


def a_dict():
    value = {"name": "loop"}
    value["self"] = value["again"] = value
    return value


def a_list():
    value = ["loop"]
    value.append({"back": value, "more": [value, value]})
    return value


def a_model():
    value = Node(name="loop")
    value.peer = Node(name="other", peer=value)
    return value


def a_deep_list():
    value = ["loop"]
    for _ in range(5_000):
        value = [value]
    return value


@pytest.mark.parametrize("make", [a_dict, a_list, a_model, a_deep_list])
def test_a_value_that_refers_to_itself_is_kept_as_far_as_it_goes(make, callback, caplog):
    value = make()
    graph = pipeline(
        Anything,
        ("find", lambda state: {"found": value}),
        ("tell", lambda state: {"answer": "told"}),
    )
    with caplog.at_level(logging.DEBUG, logger="credit_hooks"):
        result = graph.invoke({"question": "what?"}, {"callbacks": [callback]})
        (run,) = captured(callback)
    assert result["found"] is value
    assert caplog.records == []
    assert callback.stats["failed: capture"] == 0
    question, found, told = run.messages
    assert (found.actor_id, told.actor_id) == ("find", "tell")
    assert make is a_deep_list or "loop" in found.text
    assert run.parents(told.id) == (question.id, found.id)
    assert callback.last.credit.status == "credited"


def test_a_tool_call_with_arguments_that_refer_to_themselves(callback, caplog):
    arguments = a_dict()
    call = {"name": "search", "args": arguments, "id": "call-1", "type": "tool_call"}
    graph = pipeline(MessagesState, ("ask", lambda state: {"messages": [AIMessage("", tool_calls=[call])]}))
    with caplog.at_level(logging.DEBUG, logger="credit_hooks"):
        graph.invoke(user()(), {"callbacks": [callback]})
        (run,) = captured(callback)
    assert caplog.records == []
    shown = run.messages[-1].parts[0].arguments  # the message has copied the outermost dict
    assert shown["self"] == {"name": "loop", "self": "<refers to itself>", "again": "<refers to itself>"}
    assert dag(run)[next(name for name in dag(run) if name.startswith("ask:"))] == ["user:task"]
