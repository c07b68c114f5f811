"""Verbalized block coordinate descent: diagnose, choose blocks, have them rewritten, keep what held-out tasks confirm.

(arXiv 2605.30227.) The critic's words are the "proxy gradient" of one block; the held-out tasks are the line search.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from credit_hooks.prompts.blocks import BlockKind, PromptSet
from credit_hooks.prompts.book import Book, stable_id
from credit_hooks.prompts.budget import BudgetError
from credit_hooks.prompts.critic import Critic, ask
from credit_hooks.prompts.critique import CritiqueError, CritiqueRequest, validated
from credit_hooks.prompts.diagnosis import Diagnosis, diagnose
from credit_hooks.prompts.evidence import evidence_of
from credit_hooks.prompts.gate import Gate, Pair, tally
from credit_hooks.prompts.optimization import Attempt, Edit
from credit_hooks.prompts.select import Selector, Situation
from credit_hooks.prompts.tasks import Split, Task
from credit_hooks.prompts.team import TaskEvaluator, Team
from credit_hooks.rewards import CreditedRun

__all__ = ["Descent", "Settings"]

_Decision = Literal["kept", "rejected", "screened out", "no rewrite", "out of budget"]


class Settings(NamedTuple):
    """How to go about it; see :func:`credit_hooks.prompts.optimize`."""

    gate: Gate
    select: Selector
    evidence_tasks: int
    width: int | None
    max_attempts: int | None
    patience: int
    critic_timeout: float
    seed: int


class _Trial(NamedTuple):
    """What became of a version that was tried."""

    decision: _Decision
    pairs: tuple[Pair, ...] = ()
    skipped: int = 0


class Descent:
    """One optimisation, from the prompts as they are to the end of budget, ideas or failures.

    Args:
        team: The team.
        tasks: Training and held-out tasks.
        evaluate: Says how runs ended.
        critic: Rewrites.
        book: Runs, critiques and costs.
        settings: The rest.
        on_attempt: Told of each attempt.
    """

    def __init__(
        self,
        team: Team,
        tasks: Split,
        evaluate: TaskEvaluator,
        critic: Critic,
        book: Book,
        settings: Settings,
        on_attempt: Callable[[Attempt], None],
    ) -> None:
        self._team, self._tasks, self._evaluate = team, tasks, evaluate
        self._critic, self._book, self._settings = critic, book, settings
        self._on_attempt = on_attempt
        self.prompts = PromptSet(team.blocks)
        """The best prompts so far."""
        self.attempts: list[Attempt] = []
        """Attempts so far."""
        self.stopped = ""
        """Why it ended."""
        self._seen: tuple[PromptSet, list[CreditedRun], tuple[Diagnosis, ...]] | None = None
        self._rejections: Counter[str] = Counter()
        self._tried: dict[str, list[str]] = {}
        self._width: dict[BlockKind, int] = {
            kind: settings.width or max(1, len(self.prompts.of_kind(kind))) for kind in ("role", "aggregation")
        }

    def run(self) -> None:
        """Go on until there is a reason to stop."""
        limit = self._settings.max_attempts
        try:
            while not self.stopped:
                if limit is not None and len(self.attempts) >= limit:
                    self.stopped = f"All {limit} attempts are made."
                else:
                    self._attempt()
        except BudgetError as error:
            self.stopped = f"{str(error).capitalize()}."

    def _look(self) -> tuple[list[CreditedRun], tuple[Diagnosis, ...]]:
        """Training runs of the prompts as they are, and what they say; the same until the prompts change."""
        if self._seen is None or self._seen[0] is not self.prompts:
            runs = self._runs(self._tasks.train[: self._settings.evidence_tasks], self.prompts)
            self._seen = self.prompts, runs, diagnose(self.prompts.blocks, runs)
        return self._seen[1:]

    def _attempt(self) -> None:
        runs, diagnoses = self._look()
        if all(run.credit.outcome is None for run in runs):
            self.stopped = "The evaluator gave no verdict on any training run: there is nothing to learn from."
            return
        if all(run.trajectory.status == "error" for run in runs):
            why = next((step.error for run in runs for step in run.trajectory.steps if step.error), "no reason given")
            self.stopped = f"Every training run raised an error, so the prompts are not what to mend first: {why}."
            return
        if all((run.credit.outcome or 0.0) >= 1.0 for run in runs if run.credit.outcome is not None):
            self.stopped = "No training run fails: there is nothing to learn from."
            return
        number = len(self.attempts) + 1
        roles = self._choose(diagnoses, number)
        if not roles:
            self.stopped = "Every block was tried, and nothing helped."
            return
        edits = tuple(self._rewrite(role, runs, number) for role in roles)
        texts = {edit.role: edit.after for edit in edits if edit.after is not None}
        candidate = self.prompts.with_texts(texts)
        try:
            trial = self._try(candidate, runs) if texts else _Trial("no rewrite")
        except BudgetError:
            self._finish(number, diagnoses, edits, candidate, _Trial("out of budget"))
            raise
        self._finish(number, diagnoses, edits, candidate, trial)

    def _choose(self, diagnoses: tuple[Diagnosis, ...], number: int) -> Sequence[str]:
        last = self.attempts[-1] if self.attempts else None
        return self._settings.select(
            Situation(
                prompts=self.prompts,
                diagnoses=diagnoses,
                rejections=self._rejections,
                patience=self._settings.patience,
                width=self._width,
                attempt=number,
                last=() if last is None else last.roles,
                kept=last is not None and last.decision == "kept",
                seed=self._settings.seed,
            )
        )

    def _rewrite(self, role: str, runs: Sequence[CreditedRun], number: int) -> Edit:
        """Ask the critic, once; a critique that has been given is read from the book."""
        block = self.prompts.block(role)
        tasks = self._tasks.train[: self._settings.evidence_tasks]
        request = CritiqueRequest(
            attempt=number,
            block=block,
            evidence=evidence_of(block, runs, tasks),
            rejected=tuple(self._tried.get(role, ())),
        )
        edit = Edit(
            role=role,
            before=block.text,
            evidence=request.evidence.run_ids,
            critique_id=stable_id("critique", self._book.optimization_id, str(number), request.prompt),
        )
        try:
            rewrite = validated(self._reply(edit.critique_id, request), block, [str(task.input) for task in tasks])
        except CritiqueError as error:
            return edit.model_copy(update={"problem": str(error)})
        return edit.model_copy(update={"after": rewrite.text, "diagnosis": rewrite.diagnosis})

    def _reply(self, critique_id: str, request: CritiqueRequest) -> object:
        known = self._book.critique(critique_id)
        if known:
            if known["status"] == "failed":
                raise CritiqueError(str(known["problem"]))
            return known["reply"]
        note = {"role": request.block.role, "attempt": request.attempt, "version": self.prompts.version}
        prompt = request.prompt
        self._book.begin_critique(critique_id, prompt, note)
        try:
            reply = ask(self._critic, request, self._settings.critic_timeout)
        except CritiqueError as error:
            self._book.end_critique(critique_id, prompt, None, {**note, "status": "failed", "problem": str(error)})
            raise
        if not isinstance(reply, str):
            problem = f"the critic returned {type(reply).__name__}, not text"
            self._book.end_critique(critique_id, prompt, None, {**note, "status": "failed", "problem": problem})
            raise CritiqueError(problem)
        self._book.end_critique(critique_id, prompt, reply, {**note, "status": "answered", "reply": reply})
        return reply

    def _try(self, candidate: PromptSet, runs: Sequence[CreditedRun]) -> _Trial:
        """The edit on failed training tasks, then on held-out tasks beside the prompts as they are."""
        gate = self._settings.gate
        if gate.screen and not self._mends(candidate, runs, gate.screen):
            return _Trial("screened out")
        tasks, pairs, skipped = self._tasks.held_out, list[Pair](), 0
        for start in range(0, len(tasks), gate.batch):
            batch = tasks[start : start + gate.batch]
            for before, after in zip(self._runs(batch, self.prompts), self._runs(batch, candidate), strict=True):
                if before.credit.outcome is None or after.credit.outcome is None:
                    skipped += 1
                else:
                    pairs.append(Pair(before.trajectory.task_id or "", before.credit.outcome, after.credit.outcome))
            left = len(tasks) - start - len(batch)
            verdict = gate.decide([pair.after - pair.before for pair in pairs], left)
            if verdict != "go on":
                return _Trial("kept" if verdict == "keep" else "rejected", tuple(pairs), skipped)
        return _Trial("rejected", tuple(pairs), skipped)

    def _mends(self, candidate: PromptSet, runs: Sequence[CreditedRun], most: int) -> bool:
        """Whether the edit gains anything on the first failed training tasks."""
        tasks = {task.id: task for task in self._tasks.train}
        failed = [run for run in runs if run.credit.outcome is not None and run.credit.outcome < 1.0]
        for run in failed[:most]:
            (again,) = self._runs([tasks[run.trajectory.task_id or ""]], candidate)
            if (again.credit.outcome or 0.0) > (run.credit.outcome or 0.0):
                return True
        return False

    def _runs(self, tasks: Sequence[Task], prompts: PromptSet) -> list[CreditedRun]:
        return self._book.runs(self._team, tasks, prompts, self._evaluate)

    def _finish(
        self, number: int, diagnoses: tuple[Diagnosis, ...], edits: tuple[Edit, ...], tried: PromptSet, trial: _Trial
    ) -> None:
        counted = tally(trial.pairs)
        attempt = Attempt(
            number=number,
            diagnoses=diagnoses,
            edits=edits,
            decision=trial.decision,
            tasks=counted.tasks,
            wrong_to_right=counted.wrong_to_right,
            right_to_wrong=counted.right_to_wrong,
            mean_gain=counted.mean_gain,
            skipped=trial.skipped,
            version=tried.version if trial.decision not in ("no rewrite",) else "",
            spent=self._book.spent,
        )
        self.attempts.append(attempt)
        self._adapt(attempt)
        if trial.decision == "kept":
            self.prompts = tried
        self._on_attempt(attempt)

    def _adapt(self, attempt: Attempt) -> None:
        """Count rejections; where several blocks did harm or no good together, fewer are taken the next time."""
        joined = sum(edit.after is not None for edit in attempt.edits) > 1
        adaptive = self._settings.width is None
        if attempt.decision == "kept":
            self._rejections.clear()
            self._tried.clear()
        else:
            for edit in attempt.edits:
                if edit.after is None or not (joined and adaptive):  # a joint failure is nobody's in particular
                    self._rejections[edit.role] += 1
                if edit.after is not None:
                    self._tried.setdefault(edit.role, []).append(edit.after)
        if adaptive and (attempt.right_to_wrong or (joined and attempt.decision != "kept")):
            kind = self.prompts.block(attempt.roles[0]).kind
            self._width[kind] = max(1, self._width[kind] // 2)
