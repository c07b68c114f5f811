"""The result of crediting a run: signed, conserved rewards per message and agent, and their form on spans."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from pydantic import Field, JsonValue

from credit_hooks import semconv
from credit_hooks.parts import FrozenModel
from credit_hooks.replayed import ReplayRecord
from credit_hooks.trajectory import Trajectory

__all__ = [
    "Credit",
    "CreditStatus",
    "CreditedRun",
    "FirstError",
    "Reward",
    "TurnCredit",
    "run_attributes",
    "span_attributes",
]

CreditStatus: TypeAlias = Literal["credited", "no_outcome", "no_messages", "overflow", "timeout", "shutdown", "error"]


class Reward(FrozenModel):
    """The credit of one message."""

    message_id: str
    """Which message."""
    actor_id: str
    """Its author."""
    reward: float | None = Field(default=None, ge=-1.0, le=1.0)
    """Share of `outcome - baseline`, signed. None: never scored. 0.0: scored, and contributed nothing."""
    std_err: float | None = None
    """Standard error of an estimate. None: the value is exact under its value function."""


class TurnCredit(FrozenModel):
    """One cell of C[t, i]: what agent i earned in turn t."""

    turn: int = Field(ge=0)
    """Turn index t, 0-based; a turn is a maximal set of steps that ran side by side."""
    actor_id: str
    """Agent i."""
    credit: float
    """C[t, i]. Summed over i: temporal credit. Summed over t: role credit. Summed over both: R - b."""


class FirstError(FrozenModel):
    """Where a failed run first went wrong, as far as the evidence says."""

    message_id: str
    """The message blamed first."""
    actor_id: str
    """Its author."""
    index: int
    """Its index in the source."""
    probability: float = Field(ge=0.0, le=1.0)
    """Posterior probability that the first error is here. Uncalibrated unless a fitted localiser says so."""
    rule: str
    """The rule or model that decided."""
    reason: str | None = None
    """What it saw, without quoting content. None: nothing more to say."""
    candidates: tuple[tuple[str, float], ...] = ()
    """(message id, probability), most probable first, top ten."""
    posterior: tuple[float, ...] = ()
    """P(first error = m) for every message, by source index; sums to 1. Empty: not kept."""
    confidence: float | None = Field(default=None, ge=0.0, le=1.0)
    """1 - entropy of the posterior / log of the number of candidates: 1 if it is sure, 0 if all are equal. None: not
    known. Runs of low confidence are worth a look: `credit-hooks review`."""
    evidence: tuple[str, ...] = ()
    """What the posterior rests on, of `rules`, `localiser`, `step_scores`, `replay`. Empty: not stated."""


class Credit(FrozenModel):
    """Who gets the reward and who the blame. Sums exactly: every level adds up to `total` within 1e-9."""

    trajectory_id: str
    """The run credited."""
    status: CreditStatus = "credited"
    """Whether it was credited, and why not if not."""
    outcome: float | None = Field(default=None, ge=0.0, le=1.0)
    """R. None: not known."""
    baseline: float | None = Field(default=None, ge=0.0, le=1.0)
    """b. None: not known."""
    total: float = 0.0
    """R - b, the amount distributed. 0.0 where nothing was."""
    method: str = ""
    """Value function and method, as `reader_vote.owen`; carries `provenance_only` where content could not decide."""
    agents: dict[str, float] = {}
    """Credit per actor id, the sum of its messages' rewards and of its entries in `steps`."""
    messages: tuple[Reward, ...] = ()
    """Reward per message, in the trajectory's order."""
    steps: dict[str, float] = {}
    """Blame by step id, for steps that failed before anybody had contributed a message to blame. Mostly empty."""
    unassigned: float = 0.0
    """What nobody carries, as nothing but the run's inputs leads to its end. Agents and this sum to `total`."""
    turns: tuple[TurnCredit, ...] = ()
    """C[t, i], zero cells left out."""
    first_error: FirstError | None = None
    """First error of a failed run. None: the run succeeded, or nothing can be said."""
    evidence: float | None = Field(default=None, ge=0.0, le=1.0)
    """Weight w of what the messages say against provenance alone. None: the method does not use content."""
    conviction: float | None = None
    """v(N), how firmly a reader of all messages holds the run's conclusion. None: as for `evidence`."""
    low_evidence: bool = False
    """True if signs and sizes rest on little: treat them as provenance, not as judgement."""
    evaluations: int = 0
    """System runs or value-function calls spent. 0: closed form."""
    notes: tuple[str, ...] = ()
    """What was given up or repaired on the way, in sentences."""
    settings: dict[str, JsonValue] = {}
    """What was chosen other than the defaults (:attr:`credit_hooks.credit.CreditConfig.settings`)."""
    replay: ReplayRecord | None = None
    """The replays that the rewards rest on. None: the run was not replayed."""

    @property
    def reward_of(self) -> Mapping[str, float | None]:
        """Rewards by message id."""
        return {reward.message_id: reward.reward for reward in self.messages}

    def __str__(self) -> str:
        """A few lines for a person: the sum to share, agents from best to worst, the first error."""
        if self.outcome is None or self.baseline is None:
            return f"not credited: {self.status}" + "".join(f"\n  {note}" for note in self.notes)
        lines = [f"outcome {self.outcome:.2f} - baseline {self.baseline:.2f} = {self.total:+.3f} by {self.method}"]
        ranked = sorted(self.agents.items(), key=lambda item: (-item[1], item[0]))
        width = max((len(actor_id) for actor_id in self.agents), default=0)
        lines += [f"  {actor_id:<{width}}  {credit:+.3f}" for actor_id, credit in ranked]
        if self.first_error is not None:
            error = self.first_error
            lines.append(f"  first error: message {error.index} by {error.actor_id} (p = {error.probability:.2f})")
        if self.unassigned:
            lines.append(f"  unassigned {self.unassigned:+.3f}: nobody contributed anything")
        if self.low_evidence:
            lines.append("  low evidence: read this as provenance, not as judgement")
        return "\n".join(lines)


