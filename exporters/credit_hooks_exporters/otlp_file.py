"""A span exporter that appends OTLP/JSON lines to a file: the OTLP file exporter's format, one batch per line.

Source: OpenTelemetry protocol file exporter specification (JSON lines of TracesData). Read back with
`credit_hooks_adapters.read`.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Sequence
from pathlib import Path

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from credit_hooks_exporters.otlp_json import traces_data

__all__ = ["OTLPFileSpanExporter"]

_logger = logging.getLogger(__name__)


class OTLPFileSpanExporter(SpanExporter):
    """Appends each batch as one line, with one write: safe for any number of threads, and of processes on one file."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Open `path` for appending, readable by its owner alone where it is new.

        Raises:
            OSError: it cannot be opened.
        """
        self.path = Path(path)
        self._lock = threading.Lock()
        self._handle: int | None = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Append the spans. FAILURE where the file cannot take them, or after shutdown; never raises."""
        if not spans:
            return SpanExportResult.SUCCESS
        line = json.dumps(traces_data(spans), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        with self._lock:
            if self._handle is None:
                return SpanExportResult.FAILURE
            try:
                _write(self._handle, line.encode() + b"\n")
            except OSError as error:
                _logger.warning("%d spans were not written to %s: %s", len(spans), self.path, error)
                return SpanExportResult.FAILURE
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """Close the file. A second call does nothing."""
        with self._lock:
            if self._handle is not None:
                os.close(self._handle)
                self._handle = None

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Nothing is buffered here: every batch is with the operating system when `export` returns."""
        return True


def _write(handle: int, data: bytes) -> None:
    """All of it; the operating system may take a large line in several pieces."""
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]
