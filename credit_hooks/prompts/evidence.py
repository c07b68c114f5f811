"""What several runs say of one block: the critic's evidence, and nothing from held-out tasks."""

from __future__ import annotations

from collections.abc import Sequence

from credit_hooks.parts import FrozenModel
from credit_hooks.prompts.blocks import PromptBlock
from credit_hooks.prompts.tasks import Task
from credit_hooks.rewards import CreditedRun
from credit_hooks.trajectory import Message

__all__ = ["BlockEvidence", "RunEvidence", "actors_of", "evidence_of"]

_LENGTH = 800  # characters of one message
_FAILURES, _SUCCESSES = 4, 2


class RunEvidence(FrozenModel):
    """One run, as it bears on a block."""

    run_id: str
    """The run, in the store."""
    task: str
    """What the team was given."""
    score: float
    """How it ended, in [0, 1]."""
    credit: float
    """Credit of the block's agents: the column sum of C[t, i]."""
    said: tuple[str, ...]
    """Their messages, the worst rewarded first."""
    answer: str
    """What the team answered in the end."""
    first_error: str | None = None
    """Who is held to have made the first error, and how surely. None: nobody."""
    repairs: tuple[str, ...] = ()
    """Later messages of others that earned something in a failed run."""

    @property
    def text(self) -> str:
        """For a critic."""
        lines = [f"## {'Succeeded' if self.score > 0.5 else 'Failed'} (score {self.score:.2f})", f"Task: {self.task}"]
        lines += [f"The agents with this prompt (credit {self.credit:+.3f}) said: {text}" for text in self.said]
        lines += [f"First error, as far as is known: {self.first_error}"] if self.first_error else []
        lines += [f"Repaired later by: {text}" for text in self.repairs]
        return "\n".join([*lines, f"The team's answer: {self.answer}"])


class BlockEvidence(FrozenModel):
    """Several runs, as they bear on a block."""

    failures: tuple[RunEvidence, ...]
    """Runs that failed, those first in which the block is blamed most."""
    successes: tuple[RunEvidence, ...]
    """What its agents said where the team succeeded."""
    runs: int
    """Runs looked at in all."""
    failed: int
    """How many of them failed."""

    @property
    def text(self) -> str:
        """For a critic."""
        head = (
            f"{self.failed} of {self.runs} runs failed. Failures in which these agents are blamed most, then successes:"
        )
        return "\n\n".join([head, *(run.text for run in (*self.failures, *self.successes))])

    @property
    def run_ids(self) -> tuple[str, ...]:
        """The runs shown."""
        return tuple(run.run_id for run in (*self.failures, *self.successes))


def actors_of(run: CreditedRun, block: PromptBlock) -> set[str]:
    """Ids of the actors that follow a block in a run."""
    wanted = set(block.instructs)
    return {actor.id for actor in run.trajectory.actors if actor.id in wanted or actor.name in wanted}


def evidence_of(block: PromptBlock, runs: Sequence[CreditedRun], tasks: Sequence[Task]) -> BlockEvidence:
    """The evidence of training runs on a block; `tasks` are those of the runs."""
    inputs = {task.id: task.input if isinstance(task.input, str) else str(task.input) for task in tasks}
    scored = [run for run in runs if run.credit.outcome is not None]
    failed = [run for run in scored if (run.credit.outcome or 0.0) < 1.0]
    shown = [_of_run(block, run, inputs.get(run.trajectory.task_id or "", "")) for run in scored]
    by_id = {evidence.run_id: evidence for evidence in shown}
    failures = sorted((by_id[run.trajectory.id] for run in failed), key=lambda run: (run.credit, run.run_id))
    successes = [run for run in shown if run.score >= 1.0 and run.said]
    return BlockEvidence(
        failures=tuple(failures[:_FAILURES]),
        successes=tuple(successes[:_SUCCESSES]),
        runs=len(scored),
        failed=len(failed),
    )


def _of_run(block: PromptBlock, run: CreditedRun, task: str) -> RunEvidence:
    trajectory, credit = run.trajectory, run.credit
    actors, rewards = actors_of(run, block), credit.reward_of
    mine = [message for message in trajectory.messages if message.actor_id in actors and message.text]
    mine.sort(key=lambda message: (rewards.get(message.id) or 0.0, message.index))
    first = credit.first_error
    return RunEvidence(
        run_id=trajectory.id,
        task=_cut(task),
        score=credit.outcome or 0.0,
        credit=sum(credit.agents.get(actor, 0.0) for actor in actors),
        said=tuple(_cut(message.text) for message in mine[:2]),
        answer=_cut(trajectory.answer or ""),
        first_error=None
        if first is None
        else f"message {first.index} by {_name(run, first.actor_id)}, "
        f"probability {first.probability:.2f}" + (f" ({first.reason})" if first.reason else ""),
        repairs=tuple(_repairs(run, mine)) if credit.total < 0 else (),
    )


def _repairs(run: CreditedRun, mine: Sequence[Message]) -> list[str]:
    worst = mine[0].index if mine else -1
    rewards = run.credit.reward_of
    found = [
        message
        for message in run.trajectory.messages
        if message not in mine and message.index > worst and (rewards.get(message.id) or 0.0) > 0 and message.text
    ]
    return [f"{_name(run, message.actor_id)}: {_cut(message.text)}" for message in found[:2]]


def _name(run: CreditedRun, actor_id: str) -> str:
    actor = run.trajectory.actor_by_id.get(actor_id)
    return actor_id if actor is None else actor.name


def _cut(text: str) -> str:
    return text if len(text) <= _LENGTH else text[:_LENGTH] + " ..."