class CreditedRun(FrozenModel):
    """A run and its credit: what stores keep, exporters write and reports show."""

    trajectory: Trajectory
    """The run."""
    credit: Credit
    """Its credit; look at `credit.status`."""


def span_attributes(run: CreditedRun) -> dict[str, dict[str, semconv.AttributeValue]]:
    """Credit as span attributes, by step id; the root's summary is under the id of the workflow step.

    Rewards stay parallel to `credit.writes`; a message without a reward makes the span's list absent rather than false.
    """
    credit, trajectory = run.credit, run.trajectory
    rewards = {reward.message_id: reward for reward in credit.messages}
    attributes: dict[str, dict[str, semconv.AttributeValue]] = {}
    for step in trajectory.steps:
        if step.kind == "workflow" and step.parent_id is None:
            attributes[step.id] = run_attributes(credit)
            if trajectory.outcome is not None and trajectory.outcome.success is not None:
                attributes[step.id][semconv.CREDIT_SUCCESS] = trajectory.outcome.success
            continue
        if step.id in credit.steps:
            attributes[step.id] = {semconv.CREDIT_REWARD: credit.steps[step.id]}
            if step.actor_id is not None:
                attributes[step.id][semconv.CREDIT_AGENT_CREDIT] = credit.agents.get(step.actor_id, 0.0)
            continue
        written = [rewards[message_id] for message_id in step.output_message_ids if message_id in rewards]
        if not written or len(written) != len(step.output_message_ids):
            continue
        values = [reward.reward for reward in written if reward.reward is not None]
        if len(values) != len(written):
            continue
        own: dict[str, semconv.AttributeValue] = {semconv.CREDIT_REWARD: sum(values), semconv.CREDIT_REWARDS: values}
        errors = [reward.std_err for reward in written if reward.std_err is not None]
        if len(errors) == len(written):
            own[semconv.CREDIT_STD_ERR] = errors
        if step.actor_id is not None and step.actor_id in credit.agents:
            own[semconv.CREDIT_AGENT_CREDIT] = credit.agents[step.actor_id]
        attributes.setdefault(step.id, {}).update(own)
    return attributes


def run_attributes(credit: Credit) -> dict[str, semconv.AttributeValue]:
    """The summary of a run's credit, as attributes of its root span."""
    summary: dict[str, semconv.AttributeValue | None] = {
        semconv.CREDIT_STATUS: credit.status,
        semconv.CREDIT_OUTCOME: credit.outcome,
        semconv.CREDIT_BASELINE: credit.baseline,
        semconv.CREDIT_TOTAL: credit.total,
        semconv.CREDIT_METHOD: credit.method or None,
        semconv.CREDIT_UNASSIGNED: credit.unassigned or None,
        semconv.CREDIT_EVALUATIONS: credit.evaluations,
        semconv.CREDIT_EVIDENCE: credit.evidence,
        semconv.CREDIT_CONVICTION: credit.conviction,
        semconv.CREDIT_LOW_EVIDENCE: credit.low_evidence,
        semconv.CREDIT_FIRST_ERROR: None if credit.first_error is None else credit.first_error.message_id,
    }
    return {key: value for key, value in summary.items() if value is not None}
