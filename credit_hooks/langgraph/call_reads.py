"""What the model and tool calls inside a task were given. All is called with the record's lock held."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from credit_hooks.langgraph.messages import message_role, snapshot
from credit_hooks.langgraph.order import in_plan_order
from credit_hooks.langgraph.task import Task
from credit_hooks.record import StepRecord

__all__ = ["note_prompt", "note_tool_call", "note_tool_result"]

_SHOWN = 128
"""Newest messages of a prompt that are kept for its chat span; all of them are in its read set."""


def note_prompt(task: Task, step: StepRecord, prompt: Sequence[Any]) -> None:
    """Note what a model is shown. What was made for the prompt alone was made from what the task could see."""
    visible = task.seen[1] if task.seen is not None else []
    instructions = _leading_instructions(prompt)
    # As in `Histories.read`: almost every prompt is the history the task was given, and costs one comparison.
    if visible and not task.extras and prompt[instructions:] == visible:
        step.reads_base = task.step
        step.shown_reads = True
        shown = prompt[:instructions]
    else:
        _read_prompt(task, step, prompt)
        shown = [*prompt[:instructions], *prompt[max(instructions, len(prompt) - _SHOWN) :]]
    step.prompt = tuple(task.run.record.by_object.get(id(message)) or snapshot(message) for message in shown)


def _read_prompt(task: Task, step: StepRecord, prompt: Sequence[Any]) -> None:
    run = task.run
    body = [message for message in prompt if message_role(message) != "system"]
    known = [run.messages.find(message) for message in body]
    consumed = dict.fromkeys(record for record in known if record is not None)
    if len(consumed) == len(body):
        step.reads_new = tuple(consumed)
    else:
        step.reads_base = None if task.step is run.record.root else task.step
        before = run.record.resolved_reads(task.step)
        step.reads_new = tuple(record for record in consumed if record not in before)


def note_tool_call(task: Task, step: StepRecord, call_id: str | None) -> None:
    """Note which message asked for a tool."""
    run = task.run
    if call_id is not None:
        run.generations.tool_started(step, call_id)
        if call_id in run.data.calls:
            step.reads_new = (run.data.calls[call_id],)


def note_tool_result(task: Task, step: StepRecord, output: Any) -> None:
    """Note what a tool returned; agents that it ran were read for it."""
    inside = in_plan_order(task.run.record.agents_inside(step))
    results = dict.fromkeys(message for other in inside for message in other.writes)
    step.reads_new = tuple(dict.fromkeys([*step.reads_new, *results]))
    task.run.sent(task, output)


def _leading_instructions(prompt: Sequence[Any]) -> int:
    """How many system messages a prompt starts with."""
    for index, message in enumerate(prompt):
        if message_role(message) != "system":
            return index
    return len(prompt)
