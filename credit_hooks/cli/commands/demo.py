"""`credit-hooks demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from credit_hooks.cli.common import STORE, StorePath, load_part
from credit_hooks.cli.screen import screen

__all__ = ["demo"]


def demo(
    *,
    model: Annotated[str | None, typer.Option(help="provider:name of a real model; a local one if left out.")] = None,
    store: StorePath = STORE,
    report_path: Annotated[Path, typer.Option("--report", help="HTML file to write.")] = Path("report.html"),
) -> None:
    """Run a small team on word problems and show who earned what."""
    run_demo = load_part("credit_hooks.demo.run", "the demo", "demo").run_demo
    run_demo(model, store, report_path, Console(no_color=screen().no_color))
