"""Credited runs to the rows of a format, and rows to one file: what all training formats have in common."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from credit_hooks.errors import MissingExtraError
from credit_hooks.ports import Manifest
from credit_hooks.rewards import CreditedRun
from credit_hooks_exporters.atomic import DigestingFile, replacing
from credit_hooks_exporters.digests import Digests
from credit_hooks_exporters.examples import Case
from credit_hooks_exporters.formats import Columns, Format
from credit_hooks_exporters.ids import encode
from credit_hooks_exporters.jsonl import JsonLines
from credit_hooks_exporters.ledger import Ledger
from credit_hooks_exporters.options import Options
from credit_hooks_exporters.siblings import Siblings

__all__ = ["Fold", "Rows", "TableExporter", "Written", "opened"]


class Written(NamedTuple):
    """A row on its way into a file."""

    values: dict[str, Any]
    """By column."""
    encoded: dict[str, str]
    """Those columns that were made JSON already."""


class Rows(Protocol):
    """A file that takes rows."""

    def add(self, values: dict[str, Any], encoded: dict[str, str]) -> None:
        """Write one."""

    def close(self) -> None:
        """Write whatever is still in memory."""


def opened(file: DigestingFile, columns: Columns, container: str) -> Rows:
    """A file of rows.

    Raises:
        MissingExtraError: Parquet needs pyarrow.
    """
    if container == "jsonl":
        return JsonLines(file, columns)
    try:
        from credit_hooks_exporters.parquet import ParquetRows
    except ModuleNotFoundError as error:
        raise MissingExtraError("Parquet", "parquet") from error
    return ParquetRows(file, columns)


class Fold:
    """One pass over runs: what is remembered from one to the next, and where all rewards went."""

    def __init__(self, form: Format, options: Options) -> None:
        self.form = form
        self.options = options
        self.seat = options.seat(form.seat)
        self.ledger = Ledger()
        self.siblings = Siblings(options.sibling_window)
        self.seen = Digests()
        self.fresh: list[int] | None = None
        """Digests of new rows, for whoever put a list here."""

    def rows(self, run: CreditedRun) -> Iterator[Written]:
        """The rows of the next run; all its rewards are in the ledger afterwards."""
        ledger, credit = self.ledger, run.credit
        ledger.open(run)
        self.siblings.next_run()
        if credit.status != "credited":
            return ledger.reject(run, f"run_{credit.status}")
        if credit.low_evidence and not self.options.low_evidence:
            return ledger.reject(run, "low_evidence")
        agents = {(run.trajectory.id, reward.message_id): reward.actor_id for reward in credit.messages}
        for row in self.form.rows(self._case(run, ledger)):
            keys = [(run.trajectory.id, message_id) for message_id in row.message_ids]
            encoded = {name: encode(row.values[name]) for name in self._identity()}
            if encoded and not self._is_new(encoded):
                for key in keys:
                    ledger.drop(key, "duplicate")
                continue
            ledger.take(keys, agents)
            for candidate in row.candidates:
                attempt = candidate.attempt
                ledger.reclaim(attempt.author, attempt.reward, self.form.leftover)
            ledger.rows += 1
            yield Written(row.values, encoded)
        ledger.close(self.form.leftover)
        return None

    def remember(self, run: CreditedRun) -> None:
        """Take a run that was exported before into account, without rows."""
        self.siblings.next_run()
        credit = run.credit
        if self.form.pairs and credit.status == "credited" and (self.options.low_evidence or not credit.low_evidence):
            for _ in self.form.rows(self._case(run, Ledger())):
                pass

    def _case(self, run: CreditedRun, ledger: Ledger) -> Case:
        return Case(self.form.name, run, self.options, self.seat, ledger, self.siblings)

    def _identity(self) -> tuple[str, ...]:
        return self.form.identity if self.options.deduplicate else ()

    def _is_new(self, encoded: dict[str, str]) -> bool:
        said = hashlib.blake2b(digest_size=8)
        for text in encoded.values():
            said.update(text.encode("utf-8", "replace") + b"\x1f")
        number = int.from_bytes(said.digest())
        if not self.seen.add(number):
            return False
        if self.fresh is not None:
            self.fresh.append(number)
        return True


class TableExporter:
    """Writes a training format to one file; see `Options` for what can be asked for.

    A folder with splits, a card and a manifest is written by :func:`credit_hooks_exporters.export`.
    """

    def __init__(self, form: Format) -> None:
        self.format = form
        self.name = form.name

    def write(self, runs: Iterable[CreditedRun], path: Path, **options: Any) -> Manifest:
        """Write all rows, replacing `path` at once when complete.

        Raises:
            ConfigurationError: an option is unknown or cannot work, or Parquet lacks its extra.
        """
        read = Options.read(self.name, options)
        path = Path(path)
        container = read.container or ("parquet" if path.suffix == ".parquet" else "jsonl")
        fold = Fold(self.format, read)
        seen: set[str] = set()
        with replacing(path) as file:
            rows = opened(file, self.format.columns_for(fold.seat), container)
            for run in runs:
                if run.trajectory.id in seen:
                    fold.ledger.open(run)
                    fold.ledger.reject(run, "duplicate_run")
                    continue
                seen.add(run.trajectory.id)
                for row in fold.rows(run):
                    rows.add(row.values, row.encoded)
            rows.close()
        return _manifest(self.name, path, fold.ledger, file.sha256)


def _manifest(name: str, path: Path, ledger: Ledger, sha256: str) -> Manifest:
    counts = ledger.as_json()
    return Manifest(
        format=name,
        path=path,
        runs=ledger.runs,
        rows=ledger.rows,
        dropped={reason: count for reason, count in counts["dropped"].items() if count},
        sha256=sha256,
        reward=ledger.exported,
        dropped_reward=counts["dropped_reward"],
        total=ledger.total,
    )
