"""A recorded run by place: which agent's which turn wrote which message, the tape, and who can be masked."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from autogen_agentchat.base import Response
from autogen_agentchat.messages import ToolCallExecutionEvent

from credit_hooks.autogen.replay.keys import call_digest, chat_digest, digest, turn_digest
from credit_hooks.autogen.replay.recording import Call, CallKind, Recording, TakenTurn
from credit_hooks.replay import Player, Recorded, Tape
from credit_hooks.trajectory import Message, Trajectory

__all__ = ["Index", "Outcome", "Place", "TurnAt", "call_key", "digest_of"]

Place: TypeAlias = tuple[str, int]
"""An agent's path, and which of its turns."""


@dataclass(frozen=True)
class Outcome:
    """What a call or turn came to. Handed out many times, and never written to."""

    result: Any = None
    chunks: tuple[Any, ...] = ()
    """What was put out before the result."""
    error: Exception | None = None
    """What was raised. None: nothing."""


@dataclass
class TurnAt:
    """What an agent wrote in one of its turns, as ids of the trajectory's messages."""

    own: list[str] = field(default_factory=list)
    """Its own messages, in order."""
    written: list[str] = field(default_factory=list)
    """All that came of it, results of its tools and handoffs too."""
    began: int = 0
    """When, in beginnings and ends of turns of the run."""
    final: str | None = None
    """Its answer. None: it gave none."""
    rounds: list[tuple[str, str]] = field(default_factory=list)
    """(author, id) of the results of its tools, one for each time that it called any."""
    answer: Any = None
    """The answer itself."""
    after: list[Place] = field(default_factory=list)
    """Turns that went on at the same time, and that the team heard of first."""


def digest_of(kind: CallKind, asked: Sequence[Any]) -> str:
    """Hash of what a call is given."""
    if kind == "model":
        return chat_digest(*asked)
    return call_digest(*asked) if kind == "tool" else digest(list(asked))


def call_key(kind: str, path: str, hashed: str, occurrence: int) -> str:
    """Key of the tape: who asks for what, and how often that was asked before."""
    return f"{kind} {path} {hashed} {occurrence}"


