"""`credit-hooks agents`: agents and roles over all runs of a store, as tables and as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from credit_hooks.cli.screen import SignedBar, amount, plain
from credit_hooks.credit.siblings import Interval, PromptEffect, SiblingIndex, Standing, Standings
from credit_hooks.rewards import CreditedRun

__all__ = ["StoreView", "as_json", "recredited", "summary", "view"]

_MOST = 30
_REFUSED = "no evidence from sibling runs: "


class StoreView(NamedTuple):
    """What the command found."""

    standings: Standings
    siblings: SiblingIndex | None
    """None: the stored credit was taken as it is."""
    refusals: Counter[str]
    """Runs whose siblings were not used, by reason."""
    used: int
    """Runs whose siblings were used."""


def recredited(runs: Callable[[], Iterable[CreditedRun]], index: SiblingIndex) -> Iterator[CreditedRun]:
    """All runs of a store, read twice: once to learn of all, once to credit each by what the others say."""
    for run in runs():
        index.add(run.trajectory)
    for run in runs():
        yield index.credited(run.trajectory)


def summary(runs: Iterable[CreditedRun], index: SiblingIndex | None) -> StoreView:
    """Standings of runs, and how often evidence from siblings was used or refused."""
    standings, refusals, used = Standings(), Counter[str](), 0
    for run in runs:
        standings.add(run)
        used += "+siblings" in run.credit.method
        refusals.update(note.removeprefix(_REFUSED) for note in run.credit.notes if note.startswith(_REFUSED))
    return StoreView(standings, index, refusals, used)


# --- Tables -------------------------------------------------------------------------------------------------------


def view(found: StoreView, width: int) -> RenderableType:
    """Head line, agents, roles, prompts that were changed."""
    standings = found.standings
    head = Text(f"{standings.runs} runs, {standings.credited} credited, of {standings.tasks} tasks", style="bold")
    parts: list[RenderableType] = [head, *map(plain, _about_siblings(found))]
    agents, roles = standings.agents(), standings.roles()
    if agents:
        parts += [Text(), _table("agent", agents, width)]
    if len(roles) > 1:
        parts += [Text(), _table("role", roles, width)]
    if agents:
        tested = next((s.drift is not None for s in agents if s.runs == max(a.runs for a in agents)), False)
        parts += [Text(), *(Text(line, style="dim") for line in _legend(tested))]
    if found.siblings is not None and found.siblings.prompt_effects:
        parts += [Text(), _prompts(found.siblings.prompt_effects)]
    return Group(*parts)


def _about_siblings(found: StoreView) -> Iterator[str]:
    if found.siblings is None:
        yield "credit as it is stored"
        return
    gate = found.siblings.gate
    yield f"credit with evidence from runs of the same task, used in {found.used} runs" + (
        f", gate {gate.strength:.2f} (z = {gate.z:.1f})" if not gate.reason else ""
    )
    for reason, count in found.refusals.most_common():
        yield f"  not used in {count} runs: {reason}"


def _legend(tested: bool) -> Iterator[str]:
    yield "95% intervals with the task as the unit; drift: change from the first run to the last, * p < .05 after Holm"
    if not tested:
        yield "drift is tested from 10 runs and 5 tasks on"


def _table(title: str, standings: Sequence[Standing], width: int) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column(title, no_wrap=True, overflow="ellipsis", max_width=28)
    for name in ("runs", "messages", "credit per run", "per message", "drift"):
        table.add_column(name, justify="right", no_wrap=True)
    if width >= 110:
        table.add_column("")
    largest = max(abs(standing.credit.mean) for standing in standings)
    shown = standings if len(standings) <= _MOST else [*standings[: _MOST // 2], *standings[-_MOST // 2 :]]
    for standing in shown:
        cells: list[RenderableType] = [
            plain(standing.name),
            str(standing.runs),
            str(standing.messages),
            _interval(standing.credit),
            _interval(standing.per_message),
            _drift(standing),
            SignedBar(standing.credit.mean, largest),
        ]
        table.add_row(*cells[: len(table.columns)])
    if len(standings) > _MOST:
        table.caption = f"the {_MOST // 2} highest and the {_MOST // 2} lowest of {len(standings)}"
    return table


def _interval(interval: Interval) -> Text:
    if interval.low is None or interval.high is None:
        return Text.assemble(amount(interval.mean), " ", Text("(one task)", style="dim"))
    return Text.assemble(amount(interval.mean), Text(f" [{interval.low:+.3f}, {interval.high:+.3f}]", style="dim"))


def _drift(standing: Standing) -> Text:
    if standing.drift is None:
        return Text("-", style="dim")
    star = "*" if standing.drift.p_adjusted < 0.05 else " "
    return Text.assemble(amount(standing.drift.change), star, Text(f" p={standing.drift.p_adjusted:.2f}", style="dim"))


def _prompts(effects: Sequence[PromptEffect]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("changed prompt of", no_wrap=True, overflow="ellipsis", max_width=28)
    table.add_column("sha256", no_wrap=True)
    for name in ("runs", "outcome against the agent's mean", ""):
        table.add_column(name, justify="right")
    for effect in effects:
        reach = 1.96 * effect.std_err
        span = Text(f" [{effect.effect - reach:+.3f}, {effect.effect + reach:+.3f}]", style="dim")
        told = "told apart" if effect.told_apart else "not told from chance"
        shown = Text.assemble(amount(effect.effect), span)
        table.add_row(plain(effect.actor_id), effect.digest[:12], str(effect.runs), shown, told)
    return table


# --- JSON ---------------------------------------------------------------------------------------------------------


def as_json(found: StoreView) -> dict[str, Any]:
    """All that the tables show and more, as JSON."""
    standings, index = found.standings, found.siblings
    siblings = None
    if index is not None:
        siblings = {
            "used": found.used,
            "refused": dict(found.refusals.most_common()),
            "gate": index.gate._asdict(),
            "prompts": [{**effect._asdict(), "told_apart": effect.told_apart} for effect in index.prompt_effects],
            "prompts_reason": index.prompt_reason,
        }
    return {
        "runs": standings.runs,
        "credited": standings.credited,
        "tasks": standings.tasks,
        "siblings": siblings,
        "agents": [_standing_json(standing) for standing in standings.agents()],
        "roles": [_standing_json(standing) for standing in standings.roles()],
    }


def _standing_json(standing: Standing) -> dict[str, Any]:
    nested = {
        "credit": standing.credit._asdict(),
        "per_message": standing.per_message._asdict(),
        "drift": None if standing.drift is None else standing.drift._asdict(),
    }
    return {**standing._asdict(), **nested}
