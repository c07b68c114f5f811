"""Every private name of AutoGen 0.7 that capture reads, once, and what is done without it.

AutoGen has no public way to ask a team for its members or an agent for its model. Each accessor returns nothing where
its name has gone: that part is then not captured, and the run is not affected. A test says so first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from autogen_core.models import SystemMessage
from autogen_core.tools import Workbench
from opentelemetry.trace import NoOpTracerProvider, ProxyTracerProvider, get_tracer_provider

__all__ = [
    "PRIVATE_NAMES",
    "agents",
    "approves_code",
    "code_executor",
    "context_messages",
    "edges_of",
    "handoff_tools",
    "inner_team",
    "is_workbench",
    "manager_name",
    "max_turns",
    "memories",
    "model_clients",
    "model_context",
    "model_name",
    "participants",
    "runtime_traces",
    "set_code_executor",
    "set_max_turns",
    "set_memories",
    "set_model_client",
    "set_runtime",
    "set_system_message",
    "set_system_messages",
    "set_workbenches",
    "system_messages",
    "task_runner",
    "task_runners",
    "termination_condition",
    "tool_function",
    "tool_named",
    "workbenches",
    "wrapped_agent",
]

PRIVATE_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "RoundRobinGroupChat": (
        "_participants",
        "_group_chat_manager_name",
        "_runtime",
        "_embedded_runtime",
        "_termination_condition",
        "_max_turns",
    ),
    "SelectorGroupChat": ("_participants", "_group_chat_manager_name", "_model_client"),
    "MagenticOneGroupChat": ("_participants", "_group_chat_manager_name", "_model_client"),
    "Swarm": ("_participants", "_group_chat_manager_name"),
    "GraphFlow": ("_participants", "_group_chat_manager_name", "_graph"),
    "SingleThreadedAgentRuntime": ("_tracer_helper",),
    "AssistantAgent": (
        "_model_client",
        "_model_context",
        "_workbench",
        "_handoff_tools",
        "_system_messages",
        "_memory",
    ),
    "CodeExecutorAgent": ("_model_client", "_model_context", "_code_executor", "_approval_func"),
    "SocietyOfMindAgent": ("_team", "_model_client", "_model_context"),
    "MessageFilterAgent": ("_wrapped_agent",),
    "AgentTool": ("_task_runner",),
    "TeamTool": ("_task_runner",),
    "StaticStreamWorkbench": ("_tools",),
    "FunctionTool": ("_func",),
    "UnboundedChatCompletionContext": ("_messages",),
    "OpenAIChatCompletionClient": ("_create_args",),
}
"""Class of AutoGen to the private attributes of its instances that are read here."""


def participants(team: Any) -> list[Any]:
    """Members of a team, agents and teams."""
    return list(getattr(team, "_participants", None) or ())


def manager_name(team: Any) -> str | None:
    """The name under which a team's manager writes. None: it writes nothing."""
    found = getattr(team, "_group_chat_manager_name", None)
    return found if isinstance(found, str) else None


def runtime_traces(team: Any) -> bool:
    """Whether the runtime that a team runs on makes spans of its own; True where that cannot be known."""
    helper = getattr(getattr(team, "_runtime", None), "_tracer_helper", None)
    provider = getattr(helper, "tracer_provider", None)
    if isinstance(provider, ProxyTracerProvider):  # whatever the global provider has become since
        provider = get_tracer_provider()
    return not isinstance(provider, NoOpTracerProvider | ProxyTracerProvider)


def edges_of(team: Any) -> Iterator[tuple[str, Any]]:
    """(source node, edge) of a team that follows a graph."""
    graph = getattr(team, "_graph", None)
    for name, node in (getattr(graph, "nodes", None) or {}).items():
        for edge in node.edges:
            yield name, edge


def inner_team(agent: Any) -> Any:
    """The team that a SocietyOfMindAgent asks. None: no such agent."""
    return getattr(agent, "_team", None)


def wrapped_agent(agent: Any) -> Any:
    """The agent behind a MessageFilterAgent. None: no such agent."""
    return getattr(agent, "_wrapped_agent", None)


def agents(team: Any) -> Iterator[Any]:
    """A single agent itself; else all agents of a team, of the teams in it, and behind wrappers."""
    yield team
    for inner in (*participants(team), inner_team(team), wrapped_agent(team)):
        if inner is not None:
            yield from agents(inner)


