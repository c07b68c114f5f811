"""Programs that know nothing of credit-hooks, run as their users run them."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

pytest.importorskip("opentelemetry.instrumentation", reason="pip install 'credit-hooks[auto]'")

LANGGRAPH = """
from langchain_core.messages import AIMessage
from langgraph.graph import START, MessagesState, StateGraph

def judge(run):
    return "42" in run.answer

builder = StateGraph(MessagesState)
builder.add_node("planner", lambda state: {"messages": [AIMessage("Multiply 6 by 7.")]})
builder.add_node("solver", lambda state: {"messages": [AIMessage("6 times 7: the answer is 42.")]})
builder.add_edge(START, "planner")
builder.add_edge("planner", "solver")
print(builder.compile().invoke({"messages": [("user", "How much is 6 times 7?")]})["messages"][-1].content)
"""

AUTOGEN = """
import asyncio
from autogen_agentchat.agents import BaseChatAgent
from autogen_agentchat.base import Response
from autogen_agentchat.messages import TextMessage
from autogen_agentchat.teams import RoundRobinGroupChat

async def judge(run):
    return "42" in run.answer

class Says(BaseChatAgent):
    produced_message_types = (TextMessage,)
    def __init__(self, name, text):
        super().__init__(name, name)
        self.text = text
    async def on_messages(self, messages, cancellation_token):
        return Response(chat_message=TextMessage(content=self.text, source=self.name))
    async def on_reset(self, cancellation_token):
        pass

members = [Says("planner", "Multiply 6 by 7."), Says("solver", "6 times 7: the answer is 42.")]
result = asyncio.run(RoundRobinGroupChat(members, max_turns=2).run(task="How much is 6 times 7?"))
print(result.messages[-1].content)
"""

PROGRAMS = {"langgraph": LANGGRAPH, "autogen": AUTOGEN}
PACKAGES = {"langgraph": "langgraph.graph", "autogen": "autogen_agentchat.base"}


@pytest.fixture(params=PROGRAMS)
def framework(request):
    pytest.importorskip(PACKAGES[request.param], reason=f"pip install 'credit-hooks[{request.param}]'")
    return request.param


@pytest.fixture
def program(framework):
    return PROGRAMS[framework]


@pytest.fixture
def run(tmp_path):
    """Run a program under `opentelemetry-instrument`, in an empty folder, with these variables."""

    def run(program, *, command="opentelemetry-instrument", **variables):
        (tmp_path / "app.py").write_text(program, encoding="utf-8")
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "CREDIT_HOOKS_"))}
        folder = Path(sys.executable).parent  # not resolved: a virtual environment's Python is a link
        registered = {point.name for point in entry_points(group="opentelemetry_instrumentor")}
        if command and "credit_hooks_langgraph" not in registered:
            pytest.skip("installed before the entry points were added: install again")
        before = [str(folder / command)] if command else []
        return subprocess.run(
            [*before, sys.executable, "app.py"],
            cwd=tmp_path,
            env={**kept, "PATH": f"{folder}{os.pathsep}{kept.get('PATH', '')}", **variables},
            capture_output=True,
            text=True,
            timeout=120,
        )

    return run
