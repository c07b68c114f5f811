"""The ports: what adapters, exporters and evaluators are. Each is one idea, said as a type."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeAlias, runtime_checkable

from pydantic import BaseModel, ConfigDict

from credit_hooks.rewards import CreditedRun
from credit_hooks.spans import SpanData
from credit_hooks.trajectory import Outcome, Trajectory

__all__ = ["Adapter", "Evaluator", "Exporter", "LogAdapter", "Manifest", "OnCredit", "RunExporter", "Verdict"]

Verdict: TypeAlias = bool | float | Outcome | None
"""What an evaluator returns: success, a score in [0, 1], both in an `Outcome`, or None if it is not known yet."""

Evaluator: TypeAlias = Callable[[Any], Verdict | Awaitable[Verdict]]
"""Looks at a finished run (:class:`credit_hooks.outcome.FinishedRun`) and says how it ended; may be async."""

OnCredit: TypeAlias = Callable[[CreditedRun], None]
"""Called on the worker thread after a run was credited."""


@runtime_checkable
class Adapter(Protocol):
    """Spans of one dialect to trajectories. Registered under the entry point group `credit_hooks.adapters`."""

    name: str
    """The dialect."""

    def recognises(self, spans: Sequence[SpanData]) -> float:
        """How surely these spans are of this dialect, 0 to 1. Decides by attributes and scopes, never by names."""

    def trajectories(self, spans: Iterable[SpanData]) -> Iterator[Trajectory]:
        """One trajectory per run, in the order of their starts; independent of the order of the spans.

        Raises:
            TrajectoryError: nothing in the spans can be read as a run. Single unreadable values never raise.
        """


@runtime_checkable
class LogAdapter(Protocol):
    """A decoded log document (JSON) that holds no spans, to trajectories."""

    name: str
    """The dialect."""

    def recognises_document(self, document: Any) -> float:
        """How surely this document is of this dialect, 0 to 1."""

    def read_document(self, document: Any, source: str) -> Iterator[Trajectory]:
        """Trajectories of the document; `source` names it in errors and ids.

        Raises:
            TrajectoryError: the document is not of this dialect after all.
        """


class Manifest(BaseModel):
    """What an exporter wrote."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: str
    """Name of the exporter."""
    path: Path
    """What was written."""
    runs: int
    """Runs read."""
    rows: int
    """Rows written."""
    dropped: dict[str, int] = {}
    """Rows left out, by reason."""
    sha256: str
    """Digest of the file; of a folder, of the digests of its files."""
    reward: float | None = None
    """Sum of the rewards of all messages in the rows. None: the format does not account for rewards."""
    dropped_reward: dict[str, float] = {}
    """Sum of the rewards left out, by reason. With `reward` it adds up to `total`."""
    total: float | None = None
    """Sum of R - b over the credited runs. None: as for `reward`."""
    damaged: tuple[str, ...] = ()
    """Ids of stored runs that could not be read; nothing else here counts them."""


@runtime_checkable
class Exporter(Protocol):
    """Credited runs to a file or a backend. Registered under the entry point group `credit_hooks.exporters`."""

    name: str
    """The format."""

    def write(self, runs: Iterable[CreditedRun], path: Path, **options: Any) -> Manifest:
        """Write all runs to `path`, replacing it at once when complete.

        Raises:
            ConfigurationError: an option is unknown.
        """


@runtime_checkable
class RunExporter(Protocol):
    """Receives runs as they are credited, on the worker thread: a store, a backend's annotator, a collector."""

    def export(self, run: CreditedRun) -> None:
        """Take one credited run. Called again for the same run id when it is scored again."""
