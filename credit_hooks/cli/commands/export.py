"""`credit-hooks export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from credit_hooks.cli.common import STORE, StorePath, load_part, pairs, run_progress
from credit_hooks.cli.screen import plain, screen

__all__ = ["export"]


def export(
    *,
    output: Annotated[
        Path,
        typer.Option("-o", "--output", "--out", help="A file (.jsonl, .parquet), or a folder: splits, card, manifest."),
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
    from credit_hooks.cli.exporting import export_all, wording

    asked = {"agents": agent, "threshold": threshold}
    options = pairs(option, "--option") | {name: value for name, value in asked.items() if value is not None}
    splits = pairs(split, "--split") or None
    exporting = load_part("credit_hooks_exporters", "training data", "all")
    with run_progress() as progress:
        task = progress.add_task("export", total=None)
        for manifest in export_all(
            exporting,
            store,
            form,
            output,
            options | {"since": since, "splits": splits},
            follow=interval if follow else None,
            progress=lambda done, total: progress.update(task, completed=done, total=total or None),
        ):
            screen().print(plain(wording(manifest)))
