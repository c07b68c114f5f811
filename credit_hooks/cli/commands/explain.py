"""`credit-hooks explain`."""

from __future__ import annotations

from typing import Annotated

import typer

from credit_hooks.cli.common import STORE, RunId, StorePath, get_run, print_json
from credit_hooks.cli.explaining import find_message, message_view, run_explanation
from credit_hooks.cli.screen import screen
from credit_hooks.credit.explanation import explain as explained

__all__ = ["explain"]


def explain(
    run_id: RunId,
    message: Annotated[
        str | None, typer.Argument(metavar="[MESSAGE]", help="Number of a message, or its id; all if left out.")
    ] = None,
    *,
    store: StorePath = STORE,
    as_json: Annotated[bool, typer.Option("--json", help="Everything, as JSON.")] = False,
) -> None:
    """Show the way from a run's outcome to its rewards, and compute them again."""
    run = get_run(store, run_id)
    explanation = explained(run)
    chosen = None if message is None else find_message(explanation, message)
    if as_json:
        print_json((explanation if chosen is None else chosen).model_dump(mode="json"), indent=2)
        return
    screen().print(run_explanation(run, explanation) if chosen is None else message_view(run, explanation, chosen))
