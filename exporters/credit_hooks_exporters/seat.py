"""The author's seat: a message of a team as one turn of a chat, with exactly what its author had read before it.

Chat templates know system, user, assistant and tool, and no names, so a team's record is seen from one author's place:
its own system prompt, its own messages as assistant, everybody else as user turns that begin with `[name]`, and tool
results only of its own calls. Never seen: what came later, other agents' prompts, other agents' tool calls and results.

Calls are numbered anew in every view (`call00000`, ...): the source's ids are random, which would make equal histories
differ, and nine letters and digits are what the strictest template (Mistral's) accepts.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, JsonValue

from credit_hooks.trajectory import Actor, Message, ToolCallPart, ToolResultPart, Trajectory, WithheldPart
from credit_hooks_exporters.tool_answers import Answered, tool_answers
from credit_hooks_exporters.turns import (
    OPENING,
    PROCEED,
    Turn,
    alternating,
    arguments_object,
    arguments_string,
    as_json,
    call_id,
    call_text,
    joined,
    merged,
    own_text,
)

__all__ = ["Seat", "SeatedRun", "View"]


class Seat(BaseModel):
    """How the view is written; the defaults are what TRL takes."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    arguments: Literal["dict", "string"] = "dict"
    """Tool arguments as an object (TRL) or as a JSON string (OpenAI, ART)."""
    fold_system: bool = False
    """Put the system prompt in front of the first user turn, for templates without a system role such as gemma's."""
    strict_alternation: bool = False
    """user, assistant, user, ... without exception; implies `tool_turns="text"`."""
    tool_turns: Literal["native", "text"] = "native"
    """Own tool calls and results as the chat format has them, or as text, for templates that drop them."""
    prefix: str = "[{name}] "
    """What goes before the words of others; `{name}` is their name. Humans speak without it."""

    @property
    def text_tools(self) -> bool:
        """Whether tool calls and results are written as text."""
        return self.strict_alternation or self.tool_turns == "text"


class View(NamedTuple):
    """A message from its author's seat."""

    prompt: list[Turn]
    """What the author had before it, ending where its turn begins."""
    completion: Turn
    """The message as the author's own turn."""


