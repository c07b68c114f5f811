"""`read`: files, folders or spans to trajectories, each by the adapter that recognises it most surely."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from credit_hooks import registry
from credit_hooks.errors import ConfigurationError, TrajectoryError, UnknownDialectError
from credit_hooks.ports import Adapter, LogAdapter
from credit_hooks.registry import AnyAdapter
from credit_hooks.spans import SpanData
from credit_hooks.trajectory import Trajectory
from credit_hooks_adapters.files import documents, json_files
from credit_hooks_adapters.otlp import is_otlp, spans_of

__all__ = ["Source", "read"]

Source: TypeAlias = str | os.PathLike[str] | Iterable[str | os.PathLike[str]] | Iterable[SpanData]
"""A file, a folder, several of them, or spans."""


def read(
    source: Source, dialect: str = "auto", *, on_error: Callable[[TrajectoryError], None] | None = None
) -> Iterator[Trajectory]:
    """Trajectories of a source: those of logs first, file by file, then those of spans, by start.

    Spans of all files are read together, since one trace may be spread over several files.

    Args:
        source: Path of a file (OTLP/JSON or a log, one document or one per line, plain or gzipped), of a folder (all
            JSON files below it), several paths, or spans.
        dialect: Name of the adapter, or "auto": the one that is most sure, by trace and by document.
        on_error: Told of each file that cannot be read, and reading goes on. None: the first one is raised.

    Raises:
        UnknownDialectError: no adapter has that name, or none recognises the source; names those that are known.
        TrajectoryError: a file is missing, no JSON, or holds no trajectory; names the file.
        ConfigurationError: `source` is something else.
    """
    paths, spans = _split(source)
    chosen = _Dialects.all() if dialect == "auto" else _Dialects.only(dialect)
    return _read(paths, spans, chosen, _raise if on_error is None else on_error)


def _read(
    paths: Sequence[Path], spans: list[SpanData], dialects: _Dialects, report: Callable[[TrajectoryError], None]
) -> Iterator[Trajectory]:
    holders: list[Path] = []
    for path in _files(paths):
        try:
            found = list(documents(path))
        except TrajectoryError as error:
            report(error)
            continue
        logs = [document for document in found if not is_otlp(document)]
        if len(logs) < len(found):
            holders.append(path)
            spans.extend(span for document in found for span in spans_of(document))
        for document in logs:
            runs: list[Trajectory] = []
            try:
                runs.extend(dialects.read_log(document, str(path)))
            except TrajectoryError as error:  # what an adapter read before it is kept: a bad entry spoils no other
                report(error)
            yield from runs
    if spans or holders:
        try:
            yield from dialects.read_spans(spans, _named(holders))
        except TrajectoryError as error:
            report(error)


def _named(holders: Sequence[Path]) -> str:
    shown = ", ".join(str(path) for path in holders[:3]) or "spans"
    return shown if len(holders) <= 3 else f"{shown} and {len(holders) - 3} more"


def _raise(error: TrajectoryError) -> None:
    raise error


def _split(source: Source) -> tuple[list[Path], list[SpanData]]:
    if isinstance(source, str | os.PathLike):
        return [Path(source)], []
    if not isinstance(source, Iterable):
        raise ConfigurationError(f"source is a path, several paths or spans, not {type(source).__name__}")
    paths: list[Path] = []
    spans: list[SpanData] = []
    for item in source:
        if isinstance(item, SpanData):
            spans.append(item)
        elif isinstance(item, str | os.PathLike):
            paths.append(Path(item))
        else:
            raise ConfigurationError(f"source holds paths or SpanData, not {type(item).__name__}")
    return paths, spans


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from json_files(path)
        else:
            yield path


class _Dialects:
    """The adapters to choose from; one that was asked for by name is not asked whether it recognises anything."""

    def __init__(self, adapters: Mapping[str, AnyAdapter], *, forced: bool) -> None:
        self._spans = {name: found for name, found in adapters.items() if isinstance(found, Adapter)}
        self._logs = {name: found for name, found in adapters.items() if isinstance(found, LogAdapter)}
        self._known = ", ".join(sorted(adapters)) or "none"
        self._forced = forced

    @classmethod
    def all(cls) -> _Dialects:
        return cls(registry.adapters(), forced=False)

    @classmethod
    def only(cls, name: str) -> _Dialects:
        return cls({name: registry.adapter(name)}, forced=True)

    def read_log(self, document: Any, source: str) -> Iterator[Trajectory]:
        name = _surest(
            {name: self._forced or reader.recognises_document(document) for name, reader in self._logs.items()}
        )
        if name is None:
            raise self._unknown(source)
        yield from self._logs[name].read_document(document, source)

    def read_spans(self, spans: Sequence[SpanData], source: str) -> Iterator[Trajectory]:
        """Each trace by its own dialect; traces of none, such as those of a web server, are passed over."""
        traces: dict[str, list[SpanData]] = {}
        for span in spans:
            traces.setdefault(span.trace_id, []).append(span)
        by_dialect: dict[str, list[SpanData]] = {}
        for trace in traces.values():
            name = _surest({name: self._forced or reader.recognises(trace) for name, reader in self._spans.items()})
            if name is not None:
                by_dialect.setdefault(name, []).extend(trace)
        if not by_dialect:
            raise self._unknown(source)
        for name in sorted(by_dialect):
            yield from self._spans[name].trajectories(by_dialect[name])

    def _unknown(self, source: str) -> UnknownDialectError:
        return UnknownDialectError(f"{source}: not recognised by any of the known dialects: {self._known}")


def _surest(scores: Mapping[str, float]) -> str | None:
    """The name with the highest score above 0, the first in the alphabet among equals."""
    best = max(sorted(scores), key=lambda name: scores[name], default=None)
    return None if best is None or scores[best] <= 0.0 else best
