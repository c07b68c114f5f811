"""Credit from rewards that were found elsewhere, as by replays: the same result as `assign_credit` makes of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import fsum

import numpy as np

from credit_hooks.credit.assign import assign_credit
from credit_hooks.credit.config import CreditConfig
from credit_hooks.credit.provenance import Provenance
from credit_hooks.credit.temporal import turn_matrix, turns_of
from credit_hooks.credit.transcript import Transcript
from credit_hooks.replayed import ReplayRecord
from credit_hooks.rewards import Credit, Reward
from credit_hooks.trajectory import Trajectory

__all__ = ["credit_given"]


def credit_given(
    trajectory: Trajectory,
    rewards: Mapping[str, tuple[float, float | None]],
    config: CreditConfig,
    *,
    baseline: float,
    method: str,
    evaluations: int = 0,
    notes: Sequence[str] = (),
    replay: ReplayRecord | None = None,
) -> Credit:
    """Credit whose messages have given rewards.

    Args:
        trajectory: The run, with its outcome R.
        rewards: Message id to (reward, standard error); messages that are not named get exactly 0.0. Of equal ids the
            first message has it. They sum to R - b, which is not checked here.
        config: How turns and the first error are found.
        baseline: b.
        method: What to call the method.
        evaluations: System runs spent.
        notes: What a reader should know.
        replay: The replays that the rewards come from.

    Returns:
        Credit whose agents, turns and total are sums of the rewards.
    """
    assert trajectory.outcome is not None
    passive = config.model_copy(update={"method": "auto"})
    ended = trajectory.with_outcome(trajectory.outcome.model_copy(update={"baseline": baseline}))
    base = assign_credit(ended, passive)
    transcript = Transcript.of(ended)
    amounts = np.zeros(len(transcript.messages))
    errors: list[float | None] = [None] * len(amounts)
    for message_id, (reward, std_err) in rewards.items():
        position = transcript.at[message_id]
        amounts[position], errors[position] = reward, std_err
    turns = turn_matrix(transcript, turns_of(transcript, Provenance.of(transcript, config.relation)), amounts)
    listed: list[Reward | None] = [None] * len(amounts)
    for place, message, reward, std_err in zip(
        transcript.listed, transcript.messages, amounts.tolist(), errors, strict=True
    ):
        listed[place] = Reward(message_id=message.id, actor_id=message.actor_id, reward=reward, std_err=std_err)
    messages = tuple(reward for reward in listed if reward is not None)
    sums = {agent: fsum(r.reward or 0.0 for r in messages if r.actor_id == agent) for agent in base.agents}
    return Credit(
        trajectory_id=trajectory.id,
        outcome=trajectory.outcome.score,
        baseline=baseline,
        total=trajectory.outcome.score - baseline,
        method=method,
        agents=sums,
        messages=messages,
        turns=turns,
        first_error=base.first_error,
        evaluations=evaluations,
        notes=tuple(notes),
        replay=replay,
    )
