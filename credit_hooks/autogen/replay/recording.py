"""What replay needs of a run, taken while it runs: what was asked of models, tools and agents, and what came of it.

All that happens on the user's path is a list copy per call; hashing waits until the run is over.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeAlias

from credit_hooks.autogen import names
from credit_hooks.autogen.patches import reference
from credit_hooks.autogen.replay.places import Member, parts

__all__ = ["Call", "CallKind", "Recorder", "Recording", "Seat", "TakenTurn", "seats"]

_MAX_CALLS = 20_000
"""Most calls recorded of one run."""

_MAX_EARLIER = 50
"""Most earlier runs of a team that are kept for its newest, which is replayed from the first."""

CallKind: TypeAlias = Literal["model", "tool", "tools", "memory", "executor"]


@dataclass(slots=True, eq=False)
class Call:
    """Something that was asked of a model, a tool, a memory or a code executor."""

    kind: CallKind
    path: str
    """Who asked."""
    asked: tuple[Any, ...]
    """The input: (messages, options) of a model, (name, arguments) of a tool, and so on."""
    chunks: list[Any] = field(default_factory=list)
    """What was streamed before the result."""
    result: Any = None
    error: Exception | None = None
    """What it raised. None: it returned `result`."""
    ended: bool = False
    grows: Any = None
    """The model context that a memory is adding to, as `chunks`, while it does."""


@dataclass(slots=True, eq=False)
class TakenTurn:
    """One turn of an agent."""

    path: str
    step_id: str
    delivered: list[Any]
    began: int
    """When, in beginnings and ends of turns of this run."""
    items: list[Any] = field(default_factory=list)
    """What the agent put out, its `Response` last."""
    error: Exception | None = None
    ended: int | None = None
    """When it ended. None: not in this run."""
    model_calls: int = 0


class Seat(NamedTuple):
    """What is to be known of an agent beside its path."""

    is_opaque: bool
    """Whether only its whole turns can be pinned."""
    handoffs: frozenset[str]
    """Names of its tools that only hand over."""


@dataclass(eq=False)
class Recording:
    """One run of a team or agent."""

    run_id: str
    name: str
    task: Any
    earlier: tuple[Recording, ...]
    """The runs before it, oldest first, since the runner was made or reset."""
    refused: str | None
    """Why it cannot be run again. None: it can, as far as is known."""
    seats: Mapping[str, Seat]
    """The agents inside, by path."""
    parts: tuple[Callable[[], Any], ...]
    """References to the user's own teams, agents and what they keep state in."""
    calls: list[Call] = field(default_factory=list)
    turns: list[TakenTurn] = field(default_factory=list)
    clock: int = 0


class Recorder:
    """Recordings of the newest runs, and of the newest runners."""

    def __init__(self, max_runs: int) -> None:
        self._max_runs = max_runs
        self._runs: OrderedDict[str, Recording] = OrderedDict()
        self._runners: dict[int, tuple[Callable[[], Any], list[Recording], str | None]] = {}
        self._calls: dict[str, Call] = {}
        self._turns: dict[str, TakenTurn] = {}
        self._lock = threading.Lock()

    # --- runs ---------------------------------------------------------------------------------------------------------

    def start_run(self, run_id: str, runner: Any, name: str, task: Any, inside: Sequence[Member]) -> None:
        """A run begins."""
        key = id(runner)
        with self._lock:
            known = self._runners.get(key)
            if known is None or known[0]() is not runner:
                known = (reference(runner, lambda: self._runners.pop(key, None)), [], None)
                self._runners[key] = known
            earlier, refused = known[1], known[2]
            if len(earlier) >= _MAX_EARLIER:
                refused = f"the team ran more than {_MAX_EARLIER} times since it was made or reset"
            given = list(task) if isinstance(task, list) else task
            references = tuple(reference(part) for part in parts(inside))
            recording = Recording(run_id, name, given, tuple(earlier), refused, seats(inside), references)
            earlier.append(recording)
            self._runs[run_id] = recording
            while len(self._runs) > self._max_runs:
                self._runs.popitem(last=False)

    def fresh(self, runner: Any) -> None:
        """A runner was reset: it is as when it was made."""
        self._mark(runner, None)

    def loaded(self, runner: Any) -> None:
        """A runner was given another state."""
        self._mark(runner, "its state was loaded, and a replay starts from a team as it is built")

    def _mark(self, runner: Any, refused: str | None) -> None:
        key = id(runner)
        with self._lock:
            if key in self._runners:
                self._runners[key] = (self._runners[key][0], [], refused)
            elif refused is not None:
                self._runners[key] = (reference(runner, lambda: self._runners.pop(key, None)), [], refused)

    def of(self, run_id: str) -> Recording | None:
        """The recording of a run. None: it was not recorded, or is too old."""
        return self._runs.get(run_id)

    def forget(self, run_id: str) -> None:
        """A run's recording has been read. Those that later runs go on from stay with these."""
        with self._lock:
            self._runs.pop(run_id, None)

    # --- turns and calls ----------------------------------------------------------------------------------------------

    def start_turn(self, run_id: str, step_id: str, path: str, delivered: Sequence[Any]) -> None:
        """An agent's turn begins."""
        recording = self._runs.get(run_id)
        if recording is not None and recording.refused is None:
            recording.clock += 1
            self._turns[step_id] = turn = TakenTurn(path, step_id, list(delivered), recording.clock)
            recording.turns.append(turn)

    def wrote(self, key: str, item: Any) -> None:
        """An agent has put out an item."""
        turn = self._turns.get(key)
        if turn is not None:
            turn.items.append(item)

    def end_turn(self, run_id: str, key: str, error: BaseException | None) -> None:
        """An agent's turn has ended."""
        turn, recording = self._turns.pop(key, None), self._runs.get(run_id)
        if turn is not None and recording is not None:
            recording.clock += 1
            turn.ended = recording.clock
            turn.error = error if isinstance(error, Exception) else None
            if error is not None and turn.error is None:
                recording.refused = "it was cancelled"

    def start_call(self, run_id: str, key: str, call: Call, turn_key: str | None = None) -> None:
        """A model, a tool or the like is asked."""
        recording = self._runs.get(run_id)
        if recording is None or recording.refused is not None:
            return
        if len(recording.calls) >= _MAX_CALLS:
            recording.refused = f"it made more than {_MAX_CALLS} calls"
            return
        recording.calls.append(call)
        self._calls[key] = call
        turn = None if turn_key is None else self._turns.get(turn_key)
        if turn is not None and call.kind == "model":
            turn.model_calls += 1

    def chunk(self, key: str, item: Any) -> None:
        """A part of an answer has come."""
        call = self._calls.get(key)
        if call is not None:
            call.chunks.append(item)

    def end_call(self, key: str, result: Any, error: BaseException | None) -> None:
        """An answer has come, or none will."""
        call = self._calls.pop(key, None)
        if call is not None:
            call.result = result
            call.error = error if isinstance(error, Exception) else None
            call.ended = error is None or call.error is not None


def seats(inside: Sequence[Member]) -> dict[str, Seat]:
    """The agents among members."""
    return {
        member.path: Seat(member.is_opaque, frozenset(tool.name for tool in names.handoff_tools(member.runner)))
        for member in inside
        if not member.is_team
    }
