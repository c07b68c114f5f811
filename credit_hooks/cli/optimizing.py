"""How an optimisation looks in the terminal: attempts as they end, then before and after, then diffs with evidence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from credit_hooks.cli.screen import plain
from credit_hooks.prompts import Attempt, Edit, Optimization
from credit_hooks.prompts.frozen import freeze

__all__ = ["attempt_line", "outcome_view", "write_prompts"]

_STYLES = {"+": "blue", "-": "red", "@": "dim"}  # signs say the same as colour


def attempt_line(attempt: Attempt) -> Text:
    """One attempt, as soon as it is over."""
    line = plain(
        f"{attempt.number:>3}. {', '.join(attempt.roles)}: {attempt.decision}", "bold" * (attempt.decision == "kept")
    )
    if attempt.tasks:
        line += Text(
            f"  wrong to right {attempt.wrong_to_right}, right to wrong {attempt.right_to_wrong}"
            f" of {attempt.tasks} held-out tasks"
        )
    for edit in attempt.edits:
        if edit.problem is not None:
            line += plain(f"\n     {edit.role}: {edit.problem}", "yellow")
    return line


def outcome_view(found: Optimization) -> Iterator[RenderableType]:
    """The whole result."""
    yield Text()
    yield _before_and_after(found)
    for attempt in found.kept:
        for edit in attempt.edits:
            if edit.after is not None:
                yield from _edit(edit, attempt)
    yield plain(f"\n{found.stopped}")
    yield Text(
        f"{found.spent.system_runs} of {found.budget.system_runs} system runs, "
        f"{found.spent.model_calls} of {found.budget.model_calls} model calls"
        + (f", {found.read} read from the store" if found.read else ""),
        style="dim",
    )


def _before_and_after(found: Optimization) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("mean score on")
    for name in ("before", "after", "tasks"):
        table.add_column(name, justify="right")
    before, after = found.scores_before, found.scores_after
    table.add_row("held-out tasks", _percent(before.held_out), _percent(after.held_out), str(after.held_out_tasks))
    table.add_row("training tasks", _percent(before.train), _percent(after.train), str(after.train_tasks))
    changed = ", ".join(found.changed) or "none"
    table.add_row("changed blocks", "", plain(changed), f"{len(found.changed)} of {len(found.after)}")
    return table


def _percent(score: float | None) -> str:
    return "-" if score is None else f"{100 * score:.1f}%"


def _edit(edit: Edit, attempt: Attempt) -> Iterator[RenderableType]:
    yield Text()
    for line in edit.diff().splitlines():
        yield plain(line, _STYLES.get(line[:1], ""))
    if edit.diagnosis:
        yield plain(f"  the critic: {edit.diagnosis}")
    yield Text(
        f"  evidence: {attempt.wrong_to_right} tasks gained, {attempt.right_to_wrong} lost of {attempt.tasks}; "
        f"critic saw {', '.join(run_id[:8] for run_id in edit.evidence)}",
        style="dim",
    )


def write_prompts(found: Optimization, folder: Path) -> None:
    """The resulting prompts, one text file per block, and a manifest."""
    freeze(found.prompts, folder, source=found.team, overwrite=True)
