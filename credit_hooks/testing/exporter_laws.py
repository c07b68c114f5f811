"""Laws that every exporter to a file keeps.

A law takes an exporter, credited runs and an empty folder, and raises `AssertionError` where it is broken. In a test::

    @pytest.mark.parametrize("law", EXPORTER_LAWS, ids=lambda law: law.__name__)
    def test_my_exporter(law, tmp_path):
        law(EXPORTER, [sample_run()], tmp_path)
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, TypeAlias

from credit_hooks.errors import ConfigurationError
from credit_hooks.ports import Exporter
from credit_hooks.rewards import CreditedRun

__all__ = ["EXPORTER_LAWS", "ExporterLaw", "check_exporter"]

ExporterLaw: TypeAlias = Callable[[Exporter, Sequence[CreditedRun], Path], None]


def manifest_tells_what_was_written(exporter: Exporter, runs: Sequence[CreditedRun], folder: Path) -> None:
    """Name, path, number of runs and digest are those of the file, and a sample with credit gives rows."""
    _expect(isinstance(exporter, Exporter) and bool(exporter.name), "an exporter has a name and the port's methods")
    path = folder / "runs"
    manifest = exporter.write(runs, path)
    _expect((manifest.format, manifest.path) == (exporter.name, path), "the manifest names another format or path")
    _expect(manifest.runs == len(runs), f"the manifest counts {manifest.runs} runs of {len(runs)}")
    _expect(manifest.rows > 0, "no row was written of credited runs")
    _expect(manifest.sha256 == _sha256(path), "the manifest's digest is not that of the file")


def same_runs_give_the_same_bytes(exporter: Exporter, runs: Sequence[CreditedRun], folder: Path) -> None:
    """Writing twice, from a list or a generator, gives equal files; runs are not changed."""
    before = [run.model_dump_json() for run in runs]
    first = exporter.write(runs, folder / "first")
    second = exporter.write((run for run in runs), folder / "second")
    _expect(first.sha256 == second.sha256 == _sha256(folder / "second"), "the second file differs from the first")
    _expect([run.model_dump_json() for run in runs] == before, "writing changed a run")


def no_runs_give_no_rows(exporter: Exporter, runs: Sequence[CreditedRun], folder: Path) -> None:
    """An empty export is a file all the same."""
    manifest = exporter.write([], folder / "empty")
    _expect((manifest.runs, manifest.rows, manifest.dropped) == (0, 0, {}), "an empty export counts something")
    _expect(manifest.sha256 == _sha256(folder / "empty"), "an empty export wrote no file")


def failures_leave_the_old_file(exporter: Exporter, runs: Sequence[CreditedRun], folder: Path) -> None:
    """Where the runs break off, the file stays as it was and nothing is left beside it."""
    path = folder / "runs"
    exporter.write(runs, path)
    before = _sha256(path)
    try:
        exporter.write(_broken_off(runs), path)
    except _BrokenOffError:
        pass
    else:
        raise AssertionError("the error of the runs was swallowed")
    _expect(_sha256(path) == before, "the old file was touched")
    _expect(list(folder.iterdir()) == [path], f"files were left behind: {sorted(folder.iterdir())}")


def unknown_options_are_refused(exporter: Exporter, runs: Sequence[CreditedRun], folder: Path) -> None:
    """An option that does not exist raises ConfigurationError, names the option, and writes nothing."""
    try:
        exporter.write(runs, folder / "runs", no_such_option=1)
    except ConfigurationError as error:
        _expect("no_such_option" in str(error), f"the error does not name the option: {error}")
    else:
        raise AssertionError("an unknown option was accepted")
    _expect(not list(folder.iterdir()), "a file was written all the same")


EXPORTER_LAWS: Final[tuple[ExporterLaw, ...]] = (
    manifest_tells_what_was_written,
    same_runs_give_the_same_bytes,
    no_runs_give_no_rows,
    failures_leave_the_old_file,
    unknown_options_are_refused,
)


def check_exporter(exporter: Exporter, runs: Sequence[CreditedRun], folder: Path) -> None:
    """All laws on one sample, each in a folder of its own below `folder`.

    Raises:
        AssertionError: a law is broken.
    """
    for law in EXPORTER_LAWS:
        own = folder / law.__name__
        own.mkdir()
        law(exporter, runs, own)


class _BrokenOffError(Exception):
    pass


def _broken_off(runs: Sequence[CreditedRun]) -> Iterator[CreditedRun]:
    yield from runs
    raise _BrokenOffError


def _expect(holds: bool, otherwise: str) -> None:
    """`assert` that also holds under `python -O`."""
    if not holds:
        raise AssertionError(otherwise)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
