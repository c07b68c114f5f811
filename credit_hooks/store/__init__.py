"""The run store: one SQLite file, one row per credited run, several threads and processes writing at once."""

from __future__ import annotations

from credit_hooks.store._file import STORE_VERSION, store_path
from credit_hooks.store._lazy import LazyStore
from credit_hooks.store._rows import RunCredit, RunSummary
from credit_hooks.store._runs import RunStore

__all__ = ["STORE_VERSION", "LazyStore", "RunCredit", "RunStore", "RunSummary", "store_path"]
