"""From prompts to who read what: the messages of a trace, known again wherever a later prompt shows them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple

from credit_hooks.trajectory import Actor, Message, ReadSet, Step, ToolResultPart
from credit_hooks_adapters.flattened import PromptMessage

__all__ = ["Call", "Conversation"]

_MIN_QUOTED: Final = 20  # shorter replies ("yes", "42") are found in other texts by chance
_MAX_SEARCHED: Final = 200  # earlier messages looked for inside a new one: bounds the work on very long traces

_USER: Final = Actor(id="user", name="user", kind="human")
_SYSTEM: Final = Actor(id="system", name="system", kind="system")
_ENVIRONMENT: Final = Actor(id="environment", name="environment", kind="environment")
_RESULTS: Final = frozenset({"tool", "function", "tool-response", "ipython"})
_ROLES: Final = {"human": "user", "system": "system", "environment": "tool", "agent": "assistant"}


class Call(NamedTuple):
    """A model call, as far as its prompt is concerned."""

    step_id: str
    """Its span."""
    agent: Actor
    """Whose call it is."""
    start_ns: int | None
    """When it began, nanoseconds since the epoch. None: unknown."""


class Conversation:
    """Messages in the order in which they came to be.

    A prompt's entries are matched to earlier messages: by equal text, then by texts that hold an earlier reply whole,
    as when a framework wraps a plan or an observation. What is left is new, and written by whoever its role says; a
    question in a prompt that shows no reply is an instruction, unless it opens the run.
    """

    def __init__(self) -> None:
        self.actors: dict[str, Actor] = {}
        """Authors that only prompts tell of."""
        self.steps: list[Step] = []
        """Steps behind observations, which have no span of their own."""
        self._messages: list[Message] = []
        self._texts: list[str] = []
        self._by_text: dict[str, list[int]] = {}
        self._entries: dict[tuple[str, str, str, int], tuple[int, ...]] = {}
        self._last_prompt: dict[str, tuple[str, tuple[str, ...]]] = {}
        self._last_of: dict[str, str] = {}
        self._handed: dict[str, dict[int, None]] = {}
        self._ids: set[str] = set()

    @property
    def messages(self) -> tuple[Message, ...]:
        """All of them, by index."""
        return tuple(self._messages)

    def last_of(self, actor_id: str) -> tuple[str, ...]:
        """Id of the newest message of an actor; empty if it has written none."""
        return (self._last_of[actor_id],) if actor_id in self._last_of else ()

    def hand_back(self, agent_id: str, caller_id: str) -> None:
        """An agent has ended: what it wrote last is known to whoever called it from here on."""
        for message_id in self.last_of(agent_id):
            place = next(k for k in range(len(self._messages) - 1, -1, -1) if self._messages[k].id == message_id)
            self._handed.setdefault(caller_id, {})[place] = None

    def write(self, message: Message, said: str) -> int:
        """Add a message as the newest; its id is made unique, its index set. Returns its position."""
        place, unique, repeat = len(self._messages), message.id, 1
        while unique in self._ids:
            repeat += 1
            unique = f"{message.id}{repeat}"
        self._ids.add(unique)
        self._messages.append(message.model_copy(update={"id": unique, "index": place}))
        plain = _plain(said)
        self._texts.append(plain)
        if plain:
            self._by_text.setdefault(plain, []).append(place)
        self._last_of[message.actor_id] = unique
        return place

    def prompt(self, call: Call, entries: Sequence[PromptMessage]) -> ReadSet:
        """What a model call read, as the difference to the same agent's previous call; new entries become messages."""
        seen: Counter[tuple[str, str]] = Counter()
        places: dict[int, None] = {}
        for entry in entries:
            said = _plain(entry.text)
            seen[entry.role, said] += 1
            key = (call.agent.id if self._is_own(entry) else "", entry.role, said, seen[entry.role, said])
            if key not in self._entries:
                replied = any(self._is_reply(place) for place in places)
                self._entries[key] = self._places(call, entry, seen[entry.role, said], replied)
            places.update(dict.fromkeys(self._entries[key]))
        places.update(self._handed.get(call.agent.id, {}))
        read = tuple(self._messages[place].id for place in places)
        base, before = self._last_prompt.get(call.agent.id, (None, ()))
        self._last_prompt[call.agent.id] = (call.step_id, read)
        if base is None:
            return ReadSet(new=read)
        known, now = set(before), set(read)
        return ReadSet(
            base=base, new=tuple(m for m in read if m not in known), dropped=tuple(m for m in before if m not in now)
        )

    def _places(self, call: Call, entry: PromptMessage, occurrence: int, replied: bool) -> tuple[int, ...]:
        """The messages that an entry stands for."""
        said = _plain(entry.text)
        written = [place for place in self._by_text.get(said, ()) if self._is_reply(place)]
        if written:
            return (written[min(occurrence, len(written)) - 1],)
        quoted = self._quoted(said)
        if quoted and sum(len(self._texts[place]) for place in quoted) >= len(said) / 2:
            return tuple(quoted)
        if self._is_own(entry) and entry.role != "assistant" and call.agent.id in self._last_of:
            return ()  # what a framework makes of the reply before it, such as the call it asked for
        return (self._new(call, entry, self._author(call, entry, replied)), *quoted)

    def _new(self, call: Call, entry: PromptMessage, author: Actor) -> int:
        role = _ROLES.get(author.kind, "assistant")
        if role == "tool" and not any(isinstance(part, ToolResultPart) for part in entry.parts):
            role = "data"
        self.actors.setdefault(author.id, author)
        message_id = f"{call.step_id}.in{len(self._messages)}"
        step_id = None
        if author is _ENVIRONMENT:
            # It came of what the agent said last; no span says so.
            reads = ReadSet(new=self.last_of(call.agent.id))
            step_id = f"{message_id}.step"
            self.steps.append(Step(id=step_id, kind="tool", name="observation", actor_id=author.id, reads=reads))
        message = Message(
            id=message_id,
            index=0,
            actor_id=author.id,
            step_id=step_id,
            role=role,
            role_raw=entry.role if entry.role != role else None,
            parts=entry.parts,
            timestamp=call.start_ns,
        )
        return self.write(message, entry.text)

    def _author(self, call: Call, entry: PromptMessage, replied: bool) -> Actor:
        if self._is_own(entry):
            return call.agent
        if entry.role in _RESULTS:
            return _ENVIRONMENT
        opens = not any(self._is_reply(place) for place in range(len(self._messages)))
        return _USER if entry.role in ("user", "human", "") and (replied or opens) else _SYSTEM

    def _is_own(self, entry: PromptMessage) -> bool:
        return entry.role not in _RESULTS and entry.role not in ("user", "human", "", "system", "developer")

    def _is_reply(self, place: int) -> bool:
        return self._messages[place].generated_by is not None

    def _quoted(self, said: str) -> list[int]:
        """Earlier replies and results that a text holds whole."""
        if len(said) < _MIN_QUOTED:
            return []
        newest = range(max(0, len(self._texts) - _MAX_SEARCHED), len(self._texts))
        return [
            place
            for place in newest
            if self._is_reply(place) and len(self._texts[place]) >= _MIN_QUOTED and self._texts[place] in said
        ]


def _plain(text: str) -> str:
    """A text without its line breaks and indentation, which frameworks change when they quote."""
    return " ".join(text.split())
