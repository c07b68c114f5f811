"""Where runs come from: a store, the path of one, or any runs in memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple, Protocol

from credit_hooks.errors import ConfigurationError, DamagedRunError
from credit_hooks.rewards import CreditedRun
from credit_hooks.store import RunStore, store_path
from credit_hooks_exporters.ids import credit_id

__all__ = ["RunRef", "RunSource", "Source", "every_run", "open_source"]

RunSource = RunStore | str | os.PathLike[str] | Iterable[CreditedRun]
"""What `export` takes."""


class RunRef(NamedTuple):
    """A run that has not been read yet."""

    id: str
    """Its id."""
    version: str
    """Changes when the run is scored again."""
    group_id: str | None
    """Its group. None: none."""


class Source(Protocol):
    """Runs in a fixed order."""

    def refs(self) -> list[RunRef]:
        """All runs, oldest first."""

    def get(self, ref: RunRef) -> CreditedRun:
        """Read one.

        Raises:
            DamagedRunError: this one cannot be read; the others may.
        """


class _StoreSource:
    def __init__(self, store: RunStore) -> None:
        self._store = store

    def refs(self) -> list[RunRef]:
        newest_first = [RunRef(run.id, str(run.recorded_at), run.group_id) for run in self._store.list()]
        return newest_first[::-1]

    def get(self, ref: RunRef) -> CreditedRun:
        return self._store.get(ref.id)


class _MemorySource:
    def __init__(self, runs: Iterable[CreditedRun]) -> None:
        self._runs: dict[str, CreditedRun] = {}
        for run in runs:
            self._runs.setdefault(run.trajectory.id, run)

    def refs(self) -> list[RunRef]:
        return [RunRef(key, credit_id(run.credit), run.trajectory.group_id) for key, run in self._runs.items()]

    def get(self, ref: RunRef) -> CreditedRun:
        return self._runs[ref.id]


@contextmanager
def open_source(source: RunSource) -> Iterator[Source]:
    """A source of runs; a store that is given by its path is closed again.

    Raises:
        StoreError: the store cannot be read.
        ConfigurationError: there is no store at this path.
    """
    if isinstance(source, RunStore):
        yield _StoreSource(source)
    elif isinstance(source, str | os.PathLike):
        if not store_path(source).exists():
            raise ConfigurationError(f"no run store at {os.fspath(source)}: record or score a run first")
        with RunStore(source, read_only=True) as store:
            yield _StoreSource(store)
    else:
        yield _MemorySource(source)


def every_run(source: RunSource, on_damaged: Callable[[DamagedRunError], None]) -> Iterator[CreditedRun]:
    """All runs of a source, a few in memory at a time; those that cannot be read are told and left out."""
    if not isinstance(source, str | os.PathLike | RunStore):
        yield from source
        return
    with open_source(source) as opened:
        for ref in opened.refs():
            try:
                run = opened.get(ref)
            except DamagedRunError as error:
                on_damaged(error)
            else:
                yield run
