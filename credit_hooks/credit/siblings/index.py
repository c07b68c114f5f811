"""`SiblingIndex`: runs of many tasks in, the credit of each with what the others say. Pure arithmetic, any order.

    r = project(default + .2 g tanh(e / 2)), summing to R - b

over the messages that can have contributed, with the evidence e of each message's conclusion from *other* runs of its
task, the gate g of the store, and the expectation b of the task from its other runs. Where that is refused, the credit
is the default's, and its notes say why.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from credit_hooks.credit.assign import assign_credit
from credit_hooks.credit.config import CreditConfig
from credit_hooks.credit.evidence import Evidence
from credit_hooks.credit.project import project
from credit_hooks.credit.provenance import Provenance
from credit_hooks.credit.siblings.conclusions import conclusions
from credit_hooks.credit.siblings.config import SiblingConfig
from credit_hooks.credit.siblings.counts import TaskCounts
from credit_hooks.credit.siblings.expectation import Expectation
from credit_hooks.credit.siblings.facts import RunFacts
from credit_hooks.credit.siblings.gate import Gate, fit_gate
from credit_hooks.credit.siblings.prompts import PromptEffect, PromptModel, prompt_messages, with_prompts
from credit_hooks.credit.temporal import turn_matrix, turns_of
from credit_hooks.credit.transcript import Transcript
from credit_hooks.errors import ConfigurationError
from credit_hooks.rewards import Credit, CreditedRun
from credit_hooks.trajectory import Trajectory

__all__ = ["SiblingIndex", "assign_with_siblings"]

_DEFAULT = CreditConfig()
_SIBLINGS = SiblingConfig()

Vector = NDArray[np.float64]


class SiblingIndex:
    """Knows of every run what the comparison needs, about 1 kB each; the runs themselves are not kept.

    Args:
        config: How each run is credited by itself.
        siblings: How the others count.
    """

    def __init__(self, config: CreditConfig = _DEFAULT, siblings: SiblingConfig = _SIBLINGS) -> None:
        self.config = config
        self.siblings = siblings
        self._facts: dict[str, RunFacts] = {}
        self._study: _Study | None = None

    def add(self, trajectory: Trajectory) -> None:
        """Take a run into account; one without an outcome or messages tells nothing and is passed over.

        Raises:
            ConfigurationError: another run of the same id, which is not the same run, was added before.
        """
        facts = RunFacts.of(trajectory, self.config, self.siblings.actions)
        if facts is None:
            return
        if self._facts.setdefault(facts.run_id, facts) != facts:
            raise ConfigurationError(
                f"two different runs have the id {facts.run_id!r}: each run needs an id of its own"
            )
        self._study = None

    def __len__(self) -> int:
        return len(self._facts)

    @property
    def gate(self) -> Gate:
        """Whether, and how far, evidence from siblings is used."""
        return self._studied.gate

    @property
    def prompt_effects(self) -> tuple[PromptEffect, ...]:
        """What changed prompts did to the outcomes; empty where nothing can be said."""
        return self._studied.prompts.effects

    @property
    def prompt_reason(self) -> str | None:
        """Why nothing can be said of prompts. None: something can."""
        return self._studied.prompts.reason

    def expected(self, trajectory: Trajectory) -> float | None:
        """P(success | task) of a run from its siblings, its own outcome left out. None: it states no outcome.

        Raises:
            ConfigurationError: a run of this id was added, but it is not this run.
        """
        facts, counted = self._known(trajectory)
        return None if facts is None else self._studied.expectation.of(facts, counted=counted)

    def _known(self, trajectory: Trajectory) -> tuple[RunFacts | None, bool]:
        """Facts of a run, and whether they are among those added."""
        facts = RunFacts.of(trajectory, self.config, self.siblings.actions)
        if facts is None:
            return None, False
        if self._facts.get(facts.run_id, facts) != facts:
            raise ConfigurationError(f"run {facts.run_id!r} changed since it was added: build a new index")
        return facts, facts.run_id in self._facts

    def credit(self, trajectory: Trajectory) -> Credit:
        """Credit of a run, whether it was added or not; conserved and bounded as :func:`assign_credit`'s."""
        return self.credited(trajectory).credit

    def credited(self, trajectory: Trajectory) -> CreditedRun:
        """The run and its credit; where prompts take a share, the run has them as messages.

        Raises:
            ConfigurationError: a run of this id was added, but it is not this run.
        """
        facts, counted = self._known(trajectory)
        if facts is None:
            return CreditedRun(trajectory=trajectory, credit=assign_credit(trajectory, self.config))
        study = self._studied
        based = trajectory
        assert trajectory.outcome is not None
        if self.siblings.expectation and trajectory.outcome.baseline is None:
            expected = study.expectation.of(facts, counted=counted)
            based = trajectory.with_outcome(trajectory.outcome.model_copy(update={"baseline": expected}))
        shares = study.prompts.shares(facts) if self.siblings.prompts else {}
        wanted = {prompt_messages(based)[actor]: share for (actor, _), share in sorted(shares.items())}
        run = with_prompts(based) if wanted else based
        credit = _adjusted(run, self.config, self._terms(run, facts, counted), wanted, self._notes(facts, counted))
        return CreditedRun(trajectory=run.with_outcome(trajectory.outcome), credit=credit)

    def _terms(self, run: Trajectory, facts: RunFacts, counted: bool) -> dict[str, float]:
        """What the evidence adds to each message, by id."""
        gate, counts = self._studied.gate, self._studied.counts
        if not gate.strength or sum(counts.siblings(facts, counted=counted)) == 0:
            return {}
        transcript = Transcript.of(run)
        evidence = Evidence(transcript, Provenance.of(transcript, self.config.relation), self.config)
        return {
            message.id: self.siblings.weight * gate.strength * float(np.tanh(value / 2.0))
            for message, conclusion in zip(
                transcript.messages, conclusions(evidence, self.siblings.actions), strict=True
            )
            if (value := counts.evidence(facts, conclusion, counted=counted))
        }

    def _notes(self, facts: RunFacts, counted: bool) -> tuple[bool, tuple[str, ...]]:
        """Whether evidence was used, and what is said of it."""
        gate = self._studied.gate
        n0, n1 = self._studied.counts.siblings(facts, counted=counted)
        if facts.task is None:
            reason: str | None = "the run states no task"
        elif n0 + n1 == 0:
            reason = "no other run of this task"
        elif facts.last is None:
            reason = "the run concludes nothing that could be compared"
        else:
            reason = gate.reason
        if reason is not None:
            return False, (f"no evidence from sibling runs: {reason}",)
        return True, (f"evidence from {n0} failed and {n1} successful runs of this task, gate {gate.strength:.2f}",)

    @property
    def _studied(self) -> _Study:
        if self._study is None:
            self._study = _Study(list(self._facts.values()), self.siblings)
        return self._study


