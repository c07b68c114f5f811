"""An agent's messages of a run as one chat, as far as its history was unbroken: several rewards in one row."""

from __future__ import annotations

from dataclasses import dataclass, field

from credit_hooks_exporters.examples import Case, Example
from credit_hooks_exporters.turns import Turn

__all__ = ["Talk", "talks"]


@dataclass
class Talk:
    """What one agent wrote, with what it read in between."""

    first: Example
    """Its first message, with what the agent had before it."""
    turns: list[Turn] = field(default_factory=list)
    """Everything after that prompt."""
    rewards: list[float | None] = field(default_factory=list)
    """Reward of each turn. None: a turn that was read, not written."""
    message_ids: list[str] = field(default_factory=list)
    """The rewarded messages."""

    @property
    def reward(self) -> float:
        """Sum of its rewards."""
        return sum(reward for reward in self.rewards if reward is not None)


def talks(case: Case) -> list[Talk]:
    """All talks of a run, by their first messages. A trimmed or rewritten history begins another talk."""
    current: dict[str, Talk] = {}
    found: list[Talk] = []
    for example in case.examples():
        talk = current.get(example.message.actor_id)
        so_far = [] if talk is None else [*talk.first.prompt, *talk.turns]
        if talk is None or example.prompt[: len(so_far)] != so_far:
            talk = current[example.message.actor_id] = Talk(example)
            found.append(talk)
            so_far = example.prompt
        between = example.prompt[len(so_far) :]
        talk.turns += [*between, example.completion]
        talk.rewards += [*(None for _ in between), example.reward]
        talk.message_ids.append(example.message.id)
    return found
