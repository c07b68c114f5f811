"""Collects the credited runs of a batch of jobs, each under its job's id and with the prompts it was made with."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from credit_hooks.errors import CaptureError
from credit_hooks.prompts.blocks import PromptSet
from credit_hooks.prompts.tasks import Task
from credit_hooks.prompts.team import Job, OnRun
from credit_hooks.rewards import CreditedRun

__all__ = ["INTERRUPTED_SECONDS", "PROMPTS_KEY", "Collector", "versions"]

INTERRUPTED_SECONDS = 10.0
"""How long an interrupted batch waits for the credit of its finished runs."""

PROMPTS_KEY = "credit_hooks.prompts"
"""Key of a trajectory's `meta` under which the prompts of its run are."""


class Collector:
    """A run exporter for one batch. A run is passed on once it is credited *and* its job is known to be over.

    A run that is interrupted ends like one that fails; it must not be taken for one, as failures are remembered.

    Args:
        jobs: The batch.
        on_run: Told of each run.
    """

    def __init__(self, jobs: Sequence[Job], on_run: OnRun) -> None:
        self._jobs = {job.run_id: job for job in jobs}
        self._found: dict[str, CreditedRun] = {}
        self._over: set[str] = set()
        self._on_run = on_run
        self._lock = threading.Lock()

    def task(self, run_id: str) -> Task:
        """The task of a run that goes on."""
        return self._jobs[run_id].task

    def export(self, run: CreditedRun) -> None:
        """Take a credited run."""
        if run.trajectory.id in self._jobs:
            self.take(self._jobs[run.trajectory.id], run)

    def take(self, job: Job, run: CreditedRun) -> None:
        """Take the credited run of a job, whatever id it has been given."""
        run = marked(run, job)
        with self._lock:
            self._found[job.run_id] = run
            over = job.run_id in self._over
        if over:
            self._on_run(run)

    def over(self, job: Job) -> None:
        """The team has returned from a job, or raised what counts as a failed run: nothing has interrupted it."""
        with self._lock:
            self._over.add(job.run_id)
            run = self._found.get(job.run_id)
        if run is not None:
            self._on_run(run)

    def runs(self, failures: Sequence[str] = ()) -> list[CreditedRun]:
        """One per job, in order.

        Raises:
            CaptureError: one is missing, which says what failed.
        """
        missing = [job.task.id for job in self._jobs.values() if job.run_id not in self._found]
        if missing:
            why = f": {failures[-1]}" if failures else ""
            raise CaptureError(f"no run was recorded of task {missing[0]!r} (of {len(missing)} in all){why}")
        return [self._found[run_id] for run_id in self._jobs]


def marked(run: CreditedRun, job: Job) -> CreditedRun:
    """The run under its job's id, with its task and its prompts, texts included."""
    meta = {**run.trajectory.meta, PROMPTS_KEY: versions(job.prompts)}
    trajectory = run.trajectory.model_copy(
        update={"id": job.run_id, "task_id": job.task.id, "group_id": job.task.digest, "meta": meta}
    )
    credit = run.credit.model_copy(update={"trajectory_id": job.run_id})
    return run.model_copy(update={"trajectory": trajectory, "credit": credit})


def versions(prompts: PromptSet) -> dict[str, object]:
    """A version of the prompts as data: its hash, and role, kind, hash and text of each block."""
    blocks = [
        {"role": block.role, "kind": block.kind, "sha256": block.digest, "text": block.text} for block in prompts.blocks
    ]
    return {"version": prompts.version, "blocks": blocks}
