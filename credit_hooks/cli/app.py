"""The commands, each a few lines over the library."""

from __future__ import annotations

import json
import sys
from importlib import import_module, metadata
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from credit_hooks.cli.screen import plain, progress_screen, screen, set_colour
from credit_hooks.cli.tables import run_view, runs_table
from credit_hooks.errors import ConfigurationError, CreditHooksError, MissingExtraError, StoreError, TrajectoryError
from credit_hooks.rewards import CreditedRun
from credit_hooks.store import RunStore

__all__ = ["app", "run"]

app = typer.Typer(
    name="credit-hooks",
    help="Who gets the reward and who gets the blame when a team of LLM agents succeeds or fails.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

StorePath = Annotated[Path, typer.Option("--store", envvar="CREDIT_HOOKS_STORE", help="The run store, a SQLite file.")]
RunId = Annotated[str, typer.Argument(metavar="RUN", help="Run id, or the start of one.")]
_STORE = Path("runs.db")

# typer may carry its own copy of click, so its exceptions are found by their public subclass.
_ClickException: Any = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")


def run(arguments: list[str] | None = None) -> int:
    """Run one command; every error that a user can mend is one line on standard error and exit code 2."""
    try:
        code = typer.main.get_command(app).main(arguments, prog_name="credit-hooks", standalone_mode=False)
    except _ClickException as error:
        return _fail(f"{error.format_message().rstrip('.')}. Try 'credit-hooks --help'.")
    except typer.Abort:
        return _fail("interrupted", code=130)
    except CreditHooksError as error:
        return _fail(str(error))
    except OSError as error:
        return _fail(f"{error.filename or 'input/output'}: {error.strerror or error}")
    return code if isinstance(code, int) else 0


def _fail(message: str, code: int = 2) -> int:
    progress_screen().print(plain("credit-hooks: " + " ".join(message.split())), soft_wrap=True)
    return code


def _version(wanted: bool) -> None:
    if wanted:
        screen().print(f"credit-hooks {metadata.version('credit-hooks')}")
        raise typer.Exit


@app.callback()
def options(
    *,
    no_color: Annotated[
        bool, typer.Option("--no-color", help="Print without colour; NO_COLOR=1 does the same.")
    ] = False,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Say so.")] = False,
) -> None:
    """Options of all commands."""
    set_colour(not no_color)


@app.command("list")
def list_runs(
    *,
    store: StorePath = _STORE,
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
            _print_json(summary._asdict())
        return
    console = screen()
    if not runs:
        console.print(plain(f"no runs in {store}" if not total else f"none of the {total} runs in {store} matches"))
        return
    console.print(runs_table(runs, console.width))
    if len(runs) < total:
        console.print(f"{len(runs)} of {total} runs", style="dim")


@app.command()
def show(
    run_id: RunId,
    *,
    store: StorePath = _STORE,
    as_json: Annotated[bool, typer.Option("--json", help="The run and its credit as JSON.")] = False,
) -> None:
    """Show one run: agents, messages, rewards, the first error."""
    found = _get(store, run_id)
    if as_json:
        _print_json(found.model_dump(), indent=2)
        return
    console = screen()
    console.print(run_view(found, console.width))


@app.command()
def report(
    run_id: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="Run id or its start; the newest if left out.")
    ] = None,
    *,
    store: StorePath = _STORE,
    output: Annotated[Path, typer.Option("-o", "--output", help="File to write, or - for standard output.")] = Path(
        "report.html"
    ),
) -> None:
    """Write one run as a self-contained HTML page."""
    from credit_hooks.report import render

    found = _get(store, run_id)
    page = render(found)
    if str(output) == "-":
        sys.stdout.buffer.write(page.encode())
        return
    output.write_text(page, encoding="utf-8")
    screen().print(plain(f"wrote {output} ({len(page.encode()) / 1000:.0f} kB) for run {found.trajectory.id}"))


