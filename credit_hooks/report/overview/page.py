"""The page of all runs: what was tallied, and the beginnings of the messages worth a look."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from credit_hooks.errors import StoreError
from credit_hooks.report.overview.charts import runs_over_time, shares, sparkline
from credit_hooks.report.overview.picks import MAX_RUNS, REASONS, PickedMessage, PickedRun
from credit_hooks.report.overview.tally import AgentLine, Tally
from credit_hooks.report.shell import bar, document, sign
from credit_hooks.report.text import headline, one_line, printable, signed
from credit_hooks.store import RunStore
from credit_hooks.trajectory import Trajectory

__all__ = ["render_overview"]

_EXCERPT: Final = 1_200  # characters shown of a message
_LINE: Final = 160
_NAME: Final = 60
_ID: Final = 80  # the start of an id is enough to open a run
_UNREADABLE: Final = "(this run cannot be read)"


class _Text(NamedTuple):
    """What a run's trajectory says: its task in one line, and its messages' first lines and beginnings, by id."""

    task: str
    lines: dict[str, tuple[int, str, str]]
    """Index, first line, beginning."""


def render_overview(store: RunStore, progress: Callable[[], None] | None = None) -> str:
    """See :func:`credit_hooks.report.render_all`."""
    tally = Tally()
    for row in store.credits():
        tally.add(row)
        if progress is not None:
            progress()
    tally.timeline.coarsen()
    return document("overview", **_view(tally, store))


def _view(tally: Tally, store: RunStore) -> dict[str, Any]:
    agents, idle = tally.agents()
    runs, messages = tally.picks.runs(), tally.picks.messages()
    texts = _texts(store, runs, messages)
    number = {line.name: place for place, line in enumerate(agents)}
    places = {run.summary.id: place for place, run in enumerate(runs)}
    largest = max((abs(line.mean) for line in agents), default=0.0)
    return {
        "store": one_line(store.path.name, _NAME),
        "tally": tally,
        "mean_outcome": tally.outcome / tally.with_outcome if tally.with_outcome else None,
        "period": (_when(tally.first_ns), _when(tally.last_ns)),
        "frameworks": [printable(name)[:_NAME] for name in sorted(tally.frameworks)],
        "shares": shares(tally.verdicts),
        "chart": runs_over_time(tally.timeline),
        "bin_width": _duration(tally.timeline.width),
        "agents": [_agent(line, largest, agents) for line in agents],
        "left_out": tally.agent_count - len(agents) - len(idle),
        "idle": [one_line(name, _NAME) for name in idle[:12]],
        "more_idle": max(0, len(idle) - 12),
        "runs": [_run(run, texts[run.summary.id], number) for run in runs],
        "messages": [_message(message, texts[message.run.summary.id], number, places) for message in messages],
        "kept": [(reason, tally.picks.counts[reason]) for reason in REASONS],
        "cut": [(reason, count, MAX_RUNS) for reason, count in tally.picks.counts.items() if count > MAX_RUNS],
        "punished": tally.picks.punished,
    }


def _texts(store: RunStore, runs: Sequence[PickedRun], messages: Sequence[PickedMessage]) -> dict[str, _Text]:
    """Read the trajectories of what was picked, one at a time."""
    wanted: dict[str, list[str]] = {run.summary.id: [] for run in runs}
    for message in messages:
        wanted.setdefault(message.run.summary.id, []).append(message.message_id)
    return {run_id: _read(store, run_id, message_ids) for run_id, message_ids in wanted.items()}


def _read(store: RunStore, run_id: str, message_ids: Sequence[str]) -> _Text:
    try:
        trajectory = store.get(run_id).trajectory
    except StoreError:  # damaged, or deleted meanwhile: its credit is known all the same
        return _Text(_UNREADABLE, dict.fromkeys(message_ids, (0, _UNREADABLE, "")))
    by_id = {message.id: message for message in trajectory.messages}
    lines = {}
    for message_id in message_ids:
        message = by_id.get(message_id)
        if message is None:
            lines[message_id] = (0, "(the message is not in the run)", "")
        else:
            lines[message_id] = (message.index, headline(message, _LINE), _beginning(message.text))
    return _Text(one_line(_task(trajectory), 140), lines)


def _task(trajectory: Trajectory) -> str:
    humans = {actor.id for actor in trajectory.actors if actor.kind == "human"}
    asked = next((message.text for message in trajectory.messages if message.actor_id in humans), None)
    return trajectory.task or asked or trajectory.name or "(no task)"


def _beginning(text: str) -> str:
    shown = printable(text[:_EXCERPT])[:_EXCERPT]
    return shown if len(text) <= _EXCERPT else f"{shown}\n… {len(text) - _EXCERPT:,} more characters"


def _agent(line: AgentLine, largest: float, everyone: Sequence[AgentLine]) -> dict[str, Any]:
    highest = max((abs(value) for other in everyone for value in other.over_time if value is not None), default=0.0)
    return {
        "name": one_line(line.name, _NAME) or "(unnamed)",
        "line": line,
        "bar": bar(line.mean, largest),
        "std_err": None if line.std_err is None else f"{line.std_err:.3f}",
        "total": signed(line.total),
        "succeeded": (signed(line.succeeded), sign(line.succeeded)),
        "failed": (signed(line.failed), sign(line.failed)),
        "spark": sparkline(line.over_time, highest),
        "unclear": line.std_err is None or abs(line.mean) < 2 * line.std_err,
    }


def _run(run: PickedRun, text: _Text, number: dict[str, int]) -> dict[str, Any]:
    summary = run.summary
    largest = max((abs(value) for _, value in run.agents), default=0.0)
    return {
        "id": printable(summary.id[:_ID])[:_ID],
        "task": text.task,
        "when": _when(run.time_ns),
        "verdict": run.verdict,
        "status": summary.status,
        "credit_status": summary.credit_status,
        "total": signed(summary.total) if summary.credit_status == "credited" else None,
        "total_sign": sign(summary.total),
        "reasons": run.reasons,
        "worst": None if summary.worst_agent is None or not run.agents else _named(summary.worst_agent),
        "worst_credit": signed(summary.worst_credit),
        "worst_sign": sign(summary.worst_credit),
        "first_error": None
        if summary.first_error_agent is None
        else (_named(summary.first_error_agent), summary.first_error_index),
        "agents": [(_named(name), bar(value, largest)) for name, value in run.agents],
        "more_agents": len(run.names) - len(run.agents),
        "numbers": _numbers(run.names, number),
        "messages": summary.message_count,
        "evidence": None if run.evidence is None else f"{run.evidence:.2f}",
        "note": None if run.note is None else one_line(run.note, 200),
    }


def _message(message: PickedMessage, text: _Text, number: dict[str, int], places: dict[str, int]) -> dict[str, Any]:
    index, line, beginning = text.lines[message.message_id]
    return {
        "index": index,
        "line": line,
        "text": beginning if beginning.strip() != line else "",
        "agent": _named(message.agent),
        "reward": signed(message.reward),
        "first": message.is_first_error,
        "task": text.task,
        "when": _when(message.run.time_ns),
        "verdict": message.run.verdict,
        "run_id": printable(message.run.summary.id[:_ID])[:_ID],
        "run_at": places.get(message.run.summary.id),
        "numbers": _numbers((message.agent,), number),
    }


def _named(name: str) -> str:
    return one_line(name, _NAME) or "(unnamed)"


def _numbers(names: Sequence[str], number: dict[str, int]) -> str:
    return " ".join(str(number[name]) for name in names if name in number)


def _when(time_ns: int | None) -> str:
    if time_ns is None:
        return ""
    return datetime.fromtimestamp(time_ns // 1_000_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _duration(nanoseconds: int) -> str:
    seconds = nanoseconds / 1e9
    for size, unit in ((86_400, "days"), (3_600, "hours"), (60, "minutes"), (1, "seconds")):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1000:.3g} milliseconds"
