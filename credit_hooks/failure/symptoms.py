"""Hard errors in messages and steps, and which message caused them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from credit_hooks.language import Language
from credit_hooks.trajectory import ActorKind, Message, Step, ToolCallPart, ToolResultPart

__all__ = ["EMPTY_RESULT", "FAILED_STEP", "TOOL_ERROR", "results_of", "symptom_of"]

TOOL_ERROR = "tool_error"
"""The source states that the tool failed."""
EMPTY_RESULT = "empty_result"
"""A tool returned nothing."""
FAILED_STEP = "failed_step"
"""The step that wrote the message ended in an error."""

_MAX_CHARACTERS = 20_000


def symptom_of(message: Message, step: Step | None, language: Language) -> str | None:
    """Name of the error rule that a message shows, given the step that produced it. None: it shows no hard error.

    A rule that says what went wrong goes before the bare statement of the source that something did.
    """
    results = [part for part in message.parts if isinstance(part, ToolResultPart)]
    rule = language.error_of(message.text[:_MAX_CHARACTERS])
    if rule is not None:
        return rule
    if message.error is not None or any(part.is_error for part in results):
        return TOOL_ERROR
    if results and all(part.result in (None, "", [], {}) for part in results):
        return EMPTY_RESULT
    return FAILED_STEP if step is not None and step.kind == "tool" and step.status == "error" else None


def results_of(messages: Sequence[Message], kinds: Sequence[ActorKind]) -> Mapping[int, tuple[int, ...]]:
    """For every message that had something run, the messages with what came of it.

    Args:
        messages: The messages, in order.
        kinds: Kind of each message's author.

    Returns:
        Positions of the results by position of the call. A result belongs to the message with its call id; without ids,
        a message of a tool or environment answers the message right before it.
    """
    tools = [kind in ("tool", "environment") for kind in kinds]
    caller: dict[str, int] = {}
    results: dict[int, dict[int, None]] = {}
    for position, message in enumerate(messages):
        answered = [part.id for part in message.parts if isinstance(part, ToolResultPart) and part.id in caller]
        for call_id in answered:
            if call_id is not None:
                results.setdefault(caller[call_id], {})[position] = None
        if tools[position] and not answered and position and not tools[position - 1]:
            results.setdefault(position - 1, {})[position] = None
        for part in message.parts:
            if isinstance(part, ToolCallPart) and part.id is not None:
                caller[part.id] = position
    return {call: tuple(of_call) for call, of_call in results.items()}
