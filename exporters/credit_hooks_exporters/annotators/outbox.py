"""Runs that wait for their annotations to be sent: bounded, the newest of each run, those not ready yet put back."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from credit_hooks_exporters.annotators.annotation import Annotation

__all__ = ["Outbox", "Parcel"]

_FIRST_DELAY: Final = 0.1
_LONGEST_DELAY: Final = 8.0
_LOOK: Final = 0.5
"""Seconds between two looks while waiting, so that an ending process is noticed."""


@dataclass(slots=True)
class Parcel:
    """The annotations of one run on their way."""

    run_id: str
    annotations: tuple[Annotation, ...]
    since: float = field(default_factory=time.monotonic)
    """When it came in, on the monotonic clock, in seconds."""
    due: float = 0.0
    """Not to be sent before, on the monotonic clock."""
    alone: bool = False
    """Whether to send it apart, so that a run whose spans are missing holds no other run up."""
    tries: int = 0

    @property
    def age(self) -> float:
        """Seconds since it came in."""
        return time.monotonic() - self.since


class Outbox:
    """A queue of parcels with one entry per run.

    Args:
        most: Most annotations waiting; a single run may have more.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._size = 0
        self._waiting: OrderedDict[str, Parcel] = OrderedDict()
        self._changed = threading.Condition()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, run_id: str, annotations: tuple[Annotation, ...]) -> bool:
        """Queue a run, in place of what waits under its id; False, at once, if the box is full."""
        with self._changed:
            others = len(self._waiting) - (run_id in self._waiting)
            replaced = len(self._waiting[run_id].annotations) if run_id in self._waiting else 0
            if others and self._size - replaced + len(annotations) > self._most:
                return False
            self._waiting[run_id] = Parcel(run_id, annotations)
            self._size += len(annotations) - replaced
            self._changed.notify_all()
        return True

    def take(self, most: int) -> list[Parcel]:
        """Whole runs that are due, of about `most` annotations together; waits for the next; empty if none is left."""
        with self._changed:
            while self._waiting:
                if parcels := self._due(most):
                    return parcels
                delay = min(parcel.due for parcel in self._waiting.values()) - time.monotonic()
                self._changed.wait(min(max(delay, 0.0), _LOOK))
        return []

    def put_back(self, parcels: Sequence[Parcel], *, later: bool) -> None:
        """Queue parcels again, each to be sent alone, unless a newer one of the run came in meanwhile.

        Args:
            parcels: What could not be sent.
            later: Whether to wait before the next try, longer each time.
        """
        with self._changed:
            for parcel in parcels:
                if later:
                    parcel.tries += 1
                    delay = min(_FIRST_DELAY * 2**parcel.tries, _LONGEST_DELAY)
                    parcel.due = time.monotonic() + delay
                parcel.alone = True
                if parcel.run_id not in self._waiting:
                    self._waiting[parcel.run_id] = parcel
                    self._size += len(parcel.annotations)

    def _due(self, most: int) -> list[Parcel]:
        now, size = time.monotonic(), 0
        taken: list[Parcel] = []
        for parcel in self._waiting.values():
            if parcel.due > now:
                continue
            if taken and (parcel.alone or size + len(parcel.annotations) > most):
                break
            taken.append(parcel)
            size += len(parcel.annotations)
            if parcel.alone:
                break
        for parcel in taken:
            del self._waiting[parcel.run_id]
            self._size -= len(parcel.annotations)
        return taken
