"""What is made of a game that was played: rewards of messages, their standard errors, and the record."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import isfinite
from textwrap import shorten

import numpy as np

from credit_hooks.credit.assign import assign_credit
from credit_hooks.credit.config import CreditConfig
from credit_hooks.credit.estimate import Estimate
from credit_hooks.credit.given import credit_given
from credit_hooks.credit.project import project
from credit_hooks.replay.game import GamePlan, Log
from credit_hooks.replay.meter import Meter
from credit_hooks.replayed import ReplayedPlayer, ReplayRecord
from credit_hooks.rewards import Credit
from credit_hooks.trajectory import Trajectory

__all__ = ["Played", "credit_of", "passive_rewards"]

_SHOWN_REASONS = 2
"""Reasons for missing values that a note tells."""
_REASON_CHARS = 240


@dataclass(frozen=True)
class Played:
    """A game that was played, and what it took."""

    plan: GamePlan
    estimate: Estimate
    log: Log
    meter: Meter
    substitute: str
    empty_is: str


def credit_of(trajectory: Trajectory, played: Played, config: CreditConfig, notes: tuple[str, ...]) -> Credit:
    """The credit of a run whose game was played."""
    plan, estimate = played.plan, played.estimate
    method = "agents" if config.players == "agents" else "owen" if plan.unions else "shapley"
    rewards = _rewards(trajectory, played, config)
    record = _record(played)
    if played.log.cut_short is not None:
        notes += (f"replays ended early: {played.log.cut_short}",)
    if played.log.failures:
        notes += (f"replays without a value: {_reasons(played.log.failures.values())}",)
    return credit_given(
        trajectory,
        rewards,
        config,
        baseline=plan.ends[0],
        method=f"replay.{method}",
        evaluations=record.costs.system_runs,
        notes=(*notes, *estimate.notes),
        replay=record,
    )


def _reasons(reasons: Iterable[str]) -> str:
    """The first distinct reasons, shortened; all that are kept are in the record."""
    distinct = list(dict.fromkeys(reasons))
    shown = [shorten(reason, _REASON_CHARS, placeholder=" ...") for reason in distinct[:_SHOWN_REASONS]]
    more = len(distinct) - len(shown)
    return "; ".join([*shown, f"{more} other reasons in credit.replay.failures"] if more else shown)


def _rewards(trajectory: Trajectory, played: Played, config: CreditConfig) -> dict[str, tuple[float, float | None]]:
    """Rewards of messages: a player's own where it is one message, else the nearest to the passive ones of that sum."""
    passive = passive_rewards(trajectory, config)
    shares: dict[str, float] = {}
    errors: dict[str, float | None] = {}
    for player, value, std_err in zip(
        played.plan.players, played.estimate.values.tolist(), played.estimate.std_err.tolist(), strict=True
    ):
        size = len(player.message_ids)
        suggested = [passive.get(message_id, 0.0) if size > 1 else 0.0 for message_id in player.message_ids]
        shift = (value - sum(suggested)) / size
        for message_id, own in zip(player.message_ids, suggested, strict=True):
            shares[message_id] = own + shift
            errors[message_id] = _std_err(std_err / size, played.estimate)
    values = project(np.array(list(shares.values()), dtype=np.float64))
    return {
        message_id: (reward, errors[message_id]) for message_id, reward in zip(shares, values.tolist(), strict=True)
    }


def _std_err(std_err: float, estimate: Estimate) -> float | None:
    """None for what is exact. A reward in [-1, 1] is never less sure than 1, which stands for "nothing is known"."""
    if estimate.stopped == "exact":
        return None
    return min(std_err, 1.0) if isfinite(std_err) else 1.0


def _record(played: Played) -> ReplayRecord:
    plan, estimate, log = played.plan, played.estimate, played.log
    players = tuple(
        ReplayedPlayer(
            actor_id=player.actor_id,
            message_ids=player.message_ids,
            value=value,
            std_err=_std_err(std_err, estimate),
        )
        for player, value, std_err in zip(
            plan.players, estimate.values.tolist(), estimate.std_err.tolist(), strict=True
        )
    )
    return ReplayRecord(
        substitute=played.substitute,
        players=players,
        unions=plan.unions,
        ends=plan.ends,
        empty_is="declared" if played.empty_is == "declared" else "replayed",
        coalitions=tuple(log.coalitions),
        values=tuple(log.values),
        failures=log.failures,
        cut_short=log.cut_short,
        stopped=estimate.stopped,
        estimator=estimate.method,
        budget=plan.budget,
        repeats=plan.repeats,
        noise=plan.noise,
        tolerance=plan.tolerance,
        seed=plan.seed,
        prior=plan.prior,
        costs=played.meter.costs,
    )


def passive_rewards(trajectory: Trajectory, config: CreditConfig) -> dict[str, float]:
    """What the messages themselves suggest. A run that ended as expected has no credit to share: then as in success."""
    assert trajectory.outcome is not None
    baseline = 0.0 if trajectory.outcome.score > 0.0 else 1.0
    ended = trajectory.with_outcome(trajectory.outcome.model_copy(update={"baseline": baseline}))
    credit = assign_credit(ended, config.model_copy(update={"method": "auto"}))
    rewards: dict[str, float] = {}
    for reward in credit.messages:
        rewards.setdefault(reward.message_id, reward.reward or 0.0)
    return rewards
