"""One replay as it goes on: which turns the baseline speaks, what is pinned, what is live."""

from __future__ import annotations

import asyncio
import copy
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Any

from autogen_agentchat.base import Response
from autogen_core import CancellationToken, SingleThreadedAgentRuntime
from autogen_core.models import ChatCompletionClient
from opentelemetry.trace import NoOpTracerProvider

from credit_hooks.autogen import names
from credit_hooks.autogen.replay.index import Index, Outcome, Place, call_key, digest_of
from credit_hooks.autogen.replay.keys import turn_digest
from credit_hooks.autogen.replay.places import Member, members
from credit_hooks.autogen.replay.recording import CallKind
from credit_hooks.autogen.replay.rules import Repeat, ToolRules, stopped_by
from credit_hooks.autogen.replay.speaker import MaskedTurn, Speaker, remember, spoken
from credit_hooks.autogen.replay.taped import TapedClient, TapedExecutor, TapedMemory, tape_workbench
from credit_hooks.errors import ConfigurationError, ReplayStoppedError
from credit_hooks.replay import Intervention, Recorded, RunMeter

__all__ = ["ReplayCourse", "Seated"]

_YIELDS = 50
"""Turns of the event loop for which a turn waits for one that once ran beside it, and has not begun."""

Live = Callable[[], Awaitable[Outcome]]


