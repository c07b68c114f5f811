"""`credit-hooks export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from credit_hooks.cli.common import STORE, StorePath, check_output, fail, load_part, pairs, run_progress
from credit_hooks.cli.screen import plain

__all__ = ["export"]


def _named_path(text: str) -> Path:
    """A path as typed; an empty name, such as that of a variable which is not set, is not the current folder."""
    if not text.strip():
        raise typer.BadParameter("the name is empty")
    return Path(text)


def export(
    *,
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            "--out",
            parser=_named_path,
            metavar="PATH",
            help="A file (.jsonl, .parquet), - for JSON lines on standard output, or a folder: splits, card, manifest.",
        ),
    ],
    form: Annotated[str, typer.Option("-f", "--format", help="Name of a format, such as trl-dpo.")] = "messages",
    store: StorePath = STORE,
    since: Annotated[str | None, typer.Option(help="'last': go on where the last export to the folder ended.")] = None,
    agent: Annotated[list[str] | None, typer.Option(help="Only messages of this agent; may be repeated.")] = None,
    threshold: Annotated[float | None, typer.Option(help="Rewards of this size or less are no lesson.")] = None,
    split: Annotated[list[str] | None, typer.Option(help="Share of the tasks, like train=0.9; repeated.")] = None,
    option: Annotated[list[str] | None, typer.Option(help="Option of the format, as name=value.")] = None,
    follow: Annotated[bool, typer.Option("--follow", help="Go on beside a running application.")] = False,
    interval: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks at the store.")] = 5.0,
) -> None:
    """Write all runs as training data."""
    from credit_hooks.cli.exporting import damage, export_all, shares, standard_output, strangers, wording

    asked = {"agents": agent, "threshold": threshold}
    options = pairs(option, "--option") | {name: value for name, value in asked.items() if value is not None}
    splits = shares(split) if split else None
    check_output(output, store)
    exporting = load_part("credit_hooks_exporters", "training data", "all")
    damaged: tuple[str, ...] = ()
    rows = 0
    with standard_output(output, follow=follow) as (path, said), run_progress() as progress:
        task = progress.add_task("export", total=None)
        for manifest in export_all(
            exporting,
            store,
            form,
            path,
            options | {"since": since, "splits": splits},
            follow=interval if follow else None,
            progress=lambda done, total: progress.update(task, completed=done, total=total or None),
        ):
            damaged, rows = manifest.damaged, manifest.rows
            said.print(plain(wording(manifest, output)))
    problems = [damage(damaged, store)] if damaged else []
    if not rows and not follow and (unknown := strangers(options.get("agents"), store)):
        problems.append(unknown)
    for problem in problems:
        fail(problem)
    if problems:
        raise typer.Exit(1)
