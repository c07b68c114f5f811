"""Turns of a captured LangGraph run as online triage sees them: where they are, what was said. Writes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langgraph.config import get_config

from credit_hooks.genai import decode_parts
from credit_hooks.langgraph.callback import CreditCallback
from credit_hooks.langgraph.messages import message_role, snapshot
from credit_hooks.record import StepRecord
from credit_hooks.trajectory import Message
from credit_hooks.triage.attempt import Place

__all__ = ["message_of", "place_of"]


def place_of(messages: Sequence[Any]) -> Place | None:
    """Where the call is, by the callback that captures the run. None: none does.

    Args:
        messages: The conversation so far; its first question is the task.

    Raises:
        RuntimeError: the caller is in no run of LangGraph at all.
    """
    config = get_config()
    manager = config.get("callbacks")
    run_id = getattr(manager, "parent_run_id", None)
    for handler in getattr(manager, "handlers", ()):
        if isinstance(handler, CreditCallback) and run_id is not None and (step := handler.step_of(run_id)) is not None:
            root = _root(step)
            actor = step.actor
            thread = (config.get("configurable") or {}).get("thread_id")
            return Place(
                run_key=root.span_id,
                actor_id="agent" if actor is None else actor.id,
                actor="agent" if actor is None else actor.name,
                trace_id=str(getattr(root.opened, "trace_id", "")),
                span_id=step.span_id,
                thread=None if thread is None else str(thread),
                task=_task(messages),
            )
    return None


def message_of(message: Any, index: int, place: Place) -> Message:
    """A message in any form LangGraph takes, as signals see it."""
    taken = snapshot(message)
    name = message.get("name") if isinstance(message, dict) else getattr(message, "name", None)
    author = name or taken.role
    if taken.role == "assistant" and name in (None, place.actor):
        author = place.actor_id
    parts = decode_parts(taken.encode(taken.content))
    return Message(id=f"m{index}", index=index, actor_id=author, role=taken.role, parts=parts)


def _root(step: StepRecord) -> StepRecord:
    while step.parent is not None:
        step = step.parent
    return step


def _task(messages: Sequence[Any]) -> str:
    return next((_text(message) for message in messages if message_role(message) == "user"), "")


def _text(message: Any) -> str:
    if hasattr(message, "text"):
        return str(message.text)
    content = message.get("content") if isinstance(message, dict) else message
    content = content[1] if isinstance(content, tuple) else content
    return content if isinstance(content, str) else ""
