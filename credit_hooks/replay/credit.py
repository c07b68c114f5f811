"""Credit by replay: v(S) is the outcome of the run with everyone but S masked, measured by running it again.

    identity replay -> v(∅) -> coalitions, as the estimator asks for them -> values of players -> rewards of messages

v(N) is the outcome that was observed. v(∅) is replayed too, and is the baseline b, unless the user declares one: then
v(∅) = b by declaration, and the difference is shared as any value that takes nobody in particular to reach. Rewards
always sum to R - b, however few replays there were: without any they are the values that the messages themselves
suggest (the prior), so shifted that the sum is right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from credit_hooks.credit.assign import assign_credit
from credit_hooks.credit.config import DEFAULT_BASELINE, CreditConfig
from credit_hooks.credit.estimate import Estimate
from credit_hooks.credit.given import credit_given
from credit_hooks.credit.project import project
from credit_hooks.errors import ReplayError, ReplayRefusedError
from credit_hooks.evaluation import EvaluationPool
from credit_hooks.ports import Evaluator
from credit_hooks.replay.aside import run_aside
from credit_hooks.replay.game import Game, GamePlan, Log, by_actor
from credit_hooks.replay.judge import Judge, Judged
from credit_hooks.replay.meter import Meter, ReplayLimits
from credit_hooks.replay.noise import measured_noise, reconsidered
from credit_hooks.replay.port import Intervention, Player, System
from credit_hooks.replayed import ReplayCosts, ReplayedPlayer, ReplayRecord
from credit_hooks.rewards import Credit
from credit_hooks.trajectory import Trajectory

__all__ = ["areplay_credit", "passive_credit", "replay_credit"]

_MAX_PLAYERS = 400
"""With more players than this, agents are masked as a whole: the estimator's binomials outgrow floats at 1,000."""

_PROBED_BUDGET = 4
"""Smaller budgets leave no run to see whether replies vary."""

_SAME = 1e-9

_GRACE = 1.0
"""Seconds beyond all limits after which the replays are given up, as when a coroutine blocks its event loop."""

Vector = NDArray[np.float64]


def replay_credit(
    trajectory: Trajectory,
    system: System,
    evaluate: Evaluator,
    config: CreditConfig,
    limits: ReplayLimits,
    *,
    declared: float | None = None,
) -> Credit:
    """Credit a run by running it again. On threads of its own; this call waits for them.

    Args:
        trajectory: The run, with its outcome.
        system: The same run, to be run again.
        evaluate: Says how replays ended. It has to say of the unchanged replay what was observed of the run.
        config: `budget`, `players`, `level`, `tolerance`, `repeats`; the rest as for `assign_credit`.
        limits: What it may cost.
        declared: Baseline b that the user declared. None: b is the outcome with everyone masked.

    Returns:
        Credit by `replay.owen`, `replay.shapley` or `replay.agents`, with its :class:`ReplayRecord`. Where replay is
        not possible: credit by `auto`, and the note says why. Conserved in any case.
    """
    refused = _nothing_to_replay(trajectory, system)
    if refused is not None:
        return passive_credit(trajectory, config, refused, declared)

    async def main() -> Credit:
        return await areplay_credit(trajectory, system, evaluate, config, limits, declared=declared)

    try:
        return run_aside(main, timeout=limits.max_seconds + limits.run_seconds + _GRACE)
    except ReplayError as error:
        return passive_credit(trajectory, config, str(error), declared)


async def areplay_credit(
    trajectory: Trajectory,
    system: System,
    evaluate: Evaluator,
    config: CreditConfig,
    limits: ReplayLimits,
    *,
    declared: float | None = None,
) -> Credit:
    """As :func:`replay_credit`, on the caller's event loop.

    Raises:
        ReplayRefusedError: the unchanged replay is not the run.
    """
    assert trajectory.outcome is not None
    meter = Meter(limits)
    judge = Judge(system, evaluate, meter, EvaluationPool(timeout=limits.run_seconds))
    unchanged = await _check_identity(judge, trajectory.outcome.score)
    players, notes = _players(system, config)
    if unchanged.meter.model_calls:
        notes += (
            f"{unchanged.meter.model_calls} model calls of the unchanged replay were made where nothing can be pinned, "
            "such as in conditional edges: every replay repeats them",
        )
    empty, budget = declared, config.budget
    if declared is None:
        nobody = _plan(players, config, (0.0, 0.0), budget).intervention(np.zeros(len(players), bool))
        judged = await judge.judge(nobody)
        budget -= 1
        empty = judged.value
        if judged.outcome is None:
            empty = config.baseline if isinstance(config.baseline, float) else DEFAULT_BASELINE
            notes += (f"the run with everyone masked has no outcome ({judged.reason}): b = {empty:g} is declared",)
            declared = empty
    assert empty is not None
    plan = _plan(players, config, (empty, trajectory.outcome.score), budget, _prior(trajectory, players, config))
    game = Game(plan, judge, meter)
    estimate, log = await game.play(), game.log
    if plan.repeats == 1 and budget >= _PROBED_BUDGET:
        noise = await measured_noise(plan, log, judge)
        if noise.sigma:
            plan, log, estimate = reconsidered(plan, log, noise.sigma)
        if noise.varies:
            notes += ("replies vary: `repeats` above 1 averages over them, standard errors know of their spread only",)
    played = _Played(plan, estimate, log, meter, system.baseline, "replayed" if declared is None else "declared")
    return _credit(trajectory, played, config, (*system.notes, *notes))


