"""One call from runs to training data."""

from __future__ import annotations

import os
import re
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from credit_hooks import registry
from credit_hooks.errors import ConfigurationError, DamagedRunError, MissingExtraError
from credit_hooks.ports import Manifest
from credit_hooks.rewards import CreditedRun
from credit_hooks_exporters.dataset import DatasetFolder
from credit_hooks_exporters.options import Options
from credit_hooks_exporters.sources import RunSource, every_run, open_source
from credit_hooks_exporters.splits import Splits
from credit_hooks_exporters.table import TableExporter

if TYPE_CHECKING:
    import datasets

__all__ = ["export", "follow", "to_dataset"]

_FILES = (".json", ".jsonl", ".parquet")
_ENDING = re.compile(r"\.[A-Za-z]\w{0,7}")
"""Endings that name a kind of file, such as `.csv`; a folder may well be called `data-1.5`."""


def export(
    source: RunSource,
    form: str,
    out: str | os.PathLike[str],
    *,
    since: Literal["last"] | None = None,
    splits: Mapping[str, float] | None = None,
    part_runs: int = 1000,
    progress: Callable[[int, int], None] = lambda done, total: None,
    **options: Any,
) -> Manifest:
    """Write runs as training data: into one file, or into a folder with splits, a card and a manifest.

    Args:
        source: A store, its path, or credited runs.
        form: Name of a format, such as `trl-dpo`; `credit-hooks export --help` lists them.
        out: A file (`.jsonl`, `.parquet`, `.json`; anything for formats that are no tables), or a folder, which is
            created.
        since: "last" goes on where the last export to this folder ended. The result is the same to the byte, as parts
            of runs that were scored again are written anew; it only costs less.
        splits: Shares of the tasks by split, such as `{"train": 0.9, "test": 0.1}`. None: one split, train.
        part_runs: Runs per file of the folder.
        progress: Called with (runs done, runs in all); in all is 0 where nobody knows.
        options: Of the format: see :class:`credit_hooks_exporters.options.Options`.

    Returns:
        What was written; `reward` and `dropped_reward` add up to `total`. Stored runs that cannot be read are left out
        and named in `damaged`.

    Raises:
        ConfigurationError: an argument cannot work.
        StoreError: the store cannot be read.
    """
    if not os.fspath(out):
        raise ConfigurationError("out is empty: name a file or a folder")
    out, exporter = Path(out), registry.exporter(form)
    if out.suffix in _FILES or not isinstance(exporter, TableExporter):
        if since is not None or splits is not None:
            raise ConfigurationError(f"splits and since need a folder and a training format; {form} to {out} is a file")
        damaged: list[str] = []
        runs_read = every_run(source, lambda error: damaged.append(error.run_id))
        manifest = exporter.write(_counted(runs_read, progress), out, **options)
        return manifest.model_copy(update={"damaged": tuple(damaged)})
    _check_folder(form, out)
    if since not in (None, "last"):
        raise ConfigurationError(f"since={since!r}: 'last' is the only choice")
    if part_runs < 1:
        raise ConfigurationError(f"part_runs={part_runs}: at least one run per part")
    read = Options.read(form, options)
    folder = DatasetFolder(out, exporter.format, read, Splits(splits or {"train": 1.0}), part_runs)
    with open_source(source) as runs:
        return folder.export(runs, fresh=since is None, progress=progress)


def _check_folder(form: str, out: Path) -> None:
    """A folder called `runs.csv` is a table of another kind that somebody expected."""
    if _ENDING.fullmatch(out.suffix) and not out.is_dir():
        raise ConfigurationError(
            f"{out}: format {form} is written to a file that ends in {', '.join(_FILES)}, or to a folder, whose name "
            "has no such ending"
        )


def _counted(runs: Iterator[CreditedRun], progress: Callable[[int, int], None]) -> Iterator[CreditedRun]:
    for done, run in enumerate(runs, start=1):
        yield run
        progress(done, 0)


def follow(
    source: RunSource,
    form: str,
    out: str | os.PathLike[str],
    *,
    interval: float = 5.0,
    stop: threading.Event | None = None,
    **options: Any,
) -> Iterator[Manifest]:
    """Export again and again beside a running application, until `stop` is set; yields after every change.

    Args:
        source: A store or its path.
        form: As for :func:`export`, like everything else not named here.
        out: A folder.
        interval: Seconds between two looks at the store.
        stop: Ends the iteration. None: it goes on until the caller breaks off.
        options: Of :func:`export`.
    """
    stop = threading.Event() if stop is None else stop
    last = None
    while True:
        manifest = export(source, form, out, since="last", **options)
        if manifest != last:
            yield manifest
        last = manifest
        if stop.wait(interval):
            return


def to_dataset(source: RunSource, form: str, **options: Any) -> datasets.Dataset:
    """The rows of a format as a Hugging Face `Dataset` in memory, equal to what `load_dataset` reads from its files.

    Raises:
        MissingExtraError: the package datasets is not installed.
        ConfigurationError: an option cannot work, or the format is no table.
    """
    try:
        from credit_hooks_exporters.huggingface import in_memory
    except ModuleNotFoundError as error:
        raise MissingExtraError("a Hugging Face Dataset", "datasets") from error
    exporter = registry.exporter(form)
    if not isinstance(exporter, TableExporter):
        raise ConfigurationError(f"format {form} is no table of training data")
    return in_memory(exporter.format, Options.read(form, options), every_run(source, _warn))


def _warn(error: DamagedRunError) -> None:
    warnings.warn(f"left out: {error}", RuntimeWarning, stacklevel=2)
