"""The private names of AutoGen that capture reads are still there; if not, mend `credit_hooks/autogen/names.py`."""

import re
from pathlib import Path

import pytest

pytest.importorskip("autogen_agentchat", reason="AutoGen is not installed: pip install 'credit-hooks[autogen]'")

from autogen_agentchat.agents import CodeExecutorAgent, MessageFilterAgent, MessageFilterConfig, SocietyOfMindAgent
from autogen_agentchat.teams import (
    DiGraphBuilder,
    GraphFlow,
    MagenticOneGroupChat,
    RoundRobinGroupChat,
    SelectorGroupChat,
    Swarm,
)
from autogen_agentchat.tools import AgentTool, TeamTool
from autogen_core import SingleThreadedAgentRuntime
from autogen_core.model_context import UnboundedChatCompletionContext
from autogen_core.tools import FunctionTool, StaticStreamWorkbench
from team_cases.kit import ScriptedClient, agent

from credit_hooks.autogen import names


def graph_flow():
    member = agent("a", "a1")
    return GraphFlow([member], graph=DiGraphBuilder().add_node(member).build())


def team():
    return RoundRobinGroupChat([agent("a", "a1")])


def openai_client():
    pytest.importorskip("tiktoken", reason="autogen-ext[openai] is not installed")
    openai = pytest.importorskip("autogen_ext.models.openai", reason="autogen-ext[openai] is not installed")
    return openai.OpenAIChatCompletionClient(model="gpt-4o", api_key="none")


class Executor:
    """Enough of a code executor to be held by an agent."""


BUILD = {
    "RoundRobinGroupChat": team,
    "SelectorGroupChat": lambda: SelectorGroupChat(
        [agent("a", "a1"), agent("b", "b1")], model_client=ScriptedClient("a")
    ),
    "MagenticOneGroupChat": lambda: MagenticOneGroupChat([agent("a", "a1")], model_client=ScriptedClient("a")),
    "Swarm": lambda: Swarm([agent("a", "a1", handoffs=["b"])]),
    "GraphFlow": graph_flow,
    "AssistantAgent": lambda: agent("a", "a1"),
    "CodeExecutorAgent": lambda: CodeExecutorAgent(
        "a", Executor(), model_client=ScriptedClient("a"), approval_func=lambda request: None
    ),
    "SocietyOfMindAgent": lambda: SocietyOfMindAgent("a", team(), ScriptedClient("a")),
    "MessageFilterAgent": lambda: MessageFilterAgent("a", agent("a", "a1"), MessageFilterConfig(per_source=[])),
    "AgentTool": lambda: AgentTool(agent("a", "a1")),
    "TeamTool": lambda: TeamTool(team(), name="t", description="t"),
    "StaticStreamWorkbench": lambda: StaticStreamWorkbench([]),
    "FunctionTool": lambda: FunctionTool(openai_client, description="any function"),
    "UnboundedChatCompletionContext": UnboundedChatCompletionContext,
    "OpenAIChatCompletionClient": openai_client,
    "SingleThreadedAgentRuntime": SingleThreadedAgentRuntime,
}


@pytest.mark.parametrize("kind", names.PRIVATE_NAMES)
def test_every_private_name_is_still_there(kind):
    built = BUILD[kind]()
    gone = [name for name in names.PRIVATE_NAMES[kind] if not hasattr(built, name)]
    assert not gone, f"AutoGen's {kind} no longer has {gone}: capture of it is incomplete"


def test_private_names_are_read_in_one_file_only():
    listed = {name for private in names.PRIVATE_NAMES.values() for name in private}
    folder = Path(names.__file__).parent
    used = set(re.findall(r'"(_[a-z_]+)"', (folder / "names.py").read_text("utf-8")))
    assert used == listed
    for file in folder.glob("*.py"):
        if file.name != "names.py":
            assert not listed & set(re.findall(r'getattr\(\w+, "(_\w+)"', file.read_text("utf-8")))


@pytest.mark.parametrize(
    "accessor",
    [names.participants, names.workbenches, names.handoff_tools, names.model_clients, names.context_messages],
)
def test_a_name_that_has_gone_means_nothing_is_found(accessor):
    assert accessor(object()) == []
