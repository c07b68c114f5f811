"""LangSmith: feedback on runs, overwritten by its id.

LangSmith derives a run's id from the OpenTelemetry span id: eight zero bytes, then the span id. `POST /feedback` with
an id of our own; a server that says 409 gets `PATCH /feedback/{id}`. Source: `langsmith` 0.14,
`Client.create_feedback` and `langsmith.integrations.otel.langsmith_run_id_from_otel_span_id`.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Sequence
from typing import Any, ClassVar

from opentelemetry.trace import TracerProvider

from credit_hooks_exporters.annotators.annotation import SOURCE, Annotation
from credit_hooks_exporters.annotators.annotator import Annotator
from credit_hooks_exporters.annotators.errors import BackendRefusedError
from credit_hooks_exporters.annotators.http import Address, Connection
from credit_hooks_exporters.annotators.settings import required

__all__ = ["LangSmithAnnotator"]


class LangSmithAnnotator(Annotator):
    """Gives feedback on runs in LangSmith that were exported to it by OTLP.

    The environment says who asks: `LANGSMITH_API_KEY`, `LANGSMITH_WORKSPACE_ID`.

    Args:
        endpoint: Base URL of the API. None: `LANGSMITH_ENDPOINT`, else `https://api.smith.langchain.com`.
        project_id: Id of the tracing project, which deployments without a search by run id need.
        tracer_provider: See :class:`Annotator`, as for the others.
        capture_content: See there.
        patience: See there.
        max_queue: See there.

    Raises:
        ConfigurationError: the key is missing, or the endpoint cannot work.
    """

    name: ClassVar[str] = "langsmith"

    def __init__(
        self,
        endpoint: str | None = None,
        *,
        project_id: str | None = None,
        tracer_provider: TracerProvider | None = None,
        capture_content: bool | None = None,
        patience: float = 60.0,
        max_queue: int = 20_000,
    ) -> None:
        super().__init__(
            Address(
                endpoint or os.environ.get("LANGSMITH_ENDPOINT") or "https://api.smith.langchain.com",
                "LANGSMITH_ENDPOINT",
                headers={
                    "x-api-key": required("LANGSMITH_API_KEY"),
                    "x-tenant-id": os.environ.get("LANGSMITH_WORKSPACE_ID"),
                },
            ),
            tracer_provider=tracer_provider,
            capture_content=capture_content,
            patience=patience,
            max_queue=max_queue,
        )
        self._project_id = project_id

    def _send(self, connection: Connection, annotations: Sequence[Annotation]) -> None:
        for annotation in annotations:
            feedback = _feedback(annotation)
            if self._project_id is not None:
                feedback["session_id"] = self._project_id
            try:
                connection.request("POST", "/feedback", json=feedback)
            except BackendRefusedError as error:
                if error.status != 409:
                    raise
                changed = {key: feedback[key] for key in ("score", "value", "comment")}
                connection.request("PATCH", f"/feedback/{feedback['id']}", json=changed)


def _feedback(annotation: Annotation) -> dict[str, Any]:
    return {
        "id": str(annotation.id),
        "run_id": str(uuid.UUID(int=int(annotation.span_id, 16))),
        "key": annotation.name,
        "score": annotation.score,
        "value": annotation.label,
        "comment": annotation.explanation,
        "feedback_source": {"type": "api", "metadata": {"annotator": SOURCE, **annotation.metadata}},
    }
