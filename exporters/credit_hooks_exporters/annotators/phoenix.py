"""Arize Phoenix: span annotations, shown as signed chips beside each span, as columns, and to filters.

`POST /v1/span_annotations?sync=true` updates where span, name and identifier are the same, and answers 404 until every
span is there. Names are written with an underscore, `credit_reward`: Phoenix's table shows nothing when it is sorted by
a column whose name has a dot. Source: `/openapi.json` of any Phoenix server; tested against 20.26.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, ClassVar
from urllib.parse import unquote

from opentelemetry.trace import TracerProvider

from credit_hooks_exporters.annotators.annotation import SOURCE, Annotation
from credit_hooks_exporters.annotators.annotator import Annotator
from credit_hooks_exporters.annotators.http import Address, Connection

__all__ = ["PhoenixAnnotator"]


class PhoenixAnnotator(Annotator):
    """Annotates spans in Phoenix.

    The environment says who asks: `PHOENIX_API_KEY`, `PHOENIX_CLIENT_HEADERS`.

    Args:
        endpoint: Base URL. None: `PHOENIX_COLLECTOR_ENDPOINT`, else `http://localhost:6006`.
        tracer_provider: See :class:`Annotator`, as for the others.
        capture_content: See there.
        patience: See there.
        max_queue: See there.

    Raises:
        ConfigurationError: the endpoint or a header cannot work.
    """

    name: ClassVar[str] = "phoenix"

    def __init__(
        self,
        endpoint: str | None = None,
        *,
        tracer_provider: TracerProvider | None = None,
        capture_content: bool | None = None,
        patience: float = 60.0,
        max_queue: int = 20_000,
    ) -> None:
        url = endpoint or os.environ.get("PHOENIX_COLLECTOR_ENDPOINT") or "http://localhost:6006"
        key = os.environ.get("PHOENIX_API_KEY", "").strip()
        headers = {**_client_headers(), "authorization": f"Bearer {key}" if key else None}
        super().__init__(
            Address(url.removesuffix("/").removesuffix("/v1/traces"), "PHOENIX_COLLECTOR_ENDPOINT", headers=headers),
            tracer_provider=tracer_provider,
            capture_content=capture_content,
            patience=patience,
            max_queue=max_queue,
        )

    def _send(self, connection: Connection, annotations: Sequence[Annotation]) -> None:
        body = {"data": [_span_annotation(annotation) for annotation in annotations]}
        connection.request("POST", "/v1/span_annotations", json=body, params={"sync": "true"})


def _span_annotation(annotation: Annotation) -> dict[str, Any]:
    return {
        "span_id": annotation.span_id,
        "name": annotation.name.replace(".", "_"),
        "annotator_kind": "CODE",
        "result": {"score": annotation.score, "label": annotation.label, "explanation": annotation.explanation},
        "metadata": dict(annotation.metadata),
        "identifier": SOURCE,
    }


def _client_headers() -> dict[str, str | None]:
    """`PHOENIX_CLIENT_HEADERS`: `name=value,name=value`, percent-encoded."""
    pairs = (pair.partition("=") for pair in os.environ.get("PHOENIX_CLIENT_HEADERS", "").split(","))
    return {name.strip().lower(): unquote(value) for name, found, value in pairs if found}
