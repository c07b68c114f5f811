"""The tape: outputs by exact inputs, shared by all replays of one run. Keys and outputs are opaque to it."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Generic, Literal, TypeAlias, TypeVar

from credit_hooks.errors import ReplayStoppedError

__all__ = ["Claim", "Recorded", "Tape"]

T = TypeVar("T")


@dataclass(frozen=True)
class Recorded(Generic[T]):
    """What an execution returned."""

    output: T
    """The output in a form that can be handed out many times: frozen, or copied by whoever takes it."""
    model_calls: int = 0
    """Model calls it took."""


@dataclass(frozen=True, eq=False)
class Claim(Generic[T]):
    """The answer to a look-up."""

    state: Literal["known", "mine", "theirs"]
    """`known`: the flight is done. `mine`: the caller executes, and completes or fails the claim. `theirs`: another
    replay is executing it; wait for the flight."""
    flight: Future[Recorded[T]]
    """Where the output is, or will be."""


_Place: TypeAlias = tuple[int, str]


class Tape(Generic[T]):
    """Outputs by key, each computed once.

    A key says where (which agent, which of its turns) and what it was given. Outputs of the run itself hold for every
    draw, those of live executions for theirs. Two replays that come to the same live execution at one time share it.
    A failed execution is not kept: who waited for it fails with it, later callers try again. Thread-safe; a flight is a
    `concurrent.futures.Future`, so threads wait by `result()` and coroutines by `asyncio.wrap_future`.
    """

    def __init__(self) -> None:
        self._recorded: dict[str, Recorded[T]] = {}
        self._live: dict[_Place, Future[Recorded[T]]] = {}
        self._owned: dict[Future[Recorded[T]], tuple[object, _Place]] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._recorded) + len(self._live)

    def record(self, key: str, recorded: Recorded[T]) -> None:
        """An execution of the run itself; the first of equal keys counts."""
        self._recorded.setdefault(key, recorded)

    def claim(self, key: str, owner: object, draw: int = 0) -> Claim[T]:
        """Look up a key, and take its execution on if nobody has.

        Args:
            key: Which execution.
            owner: Which replay asks, for :meth:`abandon`.
            draw: Which draw of live outputs.
        """
        with self._lock:
            found = self._recorded.get(key)
            if found is not None:
                done: Future[Recorded[T]] = Future()
                done.set_result(found)
                return Claim("known", done)
            place = (draw, key)
            flight = self._live.get(place)
            if flight is not None:
                return Claim("known" if flight.done() else "theirs", flight)
            flight = self._live[place] = Future()
            self._owned[flight] = (owner, place)
            return Claim("mine", flight)

    def complete(self, claim: Claim[T], recorded: Recorded[T]) -> None:
        """The claimed execution has returned."""
        with self._lock:
            if self._owned.pop(claim.flight, None) is None:
                return  # abandoned meanwhile
        claim.flight.set_result(recorded)

    def fail(self, claim: Claim[T], error: BaseException) -> None:
        """The claimed execution has failed. What is no failure of its own, as a cancellation, is none of who waits."""
        with self._lock:
            owned = self._owned.pop(claim.flight, None)
            if owned is None:
                return
            self._live.pop(owned[1], None)
        if not isinstance(error, Exception):
            error = ReplayStoppedError(f"the replay that executed this was given up: {type(error).__name__}")
        claim.flight.set_exception(error)

    def abandon(self, owner: object, error: BaseException) -> None:
        """A replay was given up: fail whatever it has claimed, so that nobody waits for an execution that may hang."""
        with self._lock:
            theirs = [flight for flight, (who, _) in self._owned.items() if who is owner]
        for flight in theirs:
            self.fail(Claim("mine", flight), error)
