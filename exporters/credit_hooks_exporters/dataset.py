"""A folder of training data that grows with its store: splits by task, a card, a manifest, and no torn file ever.

The folder is a pure function of the runs in the store and the options. Runs are written in parts of `part_runs`, each
with a state file that is written last: an export that is killed leaves whole files only, and the next one goes on after
the last part whose state still fits. So `since="last"` saves work and changes no byte, and writers take turns.

::

    data/README.md          the dataset card; load_dataset("data") finds the splits by it
    data/manifest.json      counts, rewards, digests of all files
    data/train-00000.jsonl  rows of the first part of the runs
    data/.state/00000.json  which runs these are
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from credit_hooks.errors import DamagedRunError
from credit_hooks.ports import Manifest
from credit_hooks.rewards import CreditedRun
from credit_hooks_exporters.atomic import DigestingFile, replacing
from credit_hooks_exporters.card import card
from credit_hooks_exporters.folders import check_folder
from credit_hooks_exporters.formats import Format
from credit_hooks_exporters.ids import digest, encode
from credit_hooks_exporters.ledger import Ledger
from credit_hooks_exporters.lock import locked
from credit_hooks_exporters.options import Options
from credit_hooks_exporters.sources import RunRef, Source
from credit_hooks_exporters.splits import Splits
from credit_hooks_exporters.table import Fold, Rows, opened

__all__ = ["LAYOUT", "DatasetFolder"]

LAYOUT: Final = "credit_hooks.dataset/1"
"""Version of the folder's layout."""


class _Part(NamedTuple):
    """What a state file says of one part."""

    runs: list[list[Any]]
    """[run id, when it was recorded] of each run."""
    files: dict[str, dict[str, Any]]
    """Rows, bytes, sha256 and split of each file."""
    ledger: dict[str, Any]
    """Where its rewards went."""
    digests: str
    """Digests of its rows, 16 hex digits each, for deduplication."""
    damaged: list[str] = []
    """Ids of those runs that could not be read."""


