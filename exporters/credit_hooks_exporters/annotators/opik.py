"""Opik: feedback scores on spans, overwritten by span, name and author.

Opik makes ids of its own out of OpenTelemetry's: 48 bits of milliseconds, then SHA-256 of the id, as a UUID of
version 7. The milliseconds are those of the earliest span in the first batch that reached the server, which nobody else
knows; so the start of each span of the run is tried until Opik knows the trace. Source: `OpenTelemetryMapper` and
`OpenTelemetryService` of comet-ml/opik; payloads of `opik` 2.2, `score_batch_of_spans`.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Sequence
from itertools import groupby
from typing import Any, ClassVar, Final
from urllib.parse import quote

from opentelemetry.trace import TracerProvider

from credit_hooks_exporters.annotators.annotation import Annotation
from credit_hooks_exporters.annotators.annotator import Annotator
from credit_hooks_exporters.annotators.errors import SpanNotFoundError
from credit_hooks_exporters.annotators.http import Address, Connection

__all__ = ["OpikAnnotator", "opik_id"]

_MOST_STARTS: Final = 32


class OpikAnnotator(Annotator):
    """Scores spans in Opik that were exported to it by OTLP.

    The environment says who asks: `OPIK_API_KEY`, `OPIK_WORKSPACE`; a server of your own needs neither.

    Args:
        endpoint: Base URL of the API. None: `OPIK_URL_OVERRIDE`, else `http://localhost:5173/api`.
        project: Name of the project that the spans are in. None: `OPIK_PROJECT_NAME`, else Opik's default.
        tracer_provider: See :class:`Annotator`, as for the others.
        capture_content: See there.
        patience: See there.
        max_queue: See there.

    Raises:
        ConfigurationError: the endpoint or a header cannot work.
    """

    name: ClassVar[str] = "opik"

    def __init__(
        self,
        endpoint: str | None = None,
        *,
        project: str | None = None,
        tracer_provider: TracerProvider | None = None,
        capture_content: bool | None = None,
        patience: float = 60.0,
        max_queue: int = 20_000,
    ) -> None:
        super().__init__(
            Address(
                endpoint or os.environ.get("OPIK_URL_OVERRIDE") or "http://localhost:5173/api",
                "OPIK_URL_OVERRIDE",
                headers={
                    "authorization": os.environ.get("OPIK_API_KEY"),
                    "comet-workspace": os.environ.get("OPIK_WORKSPACE"),
                },
            ),
            tracer_provider=tracer_provider,
            capture_content=capture_content,
            patience=patience,
            max_queue=max_queue,
        )
        self._project = project or os.environ.get("OPIK_PROJECT_NAME") or "Default Project"

    def _send(self, connection: Connection, annotations: Sequence[Annotation]) -> None:
        scores: list[dict[str, Any]] = []
        for trace_id, of_trace in groupby(annotations, key=lambda annotation: annotation.trace_id):
            group = list(of_trace)
            started_ms = _known_start(connection, trace_id, group)
            scores += [self._score(annotation, started_ms) for annotation in group]
        connection.request("PUT", "/v1/private/spans/feedback-scores", json={"scores": scores})

    def _score(self, annotation: Annotation, started_ms: int) -> dict[str, Any]:
        return {
            "id": str(opik_id(annotation.span_id, started_ms)),
            "project_name": self._project,
            "name": annotation.name,
            "value": annotation.score,
            "category_name": annotation.label,
            "reason": annotation.explanation,
            "source": "sdk",
        }


def opik_id(otel_id: str, started_ms: int) -> uuid.UUID:
    """Opik's id of a trace or span.

    Args:
        otel_id: OpenTelemetry's id, lower-case hex digits.
        started_ms: Milliseconds since the epoch that Opik counts the trace from.
    """
    digest = hashlib.sha256(bytes.fromhex(otel_id)).digest()[:10]
    value = bytearray((started_ms & 0xFFFF_FFFF_FFFF).to_bytes(6, "big") + digest)
    value[6] = value[6] & 0x0F | 0x70
    value[8] = value[8] & 0x3F | 0x80
    return uuid.UUID(bytes=bytes(value))


def _known_start(connection: Connection, trace_id: str, annotations: Sequence[Annotation]) -> int:
    """The start under which Opik knows the trace; the run's root is the likeliest, as it starts first.

    Raises:
        SpanNotFoundError: under none.
    """
    starts = sorted({annotation.start_ns // 1_000_000 for annotation in annotations if annotation.start_ns is not None})
    for started_ms in starts[:_MOST_STARTS]:
        try:
            connection.request("GET", f"/v1/private/traces/{quote(str(opik_id(trace_id, started_ms)))}")
        except SpanNotFoundError:
            continue
        return started_ms
    raise SpanNotFoundError(f"opik knows no trace {trace_id} that starts with one of its {len(starts)} spans")
