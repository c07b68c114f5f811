"""The tools that models were offered are part of the run."""

import asyncio
import json

import pytest
from capture_cases.kit import MODES, TOPOLOGIES, ScriptedModel, captured, user
from capture_cases.state import pipeline
from capture_cases.traced import Traced
from langchain_core.tools import tool
from langgraph.graph import MessagesState
from pydantic import BaseModel, Field

from credit_hooks.trajectory import Tool

MULTIPLY = Tool(
    name="multiply",
    description="Multiply.",
    parameters={
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        "required": ["a", "b"],
    },
)
SCHEMA = {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]}


async def test_an_agents_tools(mode, callback):
    await TOPOLOGIES["agent_with_a_tool"].run(mode, callbacks=[callback])
    (run,) = captured(callback)
    assert run.tools == (MULTIPLY,)


def test_the_tools_of_all_agents_by_first_offer(callback):
    asyncio.run(TOPOLOGIES["swarm"].run(MODES["invoke"], callbacks=[callback]))
    (run,) = captured(callback)
    assert [tool.name for tool in run.tools] == ["transfer_to_maths", "multiply"]


def test_a_run_without_tools_has_none(callback):
    asyncio.run(TOPOLOGIES["model_nodes"].run(MODES["invoke"], callbacks=[callback]))
    (run,) = captured(callback)
    assert run.tools == ()


@tool
def search(query: str) -> str:
    """Search."""
    return query


class Search(BaseModel):
    """Search."""

    query: str = Field()


class Speechless:
    """Describes itself in no way that LangChain knows."""

    name = "speechless"


@pytest.mark.parametrize(
    ("offered", "known"),
    [
        (
            {"type": "function", "function": {"name": "search", "description": "Search.", "parameters": SCHEMA}},
            Tool(name="search", description="Search.", parameters=SCHEMA),
        ),
        (
            {"name": "search", "description": "Search.", "input_schema": SCHEMA},
            Tool(name="search", description="Search.", parameters=SCHEMA),
        ),
        (
            {"function_declarations": [{"name": "search", "description": "Search.", "parameters": SCHEMA}]},
            Tool(name="search", description="Search.", parameters=SCHEMA),
        ),
        ({"type": "web_search", "max_uses": 3}, Tool(name="web_search")),
        (search, Tool(name="search", description="Search.", parameters=SCHEMA)),
        (Search, Tool(name="Search", description="Search.", parameters=SCHEMA)),
        (Speechless(), Tool(name="speechless")),
    ],
)
def test_tools_in_every_form(offered, known, callback):
    chat = ScriptedModel(reply=lambda messages: "done").bind(tools=[offered])
    pipeline(MessagesState, ("ask", lambda state: {"messages": [chat.invoke(state["messages"])]})).invoke(
        user()(), {"callbacks": [callback]}
    )
    (run,) = captured(callback)
    assert run.tools == (known,)


@pytest.mark.parametrize("capture_content", [False, True])
def test_definitions_are_content_of_chat_spans(capture_content):
    traced = Traced(capture_content=capture_content)
    asyncio.run(TOPOLOGIES["agent_with_a_tool"].run(MODES["invoke"], callbacks=[traced.callback]))
    shown = [dict(span.attributes).get("gen_ai.tool.definitions") for span in traced.finished()]
    stated = [json.loads(definitions) for definitions in shown if definitions is not None]
    assert stated == [[{"type": "function", **MULTIPLY.model_dump()}]] * 2 * capture_content
