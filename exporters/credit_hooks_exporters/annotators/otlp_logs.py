"""Rewards as OpenTelemetry log events, `gen_ai.evaluation.result`, for any backend that takes OTLP logs.

Batching, retries and rate limits are the SDK's. Logs cannot be overwritten: events carry `log.record.uid`, the same for
the same reward, by which a backend may drop repeats (semantic conventions, General logs attributes).
"""

from __future__ import annotations

import hashlib
import threading
from collections import Counter, OrderedDict
from typing import ClassVar, Final

from opentelemetry import _logs
from opentelemetry.sdk._logs import LoggerProvider

from credit_hooks.delivery import emit_events
from credit_hooks.errors import MissingExtraError
from credit_hooks.rewards import CreditedRun

__all__ = ["OTLPLogsAnnotator"]

_REMEMBERED: Final = 10_000


class OTLPLogsAnnotator:
    """Emits one event per span with a reward, and one for the run, parented to the spans.

    Args:
        endpoint: Base URL of an OTLP receiver over HTTP. None: the provider's.
        logger_provider: Where events go. None: the global one if the application set one and no endpoint is given, else
            an exporter of our own, which reads `OTEL_EXPORTER_OTLP_ENDPOINT`, `_HEADERS` and the like.

    Raises:
        MissingExtraError: an exporter is needed and its package is not installed.
    """

    name: ClassVar[str] = "otlp"

    def __init__(self, endpoint: str | None = None, *, logger_provider: _logs.LoggerProvider | None = None) -> None:
        self.stats: Counter[str] = Counter()
        """Events sent, and runs left out as they had been sent before."""
        known = None if endpoint is not None else _global_provider()
        self._provider = logger_provider or known or _own_provider(endpoint)
        self._sent: OrderedDict[str, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def export(self, run: CreditedRun) -> None:
        """Emit a run's events, unless the same were emitted by this object before."""
        digest = hashlib.sha256(run.credit.model_dump_json().encode()).digest()
        with self._lock:
            repeated = self._sent.get(run.trajectory.id) == digest
            self._sent[run.trajectory.id] = digest
            self._sent.move_to_end(run.trajectory.id)
            while len(self._sent) > _REMEMBERED:
                self._sent.popitem(last=False)
        if repeated:
            self.stats["runs sent before"] += 1
        else:
            self.stats["sent"] += emit_events(run, logger_provider=self._provider)

    def flush(self, timeout: float = 30.0) -> bool:
        """Let the provider export everything; False if it could not within `timeout` seconds."""
        flush = getattr(self._provider, "force_flush", None)
        return flush is None or bool(flush(int(timeout * 1000)))


def _global_provider() -> _logs.LoggerProvider | None:
    provider = _logs.get_logger_provider()
    return provider if isinstance(provider, LoggerProvider) else None


def _own_provider(endpoint: str | None) -> LoggerProvider:
    try:
        from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
        from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
    except ImportError as error:
        raise MissingExtraError("sending rewards as OTLP logs", "otlp") from error
    url = None if endpoint is None else endpoint.rstrip("/").removesuffix("/v1/logs") + "/v1/logs"
    exporter = OTLPLogExporter(endpoint=url)
    provider = LoggerProvider()
    provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
    return provider
