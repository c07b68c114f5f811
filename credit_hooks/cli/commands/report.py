"""`credit-hooks report`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from credit_hooks.cli.common import STORE, StorePath, get_run
from credit_hooks.cli.screen import plain, screen

__all__ = ["report"]


def report(
    run_id: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="Run id or its start; the newest if left out.")
    ] = None,
    *,
    store: StorePath = STORE,
    output: Annotated[Path, typer.Option("-o", "--output", help="File to write, or - for standard output.")] = Path(
        "report.html"
    ),
) -> None:
    """Write one run as a self-contained HTML page."""
    from credit_hooks.report import render

    found = get_run(store, run_id)
    page = render(found)
    if str(output) == "-":
        sys.stdout.buffer.write(page.encode())
        return
    output.write_text(page, encoding="utf-8")
    screen().print(plain(f"wrote {output} ({len(page.encode()) / 1000:.0f} kB) for run {found.trajectory.id}"))
