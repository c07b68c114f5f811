"""Orchestrations of Microsoft Agent Framework, run for real with a model that answers from a script."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from agent_framework import (
    Agent,
    BaseChatClient,
    ChatMiddlewareLayer,
    ChatResponse,
    ChatResponseUpdate,
    Content,
    FunctionInvocationLayer,
    Message,
    ResponseStream,
)
from agent_framework.observability import ChatTelemetryLayer, enable_instrumentation
from agent_framework.orchestrations import (
    ConcurrentBuilder,
    GroupChatBuilder,
    HandoffBuilder,
    MagenticBuilder,
    SequentialBuilder,
)

from credit_hooks.spans import LinkData, SpanData

__all__ = ["ORCHESTRATIONS", "ScriptedClient", "run", "span_data"]

TASK = "How many wagons are there, 12 and 30?"


class ScriptedClient(FunctionInvocationLayer, ChatMiddlewareLayer, ChatTelemetryLayer, BaseChatClient):
    """Answers with a function of the messages: text, or a call of a tool as (name, arguments)."""

    OTEL_PROVIDER_NAME = "scripted"

    def __init__(self, reply: Callable[[Sequence[Message]], str | tuple[str, dict[str, Any]]], model: str = "script"):
        super().__init__()
        self.reply = reply
        self.model = model
        self.seen: list[list[str]] = []
        self._calls = 0

    def _next(self, messages: Sequence[Message]) -> list[Content]:
        self.seen.append([message.text for message in messages])
        said = self.reply(messages)
        if isinstance(said, str):
            return [Content.from_text(said)]
        self._calls += 1
        name, arguments = said
        return [Content.from_function_call(f"call-{id(self)}-{self._calls}", name, arguments=json.dumps(arguments))]

    def _inner_get_response(
        self, *, messages: Sequence[Message], stream: bool, options: Mapping[str, Any], **kwargs: Any
    ) -> Awaitable[ChatResponse] | ResponseStream[ChatResponseUpdate, ChatResponse]:
        if stream:

            async def updates():
                yield ChatResponseUpdate(role="assistant", contents=self._next(messages))

            return self._build_response_stream(updates())

        async def whole():
            return ChatResponse(messages=[Message("assistant", self._next(messages))], model=self.model)

        return whole()


def agent(name: str, reply: Any, **options: Any) -> Agent:
    """An agent that says this, or what a function of the messages says."""
    said = reply if callable(reply) else (lambda messages: reply)
    return Agent(ScriptedClient(said), instructions=f"You are {name}.", name=name, description=name, **options)


SAID = {"reader": "There are 12 and 30.", "planner": "Add 12 and 30.", "solver": "The answer is 42."}


def sequential():
    return SequentialBuilder(participants=[agent(name, text) for name, text in SAID.items()]).build()


def concurrent():
    return ConcurrentBuilder(participants=[agent(name, text) for name, text in SAID.items()]).build()


def group_chat():
    order = iter([*SAID, "solver"])
    return GroupChatBuilder(
        participants=[agent(name, text) for name, text in SAID.items()],
        selection_func=lambda state: next(order),
        max_rounds=3,
    ).build()


def handoff():
    done = {"triage": False}

    def triage(messages):
        if done["triage"]:
            return "I am done."
        done["triage"] = True
        return ("handoff_to_solver", {})

    members = [agent("triage", triage, require_per_service_call_history_persistence=True)]
    members.append(agent("solver", "The answer is 42.", require_per_service_call_history_persistence=True))
    return (
        HandoffBuilder(participants=members, termination_condition=lambda c: "42" in c[-1].text)
        .with_start_agent(members[0])
        .build()
    )


def magentic():
    ledger = {
        "is_request_satisfied": {"reason": "r", "answer": False},
        "is_in_loop": {"reason": "r", "answer": False},
        "is_progress_being_made": {"reason": "r", "answer": True},
        "next_speaker": {"reason": "r", "answer": "solver"},
        "instruction_or_question": {"reason": "r", "answer": "Add 12 and 30."},
    }
    rounds = iter([False, True])

    def manager(messages):
        asked = messages[-1].text
        if "is_request_satisfied" in asked:
            satisfied = {"reason": "r", "answer": next(rounds)}
            return json.dumps({**ledger, "is_request_satisfied": satisfied})
        if "plan" in asked:
            return "- solver: add 12 and 30"
        if "final" in asked.lower():
            return "The answer is 42."
        return "GIVEN: 12 and 30"

    return MagenticBuilder(
        participants=[agent("solver", "12 + 30 = 42")], manager_agent=agent("manager", manager)
    ).build()


ORCHESTRATIONS = {
    "sequential": sequential,
    "concurrent": concurrent,
    "group_chat": group_chat,
    "handoff": handoff,
    "magentic": magentic,
}


async def run(name: str, *, content: bool = True) -> Any:
    """Run an orchestration to its end."""
    enable_instrumentation(enable_sensitive_data=content, enable_message_events=False, force=True)
    return await ORCHESTRATIONS[name]().run(TASK)


def span_data(spans: Sequence[Any]) -> list[SpanData]:
    """Spans of the SDK as data, as a backend would keep them."""
    return [
        SpanData(
            name=span.name,
            trace_id=f"{span.context.trace_id:032x}",
            span_id=f"{span.context.span_id:016x}",
            parent_id=None if span.parent is None else f"{span.parent.span_id:016x}",
            start_ns=span.start_time,
            end_ns=span.end_time,
            status=span.status.status_code.name.lower(),
            attributes=dict(span.attributes),
            links=[LinkData(f"{link.context.trace_id:032x}", f"{link.context.span_id:016x}") for link in span.links],
            scope=span.instrumentation_scope.name,
        )
        for span in spans
    ]
