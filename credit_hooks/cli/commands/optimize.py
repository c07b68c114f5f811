"""`credit-hooks optimize`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from credit_hooks.cli.common import check_output
from credit_hooks.cli.screen import plain, progress_screen, screen

__all__ = ["optimize"]


def optimize(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="TOML file: team, tasks, evaluate, critic, budget.")],
    *,
    model: Annotated[str | None, typer.Option(help="provider:name of a chat model that is the critic instead.")] = None,
    store: Annotated[Path | None, typer.Option(help="Run store to use instead of the configured one.")] = None,
    report: Annotated[Path | None, typer.Option(help="HTML page to write instead of the configured one.")] = None,
) -> None:
    """Rewrite the prompts that credit points at, and keep what held-out tasks confirm. Interrupted, it goes on."""
    from credit_hooks.cli.optimize_config import load_config, load_parts
    from credit_hooks.cli.optimizing import attempt_line, outcome_view, write_prompts
    from credit_hooks.prompts import optimize as run
    from credit_hooks.report import render_optimization

    settings = load_config(config)
    parts = load_parts(settings, config.absolute().parent, model)
    console, page, kept = screen(), report or settings.report, store or settings.store
    check_output(page, kept)
    columns = (TextColumn("system runs"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    quiet = progress_screen()
    with Progress(*columns, console=quiet, transient=True, disable=not quiet.is_terminal) as progress:
        task = progress.add_task("optimize", total=settings.budget.system_runs)
        found = run(
            parts.team,
            parts.tasks,
            parts.evaluate,
            parts.critic,
            settings.budget,
            **{**settings.options.model_dump(), "held_out": parts.held_out},
            gate=settings.gate,
            store=kept,
            on_attempt=lambda attempt: console.print(attempt_line(attempt)),
            on_spent=lambda spent: progress.update(task, completed=spent.system_runs),
        )
    for part in outcome_view(found):
        console.print(part)
    page.write_text(render_optimization(found), encoding="utf-8")
    console.print(plain(f"wrote {page}"))
    if settings.prompts is not None:
        write_prompts(found, settings.prompts)
        console.print(plain(f"wrote {len(found.after)} prompts to {settings.prompts}"))
