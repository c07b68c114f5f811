"""A trajectory in canonical order: the form in which the credit engine reads runs.

Credit must not depend on the order in which spans, steps or actors arrived, so everything is numbered here, once, by
what the data states: messages by index, agents by their first message.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from credit_hooks.trajectory import ActorKind, Message, Step, TextPart, Trajectory

__all__ = ["Transcript"]

_KIND_OF_ROLE: Mapping[str, ActorKind] = {"user": "human", "tool": "tool", "system": "system"}


@dataclass(frozen=True)
class Transcript:
    """Messages 0..M-1 and actors 0..A-1 of a run, numbered independently of the order they are listed in."""

    trajectory: Trajectory
    """The run."""
    messages: tuple[Message, ...]
    """Its messages by index, shape (M,)."""
    listed: tuple[int, ...]
    """Where the trajectory lists each of them, shape (M,)."""
    at: Mapping[str, int]
    """Position of each message id; the first of equal ids."""
    actors: tuple[str, ...]
    """Ids of the authors, by first message."""
    author: NDArray[np.intp]
    """Actor of each message, shape (M,)."""
    kinds: tuple[ActorKind, ...]
    """Kind of each message's author, by what the actor states, else by the message's role."""
    steps: Mapping[str, Step]
    """Steps by id; of equal ids the one that sorts first."""
    step_of: tuple[str | None, ...]
    """The step that wrote each message. None: written outside any step, or the step is missing."""

    @classmethod
    def of(cls, trajectory: Trajectory) -> Transcript:
        """Number a trajectory. Never raises for odd data: duplicate ids, unknown actors and missing steps are kept."""
        listed = _canonical_order(trajectory.messages)
        messages = tuple(trajectory.messages[place] for place in listed)
        at: dict[str, int] = {}
        number: dict[str, int] = {}
        for position, message in enumerate(messages):
            at.setdefault(message.id, position)
            number.setdefault(message.actor_id, len(number))
        steps = _steps(trajectory.steps)
        writer: dict[str, str] = {}
        for step_id in sorted(steps):
            if steps[step_id].kind == "workflow":
                continue  # what the run itself is stated to write is what it was given
            for message_id in steps[step_id].output_message_ids:
                writer.setdefault(message_id, step_id)
        stated: dict[str, ActorKind] = {}
        for actor in sorted(trajectory.actors, key=lambda actor: (actor.id, actor.kind)):
            stated.setdefault(actor.id, actor.kind)
        return cls(
            trajectory=trajectory,
            messages=messages,
            listed=listed,
            at=at,
            actors=tuple(number),
            author=np.array([number[message.actor_id] for message in messages], np.intp),
            kinds=tuple(_kind(message, stated.get(message.actor_id, "unknown")) for message in messages),
            steps=steps,
            step_of=tuple(_step_of(message, steps, writer) for message in messages),
        )

    def is_duplicate(self, position: int) -> bool:
        """Whether an earlier message has the same id, so that nothing can refer to this one."""
        return self.at[self.messages[position].id] != position

    def has_voice(self, position: int) -> bool:
        """Whether the message says something in words: a statement, not a write of state and not a tool's business."""
        return self.kinds[position] not in ("tool", "environment") and any(
            isinstance(part, TextPart) and part.text.strip() for part in self.messages[position].parts
        )


def _canonical_order(messages: tuple[Message, ...]) -> tuple[int, ...]:
    count = Counter((message.index, message.id) for message in messages)

    def key(place: int) -> tuple[int, str, str]:
        message = messages[place]
        # The whole message is only needed, and paid for, where index and id do not tell messages apart.
        ambiguous = count[message.index, message.id] > 1
        return message.index, message.id, message.model_dump_json() if ambiguous else ""

    return tuple(sorted(range(len(messages)), key=key))


def _steps(steps: tuple[Step, ...]) -> dict[str, Step]:
    chosen: dict[str, Step] = {}
    for step in steps:
        other = chosen.get(step.id)
        if other is None or step.model_dump_json() < other.model_dump_json():
            chosen[step.id] = step
    return chosen


def _kind(message: Message, stated: ActorKind) -> ActorKind:
    return _KIND_OF_ROLE.get(message.role, "unknown") if stated == "unknown" else stated


def _step_of(message: Message, steps: Mapping[str, Step], writer: Mapping[str, str]) -> str | None:
    for step_id in (message.step_id, message.generated_by):
        if step_id is not None and step_id in steps:
            return step_id
    return writer.get(message.id)
