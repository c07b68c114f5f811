"""Credited runs to training data, and spans to files."""

from credit_hooks_exporters.exporting import export, follow, to_dataset
from credit_hooks_exporters.otlp_file import OTLPFileSpanExporter

__all__ = ["OTLPFileSpanExporter", "export", "follow", "to_dataset"]
