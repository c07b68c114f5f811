"""Rewards beside the spans of a tracing backend: one file per backend, loaded when asked for.

::

    CreditCallback(evaluate=..., exporters=[PhoenixAnnotator()])
    credit-hooks annotate --to phoenix --run RUN
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from credit_hooks_exporters.annotators.annotation import Annotation, annotations_of
    from credit_hooks_exporters.annotators.annotator import Annotator
    from credit_hooks_exporters.annotators.langfuse import LangfuseAnnotator
    from credit_hooks_exporters.annotators.langsmith import LangSmithAnnotator
    from credit_hooks_exporters.annotators.mlflow import MLflowAnnotator
    from credit_hooks_exporters.annotators.opik import OpikAnnotator
    from credit_hooks_exporters.annotators.otlp_logs import OTLPLogsAnnotator
    from credit_hooks_exporters.annotators.phoenix import PhoenixAnnotator

__all__ = [
    "Annotation",
    "Annotator",
    "LangSmithAnnotator",
    "LangfuseAnnotator",
    "MLflowAnnotator",
    "OTLPLogsAnnotator",
    "OpikAnnotator",
    "PhoenixAnnotator",
    "annotations_of",
]

_HOMES = {
    "Annotation": "annotation",
    "Annotator": "annotator",
    "LangSmithAnnotator": "langsmith",
    "LangfuseAnnotator": "langfuse",
    "MLflowAnnotator": "mlflow",
    "OTLPLogsAnnotator": "otlp_logs",
    "OpikAnnotator": "opik",
    "PhoenixAnnotator": "phoenix",
    "annotations_of": "annotation",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
