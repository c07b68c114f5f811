"""One replay as it goes on: which turns the baseline speaks, what is pinned, what is live."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from autogen_core import CancellationToken, SingleThreadedAgentRuntime
from opentelemetry.trace import NoOpTracerProvider

from credit_hooks.autogen import names
from credit_hooks.autogen.replay.anew import Anew, Voice
from credit_hooks.autogen.replay.index import Index, Outcome, Place, call_key, digest_of
from credit_hooks.autogen.replay.places import Member, members
from credit_hooks.autogen.replay.recording import CallKind
from credit_hooks.autogen.replay.rules import Repeat, ToolRules, stopped_by
from credit_hooks.autogen.replay.seated import Seated, again
from credit_hooks.autogen.replay.speaker import Speaker
from credit_hooks.autogen.replay.taped import TapedClient
from credit_hooks.errors import ConfigurationError, ReplayStoppedError
from credit_hooks.replay import Intervention, Recorded, RunMeter

__all__ = ["ReplayCourse"]

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
        self.anew = Anew(index, intervention.redo)
        """What is done anew, and by whom."""
        self._is_identity = intervention == Intervention(draw=intervention.draw)
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
        inside = list(members(runner))
        for member in inside:
            if member.is_team:
                self._take_over_team(member)
            else:
                has_inside = any(other.path.startswith(f"{member.path}/") for other in inside)
                self._seats.append(Seated(self, member, has_inside))

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

    def manager_voice(self) -> Voice:
        """Who decides on the next speaker."""
        if not self.is_last:
            return ""
        return self.anew.manager_voice(self.has_begun)

    def has_begun(self, place: Place) -> bool:
        """Whether a turn of this run is going on, or over."""
        return place in self.active or place in self.ended

    # --- the tape -----------------------------------------------------------------------------------------------------

    async def ask(
        self, kind: CallKind, path: str, asked: Sequence[Any], live: Live, rule: Repeat = "repeat"
    ) -> Outcome:
        """The outcome of a call: recorded, shared with another replay, or live."""
        place = (kind, path, digest_of(kind, asked))
        key = call_key(*place, self._occurrence(place))
        self._asked[place] += 1
        name = str(asked[0]) if kind == "tool" else "code_executor"

        def allowed() -> Outcome | None:
            if rule == "stop":
                raise self.meter.stop(stopped_by("tool", name))
            return self.pinned(path, name) if rule == "pin" else None

        # Models are asked again for fresh replies; tools answer a known call as before, and so act no more often.
        draw = 0 if self.intervention.redo is not None and kind != "model" else self.intervention.draw
        outcome = await self.take(key, live, allowed, draw, counts=kind != "tools", is_model=kind == "model")
        if outcome.error is not None:
            raise again(outcome.error)
        return outcome

    def _occurrence(self, place: tuple[str, str, str]) -> int:
        """How often that was asked before. A tool that the run called has the result that it had, however often."""
        recorded = self.index.asked[place]
        if self.intervention.redo is not None and place[0] in ("tool", "executor") and recorded:
            return min(self._asked[place], recorded - 1)
        return self._asked[place]

    async def take(
        self,
        key: str,
        live: Live,
        allowed: Callable[[], Outcome | None],
        draw: int,
        *,
        counts: bool = True,
        is_model: bool = False,
    ) -> Outcome:
        """Look up a key, or execute."""
        self.check()
        claim = self.index.tape.claim(key, self.meter, draw)
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

    def pinned(self, path: str, name: str) -> Outcome:
        """The recorded result of what must not be called again."""
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
