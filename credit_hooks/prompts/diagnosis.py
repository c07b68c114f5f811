"""Which block holds the team back: role credit, read against runs that succeeded, and bottlenecks.

The column sums of C[t, i] over failed runs follow the shape of the team as much as anybody's faults: who comes first
and says most is blamed most, whoever erred. So blame is read as a contrast. Every run, also one that succeeded, is
credited as if it had failed; what an agent is blamed for more in runs that did fail than in runs that did not is what
its place in the team cannot explain. It shows faults that show in what agents say (hedging, errors, dissent); agents
that fail without a sign look like all others, and then only trying tells.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from credit_hooks.credit import CreditConfig, assign_credit
from credit_hooks.credit.bottleneck import bottlenecks
from credit_hooks.parts import FrozenModel
from credit_hooks.prompts.blocks import BlockKind, PromptBlock
from credit_hooks.prompts.evidence import actors_of
from credit_hooks.rewards import CreditedRun
from credit_hooks.trajectory import Outcome

__all__ = ["Diagnosis", "diagnose"]

_FEW = 2  # runs of each kind below which there is no contrast
_FLOOR = 0.02  # standard error, in shares of blame, that no contrast is taken to be surer than

Vector = NDArray[np.float64]


class Diagnosis(FrozenModel):
    """How one block does, over several runs."""

    role: str
    """The block."""
    kind: BlockKind
    """Its kind."""
    credit: float
    """Mean credit of its agents: the column sums of C[t, i]."""
    contrast: float | None
    """(mean share of blame in failed runs - mean share of blame that runs which succeeded would have given it) / its
    standard error. Above 0: blamed for more than its place explains. None: too few runs of one kind."""
    bottleneck: float
    """Mean over failed runs of the largest bottleneck score of a turn in which its agents wrote, in [0, 1]."""
    failed: int
    """Failed runs looked at."""

    @property
    def priority(self) -> float:
        """The higher, the more a rewrite may gain: the contrast, or the lack of credit where there is none.

        An aggregation's bottlenecks count in addition: it is there to make something of the turns before it.
        """
        blame = -self.credit if self.contrast is None else self.contrast
        return blame + (self.bottleneck if self.kind == "aggregation" else 0.0)


def diagnose(blocks: Sequence[PromptBlock], runs: Sequence[CreditedRun]) -> tuple[Diagnosis, ...]:
    """One diagnosis per block, in order, from credited runs of training tasks."""
    scored = [run for run in runs if run.credit.outcome is not None]
    _warn_of_strangers(blocks, scored)
    failed = np.array([(run.credit.outcome or 0.0) < 1.0 for run in scored], bool)
    shares = np.array([_blame(run, blocks) for run in scored]).reshape(len(scored), len(blocks))
    contrast = _contrast(shares, failed)
    stuck = [_stuck(run, blocks) for run, wrong in zip(scored, failed, strict=True) if wrong]
    return tuple(
        Diagnosis(
            role=block.role,
            kind=block.kind,
            credit=_mean([_credit(run, block) for run in scored]),
            contrast=None if contrast is None else float(contrast[number]),
            bottleneck=_mean([run[number] for run in stuck]),
            failed=int(failed.sum()),
        )
        for number, block in enumerate(blocks)
    )


def _warn_of_strangers(blocks: Sequence[PromptBlock], runs: Sequence[CreditedRun]) -> None:
    for block in blocks:
        if runs and not any(actors_of(run, block) for run in runs):
            names = sorted({actor.name for run in runs for actor in run.trajectory.actors})
            warnings.warn(
                f"no agent {' or '.join(block.instructs)} acted in {len(runs)} runs, so nothing is known of the prompt "
                f"{block.role!r}; those that acted are {', '.join(names)}: name its agents by PromptBlock(agents=...)",
                RuntimeWarning,
                stacklevel=3,
            )


def _blame(run: CreditedRun, blocks: Sequence[PromptBlock]) -> list[float]:
    """Share of the blame of each block's agents if the run had failed; the shares of all agents sum to 1."""
    outcome = Outcome(success=False, score=0.0, baseline=1.0)
    credit = assign_credit(run.trajectory.with_outcome(outcome), CreditConfig())
    return [-sum(credit.agents.get(actor, 0.0) for actor in actors_of(run, block)) for block in blocks]


def _contrast(shares: Vector, failed: NDArray[np.bool_]) -> Vector | None:
    """Difference of means over its standard error (Welch), shape (B,). None: too few runs of one kind."""
    bad, good = shares[failed], shares[~failed]
    if len(bad) < _FEW or len(good) < _FEW:
        return None
    variance = bad.var(0, ddof=1) / len(bad) + good.var(0, ddof=1) / len(good)
    result: Vector = (bad.mean(0) - good.mean(0)) / np.sqrt(np.maximum(variance, _FLOOR**2))
    return result


def _credit(run: CreditedRun, block: PromptBlock) -> float:
    return sum(run.credit.agents.get(actor, 0.0) for actor in actors_of(run, block))


def _stuck(run: CreditedRun, blocks: Sequence[PromptBlock]) -> list[float]:
    found = bottlenecks(run)
    return [
        max((turn.score for turn in found if actors_of(run, block) & set(turn.actor_ids)), default=0.0)
        for block in blocks
    ]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
