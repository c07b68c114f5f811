"""`credit-hooks freeze`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from credit_hooks.cli.common import STORE, StorePath
from credit_hooks.cli.screen import plain, screen
from credit_hooks.errors import ConfigurationError
from credit_hooks.rewards import CreditedRun
from credit_hooks.store import RunStore

__all__ = ["freeze"]


def freeze(
    run: Annotated[
        str | None,
        typer.Argument(
            metavar="[RUN]", help="Optimisation, or a run that one made; the newest optimisation if left out."
        ),
    ] = None,
    *,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write to.")],
    store: StorePath = STORE,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that were edited since.")] = False,
) -> None:
    """Write the prompts of an optimisation as plain text files with a manifest."""
    from credit_hooks.prompts.frozen import freeze as write
    from credit_hooks.prompts.frozen import prompts_of

    with RunStore(store, read_only=True) as opened:
        found = _newest(opened) if run is None else opened.get(run)
    prompts = prompts_of(found)
    manifest = write(prompts, out, source=found.trajectory.id, overwrite=overwrite)
    screen().print(plain(f"wrote {len(prompts)} prompts of {found.trajectory.id} to {manifest.parent}"))


def _newest(store: RunStore) -> CreditedRun:
    """The newest optimisation that has come to a result."""
    from credit_hooks.prompts.frozen import prompts_of

    for summary in store.list(status="no_outcome"):
        found = store.get(summary.id)
        if found.trajectory.source != "credit_hooks.prompts":
            continue
        try:
            prompts_of(found)
        except ConfigurationError:
            continue  # a critique, or an optimisation that is not over
        return found
    raise ConfigurationError(
        f"no finished optimisation in {store.path}: name a run of one, or run credit-hooks optimize"
    )