class ReplayCourse:
    """The course of one replay.

    Args:
        index: The recorded run.
        intervention: What differs from it.
        meter: Told of every execution; says when to stop.
        rules: Which tools may be called again.
        speaker: Who speaks for masked agents.
        max_turns: Most turns of each team. None: as many as in the run, and one of each member.
    """

    def __init__(
        self,
        index: Index,
        intervention: Intervention,
        meter: RunMeter,
        rules: ToolRules,
        speaker: Speaker,
        max_turns: int | None,
    ) -> None:
        self.index = index
        self.rules = rules
        self.speaker = speaker
        self.meter = meter
        self.intervention = intervention
        self.token = CancellationToken()
        """Ends the run that is going on."""
        self.is_last = False
        """Whether the run itself is going on, not one before it."""
        self._is_identity = not (intervention.masked or intervention.absent or intervention.replaced)
        self._max_turns = max_turns
        self._is_given_up = False
        self._asked: Counter[tuple[str, str, str]] = Counter()
        self._seats: list[Seated] = []
        self.started: dict[int, Any] = {}
        """Workbenches with resources of their own, such as an MCP server, that live calls have started."""
        self.ended: set[Place] = set()
        self.active: set[Place] = set()
        self._live: set[asyncio.Future[Any]] = set()
        _check_replacements(index, intervention)

    # --- the fresh team -----------------------------------------------------------------------------------------------

    def take_over(self, runner: Any) -> None:
        """Put the tape and the masks into a team that nobody else has."""
        for member in list(members(runner)):
            if member.is_team:
                self._take_over_team(member)
            else:
                self._seats.append(Seated(self, member))

    def _take_over_team(self, member: Member) -> None:
        team = member.runner
        # A runtime of our own: the user's may run elsewhere, and would show spans of replays.
        silent = NoOpTracerProvider()
        names.set_runtime(team, SingleThreadedAgentRuntime(ignore_unhandled_exceptions=False, tracer_provider=silent))
        own = names.max_turns(team)
        if own is None or (self._max_turns is not None and self._max_turns < own):
            names.set_max_turns(team, self._max_turns or self._usual_turns(member))
        for client in names.model_clients(team):
            names.set_model_client(team, TapedClient(client, self, f"{member.path}#"))

    def _usual_turns(self, team: Member) -> int:
        """As many as in the run, and one more of each member: enough for another course, not for an endless one."""
        taken = self.index.team_turns.get(team.path) or sum(self.index.team_turns.values())
        return taken + len(names.participants(team.runner))

    def begin(self, is_last: bool) -> None:
        """The next run of the thread begins."""
        self.is_last = is_last
        self.token = CancellationToken()
        self.ended.clear()
        self.active.clear()
        for seat in self._seats:
            seat.number = 0

    def give_up(self) -> None:
        """Stop whatever is going on."""
        self._is_given_up = True
        self.token.cancel()
        for call in list(self._live):
            call.cancel()

    # --- the tape -----------------------------------------------------------------------------------------------------

    async def ask(
        self, kind: CallKind, path: str, asked: Sequence[Any], live: Live, rule: Repeat = "repeat"
    ) -> Outcome:
        """The outcome of a call: recorded, shared with another replay, or live."""
        place = (kind, path, digest_of(kind, asked))
        key = call_key(*place, self._asked[place])
        self._asked[place] += 1
        name = str(asked[0]) if kind == "tool" else "code_executor"

        def allowed() -> Outcome | None:
            if rule == "stop":
                raise self.meter.stop(stopped_by("tool", name))
            return self._pinned(path, name) if rule == "pin" else None

        outcome = await self.take(key, live, allowed, counts=kind != "tools", is_model=kind == "model")
        if outcome.error is not None:
            raise _again(outcome.error)
        return outcome

    async def take(
        self,
        key: str,
        live: Live,
        allowed: Callable[[], Outcome | None],
        *,
        counts: bool = True,
        is_model: bool = False,
    ) -> Outcome:
        """Look up a key, or execute."""
        self.check()
        claim = self.index.tape.claim(key, self.meter, self.intervention.draw)
        if claim.state != "mine":
            try:
                recorded = await asyncio.shield(asyncio.wrap_future(claim.flight))
            except ReplayStoppedError as error:  # of the replay that executed it
                raise self.meter.stop(str(error)) from error
            if counts:
                self.meter.count_pinned(recorded.model_calls)
            return recorded.output
        try:
            outcome = allowed()
            if outcome is not None:
                self.meter.count_pinned()
            else:
                outcome = await self._execute(live, counts, is_model)
        except BaseException as error:
            self.index.tape.fail(claim, error)
            raise
        self.index.tape.complete(claim, Recorded(outcome, model_calls=int(is_model)))
        return outcome

    async def _execute(self, live: Live, counts: bool, is_model: bool) -> Outcome:
        if counts:
            if self._is_strict:
                raise self.meter.stop(
                    "the unchanged replay is not the run: something that replay cannot see (time, chance, a state from "
                    "before it was attached) decides what agents read, or the team that is built is another one"
                )
            self.meter.before_live()
        if is_model:
            self.meter.count_model_call()
        call = asyncio.ensure_future(live())
        self._live.add(call)
        try:
            outcome = await call
        finally:
            self._live.discard(call)
        usage = getattr(outcome.result, "usage", None) if is_model else None
        if usage is not None:
            self.meter.count_tokens(usage.prompt_tokens, usage.completion_tokens)
        return outcome

    @property
    def _is_strict(self) -> bool:
        """Whether nothing may be live now."""
        return not self.is_last or self._is_identity

    def check(self) -> None:
        """Stop here if this replay was stopped: AutoGen makes results of what tools raise, and goes on."""
        if self.meter.stopped is not None:
            raise self.meter.stop(self.meter.stopped)
        if self._is_given_up:
            raise ReplayStoppedError("the replay was given up")

    def _pinned(self, path: str, name: str) -> Outcome:
        results = self.index.results.get((path, name)) or next(
            (found for (_, tool), found in self.index.results.items() if tool == name), None
        )
        if not results:
            raise self.meter.stop(f"{name!r} is pinned, and the run has no result of it")
        given = self._asked["pinned", path, name]
        self._asked["pinned", path, name] += 1
        return results[min(given, len(results) - 1)]

    # --- order --------------------------------------------------------------------------------------------------------

    async def wait_for_others(self, place: Place) -> None:
        """Hold an answer back until those are in that the team heard of first, as far as they are given at all."""
        at = self.index.turns.get(place) if self.is_last else None
        for other in at.after if at is not None else ():
            patience = _YIELDS
            while other not in self.ended and (other in self.active or patience):
                patience -= other not in self.active
                await asyncio.sleep(0)


