"""What the graphs of these tests are made of: ways to run them, a model that follows a script, provenance as text."""

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.utils.function_calling import convert_to_openai_tool
from langgraph.types import Command

STREAM_MODES = ["values", "updates", "messages", "custom"]


@dataclass(frozen=True)
class Mode:
    """How a graph is run: sync or async, at once or streamed, with nodes that are sync or async functions."""

    name: str
    is_async: bool = False
    streams: bool = False
    async_nodes: bool = False

    def __call__(self, function):
        """The function as a node of this mode."""
        return self.pick(function, _as_async(function))

    def pick(self, function, async_function):
        """One of a node's two forms."""
        return async_function if self.async_nodes else function

    async def run(self, graph, inputs, config):
        """The result of a run: the output, or the list of streamed chunks."""
        if self.streams and self.is_async:
            return [chunk async for chunk in graph.astream(inputs, config, stream_mode=STREAM_MODES)]
        if self.streams:
            return list(graph.stream(inputs, config, stream_mode=STREAM_MODES))
        return await graph.ainvoke(inputs, config) if self.is_async else graph.invoke(inputs, config)


MODES = {
    mode.name: mode
    for mode in (
        Mode("invoke"),
        Mode("stream", streams=True),
        Mode("ainvoke", is_async=True, async_nodes=True),
        Mode("astream", is_async=True, streams=True, async_nodes=True),
        Mode("ainvoke_sync_nodes", is_async=True),
    )
}


def _as_async(function):
    @functools.wraps(function)
    async def asynchronous(*args, **kwargs):
        return function(*args, **kwargs)

    return asynchronous


@dataclass(frozen=True)
class Turn:
    """One run of a graph, and what must be captured of it."""

    inputs: Callable[[], Any]
    dag: dict[str, list[str]]
    """author:text to the author:text of everything that was read for it."""
    answer: str | None = None
    """Text of the run's answer."""
    status: str = "ok"
    raises: type[BaseException] | None = None


@dataclass(frozen=True)
class Topology:
    """A graph and its runs."""

    name: str
    build: Callable[[Mode], Any]
    turns: tuple[Turn, ...]
    config: dict[str, Any] = field(default_factory=dict)

    async def run(self, mode, *, callbacks=(), graph=None, **settings):
        """Outcome of every turn: ("returned", value) or ("raised", exception type, arguments, notes)."""
        graph = self.build(mode) if graph is None else graph
        outcomes = []
        for turn in self.turns:
            config = {**self.config, **settings, "callbacks": list(callbacks)}
            try:
                outcomes.append(("returned", await mode.run(graph, turn.inputs(), config)))
            except Exception as error:
                outcomes.append(("raised", type(error), error.args, getattr(error, "__notes__", [])))
        return outcomes


TOPOLOGIES: dict[str, Topology] = {}


def topology(*turns: Turn, **config: Any):
    """Registers a function that builds a graph for a mode."""

    def register(build):
        TOPOLOGIES[build.__name__] = Topology(build.__name__, build, turns, config)
        return build

    return register


THREAD = {"thread_id": "thread-1"}


class ScriptedModel(BaseChatModel):
    """A chat model whose reply is a function of the messages it reads."""

    reply: Callable[[list], Any]
    name_of_model: str = "scripted"

    def _generate(self, messages, stop=None, run_manager=None, **kwargs):
        reply = self.reply(messages)
        message = AIMessage(reply) if isinstance(reply, str) else reply
        return ChatResult(generations=[ChatGeneration(message=message)])

    def bind_tools(self, tools, **kwargs):
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools])

    def _get_ls_params(self, stop=None, **kwargs):
        return {"ls_provider": "test", "ls_model_name": self.name_of_model, "ls_model_type": "chat"}

    @property
    def _llm_type(self):
        return "scripted"


def calls(*wanted, text=""):
    """A reply that calls tools: (name, arguments, call id) each."""
    return AIMessage(
        text,
        tool_calls=[{"name": name, "args": args, "id": call_id, "type": "tool_call"} for name, args, call_id in wanted],
    )


def says(*replies):
    """A script: replies by the number of messages that the model itself has written so far in what it reads."""

    def reply(messages):
        done = sum(1 for message in messages if message.type == "ai")
        return replies[min(done, len(replies) - 1)].model_copy() if not isinstance(replies[0], str) else replies[done]

    return reply


def user(text="task"):
    """Inputs of a graph with messages."""
    return lambda: {"messages": [("user", text)]}


def resume(value):
    return lambda: Command(resume=value)


def captured(callback):
    """The trajectories of a callback's finished runs, by start."""
    assert callback.flush()
    return sorted((run.trajectory for run in callback.runs), key=lambda run: run.steps[0].start_ns)


# --- Provenance as text -------------------------------------------------------------------------------------------


def dag(trajectory):
    """A trajectory as {author:text: [author:text of what was read]}, in the order of reading."""
    names = _names(trajectory)
    return {
        names[message.id]: [names[parent] for parent in trajectory.parents(message.id)]
        for message in trajectory.messages
    }


def _names(trajectory):
    names = {}
    for message in trajectory.messages:
        name = f"{trajectory.actor_by_id[message.actor_id].name}:{said(message)}"
        taken = list(names.values()).count(name)
        names[message.id] = f"{name} ({taken + 1})" if taken else name
    return names


def said(message):
    """The text of a message, and the tools it calls."""
    called = [
        f"{part.name}({json.dumps(part.arguments, separators=(',', ':'))})"
        for part in message.parts
        if part.type == "tool_call"
    ]
    return " ".join(filter(None, [message.text, *called]))
