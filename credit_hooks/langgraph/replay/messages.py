"""Messages in what tasks were given and came to, and which of them only steer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from langgraph.prebuilt import ToolNode
from langgraph.types import Command

from credit_hooks.langgraph.messages import is_message
from credit_hooks.langgraph.replay.gates import Path, outcome_of
from credit_hooks.langgraph.replay.masks import is_handing_back
from credit_hooks.langgraph.replay.places import node_path
from credit_hooks.langgraph.replay.recording import Execution
from credit_hooks.langgraph.replay.tools import calls_of
from credit_hooks.langgraph.values import channels

__all__ = ["message_channels", "messages_within", "steering_tools", "value_of"]


def messages_within(value: Any) -> Iterator[Any]:
    """Message objects with an id in a node's input or output."""
    for _, messages in channels(value, set()).messages:
        for message in messages:
            if is_message(message) and message.id:
                yield message


def value_of(task: Execution) -> Any:
    """What a task returned or handed over. None: it raised anything else."""
    handed_over = outcome_of(None, task.error, {}) if task.error is not None else None
    if handed_over is None:
        return task.output
    return task.error.args[0] if handed_over.kind == "handoff" and task.error is not None else None


def message_channels(tasks: Sequence[Execution]) -> frozenset[str]:
    """Channels in which messages were seen: strings in them are messages too."""
    known = {"messages"}
    for task in tasks:
        channels(task.given, known)
        channels(value_of(task), known)
    return frozenset(known)


def steering_tools(tasks: Sequence[Execution], known: Mapping[Path, Any]) -> frozenset[str]:
    """Tools that did nothing but hand over to another agent."""
    steering: set[str] = set()
    for task in tasks:
        for message in messages_within(value_of(task)):
            if is_handing_back(message):
                steering.update(call["name"] for call in getattr(message, "tool_calls", ()))
        node = known.get(node_path(task.ns))
        if node is None or not isinstance(node.bound, ToolNode):
            continue
        value = value_of(task)
        steers = [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, Command)]
        if any(command.goto for command in steers):
            steering.update(call["name"] for call in calls_of(node.bound, task.given))
    return frozenset(steering)
