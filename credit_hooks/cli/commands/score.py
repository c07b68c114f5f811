"""`credit-hooks score`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from credit_hooks.cli.commands.agents import agents
from credit_hooks.cli.commands.localise import read_localiser
from credit_hooks.cli.common import STORE, StorePath, fail, load_part, run_progress
from credit_hooks.cli.screen import plain, screen
from credit_hooks.errors import ConfigurationError, TrajectoryError
from credit_hooks.store import RunStore

__all__ = ["score"]


def score(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[PATH...]", help="Logs or traces, files or folders of them; the store if left out."),
    ] = None,
    *,
    store: StorePath = STORE,
    dialect: Annotated[str, typer.Option(help="What wrote them; auto: whatever recognises them.")] = "auto",
    baseline: Annotated[
        float | None, typer.Option(min=0.0, max=1.0, help="Expected outcome of a run; .5 for PATHs if left out.")
    ] = None,
    labels: Annotated[
        list[Path] | None, typer.Option(help="Annotations of the runs in files of their own (TRAIL, AgentRx).")
    ] = None,
    localiser: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Name first errors by this; see credit-hooks localise fit.")
    ] = None,
) -> None:
    """Read logs or traces, credit every run, keep them in the store. Without PATHs: as credit-hooks agents."""
    if not paths:
        if labels or localiser is not None or dialect != "auto":
            raise ConfigurationError("--labels, --localiser and --dialect are for logs or traces: name their PATHs")
        agents(store=store, baseline=baseline)
        return
    from credit_hooks.cli.scoring import Tally, credited
    from credit_hooks.credit import CreditConfig
    from credit_hooks.credit.config import DEFAULT_BASELINE

    config = CreditConfig(
        baseline=DEFAULT_BASELINE if baseline is None else baseline,
        localiser=None if localiser is None else read_localiser(localiser),
    )
    read = load_part("credit_hooks_adapters", "reading logs", "adapters").read
    errors: list[TrajectoryError] = []
    trajectories = read(paths, dialect, on_error=errors.append)
    if labels:
        annotations = load_part("credit_hooks_adapters.annotations", "reading labels", "adapters")
        trajectories = annotations.with_labels(trajectories, annotations.read_annotations(labels))
    tally = Tally()
    with RunStore(store) as opened, run_progress() as progress:
        task = progress.add_task("score", total=None)  # how many runs the files hold shows only at their end
        for found in credited(trajectories, config, opened.put):
            tally.add(found)
            progress.advance(task)
    for error in errors:
        fail(f"left out: {error}")
    console = screen()
    if not tally.runs:
        fail("nothing could be read: name files or folders of traces or logs")
        raise typer.Exit(1)
    console.print(tally.view())
    if localiser is not None and len(tally.agreement):
        console.print("accuracy on runs that the localiser was fitted on says nothing: see credit-hooks localise show")
    console.print(plain(f"\nkept in {store}: credit-hooks list --store {store}"))
