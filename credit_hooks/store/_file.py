"""Opening the store's SQLite file, and its errors in our words."""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
import time
from pathlib import Path
from typing import Final

from credit_hooks.errors import ConfigurationError, StoreError

__all__ = ["STORE_VERSION", "explain", "open_file", "store_path"]

STORE_VERSION: Final = 1
"""Version of the table layout, kept in `PRAGMA user_version`."""

_APPLICATION_ID: Final = 0x4352484B  # "CRHK" in the file header: tells our files from other programs'
_BUSY_SECONDS: Final = 30.0

_SCHEMA: Final = """
CREATE TABLE runs (
    sequence INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    framework TEXT, name TEXT, status TEXT NOT NULL,
    outcome REAL, baseline REAL, total REAL NOT NULL, credit_status TEXT NOT NULL, method TEXT NOT NULL,
    best_agent TEXT, best_credit REAL, worst_agent TEXT, worst_credit REAL,
    first_error_index INTEGER, first_error_agent TEXT,
    message_count INTEGER NOT NULL, started_at INTEGER, recorded_at INTEGER NOT NULL,
    group_id TEXT, session_id TEXT, schema_version TEXT NOT NULL,
    agents TEXT NOT NULL, trajectory BLOB NOT NULL, credit BLOB NOT NULL
)
"""


def store_path(path: str | os.PathLike[str]) -> Path:
    """The file that a user names as store, with `~` as their home.

    Raises:
        ConfigurationError: it names no file.
    """
    given = os.fspath(path)
    if given == ":memory:":
        raise ConfigurationError(
            "':memory:' names no file, and a run store is one: leave the store out, and the newest runs are kept "
            "in memory as callback.runs"
        )
    if not given:
        raise ConfigurationError("the run store has an empty name: name a file, such as runs.db")
    try:
        return Path(given).expanduser()
    except RuntimeError as error:  # ~somebody without a home
        raise ConfigurationError(f"the run store {given}: {error}") from error


def open_file(path: Path, read_only: bool) -> sqlite3.Connection:
    """Open a store; creates file and table when missing, unless `read_only`.

    Raises:
        StoreError: the file is of another program or of a newer version.
        OSError, sqlite3.Error: anything else, for :func:`explain`.
    """
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "is a folder", str(path))
    if not read_only:
        # SQLite gives its -wal and -shm files the mode of the main file, so the main file is made first, by us.
        descriptor = _create_or_open(path)
        try:
            _make_private(descriptor)
        finally:
            os.close(descriptor)
        return _prepared(_connect(path, "rw"), path, read_only=False)
    os.close(os.open(path, os.O_RDONLY))
    try:
        return _prepared(_connect(path, "ro"), path, read_only=True)
    except sqlite3.OperationalError:
        # In a folder that cannot be written SQLite finds no place for its -shm file; without a log none is needed.
        log = path.with_name(path.name + "-wal")
        if log.exists() and log.stat().st_size:
            raise
        return _prepared(_connect(path, "ro&immutable=1"), path, read_only=True)


def _create_or_open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except FileNotFoundError as error:
        if path.absolute().parent.is_dir():  # as in /proc, which holds files and takes none
            raise PermissionError(errno.EACCES, "no file can be made in this folder", str(path)) from error
        raise


def _make_private(descriptor: int) -> None:
    """A file that was there before may be readable by others; the runs that it is going to hold are not."""
    if os.name == "posix" and os.fstat(descriptor).st_mode & 0o077:
        with contextlib.suppress(PermissionError):  # another's file, which we may write: its mode is theirs
            os.fchmod(descriptor, 0o600)


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=_BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )


def _prepared(connection: sqlite3.Connection, path: Path, *, read_only: bool) -> sqlite3.Connection:
    try:
        version = _version(connection, path, must_exist=read_only)
        if not read_only:
            _write_ahead(connection)
            connection.execute("PRAGMA synchronous = NORMAL")
        if version == 0:
            _create(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _write_ahead(connection: sqlite3.Connection) -> None:
    # SQLite does not wait for other processes while it changes the journal mode, so we do.
    deadline = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def _version(connection: sqlite3.Connection, path: Path, *, must_exist: bool = False) -> int:
    # In this order: where another process creates the tables meanwhile, what is read later is at least as new.
    tables = int(connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    owner = int(connection.execute("PRAGMA application_id").fetchone()[0])
    if owner != _APPLICATION_ID and (tables or version or owner):
        raise StoreError(f"{path} is a SQLite file of another program, not a run store: name another file")
    if version > STORE_VERSION:
        raise StoreError(
            f"{path} was written by a newer credit-hooks (store version {version}, this one reads {STORE_VERSION}): "
            "pip install --upgrade credit-hooks"
        )
    if version == 0 and must_exist:
        raise StoreError(f"{path} holds no runs yet: record some first, or name another store")
    return version


def _create(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        if _version(connection, path) == 0:  # else another process was first
            connection.execute(_SCHEMA)
            connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {STORE_VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def explain(path: Path, error: Exception) -> str:
    """What went wrong with the store at `path`, and what to do about it."""
    if isinstance(error, FileNotFoundError):
        if not path.absolute().parent.is_dir():
            return f"cannot open the run store {path}: its folder does not exist: mkdir -p {path.absolute().parent}"
        return f"no run store at {path}: record or score a run first, or name another store"
    if path.is_dir():
        return f"{path} is a folder, not a run store: name a file, such as {path / 'runs.db'}"
    if not isinstance(error, sqlite3.Error):
        return f"cannot use the run store {path}: {error}"
    return _explain_sqlite(path, error)


def _explain_sqlite(path: Path, error: sqlite3.Error) -> str:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT) or "no such table: runs" in str(error):
        return (
            f"{path} is damaged or no run store ({error}); it was left as it is: mv {path} {path}.damaged and try again"
        )
    reasons = {
        sqlite3.SQLITE_FULL: f"the disk of {path} is full: free some space or name a store elsewhere",
        sqlite3.SQLITE_IOERR: f"reading or writing {path} failed: check the disk and quota, or name a store elsewhere",
        sqlite3.SQLITE_READONLY: f"{path} cannot be written: change its mode or its folder's, or name another store",
        sqlite3.SQLITE_CANTOPEN: f"{path} cannot be opened: is its folder writable? else name another store",
        sqlite3.SQLITE_BUSY: f"another process kept {path} locked for {_BUSY_SECONDS:.0f} s: end it or try again",
    }
    return f"{reasons.get(code, f'cannot use the run store {path}')} ({error})"