class Seated:
    """An agent of the fresh team, with what a replay knows of it."""

    def __init__(self, course: ReplayCourse, member: Member) -> None:
        self.course = course
        self.path = member.path
        self.agent = member.runner
        self.number = 0
        """How many turns it has had in this run."""
        self.speaker: ChatCompletionClient | None = None
        """The model that speaks in its place, in this turn. None: its own."""
        self._is_opaque = member.is_opaque
        self._asks_people = member.asks_people
        self._heard: list[list[Any]] = []
        """What it was given, turn by turn."""
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
            self._is_in_turn, self.speaker = False, None
            course.active.discard(place)
            course.ended.add(place)

    async def _spoken(
        self, place: Place, delivered: list[Any], token: Any, is_streamed: bool
    ) -> AsyncGenerator[Any, None]:
        speaker = self.course.speaker
        if self._is_masked(place):
            if speaker.client is None:
                yield await self._speak_instead(place, delivered)
                return
            self.speaker = speaker.client
        wanted = self._replacement(place)
        async for item in self._thought(delivered, token, is_streamed):
            if isinstance(item, Response) and wanted is not None:
                said = spoken(wanted, self.agent.name, item.chat_message)
                await _forget_last(self.agent, item.chat_message, said)
                yield Response(chat_message=said, inner_messages=item.inner_messages)
            else:
                yield item

    async def _speak_instead(self, place: Place, delivered: list[Any]) -> Response:
        at = self.course.index.turns.get(place)
        recorded = at.answer if at is not None else self.course.index.answers.get(self.path)
        turn = MaskedTurn(self.path, tuple(delivered), recorded)
        said = self.course.speaker.says(turn, self.agent.name)
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

        async def live() -> Outcome:
            await self._catch_up(token, is_streamed)
            return Outcome(tuple([item async for item in self._own(delivered, token, is_streamed)]))

        self._behind += 1
        who = self.path if self.speaker is None else f"baseline {self.path}"
        key = call_key("turn", who, turn_digest(self._heard), 0)
        outcome = await self.course.take(key, live, self._allowed)
        for item in outcome.result or ():
            yield item
        if outcome.error is not None:
            raise _again(outcome.error)

    async def _catch_up(self, token: Any, is_streamed: bool) -> None:
        """Live through the turns that were pinned; their models and tools still are."""
        for earlier in self._heard[len(self._heard) - self._behind : -1]:
            async for _ in self._own(earlier, token, is_streamed):
                pass
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
        return self.course._pinned(self.path, "") if rule == "pin" else None

    # --- what the intervention wants ----------------------------------------------------------------------------------

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


def _check_replacements(index: Index, intervention: Intervention) -> None:
    for message_id, wanted in intervention.replaced.items():
        finals = {turn.final for turn in index.turns.values()}
        results = {result for turn in index.turns.values() for _, result in turn.rounds}
        if message_id not in finals | results:
            raise ConfigurationError(
                f"message {message_id!r} is no answer and no result of a tool: replace the answer of its turn instead"
            )
        if message_id in results and not isinstance(wanted, str):
            raise ConfigurationError(f"the result of a tool is replaced by text, not by {type(wanted).__name__}")


async def _forget_last(agent: Any, before: Any, said: Any) -> None:
    """Let an agent remember what it is made to have said."""
    context = names.model_context(agent)
    held = names.context_messages(context)
    if held and getattr(held[-1], "source", None) == agent.name and held[-1].content == getattr(before, "content", 0):
        held[-1] = held[-1].model_copy(update={"content": said.to_model_text()})


def _again(error: Exception) -> Exception:
    """A recorded exception, to be raised once more: not the user's own object, whose traceback would grow."""
    try:
        return copy.copy(error)
    except Exception:  # noqa: BLE001 - an exception that cannot be copied is raised as it is
        return error
