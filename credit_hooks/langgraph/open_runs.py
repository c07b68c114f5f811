"""Which task a callback run id is inside of, for as long as its run goes on."""

from __future__ import annotations

import functools
import logging
import uuid
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Literal, ParamSpec

from credit_hooks.langgraph.provenance import GraphRun
from credit_hooks.langgraph.task import Task
from credit_hooks.record import StepRecord

__all__ = ["OpenRuns", "guarded", "status_of", "text"]

logger = logging.getLogger("credit_hooks")
P = ParamSpec("P")

_MAX_ENDED = 10_000
"""Ended run ids remembered, so that a straggler of a finished run is not taken for a new run."""


class OpenRuns:
    """Tables by callback run id. Every id of a run is dropped when the run ends."""

    def __init__(self) -> None:
        self.tasks: dict[uuid.UUID, Task] = {}
        """The task around every chain and tool that is going on."""
        self.calls: dict[uuid.UUID, tuple[Task, StepRecord]] = {}
        """Model and tool calls that are going on."""
        self.inside: dict[uuid.UUID, StepRecord] = {}
        """The tool step around chains that a tool runs, and the tool itself."""
        self.ended: OrderedDict[uuid.UUID | None, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self.tasks) + len(self.calls) + len(self.inside)

    def enter(self, run_id: uuid.UUID, task: Task, inside: StepRecord | None = None) -> None:
        """A chain or tool starts inside a task, and inside that tool's step if there is one."""
        self.tasks[run_id] = task
        task.run.run_ids.append(run_id)
        if inside is not None:
            self.inside[run_id] = inside

    def enter_call(self, run_id: uuid.UUID, task: Task, step: StepRecord) -> None:
        """A model or tool call starts."""
        self.calls[run_id] = (task, step)
        task.run.run_ids.append(run_id)

    def around(self, run_id: uuid.UUID, parent_run_id: uuid.UUID | None) -> tuple[Task, StepRecord] | None:
        """The task around a new model or tool call, and the step it is shown under. None: not in any run."""
        task = self.tasks.get(parent_run_id) if parent_run_id is not None else None
        if task is None or parent_run_id is None or run_id in self.calls:
            return None
        return task, self.inside.get(parent_run_id, task.step)

    def step_of(self, run_id: uuid.UUID) -> StepRecord | None:
        """The step that a callback run id is inside of."""
        call = self.calls.get(run_id)
        if call is not None:
            return call[1]
        task = self.tasks.get(run_id)
        return None if task is None else task.step

    def forget(self, run: GraphRun) -> None:
        """Drop every entry of a run, and remember its ids for stragglers."""
        for run_id in run.run_ids:
            self.tasks.pop(run_id, None)
            self.calls.pop(run_id, None)
            self.inside.pop(run_id, None)
            self.refuse(run_id)

    def refuse(self, run_id: uuid.UUID) -> None:
        """Whatever starts below this id is not captured."""
        self.ended[run_id] = None
        while len(self.ended) > _MAX_ENDED:
            self.ended.popitem(last=False)


def guarded(method: Callable[P, None]) -> Callable[P, None]:
    """The one guard at the edge: a failure of ours is counted and logged, and the user's run goes on."""

    @functools.wraps(method)
    def safe(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            method(*args, **kwargs)
        except Exception as error:
            handler: Any = args[0]
            handler._session.stats["failed: capture"] += 1
            where = method.__name__
            logger.warning("credit-hooks: capture failed in %s; the run is not affected", where, exc_info=error)

    return safe


def status_of(error: BaseException | None) -> Literal["ok", "error", "cancelled"]:
    """How something ended that ended so. Exits and cancellations are no errors."""
    if error is None:
        return "ok"
    return "error" if isinstance(error, Exception) else "cancelled"


def text(value: Any) -> str | None:
    """The value as text. None stays None."""
    return None if value is None else str(value)