def system_messages(agent: Any) -> list[Any] | None:
    """An agent's instructions. None: it takes none."""
    found = getattr(agent, "_system_messages", None)
    return found if isinstance(found, list) else None


def set_system_messages(agent: Any, messages: list[Any] | None) -> None:
    """Set an agent's instructions back."""
    agent._system_messages = messages


def set_system_message(agent: Any, text: str) -> None:
    """Give an agent other instructions."""
    agent._system_messages = [SystemMessage(content=text)]


def model_clients(member: Any) -> list[Any]:
    """Model clients of an agent or of a team's manager."""
    client = getattr(member, "_model_client", None)
    return [] if client is None else [client]


def model_context(agent: Any) -> Any:
    """Where an agent keeps what its model sees. None: it keeps nothing that is known."""
    return getattr(agent, "_model_context", None)


def context_messages(context: Any) -> list[Any]:
    """What a model context holds now, oldest first."""
    found = getattr(context, "_messages", None)
    return found if isinstance(found, list) else []


def workbenches(agent: Any) -> list[Any]:
    """Where an agent's tools run."""
    found = getattr(agent, "_workbench", None)
    if found is None:
        return []
    return list(found) if isinstance(found, list | tuple) else [found]


def memories(agent: Any) -> list[Any]:
    """What an agent looks up before it thinks."""
    return list(getattr(agent, "_memory", None) or ())


def code_executor(agent: Any) -> Any:
    """What runs the code that an agent is given. None: nothing does."""
    return getattr(agent, "_code_executor", None)


def approves_code(agent: Any) -> bool:
    """Whether somebody is asked before an agent's code is run."""
    return getattr(agent, "_approval_func", None) is not None


def termination_condition(team: Any) -> Any:
    """What ends a team's runs. None: nothing but its manager."""
    return getattr(team, "_termination_condition", None)


def max_turns(team: Any) -> int | None:
    """After how many turns a team stops. None: after none."""
    found = getattr(team, "_max_turns", None)
    return found if isinstance(found, int) else None


def set_max_turns(team: Any, turns: int) -> None:
    """Let a team that has not run yet stop after so many turns."""
    team._max_turns = turns


def set_runtime(team: Any, runtime: Any) -> None:
    """Let a team that has not run yet run on a runtime that it starts and stops itself."""
    team._runtime = runtime
    team._embedded_runtime = True


def set_model_client(team: Any, client: Any) -> None:
    """Give a team's manager another model."""
    team._model_client = client


def set_workbenches(agent: Any, workbenches: list[Any]) -> None:
    """Let an agent's tools run elsewhere."""
    agent._workbench = workbenches


def set_memories(agent: Any, memories: list[Any]) -> None:
    """Let an agent look things up elsewhere."""
    agent._memory = memories


def set_code_executor(agent: Any, executor: Any) -> None:
    """Let an agent's code be run elsewhere."""
    agent._code_executor = executor


def tool_named(workbench: Any, name: str) -> Any:
    """A tool of a workbench. None: it has no such tool, or does not show it."""
    tools = getattr(workbench, "_tools", None) or ()
    return next((tool for tool in tools if getattr(tool, "name", None) == name), None)


def tool_function(tool: Any) -> Any:
    """The function that a tool is made of. None: it is made of none."""
    return getattr(tool, "_func", None)


def task_runner(tool: Any) -> Any:
    """The agent or team that a tool is. None: it is none."""
    return getattr(tool, "_task_runner", None)


def is_workbench(part: Any) -> bool:
    """Whether something is where tools run."""
    return isinstance(part, Workbench)


def handoff_tools(agent: Any) -> list[Any]:
    """The tools by which an agent hands off; they run in no workbench."""
    return list(getattr(agent, "_handoff_tools", None) or ())


def task_runners(workbench: Any) -> Iterator[Any]:
    """Agents and teams that are tools of a workbench."""
    for tool in getattr(workbench, "_tools", None) or ():
        runner = task_runner(tool)
        if runner is not None:
            yield runner


def model_name(client: Any) -> str | None:
    """Name of the model behind a client. None: it does not say."""
    arguments = getattr(client, "_create_args", None)
    found = arguments.get("model") if isinstance(arguments, Mapping) else None
    return found if isinstance(found, str) else None
