"""A store that is opened when it is first asked."""

from __future__ import annotations

import threading
from pathlib import Path

from credit_hooks.errors import StoreError
from credit_hooks.rewards import CreditedRun
from credit_hooks.store._runs import RunStore

__all__ = ["LazyStore"]


class LazyStore:
    """A store that is opened when the first run arrives, on the worker, so that a bad path costs no user's run."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._store: RunStore | None = None
        self._lock = threading.Lock()

    def _open(self) -> RunStore:
        with self._lock:
            if self._store is None:
                self._store = RunStore(self._path)
            return self._store

    def export(self, run: CreditedRun) -> None:
        """Keep a run.

        Raises:
            StoreError: the file cannot be opened or written.
        """
        self._open().put(run)

    def recall(self, run_id: str) -> CreditedRun | None:
        """The run of exactly that id. None: it is not here, or nothing can be read."""
        try:
            found = self._open().get(run_id)
        except StoreError:
            return None
        return found if found.trajectory.id == run_id else None  # the store takes prefixes, a verdict is for one run
