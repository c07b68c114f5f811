"""The first error of a failed run, found by doing the run anew from chosen turns: bisection with real replays.

A probe of message m keeps everything before it; the turn that wrote it and all after are done anew, and the evaluator
says whether that succeeds. Who does them is the choice:

- *anew*: the team itself. Its replies have to vary: a team that repeats itself repeats its error wherever one begins.
- *corrected*: somebody else, such as a stronger model, takes over from m on. That works for deterministic teams, too.

Both get less probable to succeed the more errors are kept, which is what bisection rests on. Correcting m *alone* does
not: it fails before the first error, succeeds at it, and means nothing after it. So that is asked once, at the end, of
the message that was found: had it been right, would the run have succeeded? The answer is evidence for a pair.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from credit_hooks.credit.assign import assign_credit
from credit_hooks.credit.config import CreditConfig
from credit_hooks.credit.failures import locate_by_replay, with_labels
from credit_hooks.errors import ConfigurationError, ReplayRefusedError
from credit_hooks.evaluation import EvaluationPool
from credit_hooks.failure.bisection import Bisection
from credit_hooks.failure.replacements import Replacement
from credit_hooks.ports import Evaluator
from credit_hooks.replay.aside import aside, run_aside
from credit_hooks.replay.counterfactual import content_of, replacement_by
from credit_hooks.replay.credit import check_identity
from credit_hooks.replay.judge import Judge, Judged
from credit_hooks.replay.meter import Meter, ReplayLimits
from credit_hooks.replay.port import Intervention, Redo, RedoSystem, System
from credit_hooks.replayed import ReplayCosts
from credit_hooks.rewards import CreditedRun, FirstError
from credit_hooks.trajectory import Message, Outcome, Trajectory

__all__ = ["LocatedError", "Search", "alocate_error", "locate_error"]

_SAME_AGAIN = 2
"""Times that the team may do the whole run anew and say the very same, until it is taken to repeat itself."""

_FIRST_DRAW = itertools.count(1 << 20)
"""Draws of live replies that nobody else asks for, so that every probe has fresh ones."""

_GRACE = 1.0

_Ask: TypeAlias = Callable[[Callable[[], Coroutine[Any, Any, Judged]]], Judged]


@dataclass(frozen=True)
class Search:
    """What is asked for."""

    budget: int = 8
    """Probes at most; the final correction of a single message is not counted."""
    confidence: float = 0.9
    """Stop at this posterior probability of one turn."""
    correction: Any = None
    """Who does turns anew in place of the team, in terms of the framework. None: the team itself."""
    tries: int = 1
    """See :func:`credit_hooks.failure.bisect`."""
    repeatable: bool | None = None
    """Whether the same probe again is news. None: it is for the team itself, and not for a correction."""
    corrections: int = 1
    """Times that the message found is done anew alone. 0: never."""


@dataclass(frozen=True)
class LocatedError:
    """Where a failed run first went wrong, as replays show."""

    run: CreditedRun
    """The run: answers of probes and replacements are labels of it, and `credit.first_error` counts them."""
    bisection: Bisection
    """Over the run's turns: posterior, what was asked and answered, `calls`, and why it stopped."""
    form: Literal["anew", "corrected"]
    """Who did turns anew: the team itself, or somebody else."""
    replacements: tuple[Replacement, ...]
    """What was written in the place of the message found, that alone being changed, and how the run went on."""
    costs: ReplayCosts
    """What it took, the unchanged replay included."""
    notes: tuple[str, ...]
    """What a reader should know, such as probes without an answer, and why."""

    @property
    def first_error(self) -> FirstError:
        """The first error, by all the evidence there is."""
        assert self.run.credit.first_error is not None
        return self.run.credit.first_error


def locate_error(
    run: CreditedRun,
    system: System,
    evaluate: Evaluator,
    config: CreditConfig,
    limits: ReplayLimits,
    search: Search,
) -> LocatedError:
    """Find the first error of a failed run. On threads of our own; this call waits for them.

    Args:
        run: The run, which failed.
        system: The same run, to be run again.
        evaluate: Says how replays ended.
        config: How the run is read; `probe_noise` says how far answers can be trusted.
        limits: What it may cost.
        search: What is asked for.

    Raises:
        ConfigurationError: the run did not fail, or an option cannot work.
        ReplayRefusedError: the run cannot be done anew, or is the same each time.
    """
    timeout = 2.0 * limits.run_seconds + _GRACE
    return _Locating(run, system, evaluate, config, limits, search).locate(
        lambda main: run_aside(main, timeout=timeout)
    )


async def alocate_error(
    run: CreditedRun,
    system: System,
    evaluate: Evaluator,
    config: CreditConfig,
    limits: ReplayLimits,
    search: Search,
) -> LocatedError:
    """As :func:`locate_error`, with replays on the caller's event loop."""
    loop = asyncio.get_running_loop()
    locating = _Locating(run, system, evaluate, config, limits, search)
    try:
        return await aside(
            lambda: locating.locate(lambda main: asyncio.run_coroutine_threadsafe(main(), loop).result())
        )
    finally:
        locating.given_up = True


