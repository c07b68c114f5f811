"""The page of one run: headline, credit per agent, and the data that its script draws."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from credit_hooks.report.run.content import Data, page_data
from credit_hooks.report.shell import bar, document, embedded, sign
from credit_hooks.report.text import one_line, printable, signed
from credit_hooks.rewards import Credit, CreditedRun
from credit_hooks.trajectory import Trajectory

__all__ = ["render_page"]

_TEXT_LIMIT = 4000  # characters of task, answer and expected answer shown above the graph


def render_page(run: CreditedRun) -> str:
    """See :func:`credit_hooks.report.render`."""
    data = page_data(run)
    return document("run", data=Markup(embedded(data)), **_headline(run, data))  # noqa: S704 - JSON without a `<`


def _headline(run: CreditedRun, data: Data) -> dict[str, Any]:
    trajectory, credit = run.trajectory, run.credit
    outcome = trajectory.outcome
    largest = max((abs(value) for value in credit.agents.values()), default=0.0)
    ranked = sorted(data["agents"], key=lambda agent: (agent["credit"] is None, -(agent["credit"] or 0.0)))
    return {
        "name": one_line(trajectory.name or _task(trajectory) or "", 100) or printable(trajectory.id) or "run",
        "run_id": printable(trajectory.id),
        "framework": printable(trajectory.framework or ""),
        "status": trajectory.status,
        "credit": credit,
        "verdict": _verdict(run),
        "total": signed(credit.total),
        "total_sign": sign(credit.total),
        "span": sorted((credit.outcome or 0.0, credit.baseline or 0.0)),
        "reason": _uncredited(credit),
        "task": _cut(_task(trajectory)),
        "answer": _cut(trajectory.answer),
        "expected": None if outcome is None else _cut(outcome.expected),
        "explanation": None if outcome is None else _cut(outcome.explanation),
        "agents": [(agent, bar(agent["credit"], largest)) for agent in ranked],
        "messages": [{**message, "sign": sign(message["reward"])} for message in data["messages"]],
        "lanes": [agent["name"] for agent in data["agents"] if agent["lane"] is not None],
        "first": data["first"],
        "answer_at": data["answer"],
        "left_out": data["left_out"],
        "notes": [printable(note) for note in credit.notes],
        "method": printable(credit.method),
        "rule": printable(credit.first_error.rule) if credit.first_error else "",
        "why": printable(credit.first_error.reason or "") if credit.first_error else "",
    }


def _task(trajectory: Trajectory) -> str | None:
    if trajectory.task is not None:
        return trajectory.task
    humans = {actor.id for actor in trajectory.actors if actor.kind == "human"}
    return next((message.text for message in trajectory.messages if message.actor_id in humans), None)


def _verdict(run: CreditedRun) -> str:
    outcome = run.trajectory.outcome
    if run.credit.outcome is None:
        return "outcome unknown"
    if outcome is not None and outcome.success is not None:
        return "succeeded" if outcome.success else "failed"
    return {0.0: "failed", 1.0: "succeeded"}.get(run.credit.outcome, "partly succeeded")


def _uncredited(credit: Credit) -> str:
    return {
        "credited": "",
        "no_outcome": "No credit: the outcome of this run is not known. Score it, and render the report again.",
        "no_messages": "No credit: this run holds no messages.",
        "overflow": "No credit: the run was longer than the limits allow.",
        "timeout": "No credit: the evaluation took too long.",
        "shutdown": "No credit: the process ended before the run was evaluated.",
        "error": "No credit: the evaluation failed.",
    }[credit.status]


def _cut(text: str | None) -> str | None:
    if text is None:
        return None
    shown = printable(text[:_TEXT_LIMIT])
    hidden = len(text) - _TEXT_LIMIT
    return shown if hidden <= 0 else f"{shown}\n… {hidden:,} more characters not shown"
