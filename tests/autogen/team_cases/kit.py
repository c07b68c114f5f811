"""What the teams of these tests are made of: a model that follows a script, provenance as text."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from autogen_agentchat.agents import AssistantAgent, BaseChatAgent
from autogen_agentchat.base import Response
from autogen_agentchat.messages import TextMessage
from autogen_core import FunctionCall
from autogen_core.models import ChatCompletionClient, CreateResult, ModelInfo, RequestUsage

INFO = ModelInfo(
    vision=False,
    function_calling=True,
    json_output=True,
    family="unknown",
    structured_output=False,
    multiple_system_messages=True,
)


class ScriptedClient(ChatCompletionClient):
    """Answers with the next line of a script; a line that is an exception is raised, a function is called."""

    def __init__(self, *script, delay=0.0):
        self.script = list(script)
        self.prompts = []
        self.delay = delay

    def _next(self, messages):
        self.prompts.append(list(messages))
        line = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if callable(line):
            line = line(messages)
        if isinstance(line, BaseException):
            raise line
        if isinstance(line, CreateResult):
            return line
        return CreateResult(
            finish_reason="function_calls" if isinstance(line, list) else "stop",
            content=line,
            usage=RequestUsage(prompt_tokens=len(messages), completion_tokens=1),
            cached=False,
        )

    async def _wait(self, token):
        waiting = asyncio.ensure_future(asyncio.sleep(self.delay))
        if token is not None:
            token.link_future(waiting)
        await waiting

    async def create(self, messages, *, cancellation_token=None, **kwargs):
        await self._wait(cancellation_token)
        return self._next(messages)

    async def create_stream(self, messages, *, cancellation_token=None, **kwargs):
        await self._wait(cancellation_token)
        result = self._next(messages)
        if isinstance(result.content, str):
            for word in result.content.split():
                yield word
        yield result

    async def close(self):
        pass

    def actual_usage(self):
        return RequestUsage(prompt_tokens=0, completion_tokens=0)

    total_usage = actual_usage

    def count_tokens(self, messages, **kwargs):
        return 0

    remaining_tokens = count_tokens

    @property
    def capabilities(self):
        return INFO

    @property
    def model_info(self):
        return INFO


def call(name, call_id="call-1", **arguments):
    """A line of a script that calls a tool."""
    return FunctionCall(id=call_id, name=name, arguments=json.dumps(arguments))


def agent(name, *script, client=None, delay=0.0, **options):
    """An AssistantAgent that follows a script."""
    options.setdefault("system_message", None)
    options.setdefault("description", name)
    return AssistantAgent(name, model_client=client or ScriptedClient(*script, delay=delay), **options)


class Plain(BaseChatAgent):
    """An agent without a model: its reply is a function of what was delivered to it."""

    def __init__(self, name, reply):
        super().__init__(name, name)
        self.reply = reply

    @property
    def produced_message_types(self):
        return (TextMessage,)

    async def on_messages(self, messages, cancellation_token):
        reply = self.reply(messages) if callable(self.reply) else self.reply
        if isinstance(reply, BaseException):
            raise reply
        return Response(chat_message=TextMessage(content=reply, source=self.name))

    async def on_reset(self, cancellation_token):
        pass


# --- Provenance as text -------------------------------------------------------------------------------------------


def names_of(trajectory):
    """Message id to author:text, numbered where it repeats."""
    names, count = {}, {}
    for message in trajectory.messages:
        name = f"{trajectory.actor_by_id[message.actor_id].name}:{said(message)}"
        count[name] = count.get(name, 0) + 1
        names[message.id] = name if count[name] == 1 else f"{name} ({count[name]})"
    return names


def dag(trajectory):
    """{author:text: [author:text of everything that was read for it]}, in the order of reading."""
    names = names_of(trajectory)
    return {names[m.id]: [names[parent] for parent in trajectory.parents(m.id)] for m in trajectory.messages}


def scheduling(trajectory):
    """{step: [steps because of which it ran]}, turns numbered."""
    titles, count = {}, {}
    for step in trajectory.steps:
        title = step.name.partition(" ")[2]
        count[title] = count.get(title, 0) + 1
        titles[step.id] = f"{title} {count[title]}"
    return {
        titles[step.id]: [titles[other] for other in step.scheduled_by]
        for step in trajectory.steps
        if step.kind == "agent"
    }


def said(message):
    """The text of a message, and the tools it calls."""
    called = [
        f"{part.name}({json.dumps(part.arguments, separators=(',', ':'))})"
        for part in message.parts
        if part.type == "tool_call"
    ]
    return " ".join(filter(None, [message.text, *called]))


# --- Teams --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TeamCase:
    """A kind of team, and what must be captured of one run of it."""

    name: str
    build: Callable[[Callable[..., Any]], Any]
    """Takes a function that makes the member that misbehaves, if one is to."""
    dag: dict[str, list[str]]
    answer: str
    scheduling: dict[str, list[str]] = field(default_factory=dict)
    task: Any = "task"


CASES: dict[str, TeamCase] = {}


def team_case(*, dag, answer, scheduling=None, task="task"):
    """Registers a function that builds a team."""

    def register(build):
        CASES[build.__name__] = TeamCase(build.__name__, build, dag, answer, scheduling or {}, task)
        return build

    return register