class SeatedRun:
    """A run as its authors saw it. Reading is cheap to repeat; nothing is written into the trajectory."""

    def __init__(self, trajectory: Trajectory, seat: Seat) -> None:
        self.trajectory = trajectory
        self.seat = seat
        self._answers = tool_answers(trajectory)
        self._texts = {message.id: own_text(message) for message in reversed(trajectory.messages)}
        self._withheld = {
            message.id
            for message in trajectory.messages
            if any(isinstance(part, WithheldPart) for part in message.parts)
        }
        self._last_read: tuple[str, list[Message]] | None = None
        self._called: dict[str, set[str]] = {}
        for message in trajectory.messages:
            names = {part.name for part in message.parts if isinstance(part, ToolCallPart)}
            self._called.setdefault(message.actor_id, set()).update(names)

    def view(self, message: Message) -> View:
        """A message and what its author had before it, as new turns.

        Cost: the number of messages read, which grows with the run in teams where everybody reads everything.
        """
        author, numbers = message.actor_id, itertools.count()
        read = self._read(message)
        turns = list(self._turns(read, author, numbers))
        if self.seat.text_tools or not any(turn["role"] == "user" for turn in turns):
            turns = self._opened(turns)
        if self.seat.strict_alternation:
            turns = list(alternating(turns))
        if turns[-1]["role"] == "assistant":
            turns.append({"role": "user", "content": PROCEED})
        calls = [part for part in message.parts if isinstance(part, ToolCallPart)]
        return View(
            self._with_system(merged(turns), read, author), self._spoken(self._texts[message.id], calls, numbers)
        )

    def tools(self, actor_id: str) -> list[JsonValue]:
        """Definitions, as OpenAI writes them, of the run's tools that this actor called; none if calls are text."""
        if self.seat.text_tools:
            return []
        called = self._called.get(actor_id, set())
        return [
            {
                "type": "function",
                "function": {
                    "name": tool.name,
                    "description": tool.description or "",
                    "parameters": tool.parameters or {"type": "object", "properties": {}},
                },
            }
            for tool in self.trajectory.tools
            if tool.name in called
        ]

    def withheld(self, message: Message) -> bool:
        """Whether the message, or anything its author had read, was kept private by the source."""
        return bool(self._withheld) and any(found.id in self._withheld for found in (message, *self._read(message)))

    def name(self, actor_id: str) -> str:
        """The name the user gave an actor."""
        actor = self.trajectory.actor_by_id.get(actor_id)
        return actor_id if actor is None else actor.name

    def _read(self, message: Message) -> list[Message]:
        """What the author had read. The last answer is kept, as it is asked for twice."""
        if self._last_read is None or self._last_read[0] != message.id:
            known = self.trajectory.message_by_id
            parents = self.trajectory.parents(message.id)
            self._last_read = (message.id, [known[parent] for parent in parents if parent in known])
        return self._last_read[1]

    def _turns(self, read: Sequence[Message], author: str, numbers: Iterator[int]) -> Iterator[Turn]:
        results = self._results(read)
        for message in read:
            if message.actor_id == author and message.role != "system":
                yield from self._own_turns(message, results, numbers)
            elif message.role != "system" and (text := self._texts[message.id]):
                yield {"role": "user", "content": self._prefix(message.actor_id) + text}

    def _own_turns(
        self, message: Message, results: Mapping[Answered, ToolResultPart], numbers: Iterator[int]
    ) -> Iterator[Turn]:
        """An own message and what came back of its calls; calls that nothing came back of are left out."""
        calls = [part for part in message.parts if isinstance(part, ToolCallPart)]
        answers = [results.get(Answered(message.id, number)) for number in range(len(calls))]
        pairs = [(call, answer) for call, answer in zip(calls, answers, strict=True) if answer is not None]
        turn = self._spoken(self._texts[message.id], [call for call, _ in pairs], numbers)
        if turn["content"] or pairs:
            yield turn
        for number, (call, answer) in enumerate(pairs):
            text = answer.result if isinstance(answer.result, str) else as_json(answer.result)
            if self.seat.text_tools:
                yield {"role": "user", "content": f"[{call.name}] {text}"}
            else:
                identity = turn["tool_calls"][number]["id"]
                yield {"role": "tool", "name": call.name, "tool_call_id": identity, "content": text}

    def _spoken(self, content: str, calls: Sequence[ToolCallPart], numbers: Iterator[int]) -> Turn:
        """An assistant turn."""
        if self.seat.text_tools:
            return {"role": "assistant", "content": joined([content, *map(call_text, calls)])}
        turn: Turn = {"role": "assistant", "content": content}
        write = arguments_object if self.seat.arguments == "dict" else arguments_string
        functions = [{"name": call.name, "arguments": write(call.arguments)} for call in calls]
        tool_calls = [{"id": call_id(next(numbers)), "type": "function", "function": made} for made in functions]
        return {**turn, "tool_calls": tool_calls} if tool_calls else turn

    def _results(self, read: Iterable[Message]) -> dict[Answered, ToolResultPart]:
        """Tool results that were read, by the call they answer."""
        return {
            answer: part
            for message in read
            for number, part in enumerate(message.parts)
            if isinstance(part, ToolResultPart) and (answer := self._answers.get((message.id, number))) is not None
        }

    def _prefix(self, actor_id: str) -> str:
        actor = self.trajectory.actor_by_id.get(actor_id)
        if actor is not None and actor.kind == "human":
            return ""
        return self.seat.prefix.replace("{name}", self.name(actor_id))

    def _opened(self, turns: list[Turn]) -> list[Turn]:
        if turns and turns[0]["role"] == "user":
            return turns
        return [{"role": "user", "content": self.trajectory.task or OPENING}, *turns]

    def _with_system(self, turns: list[Turn], read: Iterable[Message], author: str) -> list[Turn]:
        system = joined(dict.fromkeys(self._instructions(read, author)))
        if not system:
            return turns
        if not self.seat.fold_system:
            return [{"role": "system", "content": system}, *turns]
        first = next(number for number, turn in enumerate(turns) if turn["role"] == "user")
        turns[first] = {**turns[first], "content": joined([system, turns[first]["content"]])}
        return turns

    def _instructions(self, read: Iterable[Message], author: str) -> Iterator[str]:
        """The author's system prompt, and system messages it read that are its own or nobody else's in the team."""
        actor = self.trajectory.actor_by_id.get(author)
        if actor is not None and actor.system_prompt:
            yield actor.system_prompt
        for message in read:
            if message.role == "system" and (message.actor_id == author or not self._is_agent(message.actor_id)):
                yield self._texts[message.id]

    def _is_agent(self, actor_id: str) -> bool:
        actor: Actor | None = self.trajectory.actor_by_id.get(actor_id)
        return actor is None or actor.kind in ("agent", "orchestrator", "unknown")