def passive_credit(trajectory: Trajectory, config: CreditConfig, why: str, declared: float | None = None) -> Credit:
    """Credit by `auto` in place of replay, which says why."""
    if declared is not None and trajectory.outcome is not None:
        trajectory = trajectory.with_outcome(trajectory.outcome.model_copy(update={"baseline": declared}))
    credit = assign_credit(trajectory, config.model_copy(update={"method": "auto"}))
    return credit.model_copy(update={"notes": (f"not replayed: {why}", *credit.notes)})


@dataclass(frozen=True)
class _Played:
    plan: GamePlan
    estimate: Estimate
    log: Log
    meter: Meter
    substitute: str
    empty_is: str


def _nothing_to_replay(trajectory: Trajectory, system: System) -> str | None:
    if trajectory.outcome is None or not trajectory.messages:
        return "there is no outcome or no message"
    return None if system.players else "; ".join(("no message can be masked", *system.notes))


async def _check_identity(judge: Judge, observed: float) -> Judged:
    judged = await judge.judge(Intervention())
    if judged.outcome is None:
        raise ReplayRefusedError(f"the unchanged replay has no outcome: {judged.reason}")
    if judged.meter.live:
        raise ReplayRefusedError(
            f"the unchanged replay is not the run: {judged.meter.live} executions had inputs that the run never had, "
            "so something that replay cannot see (time, chance, a store) decides what agents read"
        )
    if abs(judged.outcome.score - observed) > _SAME:
        raise ReplayRefusedError(
            f"the evaluator says {judged.outcome.score:g} of the unchanged replay, the run had {observed:g}: it "
            "must judge by what the replay has too, and say the same of the same"
        )
    return judged


def _players(system: System, config: CreditConfig) -> tuple[tuple[Player, ...], tuple[str, ...]]:
    if config.players == "agents":
        return by_actor(system.players), ()
    if len(system.players) > _MAX_PLAYERS:
        note = f"{len(system.players)} players are more than {_MAX_PLAYERS}: agents are masked as a whole"
        return by_actor(system.players), (note,)
    return tuple(system.players), ()


def _plan(
    players: tuple[Player, ...],
    config: CreditConfig,
    ends: tuple[float, float],
    budget: int,
    prior: tuple[float, ...] | None = None,
) -> GamePlan:
    unions = config.level == "owen" and config.players == "messages"
    return GamePlan(players, unions, budget, ends, config.repeats, config.tolerance, prior=prior)


def _prior(trajectory: Trajectory, players: Sequence[Player], config: CreditConfig) -> tuple[float, ...] | None:
    rewards = _passive_rewards(trajectory, config)
    prior = tuple(sum(rewards.get(message_id, 0.0) for message_id in player.message_ids) for player in players)
    return prior if any(prior) else None


def _passive_rewards(trajectory: Trajectory, config: CreditConfig) -> dict[str, float]:
    """What the messages themselves suggest. A run that ended as expected has no credit to share: then as in success."""
    assert trajectory.outcome is not None
    baseline = 0.0 if trajectory.outcome.score > 0.0 else 1.0
    ended = trajectory.with_outcome(trajectory.outcome.model_copy(update={"baseline": baseline}))
    credit = assign_credit(ended, config.model_copy(update={"method": "auto"}))
    rewards: dict[str, float] = {}
    for reward in credit.messages:
        rewards.setdefault(reward.message_id, reward.reward or 0.0)
    return rewards


def _credit(trajectory: Trajectory, played: _Played, config: CreditConfig, notes: tuple[str, ...]) -> Credit:
    plan, estimate = played.plan, played.estimate
    method = "agents" if config.players == "agents" else "owen" if plan.unions else "shapley"
    rewards = _rewards(trajectory, played, config)
    record = _record(played)
    if played.log.cut_short is not None:
        notes += (f"replays ended early: {played.log.cut_short}",)
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


def _rewards(trajectory: Trajectory, played: _Played, config: CreditConfig) -> dict[str, tuple[float, float | None]]:
    """Rewards of messages: a player's own where it is one message, else the nearest to the passive ones of that sum."""
    passive = _passive_rewards(trajectory, config)
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


def _record(played: _Played) -> ReplayRecord:
    plan, estimate, log, counts = played.plan, played.estimate, played.log, played.meter.counts
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
        costs=ReplayCosts(
            system_runs=played.meter.runs,
            live_calls=counts.live,
            pinned_calls=counts.pinned,
            model_calls=counts.model_calls,
            model_calls_saved=counts.model_calls_saved,
            input_tokens=counts.input_tokens,
            output_tokens=counts.output_tokens,
        ),
    )
