"""`credit-hooks agents`, and `credit-hooks score` without paths."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from credit_hooks.cli.common import STORE, StorePath, print_json, run_progress
from credit_hooks.cli.screen import plain, screen
from credit_hooks.errors import ConfigurationError
from credit_hooks.rewards import CreditedRun
from credit_hooks.store import RunStore

if TYPE_CHECKING:
    from credit_hooks.cli.standing_tables import StoreView
    from credit_hooks.credit.siblings import SiblingIndex

__all__ = ["agents"]


def agents(
    *,
    store: StorePath = STORE,
    stored: Annotated[bool, typer.Option("--stored", help="Credit as stored, without a look at other runs.")] = False,
    action: Annotated[
        list[str] | None, typer.Option(help="Name of a tool that changes something; may be repeated.")
    ] = None,
    baseline: Annotated[
        float | None,
        typer.Option(min=0.0, max=1.0, help="Expected outcome; that of the task's other runs if left out."),
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Write the new credit into the store.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Agents and roles over all runs of the store: credit with intervals, drift, what changed prompts did."""
    from credit_hooks.cli import standing_tables
    from credit_hooks.credit import CreditConfig
    from credit_hooks.credit.siblings import SiblingConfig, SiblingIndex

    if stored and (keep or action or baseline is not None):
        raise ConfigurationError("--stored takes the credit as it is: leave out --keep, --action and --baseline")
    index = None
    if not stored:
        config = CreditConfig() if baseline is None else CreditConfig(baseline=baseline)
        siblings = SiblingConfig(actions=frozenset(action or ()), expectation=baseline is None)
        index = SiblingIndex(config, siblings)
    found = _over(store, index, keep=keep)
    if as_json:
        print_json(standing_tables.as_json(found), indent=2)
        return
    console = screen()
    if not found.standings.runs:
        console.print(plain(f"no runs in {store}"))
        return
    console.print(standing_tables.view(found, console.width))
    if keep:
        console.print(plain(f"\nkept in {store}"))


def _over(store: Path, index: SiblingIndex | None, *, keep: bool) -> StoreView:
    """Look at all runs of a store, credited anew if there is an index; `keep` writes that credit back."""
    from credit_hooks.cli.standing_tables import recredited, summary

    with RunStore(store, read_only=not keep) as opened, run_progress() as progress:
        task = progress.add_task("agents", total=None)

        def read() -> Iterator[CreditedRun]:
            return iter(opened)

        def watched() -> Iterator[CreditedRun]:
            for run in read() if index is None else recredited(read, index):
                if keep:
                    opened.put(run)
                progress.advance(task)
                yield run

        return summary(watched(), index)
