"""A store that is opened when it is first asked, and that keeps what it could not write."""

from __future__ import annotations

import threading
from collections import OrderedDict
from pathlib import Path

from credit_hooks.errors import StoreError
from credit_hooks.rewards import CreditedRun
from credit_hooks.store._runs import RunStore

__all__ = ["LazyStore"]

_MAX_UNWRITTEN = 256
"""Runs kept in memory that could not be written; the oldest make room."""


class LazyStore:
    """A store that is opened when the first run arrives, on the worker, so that a bad path costs no user's run.

    Runs that could not be written, as while the disk is full or the file locked, are written with the next one.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._store: RunStore | None = None
        self._unwritten: OrderedDict[str, CreditedRun] = OrderedDict()
        self._lock = threading.Lock()

    def _open(self) -> RunStore:
        with self._lock:
            if self._store is None:
                self._store = RunStore(self._path)
            return self._store

    def export(self, run: CreditedRun) -> None:
        """Keep a run, and those before it that could not be written.

        Raises:
            StoreError: the file cannot be opened or written.
        """
        with self._lock:
            self._unwritten.pop(run.trajectory.id, None)  # an older credit of the same run
            self._unwritten[run.trajectory.id] = run
            while len(self._unwritten) > _MAX_UNWRITTEN:
                self._unwritten.popitem(last=False)
        self.write_rest()

    def write_rest(self) -> None:
        """Write whatever could not be written before.

        Raises:
            StoreError: it still cannot.
        """
        while (run := self._next()) is not None:
            try:
                self._open().put(run)
            except StoreError:
                raise
            except BaseException:
                self._done_with(run)  # it is the run that cannot be written: it must not be in the way of the others
                raise
            self._done_with(run)

    def _done_with(self, run: CreditedRun) -> None:
        with self._lock:
            if self._unwritten.get(run.trajectory.id) is run:
                del self._unwritten[run.trajectory.id]

    def _next(self) -> CreditedRun | None:
        with self._lock:
            return next(iter(self._unwritten.values()), None)

    def recall(self, run_id: str) -> CreditedRun | None:
        """The run of exactly that id. None: it is not here, or nothing can be read."""
        try:
            found = self._open().get(run_id)
        except StoreError:
            return None
        return found if found.trajectory.id == run_id else None  # the store takes prefixes, a verdict is for one run