class _Study:
    """All that is fitted on the store."""

    def __init__(self, facts: list[RunFacts], siblings: SiblingConfig) -> None:
        ordered = sorted(facts, key=lambda run: run.run_id)
        self.counts = TaskCounts(ordered)
        self.expectation = Expectation(ordered)
        self.prompts = PromptModel(ordered)
        judged = [run for run in ordered if sum(self.counts.siblings(run)) > 0]
        self.gate = fit_gate(
            [float(np.tanh(self.counts.evidence(run, run.last) / 2.0)) for run in judged],
            [float(run.success) for run in judged],
            min_runs=siblings.min_runs,
            min_z=siblings.min_z,
        )


def assign_with_siblings(
    runs: Iterable[Trajectory], config: CreditConfig = _DEFAULT, siblings: SiblingConfig = _SIBLINGS
) -> tuple[CreditedRun, ...]:
    """Credit all runs with what the others of their task say, in the order given; the order changes no credit.

    Raises:
        ConfigurationError: two different runs have the same id.
    """
    kept = list(runs)
    index = SiblingIndex(config, siblings)
    for run in kept:
        index.add(run)
    return tuple(index.credited(run) for run in kept)


def _adjusted(
    run: Trajectory,
    config: CreditConfig,
    terms: dict[str, float],
    prompts: dict[str, float],
    said: tuple[bool, tuple[str, ...]],
) -> Credit:
    """The default credit with the terms added and the sum restored over the messages that are players."""
    credit = assign_credit(run, config)
    used, notes = said
    if credit.status != "credited" or credit.steps or credit.unassigned:  # no message to share anything with
        return credit
    method = credit.method + "+siblings" * used + "+prompts" * bool(prompts)
    if not credit.total or (not terms and not prompts):  # where R = b there is nothing to share out
        return credit.model_copy(update={"method": method, "notes": (*credit.notes, *notes)})
    transcript = Transcript.of(run)
    provenance = Provenance.of(transcript, config.relation)
    rewards = _shared_out(credit, transcript, provenance, terms, prompts)
    listed = np.zeros(len(rewards))
    listed[list(transcript.listed)] = rewards
    sums = np.bincount(transcript.author, rewards, len(transcript.actors))
    agents = {**credit.agents, **dict(zip(transcript.actors, sums.tolist(), strict=True))}
    messages = tuple(
        reward.model_copy(update={"reward": value})
        for reward, value in zip(credit.messages, listed.tolist(), strict=True)
    )
    turns = credit.turns
    if config.potential == "rewards":
        turns = turn_matrix(transcript, turns_of(transcript, provenance), rewards)
    return credit.model_copy(
        update={
            "method": method,
            "agents": agents,
            "messages": messages,
            "turns": turns,
            "notes": (*credit.notes, *notes),
        }
    )


def _shared_out(
    credit: Credit, transcript: Transcript, provenance: Provenance, terms: dict[str, float], prompts: dict[str, float]
) -> Vector:
    """Rewards by position: prompts take their shares, messages what is left of R - b; null players stay at 0.0."""
    default = [credit.messages[place].reward or 0.0 for place in transcript.listed]
    ids = [message.id for message in transcript.messages]
    first = np.array([not transcript.is_duplicate(m) for m in range(len(ids))], bool)
    is_prompt = np.array([message_id in prompts for message_id in ids], bool) & first
    players = provenance.players & first & ~is_prompt
    rewards: Vector = np.array([own + terms.get(i, 0.0) for own, i in zip(default, ids, strict=True)]) * players
    share = np.array([prompts.get(i, 0.0) for i in ids]) * is_prompt
    wanted, most = credit.total - float(share.sum()), float(players.sum())
    if abs(wanted) > most:  # more than the messages can carry at all: prompts give way
        share *= (credit.total - float(np.copysign(most, wanted))) / share.sum()
    rewards[is_prompt] = share[is_prompt]
    if players.any():
        rewards[players] = _summing_to(rewards[players], credit.total - float(rewards[is_prompt].sum()))
    return rewards


def _summing_to(values: Vector, total: float) -> Vector:
    """The nearest vector in [-1, 1]^n with this sum: clip(y + mu)."""
    shifted = project(values + (total - values.sum()) / values.size)
    # What rounding left over goes to the one furthest from its bounds.
    shifted[int(np.argmin(np.abs(shifted)))] += total - shifted.sum()
    return shifted
