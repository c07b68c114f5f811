"""The command line: one table of commands, options of all of them, errors as one line."""

from __future__ import annotations

from collections.abc import Callable
from importlib import metadata
from typing import Annotated, Any

import typer

from credit_hooks.cli.commands.agents import agents
from credit_hooks.cli.commands.annotate import annotate
from credit_hooks.cli.commands.demo import demo
from credit_hooks.cli.commands.explain import explain
from credit_hooks.cli.commands.export import export
from credit_hooks.cli.commands.freeze import freeze
from credit_hooks.cli.commands.localise import localise
from credit_hooks.cli.commands.optimize import optimize
from credit_hooks.cli.commands.report import report
from credit_hooks.cli.commands.review import review
from credit_hooks.cli.commands.runs import list_runs, show
from credit_hooks.cli.commands.score import score
from credit_hooks.cli.common import fail
from credit_hooks.cli.screen import screen, set_colour
from credit_hooks.errors import CreditHooksError

__all__ = ["app", "run"]

app = typer.Typer(
    name="credit-hooks",
    help="Who gets the reward and who gets the blame when a team of LLM agents succeeds or fails.",
    invoke_without_command=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

# typer may carry its own copy of click, so its exceptions are found by their public subclass.
_ClickException: Any = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")


def run(arguments: list[str] | None = None) -> int:
    """Run one command; every error that a user can mend is one line on standard error and exit code 2."""
    try:
        code = typer.main.get_command(app).main(arguments, prog_name="credit-hooks", standalone_mode=False)
    except _ClickException as error:
        return fail(f"{error.format_message().rstrip('.')}. Try 'credit-hooks --help'.")
    except typer.Abort:
        return fail("interrupted", code=130)
    except CreditHooksError as error:
        return fail(str(error))
    except OSError as error:
        return fail(f"{error.filename or 'input/output'}: {error.strerror or error}")
    return code if isinstance(code, int) else 0


def _version(wanted: bool) -> None:
    if wanted:
        screen().print(f"credit-hooks {metadata.version('credit-hooks')}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    *,
    no_color: Annotated[
        bool, typer.Option("--no-color", help="Print without colour; NO_COLOR=1 does the same.")
    ] = False,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Say so.")] = False,
) -> None:
    """Options of all commands."""
    set_colour(not no_color)
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


_COMMANDS: dict[str, Callable[..., None]] = {
    "list": list_runs,
    "show": show,
    "explain": explain,
    "report": report,
    "score": score,
    "agents": agents,
    "export": export,
    "annotate": annotate,
    "review": review,
    "optimize": optimize,
    "freeze": freeze,
    "demo": demo,
}
for _name, _command in _COMMANDS.items():
    app.command(_name)(_command)
app.add_typer(localise)
