"""`credit-hooks localise fit` and `credit-hooks localise show`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from credit_hooks.cli.common import STORE, StorePath, check_output, fail, run_progress
from credit_hooks.cli.screen import amount, plain, screen
from credit_hooks.errors import ConfigurationError, DamagedRunError
from credit_hooks.store import RunStore

if TYPE_CHECKING:
    from credit_hooks.failure import Localiser
    from credit_hooks.trajectory import Trajectory

__all__ = ["localise", "read_localiser"]

localise = typer.Typer(
    name="localise",
    help="Learn where runs first go wrong from your own labelled failures.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@localise.command("fit")
def fit(
    *,
    store: StorePath = STORE,
    output: Annotated[Path, typer.Option("-o", "--output", help="File to write.")] = Path("localiser.json"),
    l2: Annotated[
        float | None, typer.Option(min=0.0001, help="Penalty; if left out, chosen by cross-validation.")
    ] = None,
    folds: Annotated[int, typer.Option(min=0, help="Parts for held-out accuracy; 0 leaves it out.")] = 10,
) -> None:
    """Fit a localiser on the failed runs of the store that carry a first-error label."""
    from credit_hooks.credit import fit_localiser

    check_output(output, store)
    with RunStore(store, read_only=True) as opened, run_progress() as progress:
        task = progress.add_task("localise", total=len(opened))
        fitted = fit_localiser(_labelled(opened, lambda: progress.advance(task)), l2=l2, folds=folds)
    output.write_text(fitted.to_json() + "\n", encoding="utf-8")
    _show(fitted)
    screen().print(
        plain(
            f"\nwrote {output}. Use it: credit-hooks score PATH --localiser {output}, or in a program "
            f"CreditConfig(localiser=Localiser.from_json(Path({str(output)!r}).read_text()))"
        )
    )


@localise.command("show")
def show(path: Annotated[Path, typer.Argument(metavar="FILE", help="What `fit` wrote.")]) -> None:
    """Show what a localiser looks at, and how well it did on runs that were held out."""
    _show(read_localiser(path))


def read_localiser(path: Path) -> Localiser:
    """The localiser in a file.

    Raises:
        ConfigurationError: it holds none that can be used here; the message names the file.
    """
    from credit_hooks.failure import Localiser

    try:
        return Localiser.from_json(path.read_bytes())
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error}") from error


def _labelled(store: RunStore, advance: object) -> Iterator[Trajectory]:
    """Failed runs of the store, one at a time; damaged ones are reported."""
    assert callable(advance)
    for summary in store.list():
        try:
            run = store.get(summary.id)
        except DamagedRunError as error:
            fail(f"left out: {error}")
            continue
        finally:
            advance()
        outcome = run.trajectory.outcome
        if outcome is not None and (outcome.success is False or run.credit.total < 0):
            yield run.trajectory


def _show(fitted: Localiser) -> None:
    console = screen()
    left = f", {fitted.left_out} left out as their label names no message that can be to blame" * bool(fitted.left_out)
    console.print(plain(f"fitted on {fitted.runs} labelled failures{left}, penalty {fitted.l2:g}", "bold"))
    for part in (_weights(fitted), _accuracy(fitted)):
        console.print()
        console.print(part)
    console.print()
    console.print(plain(fitted.note))


def _weights(fitted: Localiser) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("feature", no_wrap=True)
    table.add_column("log-odds per standard deviation", justify="right")
    for feature in sorted(fitted.features, key=lambda feature: (-abs(feature.weight), feature.name)):
        if abs(feature.weight) >= 0.005:
            table.add_row(f"{feature.name}/{feature.version}", amount(round(feature.weight, 3)))
    return table


def _accuracy(fitted: Localiser) -> RenderableType:
    found = fitted.validation
    if found is None:
        return Text("held-out accuracy: not measured; too few labelled tasks, or --folds 0")
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column(f"on {found.runs} runs, their tasks held out", no_wrap=True)
    table.add_column("exact message", justify="right")
    table.add_column("among three", justify="right")
    table.add_row("this localiser", f"{found.step:.2f}", f"{found.top_3:.2f}")
    table.add_row("uniform random message", f"{found.uniform_step:.2f}", "")
    table.add_row("constant place, learnt on the others", f"{found.constant_step:.2f}", "")
    return table
