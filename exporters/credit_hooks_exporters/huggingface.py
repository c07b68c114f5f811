"""Rows as a Hugging Face `Dataset`, without a file."""

from __future__ import annotations

from collections.abc import Iterable

import datasets

from credit_hooks.rewards import CreditedRun
from credit_hooks_exporters.formats import Format
from credit_hooks_exporters.options import Options
from credit_hooks_exporters.table import Fold

__all__ = ["in_memory"]


def in_memory(form: Format, options: Options, runs: Iterable[CreditedRun]) -> datasets.Dataset:
    """The rows of all runs, typed as in our Parquet files."""
    fold = Fold(form, options)
    columns = form.columns_for(fold.seat)
    rows = [row.values for run in runs for row in fold.rows(run)]
    table = {name: [row[name] for row in rows] for name in columns}
    return datasets.Dataset.from_dict(table, features=datasets.Features({n: _feature(k) for n, k in columns.items()}))


def _feature(kind: str) -> object:
    if kind in ("chat", "tools"):
        return datasets.List(datasets.Json())
    if kind == "turns":
        return datasets.List({"role": datasets.Value("string"), "content": datasets.Value("string")})
    if kind == "json":
        return datasets.Json()
    if kind.startswith("list<"):
        return datasets.List(_feature(kind[5:-1]))
    return datasets.Value({"double": "float64"}.get(kind, kind))
