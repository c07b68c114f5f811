"""`credit-hooks list` and `credit-hooks show`."""

from __future__ import annotations

from typing import Annotated

import typer

from credit_hooks.cli.common import STORE, RunId, StorePath, get_run, print_json
from credit_hooks.cli.screen import plain, screen
from credit_hooks.cli.tables import run_view, runs_table
from credit_hooks.store import RunStore

__all__ = ["list_runs", "show"]


def list_runs(
    *,
    store: StorePath = STORE,
    limit: Annotated[int, typer.Option(min=1, help="Runs shown at most, newest first.")] = 20,
    agent: Annotated[str | None, typer.Option(help="Only runs that credit this agent.")] = None,
    status: Annotated[str | None, typer.Option(help="Only runs of this status, such as error or no_outcome.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per line.")] = False,
) -> None:
    """List runs, newest first."""
    with RunStore(store, read_only=True) as opened:
        runs = list(opened.list(limit, agent=agent, status=status))
        total = len(opened)
    if as_json:
        for summary in runs:
            print_json(summary._asdict())
        return
    console = screen()
    if not runs:
        console.print(plain(f"no runs in {store}" if not total else f"none of the {total} runs in {store} matches"))
        return
    console.print(runs_table(runs, console.width))
    if len(runs) < total:
        console.print(f"{len(runs)} of {total} runs", style="dim")


def show(
    run_id: RunId,
    *,
    store: StorePath = STORE,
    as_json: Annotated[bool, typer.Option("--json", help="The run and its credit as JSON.")] = False,
) -> None:
    """Show one run: agents, messages, rewards, the first error."""
    found = get_run(store, run_id)
    if as_json:
        print_json(found.model_dump(), indent=2)
        return
    console = screen()
    console.print(run_view(found, console.width))
