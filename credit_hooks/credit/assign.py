"""`assign_credit`: a finished run to signed, conserved rewards. A pure function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from credit_hooks.credit.config import DEFAULT_BASELINE, CreditConfig
from credit_hooks.credit.evidence import Evidence
from credit_hooks.credit.failures import failure_case, first_error
from credit_hooks.credit.project import project
from credit_hooks.credit.provenance import Provenance
from credit_hooks.credit.score_shares import step_score_shares
from credit_hooks.credit.shares import (
    Problem,
    Shares,
    flow_shares,
    path_mass_shares,
    reachability_shares,
    reader_vote_shares,
)
from credit_hooks.credit.silent import silent_credit
from credit_hooks.credit.temporal import turn_matrix, turns_of
from credit_hooks.credit.transcript import Transcript
from credit_hooks.failure.localise import FailureCase, posterior
from credit_hooks.rewards import Credit, Reward, TurnCredit
from credit_hooks.trajectory import Outcome, Trajectory

__all__ = ["Solution", "assign_credit", "solve"]

_METHODS: Mapping[str, Callable[[Problem], Shares]] = {
    "reader_vote": reader_vote_shares,
    "provenance": path_mass_shares,
    "reachability": reachability_shares,
    "flow": flow_shares,
}
_DEFAULT = CreditConfig()

Vector = NDArray[np.float64]


def assign_credit(trajectory: Trajectory, config: CreditConfig = _DEFAULT) -> Credit:
    """Distribute R - b over the messages of a run.

    Provenance decides who can have contributed: messages that the answer does not rest on, and the run's inputs, get
    exactly 0.0. Among the others the method decides; `Credit.method` says which it was, `Credit.notes` what was
    assumed. Rewards are in [-1, 1]; they sum to R - b, and those of an agent to its entry in `Credit.agents`, within
    1e-9. The result depends on the run and the configuration alone, not on the order of its steps, actors or messages.
    Where nobody contributed a message, `Credit.steps` and `Credit.unassigned` carry R - b: see `silent`.

    Never raises for odd data: without an outcome or messages there is no credit, and `Credit.status` says why.
    """
    refusal = _refusal(trajectory, config)
    if refusal is not None:
        return refusal
    assert trajectory.outcome is not None
    baseline, notes = _baseline(trajectory.outcome, config)
    total = trajectory.outcome.score - baseline
    transcript = Transcript.of(trajectory)
    provenance = Provenance.of(transcript, config.relation)
    if provenance.only_inputs:
        known = Credit(
            trajectory_id=trajectory.id,
            outcome=trajectory.outcome.score,
            baseline=baseline,
            total=total,
            settings=config.settings,
            notes=(*notes, *provenance.notes, *_duplicates(transcript)),
        )
        return silent_credit(transcript, known)
    solution = solve(transcript, provenance, config, total, baseline)
    shares, rewards, case = solution.shares, solution.rewards, solution.case
    return Credit(
        trajectory_id=trajectory.id,
        outcome=trajectory.outcome.score,
        baseline=baseline,
        total=total,
        method=shares.method,
        agents=_agents(transcript, rewards),
        messages=_rewards(transcript, rewards),
        turns=_turns(solution, total),
        first_error=None if case is None else first_error(transcript, case),
        evidence=shares.evidence,
        conviction=shares.conviction,
        low_evidence=shares.low_evidence or (shares.evidence is not None and shares.evidence < config.low_evidence),
        notes=tuple(
            dict.fromkeys((*notes, *provenance.notes, *_duplicates(transcript), *shares.notes, *solution.notes))
        ),
        settings=config.settings,
    )


@dataclass(frozen=True)
class Solution:
    """How R - b was shared out: what a person needs who wants to see why."""

    problem: Problem
    shares: Shares
    """What the method found."""
    rewards: Vector
    """Rewards in the transcript's order, shape (M,): shares of the total, projected."""
    case: FailureCase | None
    """What is known of the failure. None: the run succeeded, or nothing is known."""
    notes: tuple[str, ...]
    """Notes on the failure."""


