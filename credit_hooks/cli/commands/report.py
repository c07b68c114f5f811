"""`credit-hooks report`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from credit_hooks.cli.common import STORE, StorePath, check_output, get_run, run_progress
from credit_hooks.cli.screen import plain, screen
from credit_hooks.errors import ConfigurationError
from credit_hooks.store import RunStore

__all__ = ["report"]


def report(
    run_id: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="Run id or its start; the newest if left out.")
    ] = None,
    *,
    all_runs: Annotated[
        bool, typer.Option("--all", help="All runs: agents over time, runs to look at, worst messages.")
    ] = False,
    store: StorePath = STORE,
    output: Annotated[Path, typer.Option("-o", "--output", help="File to write, or - for standard output.")] = Path(
        "report.html"
    ),
) -> None:
    """Write one run, or all of a store, as a self-contained HTML page."""
    from credit_hooks.report import render

    check_output(output, store)
    if all_runs:
        if run_id is not None:
            raise ConfigurationError(f"report takes a run or --all, not both: leave out {run_id!r} or --all")
        page, about = _overview(store)
    else:
        found = get_run(store, run_id)
        page, about = render(found), f"run {found.trajectory.id}"
    if str(output) == "-":
        sys.stdout.buffer.write(page.encode())
        return
    output.write_text(page, encoding="utf-8")
    screen().print(plain(f"wrote {output} ({len(page.encode()) / 1000:.0f} kB) for {about}"))


def _overview(path: Path) -> tuple[str, str]:
    from credit_hooks.report import render_all

    with RunStore(path, read_only=True) as store, run_progress() as progress:
        total = len(store)
        bar = progress.add_task("", total=total)
        page = render_all(store, progress=lambda: progress.advance(bar))
    return page, f"{total} run{'' if total == 1 else 's'} of {path}"
