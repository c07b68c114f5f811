"""The HTML page of an optimisation: before and after, every attempt with its choice, its diff and its evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from credit_hooks.report.shell import bar, document
from credit_hooks.report.text import printable

if TYPE_CHECKING:
    from credit_hooks.prompts.optimization import Attempt, Edit, Optimization

__all__ = ["render_optimization"]

_LONGEST = 20_000  # characters of one diff


class _Line(NamedTuple):
    """A line of a diff."""

    kind: str
    """added, removed, place or same: its style class."""
    text: str


def render_optimization(found: Optimization) -> str:
    """See :func:`credit_hooks.report.render_optimization`."""
    return document(
        "optimization",
        team=printable(found.team),
        stopped=printable(found.stopped),
        spent=found.spent,
        budget=found.budget,
        read=found.read,
        kept=len(found.kept),
        changed=[printable(role) for role in found.changed],
        rows=_before_and_after(found),
        attempts=[_attempt(attempt) for attempt in found.attempts],
        prompts=[(printable(block.role), block.kind, printable(block.text)) for block in found.after],
    )


def _before_and_after(found: Optimization) -> list[tuple[str, str, str, int]]:
    before, after = found.scores_before, found.scores_after
    return [
        ("held-out tasks", _percent(before.held_out), _percent(after.held_out), after.held_out_tasks),
        ("training tasks", _percent(before.train), _percent(after.train), after.train_tasks),
    ]


def _percent(score: float | None) -> str:
    return "\N{EN DASH}" if score is None else f"{100 * score:.1f}%"


def _attempt(attempt: Attempt) -> dict[str, Any]:
    largest = max((abs(found.priority) for found in attempt.diagnoses), default=0.0)
    ranked = sorted(attempt.diagnoses, key=lambda found: -found.priority)
    return {
        "number": attempt.number,
        "decision": attempt.decision,
        "roles": [printable(role) for role in attempt.roles],
        "counts": attempt,
        "gain": f"{100 * attempt.mean_gain:+.1f}%",
        "diagnoses": [
            {"role": printable(found.role), "kind": found.kind, "bar": bar(-found.priority, largest), "found": found}
            for found in ranked
        ],
        "edits": [_edit(edit) for edit in attempt.edits],
    }


def _edit(edit: Edit) -> dict[str, Any]:
    return {
        "role": printable(edit.role),
        "diagnosis": printable(edit.diagnosis),
        "problem": None if edit.problem is None else printable(edit.problem),
        "lines": [_line(line) for line in edit.diff()[:_LONGEST].split("\n") if line],
        "evidence": [printable(run_id) for run_id in edit.evidence],
        "critique": edit.critique_id,
    }


def _line(line: str) -> _Line:
    kinds = {"+": "added", "-": "removed", "@": "place"}
    header = line.startswith(("+++ ", "--- "))
    return _Line("place" if header else kinds.get(line[:1], "same"), printable(line))
