"""`credit-hooks annotate`."""

from __future__ import annotations

from typing import Annotated

import typer

from credit_hooks.cli.annotating import annotate_runs, backend
from credit_hooks.cli.common import STORE, StorePath, fail, get_run, run_progress
from credit_hooks.cli.screen import plain, screen
from credit_hooks.errors import ConfigurationError
from credit_hooks.store import RunStore

__all__ = ["annotate"]


def annotate(
    *,
    to: Annotated[str, typer.Option(help="The backend: phoenix, mlflow, langfuse, langsmith, opik, otlp.")],
    run: Annotated[
        list[str] | None, typer.Option(help="Run id or its start; repeated. The newest if left out.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All runs of the store.")] = False,
    store: StorePath = STORE,
    endpoint: Annotated[str | None, typer.Option(help="Address of the backend; else from its own variables.")] = None,
    content: Annotated[bool, typer.Option("--content", help="Send judges' rationales too.")] = False,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds to wait for the backend.")] = 60.0,
) -> None:
    """Show stored rewards on the spans of a tracing backend. Keys are read from the environment only."""
    if every and run:
        raise ConfigurationError("--all and --run exclude each other")
    annotator = backend(to, endpoint=endpoint, content=content, timeout=timeout)
    with run_progress() as progress:
        task = progress.add_task("annotate", total=None)
        if every:
            with RunStore(store, read_only=True) as opened:
                told = annotate_runs(annotator, opened, timeout, lambda: progress.advance(task), fail)
        else:
            wanted: list[str | None] = [*run] if run else [None]
            chosen = [get_run(store, run_id) for run_id in wanted]
            told = annotate_runs(annotator, chosen, timeout, lambda: progress.advance(task), fail)
    for failure in told.failures:
        fail(failure)
    screen().print(plain(told.sentence(to)))
    if told.incomplete:
        raise typer.Exit(1)
