"""Runs the demo: the team on every problem under the callback, then who earned what."""

from __future__ import annotations

import importlib.util
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from langchain.chat_models import init_chat_model
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import HumanMessage
from langchain_core.runnables import Runnable
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from credit_hooks.demo.model import ArithmeticChatModel
from credit_hooks.demo.outcome import evaluate
from credit_hooks.demo.problems import PROBLEMS
from credit_hooks.demo.summary import agent_credits, compared_table, credit_table, most_instructive
from credit_hooks.demo.team import ROLES, build_team
from credit_hooks.errors import ConfigurationError
from credit_hooks.langgraph import CreditCallback
from credit_hooks.report import render
from credit_hooks.rewards import CreditedRun

__all__ = ["run_demo"]


def run_demo(model: str | None, store: Path, report: Path, console: Console) -> None:
    """Run the team on all problems, print the credit table, write the store and the report.

    Args:
        model: `provider:name` as `langchain.chat_models.init_chat_model` takes it. None: the local model.
        store: SQLite file that the runs are added to.
        report: HTML file to write.
        console: Where to print.

    Raises:
        ConfigurationError: the model cannot be used: its package or API key is missing, or its provider refuses.
    """
    store.parent.mkdir(parents=True, exist_ok=True)
    report.parent.mkdir(parents=True, exist_ok=True)
    callback = CreditCallback(evaluate=evaluate, store=store)
    with _foreign(model):
        team = build_team(_chat_model(model), cue=model is not None)
        _solve_all(team, callback, console)
    callback.flush()
    runs = callback.runs
    _tell(runs, callback.failures, console)
    if model is None:  # a real model is asked once per problem, not twice
        _compare(runs, store, console)
    if (chosen := most_instructive(runs)) is not None:
        report.write_text(render(chosen), encoding="utf-8")
        _print_next(chosen, store, report, console)


def _tell(runs: Sequence[CreditedRun], failures: Sequence[str], console: Console) -> None:
    solved = sum(run.credit.outcome == 1.0 for run in runs)
    console.print(f"\n{solved} of {len(runs)} problems solved. Who earned it, and whose fault were the others?\n")
    console.print(credit_table(runs))
    _print_lowest(runs, console)
    for failure in failures:
        console.print(Text(failure, style="yellow"))


def _compare(runs: Sequence[CreditedRun], store: Path, console: Console) -> None:
    """The same team in AutoGen, and its credit beside this one's."""
    if importlib.util.find_spec("autogen_agentchat") is None:
        console.print("The same team in AutoGen, side by side: pip install 'credit-hooks[autogen]'\n")
        return
    from credit_hooks.demo.autogen_team import solve_with_autogen

    with _progress("AutoGen", console) as advance:
        theirs = solve_with_autogen(ArithmeticChatModel(), store, solved=advance)
    console.print(compared_table({"LangGraph": runs, "AutoGen": theirs}))
    console.print("Members of an AutoGen team are given each other's answers, but not their calls of the calculator.\n")


def _chat_model(name: str | None) -> BaseChatModel:
    return ArithmeticChatModel() if name is None else init_chat_model(name, temperature=0)


def _solve_all(team: Runnable[Any, Any], callback: CreditCallback, console: Console) -> None:
    with _progress("LangGraph", console) as advance:
        for problem in PROBLEMS:
            team.invoke(
                {"messages": [HumanMessage(problem.text)]},
                config={"callbacks": [callback], "metadata": {"task_id": problem.id}},
            )
            advance()


@contextmanager
def _progress(framework: str, console: Console) -> Iterator[Callable[[], None]]:
    """A bar over the problems; what it gives is called after each."""
    columns = (TextColumn("{task.description:<12}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(framework, total=len(PROBLEMS))
        yield lambda: progress.advance(task)


@contextmanager
def _foreign(model: str | None) -> Iterator[None]:
    """Turn whatever a provider's package raises into an error that says what to do."""
    try:
        yield
    except ImportError as error:
        raise ConfigurationError(f"{model}: {error}") from error
    except Exception as error:
        if model is None:
            raise
        raise ConfigurationError(
            f"the model {model!r} cannot be used: {type(error).__name__}: {error}\n"
            "It is named provider:name, for example openai:gpt-4o-mini, and needs its provider's API key in the "
            "environment. Without --model the demo runs on a local model."
        ) from error


def _print_lowest(runs: Sequence[CreditedRun], console: Console) -> None:
    instructions = {role.name: role.instructions for role in ROLES}
    agents = [row for row in agent_credits(runs) if row.name in instructions]
    if agents:
        lowest = agents[-1].name
        console.print(Text.assemble("Lowest: ", (lowest, "bold"), f". What it was told: {instructions[lowest]}\n"))


def _print_next(chosen: CreditedRun, store: Path, report: Path, console: Console) -> None:
    run_id, ended = chosen.trajectory.id, "failed" if chosen.credit.total < 0 else "succeeded"
    console.print(f"Most instructive run: {chosen.trajectory.task_id or run_id}, which {ended}.\n")
    where = f"--store {shlex.quote(str(store))}"
    steps = (
        (str(report), "its messages, who read what, and what each one earned: open it in a browser"),
        (f"credit-hooks show {run_id} {where}", "the same in the terminal"),
        (f"credit-hooks list {where}", "all runs"),
        ("graph.invoke(inputs, config={'callbacks': [CreditCallback(evaluate=...)]})", "your own graph"),
    )
    for what, meaning in steps:
        console.print(Text.assemble("  ", (what, "bold"), f"\n      {meaning}"), soft_wrap=True)
