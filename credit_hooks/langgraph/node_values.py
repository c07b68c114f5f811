"""States and answers of plain nodes: read, copied with changes, cleaned of what triage added. Writes to none of them.

A node takes a dict, a pydantic model or a dataclass, and returns one of those or a `Command` around it.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Final

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langgraph.types import Command
from pydantic import BaseModel

from credit_hooks.langgraph.messages import is_message, is_message_like, message_role, snapshot, tool_call_ids

__all__ = ["Channels", "characters", "cleaned", "copied", "field", "listed", "replaced", "said_in", "written_by"]

_MISSING: Final = object()
_CONTAINERS: Final = (list, dict, set)


class Channels:
    """Which keys of a node's state matter.

    Args:
        messages: The conversation; a list.
        answer: Where the node writes its answer. None: `messages`.
        critique: Where the node reads a critique, as text. None: `messages`.
    """

    def __init__(self, messages: str, answer: str | None, critique: str | None) -> None:
        self.messages, self.answer, self.critique = messages, answer or messages, critique

    def asked(self, state: Any) -> list[Any]:
        """The conversation a node is shown."""
        return listed(field(state, self.messages))

    def informed(self, state: Any, note: str) -> tuple[Any, list[Any]]:
        """A state with a critique of an earlier run, and what was added to it."""
        if self.critique is not None:
            return replaced(state, {self.critique: note}), [note]
        before = self.asked(state)
        start = next((k for k, message in enumerate(before) if message_role(message) != "system"), len(before))
        added = SystemMessage(note)
        return replaced(state, {self.messages: [*before[:start], added, *before[start:]]}), [added]

    def criticised(self, state: Any, answer: Any, critique: str) -> tuple[Any, list[Any]]:
        """A state with an answer and what speaks against it, and what was added to it."""
        if self.critique is not None:
            told = field(state, self.critique)
            text = f"{told}\n\n{critique}" if isinstance(told, str) and told else critique
            return replaced(state, {self.critique: text}), [text]
        said = said_in(answer, self)
        # A call without its result is no conversation that models accept.
        draft = [] if said is None or tool_call_ids(said) else [_draft(said)]
        added = [*draft, HumanMessage(critique)]
        return replaced(state, {self.messages: [*self.asked(state), *added]}), added


def field(holder: Any, key: str) -> Any:
    """What a state has under a key. None: nothing."""
    return holder.get(key) if isinstance(holder, Mapping) else getattr(holder, key, None)


def listed(value: Any) -> list[Any]:
    """Messages as a list: one alone may be written without."""
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]


def copied(state: Any) -> Any:
    """A state whose lists, dicts and sets are its own, so that a node that appends to one does so to the copy."""
    items = state.items() if isinstance(state, Mapping) else getattr(state, "__dict__", {}).items()
    return replaced(state, {key: copy.copy(value) for key, value in items if isinstance(value, _CONTAINERS)})


def replaced(holder: Any, changes: Mapping[str, Any]) -> Any:
    """A copy with these values.

    Raises:
        TypeError: it is neither a mapping nor an object with fields.
    """
    if isinstance(holder, Mapping):
        return {**holder, **changes}
    if isinstance(holder, BaseModel):
        return holder.model_copy(update=dict(changes))
    if not dataclasses.is_dataclass(holder):
        raise TypeError(f"a state of type {type(holder).__name__} cannot be given a critique")
    made = copy.copy(holder)
    for key, value in changes.items():
        object.__setattr__(made, key, value)  # frozen ones too; `replace` would run the user's __post_init__ again
    return made


def written_by(answer: Any, channels: Channels, shown: Sequence[Any] = ()) -> list[Any]:
    """What a node adds to the conversation, without what it was shown and returns again."""
    update = answer.update if isinstance(answer, Command) else answer
    if not isinstance(update, Mapping | BaseModel) and not dataclasses.is_dataclass(update):
        return []
    known = {id(message) for message in shown}
    written = listed(field(update, channels.answer))
    return [one for one in written if id(one) not in known and (isinstance(one, str) or _is_message(one))]


def said_in(answer: Any, channels: Channels, shown: Sequence[Any] = ()) -> Any | None:
    """The node's answer: the last thing it wrote, unless a tool or a system says it. None: none that can be read."""
    written = written_by(answer, channels, shown)
    return written[-1] if written and message_role(written[-1]) not in ("tool", "system") else None


def cleaned(answer: Any, added: Sequence[Any], before: Any) -> Any:
    """An answer without what triage added to the state: a node may return all it was given.

    Args:
        answer: What the node returned. Left as it is; where nothing of ours is in it, it is returned itself.
        added: The objects that were added.
        before: The node's state without them.
    """
    if isinstance(answer, list):  # of commands and updates
        parts = [cleaned(part, added, before) for part in answer]
        return answer if all(new is old for new, old in zip(parts, answer, strict=True)) else parts
    if isinstance(answer, Command):
        update = cleaned(answer.update, added, before)
        return answer if update is answer.update else dataclasses.replace(answer, update=update)
    ours = {id(one) for one in added}
    items = answer.items() if isinstance(answer, Mapping) else getattr(answer, "__dict__", {}).items()
    changes = {key: _without(value, ours, before, key) for key, value in items if _holds(value, ours)}
    if not changes:
        return answer
    kept = replaced(answer, {key: value for key, value in changes.items() if value is not _MISSING})
    if isinstance(kept, dict):
        return {key: value for key, value in kept.items() if changes.get(key) is not _MISSING}
    return kept


def characters(value: Any) -> int:
    """How long a message is."""
    content = snapshot(value).content
    return len(content if isinstance(content, str) else str(content[0]))


def _is_message(value: Any) -> bool:
    return is_message(value) or is_message_like(value)


def _draft(said: Any) -> BaseMessage:
    """The answer for the next prompt: a copy, so that a node which returns the same object again is not misread."""
    if isinstance(said, BaseMessage):
        return said.model_copy()
    content = said.get("content") if isinstance(said, dict) else said
    return AIMessage(content[1] if isinstance(content, tuple) else content)


def _holds(value: Any, ours: set[int]) -> bool:
    return id(value) in ours or (isinstance(value, list) and any(id(one) in ours for one in value))


def _without(value: Any, ours: set[int], before: Any, key: str) -> Any:
    if isinstance(value, list):
        return [one for one in value if id(one) not in ours]
    if isinstance(before, Mapping):
        return before.get(key, _MISSING)
    return getattr(before, key, None)
