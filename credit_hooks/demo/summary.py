"""Credit over many runs of one team: a row per agent, and the run that teaches most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from rich import box
from rich.table import Table
from rich.text import Text

from credit_hooks.rewards import CreditedRun

__all__ = ["AgentCredit", "agent_credits", "compared_table", "credit_table", "most_instructive"]

_HALF_BAR = 7
"""Width of either side of a bar, in characters."""


class AgentCredit(NamedTuple):
    """What one agent earned over all runs."""

    name: str
    kind: str
    mean: float
    """Per run of the team, in which it took part or not."""
    total: float
    in_successes: float
    """Mean over the runs that succeeded; 0.0 if none did."""
    in_failures: float
    """Mean over the runs that failed; 0.0 if none did."""
    first_errors: int
    """Failed runs in which it made the first error."""


def agent_credits(runs: Sequence[CreditedRun]) -> list[AgentCredit]:
    """All actors of these runs, highest mean credit first. Runs that were not credited are left out."""
    runs = [run for run in runs if run.credit.status == "credited"]
    kinds = {actor.name: str(actor.kind) for run in runs for actor in run.trajectory.actors}
    rows = [_agent_credit(name, kind, runs) for name, kind in kinds.items()]
    return sorted(rows, key=lambda row: (-row.mean, row.name))


def _agent_credit(name: str, kind: str, runs: Sequence[CreditedRun]) -> AgentCredit:
    def mean(chosen: Sequence[CreditedRun]) -> float:
        return sum(_credit_of(name, run) for run in chosen) / len(chosen) if chosen else 0.0

    return AgentCredit(
        name,
        kind,
        mean(runs),
        sum(_credit_of(name, run) for run in runs),
        mean([run for run in runs if run.credit.total > 0]),
        mean([run for run in runs if run.credit.total < 0]),
        sum(name == _first_to_err(run) for run in runs),
    )


def _credit_of(name: str, run: CreditedRun) -> float:
    return sum(run.credit.agents.get(actor.id, 0.0) for actor in run.trajectory.actors if actor.name == name)


def _first_to_err(run: CreditedRun) -> str | None:
    error = run.credit.first_error
    return None if error is None else run.trajectory.actor_by_id[error.actor_id].name


def credit_table(runs: Sequence[CreditedRun]) -> Table:
    """The table to print: signed bars, then means, sums and first errors."""
    rows = agent_credits(runs)
    largest = max((abs(row.mean) for row in rows), default=0.0)
    table = Table(box=box.SIMPLE_HEAD, title=f"Credit over {len(runs)} runs", title_justify="left", title_style="bold")
    table.add_column("agent", no_wrap=True)
    table.add_column("credit per run", justify="center", no_wrap=True)
    for heading in ("mean", "solved", "failed", "sum"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("first\nerrors", justify="right")
    for row in rows:
        if row.kind not in ("agent", "unknown") and row.total == 0.0:
            continue  # whoever asked, and tools that only did as they were told
        figures = (_signed(value) for value in (row.mean, row.in_successes, row.in_failures, row.total))
        name = Text(row.name, style="" if row.kind == "agent" else "dim")
        table.add_row(name, _bar(row.mean, largest), *figures, str(row.first_errors or ""))
    return table


def _signed(value: float) -> Text:
    return Text(f"{value:+.3f}", style="" if abs(value) < 5e-4 else "green" if value > 0 else "red")


def _bar(value: float, largest: float) -> Text:
    length = round(_HALF_BAR * abs(value) / largest) if largest else 0
    blocks = "█" * length
    left, right = (blocks, "") if value < 0 else ("", blocks)
    bar = Text(left.rjust(_HALF_BAR), style="red")
    bar.append("│", style="dim")
    bar.append(right.ljust(_HALF_BAR), style="green")
    return bar


def compared_table(runs: Mapping[str, Sequence[CreditedRun]]) -> Table:
    """Credit per run, a row per agent, side by side for each framework that the team ran in.

    Args:
        runs: Framework to its runs, the one that decides the order of the rows first.
    """
    table = Table(title="The same team in each framework", title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("agent")
    columns = [{row.name: row for row in agent_credits(of_one)} for of_one in runs.values()]
    for framework in runs:
        table.add_column(f"{framework}\ncredit per run", justify="center", no_wrap=True)
        table.add_column("\nmean", justify="right", no_wrap=True)
    largest = max((abs(row.mean) for column in columns for row in column.values()), default=0.0)
    for name in dict.fromkeys(name for column in columns for name in column):
        rows = [column.get(name) for column in columns]
        if all(row is None or (row.kind not in ("agent", "unknown") and row.total == 0.0) for row in rows):
            continue
        is_agent = any(row is not None and row.kind == "agent" for row in rows)
        cells = [cell for row in rows for cell in _cells(row, largest)]
        table.add_row(Text(name, style="" if is_agent else "dim"), *cells)
    solved = [f"{sum(run.credit.outcome == 1.0 for run in of_one)} of {len(of_one)}" for of_one in runs.values()]
    table.add_section()
    table.add_row("solved", *[cell for found in solved for cell in ("", found)])
    return table


def _cells(row: AgentCredit | None, largest: float) -> tuple[Text, Text]:
    return (Text(""), Text("")) if row is None else (_bar(row.mean, largest), _signed(row.mean))


def most_instructive(runs: Sequence[CreditedRun]) -> CreditedRun | None:
    """The failed run whose credit sets the agents furthest apart; a successful one where none failed. None: no run."""

    def spread(run: CreditedRun) -> tuple[bool, float]:
        shares = run.credit.agents.values()
        return run.credit.total < 0, max(shares, default=0.0) - min(shares, default=0.0)

    return max((run for run in runs if run.credit.status == "credited"), key=spread, default=None)
