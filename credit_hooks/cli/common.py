"""What several commands need: their options, the store, optional parts, JSON on standard output."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from credit_hooks.cli.screen import plain, progress_screen
from credit_hooks.errors import ConfigurationError, MissingExtraError, StoreError
from credit_hooks.rewards import CreditedRun
from credit_hooks.store import RunStore

__all__ = [
    "STORE",
    "RunId",
    "StorePath",
    "check_output",
    "fail",
    "get_run",
    "load_part",
    "pairs",
    "print_json",
    "run_progress",
]

StorePath = Annotated[Path, typer.Option("--store", envvar="CREDIT_HOOKS_STORE", help="The run store, a SQLite file.")]
RunId = Annotated[str, typer.Argument(metavar="RUN", help="Run id, or the start of one.")]
STORE = Path("runs.db")


def fail(message: str, code: int = 2) -> int:
    """Print one line of error on standard error; the exit code back."""
    progress_screen().print(plain("credit-hooks: " + " ".join(message.split())), soft_wrap=True)
    return code


def run_progress() -> Progress:
    """A bar that counts runs, on standard error and only in a terminal."""
    console = progress_screen()
    columns = (BarColumn(), TextColumn("{task.completed} runs"), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def get_run(store: Path, run_id: str | None) -> CreditedRun:
    """One stored run, by id or its start; the newest if None.

    Raises:
        StoreError: there is none, or several.
    """
    with RunStore(store, read_only=True) as opened:
        if run_id is not None:
            return opened.get(run_id)
        newest = opened.latest()
    if newest is None:
        raise StoreError(f"the store {store} is empty: record or score a run first")
    return newest


def check_output(output: Path, store: Path) -> None:
    """Refuse to write over the run store, or over any other SQLite database: what is in there cannot be made again.

    Raises:
        ConfigurationError: `output` is such a file.
    """
    if not output.is_file():
        return
    if store.exists() and output.samefile(store):
        raise ConfigurationError(f"{output} is the run store itself, which would be lost: choose another file to write")
    with output.open("rb") as file:
        if file.read(len(_SQLITE)) == _SQLITE:
            raise ConfigurationError(
                f"{output} is a SQLite database, which would be lost: choose another file to write"
            )


_SQLITE = b"SQLite format 3\0"
"""How every such file begins."""


def load_part(module: str, feature: str, extra: str) -> Any:
    """A part that the command line may lack: by name, as the core does not import it."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name == module or not (error.name or "").startswith("credit_hooks"):
            raise MissingExtraError(feature, extra) from error
        raise


def pairs(given: list[str] | None, flag: str) -> dict[str, Any]:
    """Options typed as `name=value`; values are JSON where they can be.

    Raises:
        ConfigurationError: one is not of this form.
    """
    options: dict[str, Any] = {}
    for pair in given or []:
        name, found, value = pair.partition("=")
        if not found:
            raise ConfigurationError(f"{flag} {pair!r} is no name=value")
        try:
            options[name] = json.loads(value)
        except ValueError:
            options[name] = value
    return options


def print_json(value: Any, indent: int | None = None) -> None:
    """JSON on standard output, as the terminal can show it."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(value, ensure_ascii=True, indent=indent)
    sys.stdout.write(text + "\n")
