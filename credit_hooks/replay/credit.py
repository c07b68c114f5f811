"""Credit by replay: v(S) is the outcome of the run with everyone but S masked, measured by running it again.

    identity replay -> v(∅) -> coalitions, as the estimator asks for them -> values of players -> rewards of messages

v(N) is the outcome that was observed. v(∅) is replayed too, and is the baseline b, unless the user declares one: then
v(∅) = b by declaration, and the difference is shared as any value that takes nobody in particular to reach. Rewards
always sum to R - b, however few replays there were: without any they are the values that the messages themselves
suggest (the prior), so shifted that the sum is right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from credit_hooks.credit.assign import assign_credit
from credit_hooks.credit.config import DEFAULT_BASELINE, CreditConfig
from credit_hooks.credit.estimate import Estimate
from credit_hooks.credit.estimate.stopping import student_factor
from credit_hooks.errors import ReplayError, ReplayRefusedError
from credit_hooks.evaluation import EvaluationPool
from credit_hooks.ports import Evaluator
from credit_hooks.replay.aside import run_aside
from credit_hooks.replay.game import Game, GamePlan, Log, by_actor
from credit_hooks.replay.judge import Judge, Judged
from credit_hooks.replay.meter import Meter, ReplayLimits
from credit_hooks.replay.noise import RAISED, Noise, has_room, measured_noise, spread
from credit_hooks.replay.port import Intervention, Player, System
from credit_hooks.replay.result import Played, credit_of, passive_rewards
from credit_hooks.rewards import Credit
from credit_hooks.trajectory import Trajectory

__all__ = ["areplay_credit", "check_identity", "passive_credit", "replay_credit"]

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
    unchanged = await check_identity(judge, trajectory.outcome.score)
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
    plan, estimate, log, told = await _played(plan, Game(judge, meter))
    notes += told
    played = Played(plan, estimate, log, meter, system.baseline, "replayed" if declared is None else "declared")
    return credit_of(trajectory, played, config, (*system.notes, *notes))


async def _played(plan: GamePlan, game: Game) -> tuple[GamePlan, Estimate, Log, tuple[str, ...]]:
    """Play a game as its replies want it: once per coalition, or several times where outcomes vary."""
    is_looked_at = plan.repeats == 1 and plan.budget >= _PROBED_BUDGET
    noise = await measured_noise(plan, game) if is_looked_at else Noise()
    is_raised = noise.matters and has_room(plan)
    notes: tuple[str, ...] = ()
    if is_raised:
        plan = replace(plan, repeats=RAISED)
        notes = (f"replies vary, and outcomes with them: each coalition was evaluated {RAISED} times",)
    elif noise.varies and not noise.matters:
        plan = replace(plan, budget=plan.budget - noise.looks)
        notes = (f"replies vary, outcomes did not when {noise.looks} evaluations were repeated",)
    elif noise.varies:
        notes = (
            f"replies vary: a budget of {plan.budget} has no room for evaluating coalitions {RAISED} times, so "
            "standard errors are not known",
        )
    estimate = await game.play(plan)
    if plan.repeats > 1:
        plan = replace(plan, noise=spread(game.log, plan.repeats) or None)
        # Coalitions share replies of a draw: as few degrees of freedom as if they shared all of them.
        estimate = replace(estimate, std_err=estimate.std_err * student_factor(plan.repeats - 1))
    elif noise.matters:
        unknown = np.full(len(plan.players), np.inf)
        estimate = replace(
            estimate, std_err=unknown, stopped="exhausted" if estimate.stopped == "exact" else estimate.stopped
        )
    return plan, estimate, game.log, notes


def passive_credit(trajectory: Trajectory, config: CreditConfig, why: str, declared: float | None = None) -> Credit:
    """Credit by `auto` in place of replay, which says why."""
    if declared is not None and trajectory.outcome is not None:
        trajectory = trajectory.with_outcome(trajectory.outcome.model_copy(update={"baseline": declared}))
    credit = assign_credit(trajectory, config.model_copy(update={"method": "auto"}))
    return credit.model_copy(update={"notes": (f"not replayed: {why}", *credit.notes)})


def _nothing_to_replay(trajectory: Trajectory, system: System) -> str | None:
    if trajectory.outcome is None or not trajectory.messages:
        return "there is no outcome or no message"
    return None if system.players else "; ".join(("no message can be masked", *system.notes))


async def check_identity(judge: Judge, observed: float) -> Judged:
    """Run unchanged: that has to call nothing, and to end as was observed.

    Raises:
        ReplayRefusedError: it does not.
    """
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
    return GamePlan(players, unions, budget, ends, config.repeats, tolerance=config.tolerance, prior=prior)


def _prior(trajectory: Trajectory, players: Sequence[Player], config: CreditConfig) -> tuple[float, ...] | None:
    rewards = passive_rewards(trajectory, config)
    prior = tuple(sum(rewards.get(message_id, 0.0) for message_id in player.message_ids) for player in players)
    return prior if any(prior) else None
