"""The book of an optimisation: every run and every critique is kept before anything is made of it.

Going on after an interruption is doing it all again with the book open: whatever has finished is read, not repeated, as
ids follow from what is asked (team, prompts, task), and everything between is deterministic.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from credit_hooks.errors import StoreError
from credit_hooks.parts import TextPart
from credit_hooks.prompts.blocks import PromptSet
from credit_hooks.prompts.budget import Budget, BudgetError, Spent
from credit_hooks.prompts.collect import PROMPTS_KEY
from credit_hooks.prompts.tasks import Task
from credit_hooks.prompts.team import Job, TaskEvaluator, Team
from credit_hooks.rewards import Credit, CreditedRun
from credit_hooks.store import RunStore
from credit_hooks.trajectory import Actor, Message, Trajectory

__all__ = ["Book", "stable_id"]

_NAMESPACE: Final = uuid.UUID("5b0f7a52-8a0c-5f0f-9d5e-6f8f6a1c9b11")


def stable_id(*parts: str) -> str:
    """A UUID that follows from its parts."""
    return str(uuid.uuid5(_NAMESPACE, json.dumps(parts)))


class Book:
    """Runs, critiques and costs of one optimisation.

    Args:
        store: Where they are kept. None: in memory, and lost with the process.
        optimization_id: Id of the row that holds the costs.
        budget: The limits.
        on_spent: Told of the costs whenever something has begun.
    """

    def __init__(
        self,
        store: RunStore | None,
        optimization_id: str,
        budget: Budget,
        on_spent: Callable[[Spent], None] = lambda spent: None,
    ) -> None:
        self._store = store
        self._memory: dict[str, CreditedRun] = {}
        self.optimization_id = optimization_id
        """Id of the optimisation's own row."""
        self._budget = budget
        self._on_spent = on_spent
        costs = _note(self.find(optimization_id)).get("spent", {})
        self.spent = Spent.model_validate(costs)
        """What has begun, in earlier sessions too."""
        self.read = 0
        """Runs and critiques of earlier sessions that were found in the store instead of being made again."""
        self._own: set[str] = set()

    def find(self, run_id: str) -> CreditedRun | None:
        """A finished run. None: it is not here, or cannot be read any more."""
        if self._store is None or run_id in self._memory:
            return self._memory.get(run_id)
        try:
            found = self._store.get(run_id)
        except StoreError:
            return None
        return found if found.trajectory.id == run_id else None  # the store takes prefixes too

    def put(self, run: CreditedRun) -> None:
        """Keep a run."""
        self._own.add(run.trajectory.id)
        if self._store is None:
            self._memory[run.trajectory.id] = run
        else:
            self._store.put(run)

    def runs(self, team: Team, tasks: Sequence[Task], prompts: PromptSet, evaluate: TaskEvaluator) -> list[CreditedRun]:
        """One run per task with these prompts, in order; those that are finished are not repeated.

        Raises:
            BudgetError: the others would cost more than is left; none of them has begun.
        """
        jobs = [Job(_run_id(team, task, prompts), task, prompts) for task in tasks]
        found = {job.run_id: self.find(job.run_id) for job in jobs}
        missing = [job for job in jobs if found[job.run_id] is None]
        self._count_read([job.run_id for job in jobs if found[job.run_id] is not None])
        if missing:
            for job, made in zip(missing, self._make(team, missing, evaluate), strict=True):
                found[job.run_id] = made
        return [run for job in jobs if (run := found[job.run_id]) is not None]

    def _make(self, team: Team, jobs: Sequence[Job], evaluate: TaskEvaluator) -> list[CreditedRun]:
        before, finished = self.spent, 0
        self._spend(system_runs=len(jobs))

        def keep(run: CreditedRun) -> None:
            nonlocal finished
            self.put(run)
            finished += 1

        try:
            return team.run(jobs, evaluate, keep)
        except BaseException:  # interrupted: what never began has cost nothing; a killed process counts the whole batch
            begun = min(len(jobs), finished + team.concurrency)
            self._charge(before.model_copy(update={"system_runs": before.system_runs + begun}))
            raise

    def known(self, team: Team, task: Task, prompts: PromptSet) -> CreditedRun | None:
        """The run of a task with these prompts, if it has been made."""
        return self.find(_run_id(team, task, prompts))

    def begin_critique(self, critique_id: str, request: str, note: Mapping[str, Any]) -> None:
        """A critic is about to be asked.

        Raises:
            BudgetError: no call is left.
        """
        self._spend(model_calls=1)
        self.put(_talk(critique_id, request, None, {**note, "status": "asked"}))

    def end_critique(self, critique_id: str, request: str, reply: object, note: Mapping[str, Any]) -> None:
        """A critic has answered, or failed."""
        text = reply if isinstance(reply, str) else None
        self.put(_talk(critique_id, request, text, note))

    def critique(self, critique_id: str) -> Mapping[str, Any]:
        """What is noted of a critique that is over; empty if there is none, or it was cut short."""
        note = _note(self.find(critique_id))
        if note.get("status") not in ("answered", "failed"):
            return {}
        self._count_read([critique_id])
        return note

    def _count_read(self, ids: Sequence[str]) -> None:
        self.read += len({*ids} - self._own)
        self._own.update(ids)

    def close(self, name: str, result: Mapping[str, Any]) -> None:
        """Keep the result beside the costs."""
        self.put(
            _row(
                self.optimization_id, name, {"kind": "optimization", "spent": self.spent.model_dump(), "result": result}
            )
        )

    def _spend(self, *, system_runs: int = 0, model_calls: int = 0) -> None:
        after = Spent(
            system_runs=self.spent.system_runs + system_runs, model_calls=self.spent.model_calls + model_calls
        )
        if system_runs and after.system_runs > self._budget.system_runs:
            raise BudgetError(f"the budget of {self._budget.system_runs} system runs is used up")
        if model_calls and after.model_calls > self._budget.model_calls:
            raise BudgetError(f"the budget of {self._budget.model_calls} model calls is used up")
        self._charge(after)

    def _charge(self, after: Spent) -> None:
        self.spent = after
        self.put(_row(self.optimization_id, "optimization", {"kind": "optimization", "spent": after.model_dump()}))
        self._on_spent(after)


