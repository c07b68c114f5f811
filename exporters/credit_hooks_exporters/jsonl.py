"""Rows as JSON lines."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from credit_hooks_exporters.atomic import DigestingFile
from credit_hooks_exporters.ids import encode

__all__ = ["JsonLines"]

_SEPARATOR: Final = re.compile("[\x85\u2028\u2029]")
"""What JSON allows in a string and `str.splitlines` takes for the end of a line."""


class JsonLines:
    """Writes one JSON object per row."""

    def __init__(self, file: DigestingFile, columns: Mapping[str, str]) -> None:
        self._file = file
        self._columns = [(name, encode(name) + ":") for name in columns]

    def add(self, values: Mapping[str, Any], encoded: Mapping[str, str]) -> None:
        """Write a row; `encoded` holds those columns that are JSON already."""
        cells = (key + (encoded[name] if name in encoded else encode(values[name])) for name, key in self._columns)
        line = ",".join(cells)
        if not line.isascii():
            line = _SEPARATOR.sub(_escaped, line)
        self._file.write(f"{{{line}}}\n".encode("utf-8", "replace"))

    def close(self) -> None:
        """Nothing is buffered."""


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"
