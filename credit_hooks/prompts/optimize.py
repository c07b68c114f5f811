"""`optimize`: better prompts for a team, from its own credited runs."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

from credit_hooks.errors import ConfigurationError
from credit_hooks.prompts.blocks import PromptSet
from credit_hooks.prompts.book import Book, stable_id
from credit_hooks.prompts.budget import Budget, Spent
from credit_hooks.prompts.critic import Critic, as_critic
from credit_hooks.prompts.descent import Descent, Settings
from credit_hooks.prompts.gate import Gate
from credit_hooks.prompts.optimization import Attempt, Optimization, Scores
from credit_hooks.prompts.select import Selector, by_credit
from credit_hooks.prompts.tasks import Split, Task, split
from credit_hooks.prompts.team import TaskEvaluator, Team
from credit_hooks.store import RunStore

__all__ = ["optimize"]

_GATE = Gate()


def optimize(
    team: Team,
    tasks: Sequence[Task],
    evaluate: TaskEvaluator,
    critic: Critic | Any,
    budget: Budget,
    *,
    held_out: float | Sequence[Task] = 0.5,
    store: str | os.PathLike[str] | RunStore | None = None,
    name: str = "default",
    gate: Gate = _GATE,
    select: Selector = by_credit,
    width: int | None = None,
    evidence_tasks: int = 16,
    max_attempts: int | None = None,
    patience: int = 3,
    critic_timeout: float = 120.0,
    seed: int = 0,
    on_attempt: Callable[[Attempt], None] = lambda attempt: None,
    on_spent: Callable[[Spent], None] = lambda spent: None,
) -> Optimization:
    """Rewrite the prompts that credit points at, one small set of blocks at a time, and keep what proves itself.

    Args:
        team: Runs tasks with given prompts, as :class:`credit_hooks.prompts.langgraph.LangGraphTeam`.
        tasks: What to learn from and to test on.
        evaluate: How a run of a task ended: True, False, a score in [0, 1] for partial credit, or None.
        critic: Rewrites a block from its evidence: a function of a :class:`CritiqueRequest`, a LangChain chat model, or
            an AutoGen client. Another model or temperature than the team's is a good idea.
        budget: Hard limits on system runs and on calls of the critic.
        held_out: Share of the tasks that decide on edits, or those tasks.
        store: Keeps every run with its prompts, every critique and the result. With a store, calling this again with
            the same arguments goes on where it was interrupted, and repeats no finished run. None: in memory.
        name: Tells optimisations of one team in one store apart: costs are counted, and critiques found again, by it.
            Choose another one for another critic.
        gate: When an edit is kept.
        select: Chooses the blocks of an attempt.
        width: Blocks rewritten together, at most. None: all of a kind at first, half as many after each regression.
        evidence_tasks: Training tasks that are run for every version of the prompts.
        max_attempts: Attempts at most. None: as many as the budget allows.
        patience: Attempts on a block without effect after which it is left alone until the prompts change.
        critic_timeout: Seconds a critic may take.
        seed: Of the split, and of selectors that draw.
        on_attempt: Told of each attempt when it is over.
        on_spent: Told of the costs whenever something has begun.

    Raises:
        ConfigurationError: an argument cannot work.
        StoreError: the store cannot be opened or written.
    """
    prompts, parts = PromptSet(team.blocks), split(tasks, held_out, seed)
    _check(width, evidence_tasks, patience, critic_timeout)
    settings = Settings(gate, select, evidence_tasks, width, max_attempts, patience, critic_timeout, seed)
    optimization_id = stable_id("optimization", name, team.name, prompts.version, str(seed))
    with ExitStack() as stack:
        kept = store if store is None or isinstance(store, RunStore) else stack.enter_context(RunStore(store))
        book = Book(kept, optimization_id, budget, on_spent)
        descent = Descent(team, parts, evaluate, as_critic(critic), book, settings, on_attempt)
        descent.run()
        result = _result(team, descent, book, budget, parts)
        book.close(f"optimization of {team.name}", result.model_dump(mode="json"))
    return result


def _check(width: int | None, evidence_tasks: int, patience: int, critic_timeout: float) -> None:
    least = {"evidence_tasks": evidence_tasks, "patience": patience, "width": 1 if width is None else width}
    for option, value in least.items():
        if value < 1:
            raise ConfigurationError(f"{option}={value}: at least 1")
    if not critic_timeout > 0:
        raise ConfigurationError(f"critic_timeout={critic_timeout}: more than 0 seconds")


def _result(team: Team, descent: Descent, book: Book, budget: Budget, tasks: Split) -> Optimization:
    before, after = PromptSet(team.blocks), descent.prompts
    train = _compared(team, book, before, after, tasks.train)
    held_out = _compared(team, book, before, after, tasks.held_out)
    return Optimization(
        team=team.name,
        before=before.blocks,
        after=after.blocks,
        attempts=tuple(descent.attempts),
        scores_before=_scores([first for first, _ in train], [first for first, _ in held_out]),
        scores_after=_scores([second for _, second in train], [second for _, second in held_out]),
        budget=budget,
        spent=book.spent,
        stopped=descent.stopped,
        read=book.read,
    )


def _compared(
    team: Team, book: Book, before: PromptSet, after: PromptSet, tasks: Sequence[Task]
) -> list[tuple[float, float]]:
    """Scores of the tasks that were run under both versions; nothing is run for this."""
    found = [(book.known(team, task, before), book.known(team, task, after)) for task in tasks]
    return [
        (first.credit.outcome, second.credit.outcome)
        for first, second in found
        if first is not None and second is not None
        if first.credit.outcome is not None and second.credit.outcome is not None
    ]


def _scores(train: Sequence[float], held_out: Sequence[float]) -> Scores:
    return Scores(
        train=sum(train) / len(train) if train else None,
        train_tasks=len(train),
        held_out=sum(held_out) / len(held_out) if held_out else None,
        held_out_tasks=len(held_out),
    )