class Index:
    """A recorded run, ready to be replayed.

    Args:
        recording: What was recorded of it.
        trajectory: The same run as data.
        agents: Names, paths or actor ids of who is credited. None: everyone.
    """

    def __init__(self, recording: Recording, trajectory: Trajectory, agents: Collection[str] | None) -> None:
        self.recording = recording
        self.thread = (*recording.earlier, recording)
        self.tape: Tape[Outcome] = Tape()
        self.results: dict[tuple[str, str], list[Outcome]] = defaultdict(list)
        """(path, tool) to its results, in order."""
        self.turns: dict[Place, TurnAt] = {}
        self.answers: dict[str, Any] = {}
        """Path to the agent's last answer."""
        self.team_turns: Counter[str] = Counter()
        """Team's path to the most turns that its members took in one run."""
        self.asked: Counter[tuple[str, str, str]] = Counter()
        """(kind, path, hash) to how often that was asked in the run, and in those before it."""
        self._agents = agents
        self._order = {message.id: message.index for message in trajectory.messages}
        self._steering: set[str] = set()
        """Messages that say no more than that a handoff was made: they go with the turn that made it."""
        self._record_calls()
        self._record_turns()
        self._find_places(trajectory)
        self.players = self._players(trajectory, agents)
        self.notes = self._notes(trajectory)

    # --- doing it anew ------------------------------------------------------------------------------------------------

    def place_from(self, message_id: str) -> Place | None:
        """The turn that wrote a message; else the first one that wrote something later. None: there is none."""
        index = self._order.get(message_id)
        if index is None:
            return None
        own = next((place for place, turn in self.turns.items() if message_id in turn.written), None)
        after = [(first, place) for place, first in self._firsts().items() if first > index]
        return own if own is not None else min(after, default=(0, None))[1]

    def turn_from(self, message_id: str) -> str | None:
        """The first message of the turn where doing it anew from a message begins. None: there is none.

        Of an agent that others work inside of, the first that it wrote after what they wrote before the message.
        """
        place = self.place_from(message_id)
        if place is None:
            return None
        written = sorted(self.turns[place].written, key=self._order.__getitem__)
        if message_id not in written:
            return written[0]
        heard = [last for _, last in self._inside_before(place, message_id)]
        return next(one for one in written if self._order[one] > max(heard, default=-1))

    def last_inside(self, place: Place, message_id: str) -> Place | None:
        """Of the turns inside of a turn the one that spoke last before a message. None: there was none."""
        return max(((last, other) for other, last in self._inside_before(place, message_id)), default=(0, None))[1]

    def going_on(self, place: Place, message_id: str) -> frozenset[Place]:
        """Turns inside of which a turn is, that wrote before a message and after it."""
        index = self._order[message_id]
        return frozenset(
            other
            for other, first in self._firsts().items()
            if place[0].startswith(f"{other[0]}/")
            and first < index < max(self._order[one] for one in self.turns[other].written)
        )

    def kept_before(self, place: Place, message_id: str) -> frozenset[Place]:
        """The turns before a turn's message: what wrote has begun to before it, what wrote nothing has begun before."""
        firsts, start, index = self._firsts(), self.turns[place], self._order[message_id]
        return frozenset(
            other
            for other, turn in self.turns.items()
            if other != place and (firsts[other] < index if other in firsts else turn.began < start.began)
        )

    def _inside_before(self, place: Place, message_id: str) -> list[tuple[Place, int]]:
        """Turns inside of a turn that spoke before a message, with the index of the last that they said before it."""
        before = [
            (other, self._order[one])
            for other, turn in self.turns.items()
            for one in turn.written
            if other[0].startswith(f"{place[0]}/") and self._order[one] < self._order[message_id]
        ]
        # Earlier turns of the agent had turns inside of them, too: what they said is before all that this one wrote.
        first = self._firsts()[place]
        return [(other, last) for other, last in before if last > first]

    def speaks(self, path: str) -> bool:
        """Whether somebody else may speak in place of an agent: it is among those who are credited."""
        return self._agents is None or _is_among(path, self._agents)

    def _firsts(self) -> dict[Place, int]:
        return {
            place: min(self._order[message_id] for message_id in turn.written)
            for place, turn in self.turns.items()
            if turn.written
        }

    # --- reading the recording ----------------------------------------------------------------------------------------

    def _record_calls(self) -> None:
        asked = self.asked
        for run in self.thread:
            for call in run.calls:
                if not call.ended:
                    continue
                hashed = digest_of(call.kind, call.asked)
                place = (call.kind, call.path, hashed)
                outcome = Outcome(call.result, tuple(call.chunks), call.error)
                self.tape.record(
                    call_key(*place, asked[place]), Recorded(outcome, model_calls=int(call.kind == "model"))
                )
                asked[place] += 1
                if call.kind in ("tool", "executor"):
                    self.results[call.path, _tool(call)].append(outcome)

    def _record_turns(self) -> None:
        heard: dict[str, list[list[Any]]] = defaultdict(list)
        for run in self.thread:
            for turn in run.turns:
                seat = run.seats.get(turn.path)
                if turn.ended is None or seat is None or not seat.is_opaque:
                    continue
                heard[turn.path].append(turn.delivered)
                outcome = Outcome(tuple(turn.items), error=turn.error)
                key = call_key("turn", turn.path, turn_digest(heard[turn.path]), 0)
                self.tape.record(key, Recorded(outcome, model_calls=turn.model_calls))
                self.results[turn.path, ""].append(outcome)

    def _find_places(self, trajectory: Trajectory) -> None:
        for run in self.thread:
            for team, turns in Counter(turn.path.rpartition("/")[0] for turn in run.turns).items():
                self.team_turns[team] = max(self.team_turns[team], turns)
        count: Counter[str] = Counter()
        placed: list[tuple[TakenTurn, Place]] = []
        for turn in self.recording.turns:
            place = (turn.path, count[turn.path])
            count[turn.path] += 1
            self.turns[place] = self._turn_at(turn, trajectory)
            placed.append((turn, place))
            if self.turns[place].answer is not None:
                self.answers[turn.path] = self.turns[place].answer
        for turn, place in placed:
            self.turns[place].after = [other_place for other, other_place in placed if _ended_first(other, turn)]

    def _turn_at(self, turn: TakenTurn, trajectory: Trajectory) -> TurnAt:
        found = TurnAt(began=turn.began)
        handoffs = self.recording.seats[turn.path].handoffs if turn.path in self.recording.seats else frozenset()
        for item in turn.items:
            said = item.chat_message if isinstance(item, Response) else item
            message = trajectory.message_by_id.get(getattr(said, "id", ""))
            if isinstance(item, Response):
                found.answer = said
            if message is None or message.step_id != turn.step_id:
                continue
            if message.id not in found.written:
                found.written.append(message.id)
            if isinstance(said, ToolCallExecutionEvent):
                steers = handoffs.issuperset(result.name for result in said.content)
                found.rounds.append(("", "") if steers else (message.actor_id, message.id))
                if steers:
                    self._steering.add(message.id)
            elif message.actor_id == turn.path:
                if message.id not in found.own:
                    found.own.append(message.id)
                if isinstance(item, Response):
                    found.final = message.id
        return found

    def _players(self, trajectory: Trajectory, agents: Collection[str] | None) -> tuple[Player, ...]:
        at: dict[str, Player] = {}
        for (path, _), turn in self.turns.items():
            if turn.own:
                at[turn.own[0]] = Player(path, tuple(turn.own))
            for author, message_id in turn.rounds:
                if message_id:
                    at[message_id] = Player(author, (message_id,))
        players = [at[message.id] for message in trajectory.messages if message.id in at]
        return tuple(player for player in players if agents is None or _is_among(player.actor_id, agents))

    def _notes(self, trajectory: Trajectory) -> tuple[str, ...]:
        played = {message_id for player in self.players for message_id in player.message_ids}
        played |= self._steering
        left = [message for message in trajectory.messages if message.id not in played and message.step_id is not None]
        managers = sorted({message.actor_id for message in left if _is_manager(message, trajectory)})
        notes = [f"{name} stays in every replay: it decides who speaks" for name in managers]
        others = sum(not _is_manager(message, trajectory) for message in left)
        if others:
            notes.append(f"{others} messages stay as they are: they were written where replay cannot reach")
        return tuple(notes)


def _tool(call: Call) -> str:
    return str(call.asked[0]) if call.kind == "tool" else "code_executor"


def _ended_first(other: TakenTurn, turn: TakenTurn) -> bool:
    """Whether two turns of one team overlapped, and the other one ended first."""
    if other is turn or other.ended is None or other.path.rpartition("/")[0] != turn.path.rpartition("/")[0]:
        return False
    return turn.began < other.ended and (turn.ended is None or other.ended < turn.ended)


def _is_among(actor_id: str, agents: Collection[str]) -> bool:
    return actor_id in agents or actor_id.rpartition("/")[2] in agents


def _is_manager(message: Message, trajectory: Trajectory) -> bool:
    actor = trajectory.actor_by_id.get(message.actor_id)
    return actor is not None and actor.kind == "orchestrator"
