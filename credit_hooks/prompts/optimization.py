"""What an optimisation found: frozen data, also as kept in the store."""

from __future__ import annotations

import difflib
from typing import Literal

from credit_hooks.parts import FrozenModel
from credit_hooks.prompts.blocks import PromptBlock, PromptSet
from credit_hooks.prompts.budget import Budget, Spent
from credit_hooks.prompts.diagnosis import Diagnosis

__all__ = ["Attempt", "Edit", "Optimization", "Scores"]


class Edit(FrozenModel):
    """A rewrite of one block, or why there is none."""

    role: str
    """The block."""
    before: str
    """Its text."""
    after: str | None = None
    """The rewrite. None: there is none."""
    diagnosis: str = ""
    """The critic's words."""
    problem: str | None = None
    """Why the critic's answer was not used: garbage, a refusal, a timeout. None: it was, or it kept the prompt."""
    evidence: tuple[str, ...] = ()
    """Ids of the runs that the critic saw."""
    critique_id: str = ""
    """The critique, in the store."""

    def diff(self) -> str:
        """The rewrite as a unified diff, long lines broken at sentences; empty without one."""
        after = self.before if self.after is None else self.after
        lines = difflib.unified_diff(
            _sentences(self.before),
            _sentences(after),
            f"{self.role} (before)",
            f"{self.role} (after)",
            lineterm="",
            n=1,
        )
        return "\n".join(lines)


class Attempt(FrozenModel):
    """One attempt: blocks chosen, rewritten, tried."""

    number: int
    """From 1."""
    diagnoses: tuple[Diagnosis, ...]
    """What the choice rested on."""
    edits: tuple[Edit, ...]
    """One per chosen block."""
    decision: Literal["kept", "rejected", "screened out", "no rewrite", "out of budget"]
    """What became of it; screened out: it mended none of the training tasks tried first."""
    tasks: int = 0
    """Held-out tasks compared."""
    wrong_to_right: int = 0
    """Held-out tasks gained."""
    right_to_wrong: int = 0
    """Held-out tasks lost."""
    mean_gain: float = 0.0
    """Mean gain in score over the held-out tasks compared."""
    skipped: int = 0
    """Held-out tasks without a verdict under one of the versions."""
    version: str = ""
    """Version of the prompts that were tried; runs in the store carry it. Empty: none was."""
    spent: Spent = Spent()
    """What had been spent at its end."""

    @property
    def roles(self) -> tuple[str, ...]:
        """The blocks chosen."""
        return tuple(edit.role for edit in self.edits)


class Scores(FrozenModel):
    """Mean scores of one version of the prompts, on tasks that were run both before and after."""

    train: float | None = None
    """On training tasks; they chose the edits, so it flatters. None: none was run with both versions."""
    train_tasks: int = 0
    """How many."""
    held_out: float | None = None
    """On held-out tasks; they decided on the edits, so it flatters a little. None: as for `train`."""
    held_out_tasks: int = 0
    """How many."""


class Optimization(FrozenModel):
    """The result of :func:`credit_hooks.prompts.optimize`."""

    team: str
    """Name of the team."""
    before: tuple[PromptBlock, ...]
    """The prompts it began with."""
    after: tuple[PromptBlock, ...]
    """The prompts it ended with; blocks that no kept edit touched are the same bytes."""
    attempts: tuple[Attempt, ...]
    """All attempts, in order."""
    scores_before: Scores
    """Of the prompts it began with."""
    scores_after: Scores
    """Of the prompts it ended with."""
    budget: Budget
    """The limits."""
    spent: Spent
    """What it cost, interrupted sessions included."""
    stopped: str
    """Why it ended, in a sentence."""
    read: int = 0
    """Runs and critiques that were read from the store and not made again."""

    @property
    def prompts(self) -> PromptSet:
        """The prompts to use."""
        return PromptSet(self.after)

    @property
    def changed(self) -> tuple[str, ...]:
        """Roles whose blocks differ from what they were."""
        pairs = zip(self.before, self.after, strict=True)
        return tuple(new.role for old, new in pairs if old.text != new.text)

    @property
    def kept(self) -> tuple[Attempt, ...]:
        """Attempts that were kept."""
        return tuple(attempt for attempt in self.attempts if attempt.decision == "kept")

    def __str__(self) -> str:
        """A few lines for a person."""
        spent = f"{self.spent.system_runs} system runs, {self.spent.model_calls} model calls"
        lines = [f"{self.team}: {len(self.kept)} of {len(self.attempts)} attempts kept, {spent}. {self.stopped}"]
        lines += [
            f"  {attempt.number}. {', '.join(attempt.roles)}: {attempt.decision}, "
            f"wrong to right {attempt.wrong_to_right}, right to wrong {attempt.right_to_wrong} of {attempt.tasks}"
            for attempt in self.attempts
        ]
        problems = dict.fromkeys(edit.problem for attempt in self.attempts for edit in attempt.edits if edit.problem)
        lines += [f"  no edit: {problem}" for problem in problems]
        return "\n".join(lines)


def _sentences(text: str) -> list[str]:
    return [part for line in text.splitlines() for part in line.replace(". ", ".\n").splitlines()]
