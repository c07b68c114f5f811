"""When work that can wait a moment gets out of the way of the user's threads.

Two threads that compute at once share one interpreter lock, and pay for every hand-over: work after a run that overlaps
the next run costs about a third more processor time, most of it the user's thread's.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Final

__all__ = ["Quiet"]

_GRACE: Final = 0.002
"""Seconds without a run that count as quiet. A worker that starts at once takes the interpreter lock for a whole switch
interval (5 ms) just before `invoke()` returns: measured at 100 steps, it then returned 4 ms later."""
_PATIENCE: Final = 0.5
"""Most seconds that work waits for others' runs to end, counted from when it could have begun."""


class Quiet:
    """Tells a worker's threads when no run is going on, or when they are not to wait for that any longer."""

    def __init__(self) -> None:
        self._calm = threading.Event()
        self._calm.set()
        self._wanted = 0

    def begins(self) -> None:
        """A run begins."""
        self._calm.clear()

    def ends(self) -> None:
        """The last run that was going on has ended."""
        self._calm.set()

    @contextlib.contextmanager
    def wanted(self) -> Iterator[None]:
        """Somebody waits for the work: it does not wait for anything meanwhile."""
        self._wanted += 1
        self._calm.set()
        try:
            yield
        finally:
            self._wanted -= 1

    def wait(self, since: float) -> None:
        """Return when no run is going on, somebody wants the work, or half a second has passed.

        Args:
            since: When the work could have begun, by `time.monotonic()`: work that has waited in a queue waits less, so
                that nothing piles up behind runs that never pause.
        """
        deadline = since + _PATIENCE
        while True:
            time.sleep(_GRACE)
            left = deadline - time.monotonic()
            if left <= 0 or self._wanted > 0 or self._calm.is_set():
                return
            self._calm.wait(left)
