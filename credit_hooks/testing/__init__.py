"""Public laws and fixtures: prove an adapter, exporter or credit method with one line. Needs no test framework."""

from credit_hooks.testing.adapter_laws import ADAPTER_LAWS, LOG_ADAPTER_LAWS, check_adapter, check_log_adapter
from credit_hooks.testing.credit_laws import CREDIT_LAWS, check_credit, trajectories
from credit_hooks.testing.exporter_laws import EXPORTER_LAWS, check_exporter
from credit_hooks.testing.fixtures import FixedClock, FixedIds, sample_run, sample_spans, span_data, span_tree

__all__ = [
    "ADAPTER_LAWS",
    "CREDIT_LAWS",
    "EXPORTER_LAWS",
    "LOG_ADAPTER_LAWS",
    "FixedClock",
    "FixedIds",
    "check_adapter",
    "check_credit",
    "check_exporter",
    "check_log_adapter",
    "sample_run",
    "sample_spans",
    "span_data",
    "span_tree",
    "trajectories",
]
