"""`credit-hooks score`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from credit_hooks.cli.common import STORE, StorePath, fail, load_part, run_progress
from credit_hooks.cli.screen import plain, screen
from credit_hooks.errors import TrajectoryError
from credit_hooks.store import RunStore

__all__ = ["score"]


def score(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Logs or traces, files or folders of them.")],
    *,
    store: StorePath = STORE,
    dialect: Annotated[str, typer.Option(help="What wrote them; auto: whatever recognises them.")] = "auto",
    baseline: Annotated[float, typer.Option(min=0.0, max=1.0, help="Expected outcome of a run.")] = 0.5,
) -> None:
    """Read logs or traces, credit every run, keep them in the store."""
    from credit_hooks.cli.scoring import Tally, credited
    from credit_hooks.credit import CreditConfig

    read = load_part("credit_hooks_adapters", "reading logs", "adapters").read
    errors: list[TrajectoryError] = []
    trajectories = read(paths, dialect, on_error=errors.append)
    tally = Tally()
    with RunStore(store) as opened, run_progress() as progress:
        task = progress.add_task("score", total=None)  # how many runs the files hold shows only at their end
        for found in credited(trajectories, CreditConfig(baseline=baseline), opened.put):
            tally.add(found)
            progress.advance(task)
    for error in errors:
        fail(f"left out: {error}")
    console = screen()
    if not tally.runs:
        fail("nothing could be read: name files or folders of traces or logs")
        raise typer.Exit(1)
    console.print(tally.view())
    console.print(plain(f"\nkept in {store}: credit-hooks list --store {store}"))