def _run_id(team: Team, task: Task, prompts: PromptSet) -> str:
    return stable_id("run", team.name, prompts.version, task.id, task.digest)


def _note(run: CreditedRun | None) -> Mapping[str, Any]:
    found = {} if run is None else run.trajectory.meta.get(PROMPTS_KEY)
    return found if isinstance(found, dict) else {}


def _row(run_id: str, name: str, note: Mapping[str, Any]) -> CreditedRun:
    trajectory = Trajectory(
        id=run_id, framework="credit_hooks", source="credit_hooks.prompts", name=name, meta={PROMPTS_KEY: dict(note)}
    )
    return CreditedRun(trajectory=trajectory, credit=Credit(trajectory_id=run_id, status="no_outcome"))


def _talk(run_id: str, request: str, reply: str | None, note: Mapping[str, Any]) -> CreditedRun:
    """A critique as a run: who asked, who answered."""
    row = _row(run_id, "critique", {"kind": "critique", **note})
    said = [("optimizer", "user", request)] + ([] if reply is None else [("critic", "assistant", reply)])
    trajectory = row.trajectory.model_copy(
        update={
            "status": "unknown" if note.get("status") == "asked" else "ok",
            "actors": (Actor(id="optimizer", name="optimizer", kind="system"), Actor(id="critic", name="critic")),
            "messages": tuple(
                Message(id=f"m{index}", index=index, actor_id=actor, role=role, parts=(TextPart(text=text),))
                for index, (actor, role, text) in enumerate(said)
            ),
        }
    )
    return row.model_copy(update={"trajectory": trajectory})
