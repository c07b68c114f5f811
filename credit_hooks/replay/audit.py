"""Computes the values of a stored game again, from its coalitions alone."""

from __future__ import annotations

import numpy as np

from credit_hooks.credit.estimate import Estimate
from credit_hooks.errors import EvaluationError
from credit_hooks.replay.game import GamePlan
from credit_hooks.replay.port import Player
from credit_hooks.replayed import ReplayRecord

__all__ = ["plan_of", "recompute"]


def plan_of(record: ReplayRecord) -> GamePlan:
    """What was to be estimated."""
    return GamePlan(
        players=tuple(Player(player.actor_id, player.message_ids) for player in record.players),
        unions=record.unions,
        budget=record.budget,
        ends=record.ends,
        repeats=record.repeats,
        noise=record.noise,
        tolerance=record.tolerance,
        seed=record.seed,
        prior=record.prior,
    )


def recompute(record: ReplayRecord) -> Estimate:
    """The estimate of a stored game: no replay is made, and the values are those stored, to the last bit.

    Raises:
        EvaluationError: the record's coalitions are not those that its plan asks for; it was changed, or written by
            another version of the estimator.
    """
    steps = plan_of(record).estimation()
    at = 0
    try:
        asked = next(steps)
        while True:
            stop = at + len(asked)
            if stop > len(record.values):
                if record.cut_short is None:
                    raise EvaluationError(f"the record ends at coalition {at}, its plan goes on")
                asked = steps.throw(EvaluationError(record.cut_short))
                continue
            wanted = [format(sum(1 << int(i) for i in np.flatnonzero(kept)), "x") for kept in asked]
            if wanted != list(record.coalitions[at:stop]):
                raise EvaluationError(f"the record's coalitions {at} to {stop} are not those that its plan asks for")
            values = record.values[at:stop]
            asked = steps.send([np.nan if value is None else value for value in values])
            at = stop
    except StopIteration as done:
        result: Estimate = done.value
        return result
