"""`credit-hooks review`."""

from __future__ import annotations

import getpass
import sys
from io import TextIOWrapper
from typing import Annotated

import typer

from credit_hooks.cli.common import STORE, StorePath, fail
from credit_hooks.cli.screen import plain, screen
from credit_hooks.store import RunStore

__all__ = ["review"]


def review(
    *,
    store: StorePath = STORE,
    below: Annotated[
        float, typer.Option(min=0.0, max=1.01, help="Only first errors less probable than this; 1.01 for all.")
    ] = 0.5,
    queued: Annotated[
        bool, typer.Option("--queued", help="Only runs that triage has queued; --below is 1.01.")
    ] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Runs at most.")] = None,
    annotator: Annotated[
        str | None, typer.Option("--as", metavar="NAME", help="Who says so; your login name if left out.")
    ] = None,
) -> None:
    """Confirm or move the first error of runs where it is uncertain; quit and go on whenever you like."""
    from credit_hooks.cli.reviewing import Review, queue

    console = screen()
    # A run that ended without an outcome has no first error, so that reading is all that a look at the queue takes.
    with RunStore(store, read_only=True) as opened:
        below = 1.01 if queued else below
        waiting = queue(opened, below=below, on_error=lambda message: _report(message), queued=queued)
    if not waiting and queued:
        console.print(plain(f"nothing to review in {store}: triage has queued no run that is not labelled yet"))
        return
    if not waiting:
        console.print(plain(f"nothing to review in {store}: no unlabelled first error is less probable than {below:g}"))
        return
    if isinstance(sys.stdin, TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")  # what was typed in another encoding is no reason to end
    with RunStore(store) as opened:
        session = Review(opened, annotator=annotator or _login(), screen=console, read=_read)
        session.run(waiting[:limit])
    left = len(waiting) - session.labelled
    console.print(plain(f"\n{session.labelled} labelled, {session.skipped} skipped, {left} left to review"))
    if session.labelled:
        console.print(plain(f"fit a localiser on the labels: credit-hooks localise fit --store {store}"))


def _report(message: str) -> None:
    fail(f"left out: {message}")


def _read(prompt: str) -> str | None:
    """One line from standard input, typed or piped; None at its end."""
    sys.stdout.write(prompt)
    sys.stdout.flush()
    line = sys.stdin.readline()
    if not line:
        sys.stdout.write("\n")
        return None
    if not sys.stdin.isatty():
        sys.stdout.write(line if line.endswith("\n") else line + "\n")  # so that a record of the session can be read
    return line


def _login() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container without an entry for the user
        return "unknown"