@app.command()
def score(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Logs or traces, files or folders of them.")],
    *,
    store: StorePath = _STORE,
    dialect: Annotated[str, typer.Option(help="What wrote them; auto: whatever recognises them.")] = "auto",
    baseline: Annotated[float, typer.Option(min=0.0, max=1.0, help="Expected outcome of a run.")] = 0.5,
) -> None:
    """Read logs or traces, credit every run, keep them in the store."""
    from credit_hooks.cli.scoring import Tally, credited
    from credit_hooks.credit import CreditConfig

    read = _load("credit_hooks_adapters", "reading logs", "adapters").read
    errors: list[TrajectoryError] = []
    trajectories = read(paths, dialect, on_error=errors.append)
    tally = Tally()
    with RunStore(store) as opened, _progress() as progress:
        task = progress.add_task("score", total=None)  # how many runs the files hold shows only at their end
        for found in credited(trajectories, CreditConfig(baseline=baseline), opened.put):
            tally.add(found)
            progress.advance(task)
    for error in errors:
        _fail(f"left out: {error}")
    console = screen()
    if not tally.runs:
        _fail("nothing could be read: name files or folders of traces or logs")
        raise typer.Exit(1)
    console.print(tally.view())
    console.print(plain(f"\nkept in {store}: credit-hooks list --store {store}"))


@app.command()
def export(
    *,
    output: Annotated[
        Path,
        typer.Option("-o", "--output", "--out", help="A file (.jsonl, .parquet), or a folder: splits, card, manifest."),
    ],
    form: Annotated[str, typer.Option("-f", "--format", help="Name of a format, such as trl-dpo.")] = "messages",
    store: StorePath = _STORE,
    since: Annotated[str | None, typer.Option(help="'last': go on where the last export to the folder ended.")] = None,
    agent: Annotated[list[str] | None, typer.Option(help="Only messages of this agent; may be repeated.")] = None,
    threshold: Annotated[float | None, typer.Option(help="Rewards of this size or less are no lesson.")] = None,
    split: Annotated[list[str] | None, typer.Option(help="Share of the tasks, like train=0.9; repeated.")] = None,
    option: Annotated[list[str] | None, typer.Option(help="Option of the format, as name=value.")] = None,
    follow: Annotated[bool, typer.Option("--follow", help="Go on beside a running application.")] = False,
    interval: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks at the store.")] = 5.0,
) -> None:
    """Write all runs as training data."""
    from credit_hooks.cli.exporting import export_all, wording

    asked = {"agents": agent, "threshold": threshold}
    options = _pairs(option, "--option") | {name: value for name, value in asked.items() if value is not None}
    splits = _pairs(split, "--split") or None
    exporting = _load("credit_hooks_exporters", "training data", "all")
    with _progress() as progress:
        task = progress.add_task("export", total=None)
        for manifest in export_all(
            exporting,
            store,
            form,
            output,
            options | {"since": since, "splits": splits},
            follow=interval if follow else None,
            progress=lambda done, total: progress.update(task, completed=done, total=total or None),
        ):
            screen().print(plain(wording(manifest)))


@app.command()
def demo(
    *,
    model: Annotated[str | None, typer.Option(help="provider:name of a real model; a local one if left out.")] = None,
    store: StorePath = _STORE,
    report_path: Annotated[Path, typer.Option("--report", help="HTML file to write.")] = Path("report.html"),
) -> None:
    """Run a small team on word problems and show who earned what."""
    run_demo = _load("credit_hooks.demo.run", "the demo", "demo").run_demo
    run_demo(model, store, report_path, Console(no_color=screen().no_color))


def _progress() -> Progress:
    console = progress_screen()
    columns = (BarColumn(), TextColumn("{task.completed} runs"), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def _get(store: Path, run_id: str | None) -> CreditedRun:
    with RunStore(store, read_only=True) as opened:
        if run_id is not None:
            return opened.get(run_id)
        newest = opened.latest()
    if newest is None:
        raise StoreError(f"the store {store} is empty: record or score a run first")
    return newest


def _load(module: str, feature: str, extra: str) -> Any:
    """A part that the command line may lack: by name, as the core does not import it."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name == module or not (error.name or "").startswith("credit_hooks"):
            raise MissingExtraError(feature, extra) from error
        raise


def _pairs(pairs: list[str] | None, flag: str) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for pair in pairs or []:
        name, found, value = pair.partition("=")
        if not found:
            raise ConfigurationError(f"{flag} {pair!r} is no name=value")
        try:
            options[name] = json.loads(value)
        except ValueError:
            options[name] = value
    return options


def _print_json(value: Any, indent: int | None = None) -> None:
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(value, ensure_ascii=True, indent=indent)
    sys.stdout.write(text + "\n")