class DatasetFolder:
    """Writes one format into one folder.

    Args:
        folder: Created where missing; its parent has to exist.
        form: The format.
        options: What to export, and how.
        splits: Shares of the tasks by split.
        part_runs: Runs per part. The last part is written again until it is full.
    """

    def __init__(self, folder: Path, form: Format, options: Options, splits: Splits, part_runs: int) -> None:
        self.folder = folder
        self.form = form
        self.options = options
        self.splits = splits
        self.part_runs = part_runs
        self.container = options.container or "jsonl"
        key = [LAYOUT, form.name, options.model_dump(mode="json"), splits.shares, part_runs]
        self._key = digest(encode(key))

    def export(self, source: Source, *, fresh: bool, progress: Callable[[int, int], None]) -> Manifest:
        """Bring the folder up to date with its source.

        Args:
            source: The runs.
            fresh: Write every part again.
            progress: Called with (runs done, runs in all).

        Raises:
            ConfigurationError: the folder holds something else, which would be lost. Nothing was written.
        """
        check_folder(self.folder, self.form.name)
        self.folder.mkdir(mode=0o700, exist_ok=True)
        (self.folder / ".state").mkdir(mode=0o700, exist_ok=True)
        with locked(self.folder):
            for torn in (*self.folder.glob(".*.tmp"), *self.folder.glob(".state/.*.tmp")):
                torn.unlink()
            refs = source.refs()
            parts = [] if fresh else list(self._kept(refs))
            done = sum(len(part.runs) for part in parts)
            progress(done, len(refs))
            fold = Fold(self.form, self.options)
            self._resume(fold, source, refs, parts)
            for start in range(done, len(refs), self.part_runs):
                chunk = refs[start : start + self.part_runs]
                parts.append(self._write_part(fold, len(parts), source, chunk))
                progress(start + len(chunk), len(refs))
            return self._finish(parts)

    def _kept(self, refs: Sequence[RunRef]) -> Iterator[_Part]:
        """Parts from the first on whose state and files are those of the source."""
        for number, start in enumerate(range(0, len(refs), self.part_runs)):
            part = self._state(number)
            expected = [list(ref[:2]) for ref in refs[start : start + self.part_runs]]
            if part is None or part.runs != expected or not all(map(self._is_whole, part.files.items())):
                return
            yield part

    def _state(self, number: int) -> _Part | None:
        try:
            found = json.loads(self._state_path(number).read_bytes())
        except (FileNotFoundError, ValueError):
            return None
        if not isinstance(found, dict) or found.pop("key", None) != self._key:
            return None
        return _Part(**found)

    def _state_path(self, number: int) -> Path:
        return self.folder / ".state" / f"{number:05}.json"

    def _is_whole(self, item: tuple[str, Mapping[str, Any]]) -> bool:
        path = self.folder / item[0]
        return path.is_file() and path.stat().st_size == item[1]["bytes"]

    def _resume(self, fold: Fold, source: Source, refs: Sequence[RunRef], parts: Sequence[_Part]) -> None:
        """Bring a fold to where it was after these parts: rows seen, and siblings of the runs to come."""
        done = sum(len(part.runs) for part in parts)
        for part in parts:
            fold.seen.settle(np.frombuffer(bytes.fromhex(part.digests), ">u8").astype(np.uint64))
        coming = {ref.group_id for ref in refs[done:]} - {None}
        first = max(0, done - self.options.sibling_window - 1)
        fold.siblings.next_run(first)
        for ref in refs[first:done]:
            run = _read(source, ref) if self.form.pairs and ref.group_id in coming else None
            if run is not None:
                fold.remember(run)
            else:
                fold.siblings.next_run()

    def _write_part(self, fold: Fold, number: int, source: Source, refs: Sequence[RunRef]) -> _Part:
        fold.ledger = Ledger()
        fresh: list[int] = []
        fold.fresh = fresh
        damaged: list[str] = []
        self._state_path(number).unlink(missing_ok=True)
        with _PartFiles(self, number) as files:
            for ref in refs:
                run = _read(source, ref)
                if run is None:
                    damaged.append(ref.id)
                    fold.siblings.next_run()
                    continue
                split = self.splits.of(run)
                for row in fold.rows(run):
                    files.of(split).add(row.values, row.encoded)
        ids = np.array(fresh, ">u8").tobytes().hex()
        part = _Part([list(ref[:2]) for ref in refs], files.summary(), fold.ledger.as_json(), ids, damaged)
        self._replace(self._state_path(number), encode({"key": self._key, **part._asdict()}))
        return part

    def _finish(self, parts: Sequence[_Part]) -> Manifest:
        """Card and manifest; then files of parts that are no more go."""
        summary, ledger = self._summary(parts)
        patterns = {split: f"{split}-*.{self.container}" for split, rows in summary["split_rows"].items() if rows}
        self._replace(self.folder / "README.md", card(self.form, summary, patterns))
        for name, text in (self.form.extra_files or _none)(list(summary["files"])).items():
            self._replace(self.folder / name, text)
        self._replace(self.folder / "manifest.json", json.dumps(summary, indent=1, ensure_ascii=False) + "\n")
        self._sweep(set(summary["files"]), len(parts))
        return Manifest(
            format=self.form.name,
            path=self.folder,
            runs=ledger.runs,
            rows=ledger.rows,
            dropped={reason: count for reason, count in summary["dropped"].items() if count},
            sha256=summary["sha256"],
            reward=ledger.exported,
            dropped_reward=summary["dropped_reward"],
            total=ledger.total,
            damaged=tuple(summary["damaged"]),
        )

    def _summary(self, parts: Sequence[_Part]) -> tuple[dict[str, Any], Ledger]:
        ledger = Ledger()
        files: dict[str, dict[str, Any]] = {}
        for part in parts:
            ledger.add(part.ledger)
            files |= part.files
        rows = {
            split: sum(file["rows"] for file in files.values() if file["split"] == split)
            for split in self.splits.shares
        }
        said = {
            "schema_version": LAYOUT,
            "format": self.form.name,
            "container": self.container,
            "options": self.options.model_dump(mode="json", exclude_none=True),
            "splits": self.splits.shares,
            **ledger.as_json(),
            "damaged": [run_id for part in parts for run_id in part.damaged],
            "split_rows": rows,
            "files": {name: files[name] for name in sorted(files)},
        }
        said["sha256"] = digest(*(f"{name} {file['sha256']}" for name, file in said["files"].items()))
        return said, ledger

    def _sweep(self, files: set[str], parts: int) -> None:
        for path in self.folder.glob("*-[0-9][0-9][0-9][0-9][0-9].*"):
            if path.name not in files and path.suffix in (".jsonl", ".parquet"):
                path.unlink()
        for path in self.folder.glob(".state/[0-9][0-9][0-9][0-9][0-9].json"):
            if int(path.stem) >= parts:
                path.unlink()

    def _replace(self, path: Path, text: str) -> None:
        with replacing(path) as file:
            file.write(text.encode("utf-8", "replace"))


class _PartFiles:
    """The files of one part, one per split that has rows; they appear together at the end."""

    def __init__(self, dataset: DatasetFolder, number: int) -> None:
        self._dataset = dataset
        self._number = number
        self._stack = ExitStack()
        self._open: dict[str, tuple[DigestingFile, Rows]] = {}
        self._rows: dict[str, int] = {}

    def __enter__(self) -> _PartFiles:
        self._stack.__enter__()
        return self

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        if kind is None:
            for _, rows in self._open.values():
                rows.close()
        self._stack.__exit__(kind, error, traceback)

    def of(self, split: str) -> Rows:
        """The file of a split, for one more row."""
        if split not in self._open:
            dataset = self._dataset
            file = self._stack.enter_context(replacing(dataset.folder / self._name(split)))
            columns = dataset.form.columns_for(dataset.options.seat(dataset.form.seat))
            self._open[split] = (file, opened(file, columns, dataset.container))
        self._rows[split] = self._rows.get(split, 0) + 1
        return self._open[split][1]

    def summary(self) -> dict[str, dict[str, Any]]:
        """What was written, by file name."""
        return {
            self._name(split): {
                "split": split,
                "rows": self._rows[split],
                "bytes": file.size,
                "sha256": file.sha256,
            }
            for split, (file, _) in sorted(self._open.items())
        }

    def _name(self, split: str) -> str:
        return f"{split}-{self._number:05}.{self._dataset.container}"


def _read(source: Source, ref: RunRef) -> CreditedRun | None:
    """A run. None: it is damaged."""
    try:
        return source.get(ref)
    except DamagedRunError:
        return None


def _none(files: Sequence[str]) -> Mapping[str, str]:
    return {}
