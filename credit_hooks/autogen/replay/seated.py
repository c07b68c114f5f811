"""An agent of a fresh team during a replay: its turns, spoken by itself, the tape or the baseline."""

from __future__ import annotations

import copy
from collections.abc import AsyncGenerator, Sequence
from typing import TYPE_CHECKING, Any

from autogen_agentchat.base import Response
from autogen_agentchat.messages import BaseChatMessage
from autogen_core.models import ChatCompletionClient

from credit_hooks.autogen import names
from credit_hooks.autogen.replay.anew import Voice
from credit_hooks.autogen.replay.index import Outcome, Place, call_key
from credit_hooks.autogen.replay.keys import turn_digest
from credit_hooks.autogen.replay.places import Member
from credit_hooks.autogen.replay.rules import stopped_by
from credit_hooks.autogen.replay.speaker import MaskedTurn, Speaker, remember, spoken
from credit_hooks.autogen.replay.taped import TapedClient, TapedExecutor, TapedMemory, tape_workbench

if TYPE_CHECKING:
    from credit_hooks.autogen.replay.course import ReplayCourse

__all__ = ["Seated", "again"]


class Seated:
    """An agent of the fresh team, with what a replay knows of it."""

    def __init__(self, course: ReplayCourse, member: Member, has_inside: bool) -> None:
        self.course = course
        self.path = member.path
        self.agent = member.runner
        self.number = 0
        """How many turns it has had in this run."""
        self.speaker: ChatCompletionClient | None = None
        """The model that speaks in its place, in this turn. None: its own."""
        self.voice: Voice = ""
        """Who speaks in this turn, as the tape says it."""
        self._has_inside = has_inside
        self._has_model = False
        self._is_opaque = member.is_opaque
        self._asks_people = member.asks_people
        self._heard: list[list[Any]] = []
        """What it was given, turn by turn."""
        self._voices: list[tuple[Voice, ChatCompletionClient | None]] = []
        """Who spoke in these turns."""
        self._behind = 0
        """How many of these turns it has not lived through, as they were pinned."""
        self._unheard: list[Any] = []
        """What was said to it while it was masked, and it does not know."""
        self._calls: tuple[str, ...] = ()
        self._round = -1
        self._is_in_turn = False
        self._place: Place = (self.path, 0)
        self._stream = self.agent.on_messages_stream
        self._at_once = self.agent.on_messages
        self._take_over()

    def _take_over(self) -> None:
        agent, course, path = self.agent, self.course, self.path
        for name, value in list(getattr(agent, "__dict__", {}).items()):
            if isinstance(value, ChatCompletionClient):
                self._has_model = True
                setattr(agent, name, TapedClient(value, course, path, self))
        if names.workbenches(agent):
            taped = [tape_workbench(found, course, path, self) for found in names.workbenches(agent)]
            names.set_workbenches(agent, taped)
        if names.memories(agent):
            names.set_memories(agent, [TapedMemory(found, course, path) for found in names.memories(agent)])
        if names.code_executor(agent) is not None:
            names.set_code_executor(agent, TapedExecutor(names.code_executor(agent), course, path))
        agent.on_messages_stream = self.on_messages_stream
        agent.on_messages = self.on_messages

    # --- turns --------------------------------------------------------------------------------------------------------

    async def on_messages(self, messages: Sequence[Any], cancellation_token: Any) -> Any:
        """A turn, at once."""
        if self._is_in_turn:
            return await self._at_once(messages, cancellation_token)
        async for item in self._turn(messages, cancellation_token, is_streamed=False):
            if isinstance(item, Response):
                response = item
        return response

    async def on_messages_stream(self, messages: Sequence[Any], cancellation_token: Any) -> AsyncGenerator[Any, None]:
        """A turn, streamed."""
        async for item in self._turn(messages, cancellation_token, is_streamed=True):
            yield item

    async def _turn(self, messages: Sequence[Any], token: Any, *, is_streamed: bool) -> AsyncGenerator[Any, None]:
        course = self.course
        course.check()
        place = self._place = (self.path, self.number)
        self.number += 1
        self._round, self._is_in_turn = -1, True
        course.active.add(place)
        try:
            async for item in self._spoken(place, list(messages), token, is_streamed):
                if isinstance(item, Response):
                    await course.wait_for_others(place)
                yield item
        finally:
            self._is_in_turn, self.speaker, self.voice = False, None, ""
            course.active.discard(place)
            course.ended.add(place)

    async def _spoken(
        self, place: Place, delivered: list[Any], token: Any, is_streamed: bool
    ) -> AsyncGenerator[Any, None]:
        who, self.voice = self._who_speaks(place)
        self.speaker = None if who is None else who.client
        is_told = who is not None and who.client is None
        last_word = who if is_told and self._has_inside and self.voice == "correction " else None
        if who is not None and is_told and last_word is None:
            yield await self._speak_instead(who, place, delivered)
            return
        if last_word is not None:
            self.voice = ""  # its turn is as it is, up to what it says at the end
        heard = list(delivered)
        async for item in self._thought(delivered, token, is_streamed):
            if isinstance(item, Response):
                yield await self._answered(item, place, heard, last_word)
            else:
                heard += [item] if isinstance(item, BaseChatMessage) else []
                yield item

    async def _answered(self, own: Response, place: Place, heard: list[Any], last_word: Speaker | None) -> Response:
        """The answer of a turn: its own, or what somebody makes of all that was heard in it, or a replacement."""
        wanted = self._replacement(place)
        if last_word is not None:
            said = last_word.says(self._turn_of(place, heard), self.agent.name)
        elif wanted is not None:
            said = spoken(wanted, self.agent.name, own.chat_message)
        else:
            return own
        await _forget_last(self.agent, own.chat_message, said)
        return Response(chat_message=said, inner_messages=own.inner_messages)

    def _turn_of(self, place: Place, given: list[Any]) -> MaskedTurn:
        at = self.course.index.turns.get(place)
        recorded = at.answer if at is not None else self.course.index.answers.get(self.path)
        return MaskedTurn(self.path, tuple(given), recorded)

    async def _speak_instead(self, who: Speaker, place: Place, delivered: list[Any]) -> Response:
        said = who.says(self._turn_of(place, delivered), self.agent.name)
        if self._is_opaque:
            self._unheard += delivered
        else:
            await remember(self.agent, delivered, said)
        return Response(chat_message=said, inner_messages=[])

    async def _thought(self, delivered: list[Any], token: Any, is_streamed: bool) -> AsyncGenerator[Any, None]:
        """What the agent itself says."""
        if not self._is_opaque:
            async for item in self._own(delivered, token, is_streamed):
                yield item
            return
        delivered, self._unheard = [*self._unheard, *delivered], []
        self._heard.append(delivered)
        self._voices.append((self.voice, self.speaker))

        async def live() -> Outcome:
            await self._catch_up(token, is_streamed)
            return Outcome(tuple([item async for item in self._own(delivered, token, is_streamed)]))

        self._behind += 1
        key = call_key("turn", f"{self.voice}{self.path}", turn_digest(self._heard), 0)
        outcome = await self.course.take(key, live, self._allowed, self.course.intervention.draw)
        for item in outcome.result or ():
            yield item
        if outcome.error is not None:
            raise again(outcome.error)

    async def _catch_up(self, token: Any, is_streamed: bool) -> None:
        """Live through the turns that were pinned; their models and tools still are."""
        now = self.voice, self.speaker
        first = len(self._heard) - self._behind
        for earlier, spoke in zip(self._heard[first:-1], self._voices[first:-1], strict=True):
            self.voice, self.speaker = spoke
            async for _ in self._own(earlier, token, is_streamed):
                pass
        self.voice, self.speaker = now
        self._behind = 0

    async def _own(self, delivered: list[Any], token: Any, is_streamed: bool) -> AsyncGenerator[Any, None]:
        if not is_streamed:
            yield await self._at_once(delivered, token)
            return
        async for item in self._stream(delivered, token):
            yield item

    def _allowed(self) -> Outcome | None:
        rule = self.course.rules.of(self.agent.name, self.agent, "stop" if self._asks_people else "repeat")
        if rule == "stop":
            raise self.course.meter.stop(stopped_by("agent", self.agent.name))
        return self.course.pinned(self.path, "") if rule == "pin" else None

    def now(self) -> tuple[Voice, ChatCompletionClient | None]:
        """Who speaks, in the middle of a turn."""
        if self.course.anew.is_too_early(self._place, self.course.has_begun, self.course.ended.__contains__):
            return "", None
        return self.voice, self.speaker

    # --- what the intervention wants ----------------------------------------------------------------------------------

    def _who_speaks(self, place: Place) -> tuple[Speaker | None, Voice]:
        """Who speaks in a turn in place of the agent, None being itself, and the name of that on the tape.

        People, and what only runs code, are no agents that somebody else could correct or that think again.
        """
        if self._is_masked(place):
            return self.course.speaker, "baseline "
        if not self.course.is_last or self._asks_people or not (self._has_model or self._is_opaque):
            return None, ""
        by = self.course.anew.corrector(place)
        if by is not None:
            # A model speaks where the agent has one; an agent without stays as it is.
            return (by, "correction ") if self._has_model or by.client is None else (None, "")
        return None, self.course.anew.voice(place)

    def _is_masked(self, place: Place) -> bool:
        if not self.course.is_last:
            return False
        at, intervention = self.course.index.turns.get(place), self.course.intervention
        if at is not None and at.own:
            return intervention.masked.issuperset(at.own)
        return self.path in intervention.absent

    def _replacement(self, place: Place) -> Any:
        at = self.course.index.turns.get(place) if self.course.is_last else None
        return None if at is None or at.final is None else self.course.intervention.replaced.get(at.final)

    def calls_tools(self, tools: Sequence[str]) -> None:
        """Its model has asked for tools."""
        self._round += 1
        self._calls = tuple(sorted(set(tools)))

    def silenced_tool(self) -> str | None:
        """What a tool is made to say that it calls now. None: it may speak."""
        course = self.course
        if not course.is_last or self._round < 0:
            return None
        at, intervention = course.index.turns.get(self._place), course.intervention
        if at is not None and self._round < len(at.rounds):
            message_id = at.rounds[self._round][1]
            if message_id in intervention.replaced:
                return str(intervention.replaced[message_id])
            return course.speaker.text if message_id in intervention.masked else None
        return course.speaker.text if f"tool:{'+'.join(self._calls)}" in intervention.absent else None


async def _forget_last(agent: Any, before: Any, said: Any) -> None:
    """Let an agent remember what it is made to have said."""
    context = names.model_context(agent)
    held = names.context_messages(context)
    if held and getattr(held[-1], "source", None) == agent.name and held[-1].content == getattr(before, "content", 0):
        held[-1] = held[-1].model_copy(update={"content": said.to_model_text()})


def again(error: Exception) -> Exception:
    """A recorded exception, to be raised once more: not the user's own object, whose traceback would grow."""
    try:
        return copy.copy(error)
    except Exception:  # noqa: BLE001 - an exception that cannot be copied is raised as it is
        return error
