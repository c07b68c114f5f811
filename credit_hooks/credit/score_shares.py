"""Shares from step scores: the growth of P(success | the run so far), telescoped to R - b."""

from __future__ import annotations

import numpy as np

from credit_hooks.credit.failures import failure_case
from credit_hooks.credit.shares import Problem, Shares
from credit_hooks.failure.evidence_labels import step_scores_of
from credit_hooks.failure.localise import posterior
from credit_hooks.failure.telescoping import score_growth, telescoped_rewards

__all__ = ["step_score_shares"]


def step_score_shares(problem: Problem) -> Shares | None:
    """r_t = Phi_t - Phi_{t-1}, errors negative, repairs positive, summing to R - b. None: no message is scored.

    What the scores leave open follows the posterior of the first error in a failure, and is even in a success.
    """
    transcript, players = problem.transcript, problem.provenance.players
    ids = [message.id for message in transcript.messages]
    scores, notes = step_scores_of(transcript.trajectory.labels, ids)
    scores[~players] = np.nan
    if not np.isfinite(scores).any():
        return None
    even = players / players.sum()
    if not problem.total:
        return Shares(even, "step_scores", notes=notes)
    case = failure_case(problem.evidence)[0] if problem.failed else None
    share = even if case is None else np.where(players, posterior(case), 0.0)
    share = even if not share.sum() else share / share.sum()
    growth = score_growth(scores, baseline=problem.baseline)
    rewards = telescoped_rewards(growth[players], share[players], total=problem.total)
    result = np.zeros(len(players))
    result[players] = rewards / problem.total
    return Shares(result, "step_scores", notes=notes)
