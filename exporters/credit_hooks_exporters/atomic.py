"""A file that appears whole or not at all."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

__all__ = ["DigestingFile", "replacing"]


class DigestingFile:
    """A binary file that knows the SHA-256 of what was written to it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self.size = 0
        """Bytes so far."""

    def write(self, data: bytes) -> None:
        """Append bytes."""
        self._file.write(data)
        self.size += len(data)
        self._digest.update(data)

    @property
    def sha256(self) -> str:
        """Digest of all bytes so far, in hex."""
        return self._digest.hexdigest()


@contextmanager
def replacing(path: Path) -> Iterator[DigestingFile]:
    """Write to a temporary file beside `path` and move it there at the end; on an exception `path` stays as it was.

    The file is readable by its owner alone, as runs hold private content.

    Raises:
        OSError: it cannot be written; `filename` is `path`.
    """
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    except OSError as error:
        raise _named(error, path) from error
    try:
        with os.fdopen(handle, "wb") as file:
            yield DigestingFile(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException as error:
        os.unlink(name)
        if isinstance(error, OSError) and error.filename == name:
            raise _named(error, path) from error
        raise
    _sync_directory(path.parent)


def _named(error: OSError, path: Path) -> OSError:
    """The same failure, told of the file that was asked for and not of the temporary one."""
    if isinstance(error, FileNotFoundError):
        return FileNotFoundError(error.errno, f"the folder {path.parent} does not exist", str(path))
    return type(error)(error.errno, error.strerror, str(path))


def _sync_directory(directory: Path) -> None:
    """Make the move itself durable; not every platform can open a directory."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
