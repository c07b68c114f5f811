"""The port: a team whose prompts can be set from outside, and the runs that it makes with them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

from credit_hooks.outcome import FinishedRun
from credit_hooks.ports import Verdict
from credit_hooks.prompts.blocks import PromptBlock, PromptSet
from credit_hooks.prompts.tasks import Task
from credit_hooks.rewards import CreditedRun

__all__ = ["Job", "OnRun", "TaskEvaluator", "Team", "verdict_of"]

TaskEvaluator: TypeAlias = Callable[[FinishedRun, Task], Verdict | Awaitable[Verdict]]
"""Looks at a finished run and its task: True, False, a score in [0, 1] for partial credit, an `Outcome`, or None."""

OnRun: TypeAlias = Callable[[CreditedRun], None]
"""Receives each run as it is credited, on any thread."""


class Job(NamedTuple):
    """One system run to be made."""

    run_id: str
    """Id that the run is known by, a UUID."""
    task: Task
    """What to do."""
    prompts: PromptSet
    """With which prompts."""


@runtime_checkable
class Team(Protocol):
    """Runs tasks with given prompts. The user's graph or agents stay as they are."""

    name: str
    """What the team is called in the store. Runs are found again by it: rename a team whose code has changed."""
    blocks: Sequence[PromptBlock]
    """The prompts that may be rewritten, as the user wrote them."""
    concurrency: int
    """Runs that go on at one time, at most."""

    def run(self, jobs: Sequence[Job], evaluate: TaskEvaluator, on_run: OnRun) -> list[CreditedRun]:
        """Make one system run per job, no more and no fewer, and credit each.

        A run that raises is a run: it ends with an error, and counts as failed unless the evaluator says otherwise.

        Args:
            jobs: The runs to be made.
            evaluate: Says how each ended.
            on_run: Told of each run as soon as it is credited, so that little is lost by an interruption.

        Returns:
            One run per job, in order, whose ids are the jobs'.
        """


def verdict_of(evaluate: TaskEvaluator, run: Any, task: Task) -> Verdict | Awaitable[Verdict]:
    """The evaluator's verdict; a run that raised has failed where the evaluator cannot say."""
    if run.error is None:
        return evaluate(run, task)
    try:
        verdict = evaluate(run, task)
    except Exception:  # noqa: BLE001 - it looked for an answer that is not there; the run's own error is what counts
        return False
    return False if verdict is None else verdict
