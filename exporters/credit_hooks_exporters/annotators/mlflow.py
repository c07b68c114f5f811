"""MLflow: feedback on spans, shown in the trace's assessments.

MLflow has no upsert: what is there is read first (`GET /api/3.0/mlflow/traces/{trace}`), then equal feedback is left,
other feedback of ours is updated in place, and the rest is created. Source: MLflow's REST API, `Assessment` in
`assessments.proto`; tested against a server of 3.17.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from itertools import groupby
from typing import Any, ClassVar

from opentelemetry.trace import TracerProvider

from credit_hooks_exporters.annotators.annotation import SOURCE, Annotation
from credit_hooks_exporters.annotators.annotator import Annotator
from credit_hooks_exporters.annotators.http import Address, Connection

__all__ = ["MLflowAnnotator"]

_TRACES = "/api/3.0/mlflow/traces"


class MLflowAnnotator(Annotator):
    """Logs feedback on spans to an MLflow tracking server over HTTP.

    The environment says who asks: `MLFLOW_TRACKING_TOKEN`, or `MLFLOW_TRACKING_USERNAME` and `_PASSWORD`.

    Args:
        endpoint: Tracking URI. None: `MLFLOW_TRACKING_URI`, else `http://localhost:5000`.
        tracer_provider: See :class:`Annotator`, as for the others.
        capture_content: See there.
        patience: See there.
        max_queue: See there.

    Raises:
        ConfigurationError: the endpoint is no http address, or a header cannot work.
    """

    name: ClassVar[str] = "mlflow"

    def __init__(
        self,
        endpoint: str | None = None,
        *,
        tracer_provider: TracerProvider | None = None,
        capture_content: bool | None = None,
        patience: float = 60.0,
        max_queue: int = 20_000,
    ) -> None:
        token = os.environ.get("MLFLOW_TRACKING_TOKEN", "").strip()
        user = os.environ.get("MLFLOW_TRACKING_USERNAME", "")
        super().__init__(
            Address(
                endpoint or os.environ.get("MLFLOW_TRACKING_URI") or "http://localhost:5000",
                "MLFLOW_TRACKING_URI",
                headers={"authorization": f"Bearer {token}"} if token and not user else None,
                auth=(user, os.environ.get("MLFLOW_TRACKING_PASSWORD", "")) if user else None,
            ),
            tracer_provider=tracer_provider,
            capture_content=capture_content,
            patience=patience,
            max_queue=max_queue,
        )

    def _send(self, connection: Connection, annotations: Sequence[Annotation]) -> None:
        for trace_id, of_trace in groupby(annotations, key=lambda annotation: annotation.trace_id):
            path = f"{_TRACES}/tr-{trace_id}"
            known = _ours(connection.request("GET", path))
            for annotation in of_trace:
                wanted = _assessment(annotation)
                there = known.get((annotation.span_id, annotation.name))
                if there is None:
                    connection.request("POST", f"{path}/assessments", json={"assessment": wanted})
                elif not _says_the_same(there, wanted):
                    update = {"assessment": wanted, "update_mask": "feedback,rationale,metadata"}
                    connection.request("PATCH", f"{path}/assessments/{there['assessment_id']}", json=update)


def _assessment(annotation: Annotation) -> dict[str, Any]:
    return {
        "assessment_name": annotation.name,
        "trace_id": f"tr-{annotation.trace_id}",
        "span_id": annotation.span_id,
        "source": {"source_type": "CODE", "source_id": SOURCE},
        "feedback": {"value": annotation.score},
        "rationale": f"{annotation.label}. {annotation.explanation}",
        # the label first: MLflow's metadata are strings
        "metadata": {"label": annotation.label} | {key: _text(value) for key, value in annotation.metadata.items()},
    }


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _ours(answer: Any) -> dict[tuple[str, str], dict[str, Any]]:
    """Our assessments of a trace, by span and name; of several the oldest, as later ones may be overrides by people."""
    info = answer["trace"]["trace_info"]
    ours = [each for each in info.get("assessments", ()) if each.get("source", {}).get("source_id") == SOURCE]
    ours.sort(key=lambda each: str(each.get("create_time", "")), reverse=True)
    return {(each.get("span_id", ""), each["assessment_name"]): each for each in ours}


def _says_the_same(there: dict[str, Any], wanted: dict[str, Any]) -> bool:
    return all(there.get(key) == wanted[key] for key in ("feedback", "rationale", "metadata"))
