"""Runs as tables: many by one line each, or one with its agents and messages."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from credit_hooks.cli.screen import SignedBar, amount, plain
from credit_hooks.report.text import headline
from credit_hooks.rewards import Credit, CreditedRun
from credit_hooks.store import RunSummary
from credit_hooks.trajectory import Trajectory

__all__ = ["bare_table", "run_view", "runs_table"]

_NARROW = 84  # columns below which bars and second-rate columns make room for text


def runs_table(runs: Sequence[RunSummary], width: int) -> Table:
    """One line per run; ids are cut to what tells the listed ones apart."""
    wide, named = width >= _NARROW, any(run.name for run in runs)
    size = _telling_size([run.id for run in runs])
    table = bare_table()
    table.add_column("run", no_wrap=True, min_width=size)
    if named:
        table.add_column("name", no_wrap=True, overflow="ellipsis", max_width=24)
    table.add_column("outcome", justify="right", no_wrap=True, min_width=7)
    if wide:
        table.add_column("recorded", no_wrap=True, min_width=16)
        table.add_column("msgs", justify="right", no_wrap=True, min_width=4)
        table.add_column("best", no_wrap=True, overflow="ellipsis", max_width=26)
        table.add_column("worst", no_wrap=True, overflow="ellipsis", max_width=26)
    table.add_column("first error", no_wrap=True, overflow="ellipsis", max_width=24)
    for run in runs:
        cells = [plain(run.id[:size])]
        cells += [plain(run.name or "-")] if named else []
        cells += [_outcome(run)]
        cells += [Text(_time(run.recorded_at)), Text(str(run.message_count))] if wide else []
        if wide:
            cells += [_agent(run.best_agent, run.best_credit), _agent(run.worst_agent, run.worst_credit)]
        error = "" if run.first_error_index is None else f"#{run.first_error_index} {run.first_error_agent or ''}"
        table.add_row(*cells, plain(error))
    return table


def run_view(run: CreditedRun, width: int) -> RenderableType:
    """Headline, agents with their credit, messages with their rewards."""
    return Group(_headline(run), Text(), _agents(run, width), Text(), _messages(run, width))


def _headline(run: CreditedRun) -> Text:
    trajectory, credit = run.trajectory, run.credit
    lines = [
        plain(trajectory.name or "run", "bold") + plain(f"  {trajectory.id}", "dim"),
        Text(_verdict(credit)),
        *(plain(line) for line in _facts(trajectory, credit)),
    ]
    return Text("\n").join(lines)


def _verdict(credit: Credit) -> str:
    if credit.outcome is None or credit.baseline is None:
        return f"outcome unknown, not credited ({credit.status})"
    total = amount(credit.total).plain
    shared = f"outcome {credit.outcome:.2f} - baseline {credit.baseline:.2f} = {total} to share"
    return shared if credit.status == "credited" else f"{shared}, not credited ({credit.status})"


def _facts(trajectory: Trajectory, credit: Credit) -> Iterator[str]:
    if credit.method:
        evidence = "" if credit.evidence is None else f", evidence {credit.evidence:.2f}"
        yield f"method {credit.method}{evidence}"
    if credit.low_evidence:
        yield "low evidence: signs and sizes rest on little, read them as who could have contributed"
    if credit.first_error is not None:
        error = credit.first_error
        author = trajectory.actor_by_id.get(error.actor_id)
        who = error.actor_id if author is None else author.name
        yield f"first error #{error.index} by {who}, probability {error.probability:.2f} ({error.rule})"
    yield from credit.notes


def _agents(run: CreditedRun, width: int) -> Table:
    written = Counter(message.actor_id for message in run.trajectory.messages)
    credits_ = run.credit.agents
    largest = max((abs(value) for value in credits_.values()), default=0.0)
    names = run.trajectory.actor_by_id
    table = bare_table()
    table.add_column("agent", no_wrap=True, overflow="ellipsis")
    table.add_column("messages", justify="right")
    table.add_column("credit", justify="right", no_wrap=True)
    if width >= 40:
        table.add_column("")
    everyone = sorted(dict.fromkeys([*credits_, *written]), key=lambda actor: -credits_.get(actor, -9.0))
    for actor in everyone:
        value = credits_.get(actor)
        cells: list[RenderableType] = [
            plain(names[actor].name if actor in names else actor),
            str(written[actor]),
            amount(value),
            SignedBar(value, largest),
        ]
        table.add_row(*cells[: len(table.columns)])
    return table


def _messages(run: CreditedRun, width: int) -> Table:
    trajectory, credit = run.trajectory, run.credit
    rewards, names = credit.reward_of, trajectory.actor_by_id
    largest = max((abs(value) for value in rewards.values() if value), default=0.0)
    first = None if credit.first_error is None else credit.first_error.message_id
    answer = trajectory.answer_message
    wide = width >= _NARROW
    table = bare_table(expand=True)
    table.add_column("#", justify="right", no_wrap=True)
    table.add_column("author", no_wrap=True, overflow="ellipsis", max_width=22 if wide else 12)
    table.add_column("reward", justify="right", no_wrap=True)
    if wide:
        table.add_column("", width=17)
    table.add_column("message", ratio=1, no_wrap=True, overflow="ellipsis")
    for message in trajectory.messages:
        value = rewards.get(message.id)
        line = plain(headline(message, max(20, width)))
        if answer is not None and message.id == answer.id:
            line = Text("ANSWER", style="bold") + Text(" ") + line
        if message.id == first:
            line = Text("FIRST ERROR", style="bold reverse") + Text(" ") + line
        author = names[message.actor_id].name if message.actor_id in names else message.actor_id
        bar = [SignedBar(value, largest, 17)] if wide else []
        table.add_row(str(message.index), plain(author), amount(value), *bar, line)
    return table


def bare_table(*, expand: bool = False) -> Table:
    """A table without lines, as all of ours are."""
    return Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0), expand=expand)


def _outcome(run: RunSummary) -> Text:
    if run.outcome is None:
        return Text(run.credit_status.replace("_", " "), style="dim")
    return Text(f"{run.outcome:.2f}")


def _agent(name: str | None, credit: float | None) -> Text:
    return Text("-") if name is None else Text.assemble(amount(credit), " ", plain(name))


def _time(nanoseconds: int) -> str:
    return dt.datetime.fromtimestamp(nanoseconds / 1e9).astimezone().strftime("%Y-%m-%d %H:%M")


def _telling_size(ids: Sequence[str]) -> int:
    """Shortest prefix of at least 8 characters that tells the ids apart; all of them while they are short."""
    longest = max(map(len, ids), default=0)
    if longest <= 20:
        return longest
    return next(size for size in range(8, longest + 1) if len({name[:size] for name in ids}) == len(ids))
