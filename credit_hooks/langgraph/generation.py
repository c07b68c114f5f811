"""Which model or tool call a message is the result of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from credit_hooks.langgraph.messages import message_id, message_role
from credit_hooks.langgraph.task import Task
from credit_hooks.record import StepRecord

__all__ = ["Generations"]


class Generations:
    """The results of the model and tool calls of one run: by object, by id, by tool call, and by content in a task."""

    def __init__(self) -> None:
        self._generated: dict[Any, StepRecord] = {}
        self._kept_alive: list[Any] = []

    def chat_ended(self, task: Task, step: StepRecord, message: Any) -> None:
        """Note what a model returned, so that the message is known as its result when a node returns it."""
        self._kept_alive.append(message)
        self._generated[id(message)] = step
        if (own_id := message_id(message)) is not None:
            self._generated[own_id] = step
        task.chats = [*task.chats, (message, step)]

    def tool_started(self, step: StepRecord, call_id: str) -> None:
        """The message that answers a tool call is that tool's result."""
        self._generated[call_id] = step

    def of_message(self, task: Task, message: Any) -> StepRecord | None:
        """The model or tool call whose result a message is."""
        if not self._generated:
            return None
        call_id = getattr(message, "tool_call_id", None) if message_role(message) == "tool" else None
        for key in (id(message), message_id(message), call_id):
            if key is not None and key in self._generated:
                return self._generated[key]
        content = getattr(message, "content", None)
        for output, step in task.chats:
            if isinstance(content, str) and content and content == output.content:
                return step
        return None

    def of_data(self, task: Task, values: Iterable[Any]) -> StepRecord | None:
        """The model call whose text a task wrote to its state as it is."""
        texts = {value for value in values if isinstance(value, str)}
        for output, step in task.chats:
            if isinstance(output.content, str) and output.content in texts:
                return step
        return None