@dataclass
class _Locating:
    """One search as it goes on."""

    run: CreditedRun
    system: System
    evaluate: Evaluator
    config: CreditConfig
    limits: ReplayLimits
    search: Search
    given_up: bool = False
    """Whether nobody waits for it any more."""
    reasons: dict[str, int] = field(default_factory=dict)
    """Why probes had no answer."""

    def __post_init__(self) -> None:
        outcome = self.run.trajectory.outcome
        if outcome is None or outcome.success is True or outcome.score >= 1.0:
            raise ConfigurationError(
                f"run {self.run.trajectory.id!r} has no first error: it has no outcome, or did not fail"
            )
        if not isinstance(self.system, RedoSystem):
            raise ReplayRefusedError("runs of this framework cannot be done anew from a message on")
        if self.search.correction is not None:
            self.system.check_speaker(self.search.correction)
        if self.search.corrections < 0:
            raise ConfigurationError(f"corrections is at least 0, not {self.search.corrections}")
        self.redo_system: RedoSystem = self.system
        self.observed: Outcome = outcome
        self.meter = Meter(self.limits)

    def locate(self, ask: _Ask) -> LocatedError:
        trajectory, search = self.run.trajectory, self.search
        self.ask = ask
        ask(lambda: check_identity(self._judge(), self.observed.score))
        if search.correction is None:
            self._check_varies()
        repeatable = search.correction is None if search.repeatable is None else search.repeatable
        labelled, found = locate_by_replay(
            trajectory,
            self._probe,
            config=self.config,
            confidence=search.confidence,
            budget=search.budget,
            tries=search.tries,
            repeatable=repeatable,
        )
        first_error = self._first_error(labelled)
        replacements = () if first_error is None else self._replacements(first_error.message_id)
        labelled = with_labels(labelled, (replacement.label() for replacement in replacements))
        return LocatedError(
            run=CreditedRun(
                trajectory=labelled, credit=self.run.credit.model_copy(update={"first_error": first_error})
            ),
            bisection=found,
            form="anew" if search.correction is None else "corrected",
            replacements=replacements,
            costs=self.meter.costs,
            notes=tuple(f"{count} replays had no answer: {reason}" for reason, count in self.reasons.items()),
        )

    def _probe(self, message_id: str) -> bool | float | None:
        start = self.redo_system.turn_from(message_id)
        if start is None:
            self._unanswered("nothing of the team's comes after that message")
            return None
        judged = self._redo(start, only=False)
        if judged.outcome is None:
            self._unanswered(judged.reason or "the replay has no outcome")
            return None
        return judged.outcome.score if judged.outcome.success is None else judged.outcome.success

    def _check_varies(self) -> None:
        """Let the team do the whole run anew: one that says the very same repeats its error from anywhere, too.

        Where replies vary, a probe that says the same is an answer like any other: the error was kept.
        """
        first = min(self.run.trajectory.messages, key=lambda message: (message.index, message.id), default=None)
        start = None if first is None else self.redo_system.turn_from(first.id)
        for _ in range(_SAME_AGAIN if start is not None else 0):
            judged = self._redo(start or "", only=False)
            if judged.run is None or _said(judged.run.messages) != _said(self.run.trajectory.messages):
                return
        raise ReplayRefusedError(
            f"done anew {_SAME_AGAIN} times, the team said the very same: it would repeat its error, too. Pass "
            "correction=, such as a stronger model, which takes over from a message on instead"
        )

    def _replacements(self, message_id: str) -> tuple[Replacement, ...]:
        """The message found done anew, it alone; equal texts are tries of one replacement."""
        start = self.redo_system.turn_from(message_id)
        found: dict[Any, list[Replacement]] = {}
        for _ in range(self.search.corrections if start is not None else 0):
            judged = self._redo(start or "", only=True)
            one = replacement_by(judged, self.run.trajectory, message_id)
            if one is not None:
                found.setdefault(one.model_dump_json(include={"parts"}), []).append(one)
            elif judged.outcome is None:
                self._unanswered(judged.reason or "the replay has no outcome")
        return tuple(_mean(tries) for tries in found.values())

    def _redo(self, start: str, *, only: bool) -> Judged:
        if self.given_up:
            raise ReplayRefusedError("nobody waits for the first error any more")
        redo = Redo(start, only=only, by=self.search.correction)
        return self.ask(lambda: self._judge().judge(Intervention(redo=redo, draw=next(_FIRST_DRAW))))

    def _judge(self) -> Judge:
        """A judge belongs to the event loop that it is first used on, and each probe may have one of its own."""
        return Judge(self.system, self.evaluate, self.meter, EvaluationPool(timeout=self.limits.run_seconds))

    def _first_error(self, labelled: Trajectory) -> FirstError | None:
        """By all evidence. Where a run ended as expected nothing is to be shared, but it failed all the same."""
        failed = labelled.with_outcome(self.observed.model_copy(update={"baseline": 1.0}))
        return assign_credit(failed, self.config.model_copy(update={"method": "auto"})).first_error

    def _unanswered(self, reason: str) -> None:
        self.reasons[reason] = self.reasons.get(reason, 0) + 1


def _said(messages: Iterable[Message]) -> list[str]:
    """Who said what, in order."""
    return [content_of(message) for message in sorted(messages, key=lambda message: (message.index, message.id))]


def _mean(tries: list[Replacement]) -> Replacement:
    count = len(tries)
    mean = sum(one.outcome for one in tries) / count
    spread = sum((one.outcome - mean) ** 2 for one in tries)
    std_err = None if count == 1 else (spread / (count - 1) / count) ** 0.5
    return tries[0].model_copy(update={"outcome": min(mean, 1.0), "tries": count, "std_err": std_err or None})
