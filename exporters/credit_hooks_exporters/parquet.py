"""Rows as Parquet with an explicit schema: turns, tools and arguments are JSON, so that no null is injected into them.

A schema inferred by pyarrow gives every tool call the arguments of all tools, the foreign ones as null, or fails where
one argument has two types. `load_dataset("parquet")` (datasets >= 5) reads the JSON back as the objects they were.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from credit_hooks_exporters.atomic import DigestingFile
from credit_hooks_exporters.ids import encode

__all__ = ["ParquetRows"]

_ROWS: Final = 1024
"""Rows of a row group: what is held in memory."""

_TYPES: Final[Mapping[str, pa.DataType]] = {
    "string": pa.string(),
    "double": pa.float64(),
    "bool": pa.bool_(),
    "int64": pa.int64(),
    "json": pa.json_(),
    "chat": pa.list_(pa.json_()),
    "tools": pa.list_(pa.json_()),
    "list<string>": pa.list_(pa.string()),
    "list<double>": pa.list_(pa.float64()),
    "list<bool>": pa.list_(pa.bool_()),
    "turns": pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())])),
}


class ParquetRows:
    """Writes rows in groups."""

    def __init__(self, file: DigestingFile, columns: Mapping[str, str]) -> None:
        self._columns = columns
        self._schema = pa.schema([(name, _TYPES[kind]) for name, kind in columns.items()])
        self._writer = pq.ParquetWriter(_Sink(file), self._schema, compression="zstd")
        self._rows: list[Mapping[str, Any]] = []

    def add(self, values: Mapping[str, Any], encoded: Mapping[str, str]) -> None:
        """Write a row."""
        self._rows.append(values)
        if len(self._rows) >= _ROWS:
            self._flush()

    def close(self) -> None:
        """Write the rest and the footer."""
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if not self._rows:
            return
        arrays = [
            _array([row[name] for row in self._rows], kind, self._schema.field(name).type)
            for name, kind in self._columns.items()
        ]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema), row_group_size=_ROWS)
        self._rows = []


class _Sink(io.RawIOBase):
    """What pyarrow wants of a file."""

    def __init__(self, file: DigestingFile) -> None:
        self._file = file
        self._position = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        size = memoryview(data).nbytes
        self._file.write(bytes(data))
        self._position += size
        return size

    def tell(self) -> int:
        return self._position


def _array(values: list[Any], kind: str, to: pa.DataType) -> pa.Array:
    if kind == "json":
        return pa.array([None if value is None else _text(encode(value)) for value in values], pa.string()).cast(to)
    if kind in ("chat", "tools"):
        texts = [None if value is None else [_text(encode(item)) for item in value] for value in values]
        return pa.array(texts, pa.list_(pa.string())).cast(to)
    return pa.array(_cleaned(values), to)


def _cleaned(value: Any) -> Any:
    """Without half surrogate pairs, which UTF-8 cannot express."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, list):
        return [_cleaned(item) for item in value]
    if isinstance(value, dict):
        return {key: _cleaned(item) for key, item in value.items()}
    return value


def _text(value: str) -> str:
    return value if value.isascii() else value.encode("utf-8", "replace").decode()
