"""Langfuse: scores on observations, overwritten by their id.

`POST /api/public/scores` with a list, as the SDK 5.0 sends it; servers that know single scores only refuse the list
and get one at a time. Langfuse merges scores of one id within a day, so a score's time is that of its span.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar

from opentelemetry.trace import TracerProvider

from credit_hooks_exporters.annotators.annotation import Annotation
from credit_hooks_exporters.annotators.annotator import Annotator
from credit_hooks_exporters.annotators.errors import BackendRefusedError
from credit_hooks_exporters.annotators.http import Address, Connection
from credit_hooks_exporters.annotators.settings import required

__all__ = ["LangfuseAnnotator"]

_SCORES = "/api/public/scores"


class LangfuseAnnotator(Annotator):
    """Scores observations in Langfuse.

    The environment says who asks: `LANGFUSE_PUBLIC_KEY`, `LANGFUSE_SECRET_KEY`.

    Args:
        endpoint: Base URL. None: `LANGFUSE_BASE_URL`, `LANGFUSE_HOST`, else `https://cloud.langfuse.com`.
        tracer_provider: See :class:`Annotator`, as for the others.
        capture_content: See there.
        patience: See there.
        max_queue: See there.

    Raises:
        ConfigurationError: a key is missing, or the endpoint cannot work.
    """

    name: ClassVar[str] = "langfuse"
    batch: ClassVar[int] = 100

    def __init__(
        self,
        endpoint: str | None = None,
        *,
        tracer_provider: TracerProvider | None = None,
        capture_content: bool | None = None,
        patience: float = 60.0,
        max_queue: int = 20_000,
    ) -> None:
        named = os.environ.get("LANGFUSE_BASE_URL") or os.environ.get("LANGFUSE_HOST")
        super().__init__(
            Address(
                endpoint or named or "https://cloud.langfuse.com",
                "LANGFUSE_BASE_URL",
                auth=(required("LANGFUSE_PUBLIC_KEY"), required("LANGFUSE_SECRET_KEY")),
            ),
            tracer_provider=tracer_provider,
            capture_content=capture_content,
            patience=patience,
            max_queue=max_queue,
        )
        self._takes_lists = True

    def _send(self, connection: Connection, annotations: Sequence[Annotation]) -> None:
        scores = [_score(annotation) for annotation in annotations]
        if self._takes_lists:
            try:
                _check(connection.request("POST", _SCORES, json=scores))
            except BackendRefusedError as error:
                if error.status != 400:
                    raise
                self._takes_lists = False
            else:
                return
        for score in scores:
            connection.request("POST", _SCORES, json=score)


def _score(annotation: Annotation) -> dict[str, Any]:
    score: dict[str, Any] = {
        "id": str(annotation.id),
        "traceId": annotation.trace_id,
        "observationId": annotation.span_id,
        "name": annotation.name,
        "value": annotation.score,
        "dataType": "NUMERIC",
        "comment": f"{annotation.label}. {annotation.explanation}",
        "metadata": {"label": annotation.label, **annotation.metadata},
    }
    if annotation.start_ns is not None:
        started = datetime.fromtimestamp(annotation.start_ns / 1e9, UTC)
        score["timestamp"] = started.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return score


def _check(answer: Any) -> None:
    """Status 207 says yes to some scores and no to others; the SDK's reference forbids to send these again."""
    errors = answer.get("errors") if isinstance(answer, dict) else None
    if errors:
        raise BackendRefusedError(f"langfuse refused {len(errors)} scores, the first with: {str(errors[0])[:200]}")