def solve(
    transcript: Transcript, provenance: Provenance, config: CreditConfig, total: float, baseline: float
) -> Solution:
    """Share `total` out among the players of a run that has some."""
    evidence = Evidence(transcript, provenance, config)
    problem = Problem(transcript, provenance, evidence, config, failed=total < 0, total=total, baseline=baseline)
    shares = _shares(problem)
    rewards = np.zeros(len(transcript.messages))
    if total:
        rewards[provenance.players] = project(total * shares.share[provenance.players])
    outcome = transcript.trajectory.outcome
    failed = total < 0 or (outcome is not None and outcome.success is False)
    case, notes = failure_case(evidence) if failed else (None, ())
    return Solution(problem, shares, rewards, case, notes)


def _refusal(trajectory: Trajectory, config: CreditConfig) -> Credit | None:
    outcome = trajectory.outcome
    score = None if outcome is None else outcome.score
    if len(trajectory.messages) > config.max_messages:
        note = f"{len(trajectory.messages)} messages are more than max_messages={config.max_messages}"
        return Credit(trajectory_id=trajectory.id, status="overflow", outcome=score, notes=(note,))
    if outcome is None:
        return Credit(trajectory_id=trajectory.id, status="no_outcome")
    if not trajectory.messages:
        return Credit(trajectory_id=trajectory.id, status="no_messages", outcome=score)
    return None


def _baseline(outcome: Outcome, config: CreditConfig) -> tuple[float, tuple[str, ...]]:
    if outcome.baseline is not None:
        return outcome.baseline, ()
    if isinstance(config.baseline, str):
        note = f"baseline {config.baseline!r} needs a BaselineTracker, and the outcome states none: {DEFAULT_BASELINE}"
        return DEFAULT_BASELINE, (note,)
    return config.baseline, ()


def _shares(problem: Problem) -> Shares:
    method = problem.config.method
    if method == "step_scores":
        scored = step_score_shares(problem)
        if scored is not None:
            return scored
        method = "auto"
    if method == "replay":
        found = _shares(replace(problem, config=problem.config.model_copy(update={"method": "auto"})))
        note = "not replayed: assign_credit repeats nothing; a callback with replay= does"
        return replace(found, notes=(note, *found.notes))
    if method in ("auto", "reader_vote") and not any(map(problem.transcript.has_voice, problem.evidence.players)):
        found = path_mass_shares(problem)
        note = "no message that can have contributed states anything in words: provenance alone decides"
        return Shares(found.share, f"provenance_only.{found.method}", low_evidence=True, notes=(note, *found.notes))
    return _METHODS["reader_vote" if method == "auto" else method](problem)


def _agents(transcript: Transcript, rewards: Vector) -> dict[str, float]:
    """Credit per actor: authors by first message, then actors that never wrote, who are null players."""
    sums = np.bincount(transcript.author, rewards, len(transcript.actors))
    credit = dict(zip(transcript.actors, sums.tolist(), strict=True))
    silent = sorted({actor.id for actor in transcript.trajectory.actors if actor.kind == "agent"} - credit.keys())
    return {**credit, **dict.fromkeys(silent, 0.0)}


def _rewards(transcript: Transcript, rewards: Vector) -> tuple[Reward, ...]:
    """Rewards in the trajectory's own order."""
    values = np.zeros(len(rewards))
    values[list(transcript.listed)] = rewards
    return tuple(
        Reward(message_id=message.id, actor_id=message.actor_id, reward=reward)
        for message, reward in zip(transcript.trajectory.messages, values.tolist(), strict=True)
    )


def _duplicates(transcript: Transcript) -> tuple[str, ...]:
    count = len(transcript.messages) - len(transcript.at)
    return (f"{count} message(s) repeat the id of an earlier one: no read set can name them",) * bool(count)


def _turns(solution: Solution, total: float) -> tuple[TurnCredit, ...]:
    problem, amounts = solution.problem, solution.rewards
    if problem.config.potential == "expected_step" and problem.failed and solution.case is not None:
        # A localiser may name what the run was given as its first error; credit is for those who contributed.
        blame = np.where(problem.provenance.players, posterior(solution.case), 0.0)
        amounts = total * blame / blame.sum() if blame.sum() > 0 else amounts
    return turn_matrix(problem.transcript, turns_of(problem.transcript, problem.provenance), amounts)
