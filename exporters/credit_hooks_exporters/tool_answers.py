"""Which tool call each tool result of a run answers."""

from __future__ import annotations

from typing import NamedTuple

from credit_hooks.trajectory import ToolCallPart, ToolResultPart, Trajectory

__all__ = ["Answered", "tool_answers"]


class Answered(NamedTuple):
    """Which call a tool result answers."""

    message_id: str
    call: int


def tool_answers(trajectory: Trajectory) -> dict[tuple[str, int], Answered]:
    """The call that each tool result answers, by (message id, part): the nearest before it with its id.

    Two agents may use the same call ids, so a call that the result's own step read goes first. Results without an id
    answer the first open call without one that their step read: a guess by order alone could give an agent the result
    of somebody else.
    """
    calls: dict[str | None, list[tuple[Answered, str]]] = {}
    answers: dict[tuple[str, int], Answered] = {}
    for message in trajectory.messages:
        results = [(number, part) for number, part in enumerate(message.parts) if isinstance(part, ToolResultPart)]
        parents = frozenset(trajectory.parents(message.id)) if results else frozenset[str]()
        for number, part in results:
            candidates = calls.get(part.id, [])
            read = [found for found in candidates if found[0].message_id in parents]
            if part.id is None:
                taken = set(answers.values())
                read = [(call, name) for call, name in read if call not in taken and part.name in (None, name)]
                candidates = read = read[:1]
            if chosen := (read or candidates):
                answers[message.id, number] = chosen[-1][0]
        own = (part for part in message.parts if isinstance(part, ToolCallPart))
        for number, call in enumerate(own):
            calls.setdefault(call.id, []).append((Answered(message.id, number), call.name))
    return answers
