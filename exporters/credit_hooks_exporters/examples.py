"""A run as examples: the scored messages a model can learn to write, each from its author's seat."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from credit_hooks.rewards import CreditedRun
from credit_hooks.trajectory import BlobPart, Message
from credit_hooks_exporters.ids import credit_id, digest, encode, row_id
from credit_hooks_exporters.ledger import Ledger
from credit_hooks_exporters.options import Options
from credit_hooks_exporters.seat import Seat, SeatedRun
from credit_hooks_exporters.siblings import Candidate, Siblings
from credit_hooks_exporters.turns import Turn

__all__ = ["META_COLUMNS", "Case", "Example", "Row", "group_of", "task_key"]

META_COLUMNS = {
    "schema_version": "string",
    "row_id": "string",
    "trajectory_id": "string",
    "message_id": "string",
    "agent": "string",
    "reward": "double",
    "credit_id": "string",
    "group_id": "string",
}
"""Columns of every format that allows columns of ours."""

_LEARNERS = ("agent", "orchestrator", "unknown")


class Example(NamedTuple):
    """One scored message of an agent."""

    message: Message
    """The message."""
    reward: float
    """Its reward."""
    prompt: list[Turn]
    """What its author had before it."""
    completion: Turn
    """The message as its author's turn."""
    tools: list[Any]
    """Tools its author called in the run."""


class Row(NamedTuple):
    """One row of a format."""

    values: dict[str, Any]
    """By column."""
    message_ids: tuple[str, ...]
    """Messages of the run that it holds."""
    candidates: tuple[Candidate, ...] = ()
    """Messages of earlier runs that it holds, and that no earlier row held."""


@dataclass
class Case:
    """A credited run that is being exported, and what a format may ask of it."""

    form: str
    """Name of the format."""
    run: CreditedRun
    """The run."""
    options: Options
    """What was asked for."""
    seat: Seat
    """How the view is written."""
    ledger: Ledger
    """Where rewards go."""
    siblings: Siblings
    """Earlier runs of the same groups."""
    seated: SeatedRun = field(init=False)
    """The run from its authors' seats."""
    credit_id: str = field(init=False)
    """Which credit its rewards are from."""

    def __post_init__(self) -> None:
        self.seated = SeatedRun(self.run.trajectory, self.seat)
        self.credit_id = credit_id(self.run.credit)

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self.run.trajectory.id

    def examples(self, wanted: Callable[[float], str | None] = lambda reward: None) -> Iterator[Example]:
        """Scored messages of agents, in order; those that are no example are dropped with a reason.

        Args:
            wanted: The reason why a message of this reward is left out. None: it is wanted.
        """
        known = self.run.trajectory.message_by_id
        for reward in self.run.credit.messages:
            message = known.get(reward.message_id)
            if reward.reward is None or message is None:
                continue
            reason = self._unfit(message) or wanted(reward.reward)
            if reason is not None:
                self.ledger.drop((self.run_id, message.id), reason)
                continue
            view = self.seated.view(message)
            if not view.completion["content"] and "tool_calls" not in view.completion:
                self.ledger.drop((self.run_id, message.id), "empty")
                continue
            tools = self.seated.tools(message.actor_id)
            yield Example(message, reward.reward, view.prompt, view.completion, tools)

    def meta(self, example: Example, *more_ids: str) -> dict[str, Any]:
        """The columns of every format."""
        trajectory = self.run.trajectory
        view = digest(self.seat.model_dump_json(), example.message.actor_id)[:16]
        return {
            "schema_version": f"credit_hooks.{self.form}/1",
            "row_id": row_id(trajectory.id, [example.message.id, *more_ids], self.form, self.credit_id, view),
            "trajectory_id": trajectory.id,
            "message_id": example.message.id,
            "agent": example.message.actor_id,
            "reward": example.reward,
            "credit_id": self.credit_id,
            "group_id": trajectory.group_id,
        }

    def _unfit(self, message: Message) -> str | None:
        actor = self.run.trajectory.actor_by_id.get(message.actor_id)
        kind = "unknown" if actor is None else actor.kind
        if kind not in _LEARNERS or message.role in ("tool", "system"):
            return "not_an_agent"
        wanted = self.options.agents
        if wanted and message.actor_id not in wanted and self.seated.name(message.actor_id) not in wanted:
            return "other_agent"
        if self.seated.withheld(message):
            return "withheld"
        if any(isinstance(part, BlobPart) for part in message.parts):
            return "attachment"
        return None


def task_key(run: CreditedRun) -> str:
    """What makes two runs work on the same task: their task or group id, else the task's text, else nothing."""
    trajectory = run.trajectory
    if trajectory.task_id is not None or trajectory.group_id is not None:
        return digest("id", trajectory.task_id or trajectory.group_id or "")
    text = trajectory.task
    if text is None:
        humans = {actor.id for actor in trajectory.actors if actor.kind == "human"}
        text = next((message.text for message in trajectory.messages if message.actor_id in humans), None)
    return digest("run", trajectory.id) if text is None else digest("text", text)


def group_of(example: Example) -> str:
    """Examples that answer the same prompt share it."""
    return digest(encode(example.prompt), example.message.actor_id)[:16]
