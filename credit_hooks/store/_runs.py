"""`RunStore`: credited runs in one SQLite file.

Scoring a run again replaces its row and keeps its place. WAL lets readers and one writer work side by side; further
writers wait for their turn.
"""

from __future__ import annotations

import atexit
import difflib
import json
import os
import sqlite3
import threading
import weakref
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from credit_hooks.errors import ConfigurationError, DamagedRunError, StoreError
from credit_hooks.failure.evidence_labels import READ_BY_CREDIT
from credit_hooks.rewards import Credit, CreditedRun
from credit_hooks.store._file import explain, open_file, store_path
from credit_hooks.store._labels import add_label, labels_of, with_stored_labels
from credit_hooks.store._rows import COLUMNS, UPSERT, RunCredit, RunSummary, encode, load, storable
from credit_hooks.trajectory import Label, Trajectory

__all__ = ["RunStore"]

_PAGE: Final = 64
_INHERITED: Final[list[sqlite3.Connection]] = []  # connections of the process we were forked from, never touched again
_OPEN: Final[weakref.WeakSet[RunStore]] = weakref.WeakSet()


class RunStore:
    """Credited runs in one SQLite file, readable by its owner only (mode 0600 from creation on).

    Args:
        path: The file; created when missing. Its folder must exist. A leading `~` is the user's home.
        read_only: Open an existing file for reading, also where neither it nor its folder can be written.

    Raises:
        StoreError: the file is missing (`read_only`), damaged, of a newer version, or cannot be opened or written.
            The message names the file and what to do. No method ever deletes or overwrites a file it cannot read.
        ConfigurationError: the path cannot be that of a file, as `:memory:`.
    """

    def __init__(self, path: str | os.PathLike[str], *, read_only: bool = False) -> None:
        self.path = store_path(path)
        """The file."""
        self._read_only = read_only
        self._lock = threading.RLock()
        self._closed = False
        self._pid = -1
        self._file: tuple[int, int] | None = None
        self._connection: sqlite3.Connection
        with self._session():
            pass

    def put(self, run: CreditedRun) -> None:
        """Write a run, replacing what was known under its id. Durable against a crash of the process on return.

        Raises:
            StoreError: nothing was written; `run` is untouched and can be put again.
        """
        row = encode(run)
        with self._session() as connection:
            connection.execute(UPSERT, row)

    def add_label(self, run_id: str, label: Label) -> None:
        """Add what a person says of a stored run. Runs come back with it, and writing them again does not lose it.

        The stored credit stays as it is, and so does what :func:`credit_hooks.credit.assign_credit` makes of the run.

        Raises:
            StoreError: there is no such run.
            ConfigurationError: credit would read the label, so that the stored credit were no longer the run's.
        """
        if label.name in READ_BY_CREDIT:
            raise ConfigurationError(f"credit reads {label.name} labels: put the run again, credited with it")
        with self._session() as connection:
            if connection.execute("SELECT 1 FROM runs WHERE id = ?", (storable(run_id),)).fetchone() is None:
                raise StoreError(self._missing(connection, run_id))
            add_label(connection, run_id, label)

    def get(self, run_id: str) -> CreditedRun:
        """The run with this id, or the only one whose id starts with it.

        Raises:
            StoreError: no run, or more than one; the message lists the nearest ids.
            DamagedRunError: it is there and cannot be read.
        """
        wanted = str(storable(run_id))
        with self._session() as connection:
            found = connection.execute("SELECT id, trajectory, credit FROM runs WHERE id = ?", (wanted,)).fetchall()
            if not found and wanted:
                found = connection.execute(
                    "SELECT id, trajectory, credit FROM runs WHERE id >= ? AND id < ? ORDER BY id LIMIT 6",
                    (wanted, wanted + "\U0010ffff"),
                ).fetchall()
            if len(found) > 1:
                ids = ", ".join(row[0] for row in found[:5]) + (", ..." if len(found) > 5 else "")
                raise StoreError(f"{run_id!r} is the start of several run ids in {self.path}: {ids}. Type more of it.")
            if not found:
                raise StoreError(self._missing(connection, wanted))
        return self._decode(*found[0])

    def latest(self) -> CreditedRun | None:
        """The newest run, by when it was first recorded. None: the store is empty."""
        with self._session() as connection:
            row = connection.execute(
                "SELECT id, trajectory, credit FROM runs ORDER BY sequence DESC LIMIT 1"
            ).fetchone()
        return None if row is None else self._decode(*row)

    def list(
        self, limit: int | None = None, *, agent: str | None = None, status: str | None = None
    ) -> Iterator[RunSummary]:
        """Summaries, newest first.

        Args:
            limit: At most so many. None: all.
            agent: Only runs that credit this agent, by actor id or name.
            status: Only runs with this run status (`ok`, `error`, ...) or credit status (`credited`, ...).
        """
        where, values = _filters(agent, status)
        before, left = None, limit
        while left is None or left > 0:
            rows = self._page(where, values, before, _PAGE if left is None else min(left, _PAGE))
            for row in rows:
                yield RunSummary(*row[1:])
            if not rows:
                return
            before, left = rows[-1][0], None if left is None else left - len(rows)

    def __iter__(self) -> Iterator[CreditedRun]:
        """All runs, oldest first; a few are held in memory at a time. Runs added meanwhile are included."""
        after = -1
        while True:
            with self._session() as connection:
                rows = connection.execute(
                    "SELECT sequence, id, trajectory, credit FROM runs WHERE sequence > ? ORDER BY sequence LIMIT 8",
                    (after,),
                ).fetchall()
            if not rows:
                return
            for sequence, *encoded in rows:
                yield self._decode(*encoded)
                after = sequence

    def credits(self) -> Iterator[RunCredit]:
        """The credit of every run, oldest first, without reading its messages."""
        columns = f"sequence, {', '.join(COLUMNS)}, agents, credit"
        after: int | None = -1
        while after is not None:
            with self._session() as connection:
                rows = connection.execute(
                    f"SELECT {columns} FROM runs WHERE sequence > ? ORDER BY sequence LIMIT {_PAGE}",  # noqa: S608
                    (after,),
                ).fetchall()
            for _, *summary, names, credit in rows:
                yield RunCredit(RunSummary(*summary), json.loads(names), _load_credit(credit))
            after = rows[-1][0] if rows else None

    def __len__(self) -> int:
        with self._session() as connection:
            return int(connection.execute("SELECT count(*) FROM runs").fetchone()[0])

    def __bool__(self) -> bool:
        """True: a store is something even when it is empty."""
        return True

    def close(self) -> None:
        """Fold the write-ahead log into the file and close it; closing twice is fine."""
        with self._lock:
            if not self._closed and self._pid == os.getpid():
                self._connection.close()
            self._closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"RunStore({str(self.path)!r})"

    @contextmanager
    def _session(self) -> Iterator[sqlite3.Connection]:
        """The connection, for one thread at a time, with SQLite's errors told in our words."""
        if self._pid not in (-1, os.getpid()):
            # A connection must not cross fork(), nor be closed in the child; the lock may have been held by a thread
            # that the child does not have.
            _INHERITED.append(self._connection)
            self._lock, self._pid = threading.RLock(), -1
        with self._lock:
            if self._closed:
                raise StoreError(
                    f"the run store {self.path} is closed: open it again with RunStore({str(self.path)!r})"
                )
            try:
                if self._pid != -1 and _identity(self.path) != self._file:
                    # Deleted or replaced behind our back: SQLite would go on writing where nobody can read.
                    self._connection.close()
                    self._pid = -1
                if self._pid == -1:
                    self._open()
                yield self._connection
            except (sqlite3.Error, OSError, UnicodeEncodeError) as error:
                raise StoreError(explain(self.path, error)) from error

    def _open(self) -> None:
        self._connection = open_file(self.path, self._read_only)
        self._pid, self._file = os.getpid(), _identity(self.path)
        weakref.finalize(self, _close, self._connection, self._pid).atexit = False
        _OPEN.add(self)

    def _rest(self) -> None:
        """Close the connection until the store is used again."""
        if self._lock.acquire(timeout=1.0):
            try:
                if self._pid == os.getpid():
                    self._connection.close()
                    self._pid = -1
            finally:
                self._lock.release()

    def _page(self, where: str, values: Sequence[object], before: int | None, size: int) -> Sequence[tuple[Any, ...]]:
        query = f"SELECT sequence, {', '.join(COLUMNS)} FROM runs WHERE {where}"  # noqa: S608 - `where` is ours
        query += " AND (? IS NULL OR sequence < ?) ORDER BY sequence DESC LIMIT ?"
        with self._session() as connection:
            return connection.execute(query, (*values, before, before, size)).fetchall()

    def _missing(self, connection: sqlite3.Connection, run_id: str) -> str:
        newest = connection.execute("SELECT id FROM runs ORDER BY sequence DESC LIMIT 10000").fetchall()
        if not newest:
            return f"no run {run_id!r}: the store {self.path} is empty"
        ids = [row[0] for row in newest]
        close = difflib.get_close_matches(run_id, ids, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(close)}?" if close else f"the newest is {ids[0]}"
        return f"no run {run_id!r} in {self.path}: {hint}"

    def _decode(self, run_id: str, trajectory: bytes, credit: bytes) -> CreditedRun:
        try:
            run = CreditedRun(trajectory=load(Trajectory, trajectory), credit=load(Credit, credit))
        except (zlib.error, ValueError, RecursionError) as error:
            first = str(error).splitlines()[0]
            raise DamagedRunError(
                f"run {run_id} in {self.path} cannot be read ({type(error).__name__}: {first}): "
                "it is damaged, or was written by another version of credit-hooks",
                run_id,
            ) from error
        with self._session() as connection:
            labels = labels_of(connection, run_id)
        return run.model_copy(update={"trajectory": with_stored_labels(run.trajectory, labels)}) if labels else run


@atexit.register
def _rest_all() -> None:
    # One file that is complete is left behind, not one beside a log that somebody may forget to copy. Whoever still
    # writes from a later exit handler opens it again.
    for store in list(_OPEN):
        store._rest()


def _load_credit(blob: bytes) -> Credit | None:
    try:
        return load(Credit, blob)
    except (zlib.error, ValueError, RecursionError):
        return None


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _close(connection: sqlite3.Connection, pid: int) -> None:
    if pid == os.getpid():
        connection.close()
    else:
        _INHERITED.append(connection)


def _filters(agent: str | None, status: str | None) -> tuple[str, list[object]]:
    where, values = "1", list[object]()
    if agent is not None:
        where += " AND EXISTS (SELECT 1 FROM json_each(agents) WHERE key = ? OR value = ?)"
        values += [agent, agent]
    if status is not None:
        where += " AND (status = ? OR credit_status = ?)"
        values += [status, status]
    return where, values
