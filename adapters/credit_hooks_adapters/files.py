"""JSON documents of a file: one document, or one per line, plain or gzipped."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from credit_hooks.errors import TrajectoryError

__all__ = ["documents", "json_files"]

_SUFFIXES: Final = frozenset({".json", ".jsonl", ".ndjson"})
_GZIP_MAGIC: Final = b"\x1f\x8b"


def json_files(directory: Path) -> list[Path]:
    """JSON files below a directory, by name, gzipped ones included; hidden ones and all others are left out."""
    found = (path for path in directory.rglob("*") if path.is_file() and _suffix(path) in _SUFFIXES)
    return sorted(path for path in found if not any(part.startswith(".") for part in path.relative_to(directory).parts))


def _suffix(path: Path) -> str:
    return (path.with_suffix("") if path.suffix == ".gz" else path).suffix


def documents(path: Path) -> Iterator[Any]:
    """The JSON documents of a file, in order.

    A last line that was cut, as when its writer was killed, is left out where the lines before it are whole.

    Raises:
        TrajectoryError: the file cannot be read, or is no JSON; names the file and the line.
    """
    content = _content(path)
    if not content.strip():
        raise TrajectoryError(f"{path}: the file is empty")
    try:
        whole = json.loads(content)
    except RecursionError as error:
        raise TrajectoryError(f"{path}: nested too deep") from error
    except ValueError as error:
        yield from _lines(path, content, error)
    else:
        yield whole


def _content(path: Path) -> str:
    try:
        raw = path.read_bytes()
        if raw.startswith(_GZIP_MAGIC):
            raw = gzip.decompress(raw)
        return raw.decode("utf-8-sig")
    except FileNotFoundError as error:
        raise TrajectoryError(f"{path}: no such file or directory") from error
    except UnicodeDecodeError as error:
        raise TrajectoryError(f"{path}: not UTF-8 text: {error.reason} at byte {error.start}") from error
    except (OSError, EOFError, zlib.error) as error:
        raise TrajectoryError(f"{path}: cannot be read: {error}") from error


def _lines(path: Path, content: str, whole_error: ValueError) -> Iterator[Any]:
    lines = [(number, line) for number, line in enumerate(content.split("\n"), 1) if line.strip()]
    for place, (number, line) in enumerate(lines):
        try:
            document = json.loads(line)
        except (ValueError, RecursionError) as error:
            if place == 0:  # not even the first line: then it was never one document per line
                raise TrajectoryError(f"{path}: not JSON: {whole_error}") from error
            if place == len(lines) - 1:
                return
            raise TrajectoryError(f"{path}, line {number}: not JSON: {error}") from error
        yield document
