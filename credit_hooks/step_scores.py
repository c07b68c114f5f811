"""Asks a scorer for the scores of a failed run's steps: off the user's path, in parallel, bounded in time and number.

Scores become labels of the run, so that crediting it again asks nobody. A score that cannot be had, because the scorer
raised, took too long or answered nonsense, is a label without a value: it costs that score alone, and shows in the
credit's notes.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import os
import threading
import time
import weakref
from collections.abc import Awaitable
from queue import Empty, Queue
from typing import Any, Final

from opentelemetry.context import attach, set_value

from credit_hooks.credit.config import DEFAULT_BASELINE, CreditConfig
from credit_hooks.evaluation import inside_hook
from credit_hooks.failure.evidence_labels import STEP_SCORE
from credit_hooks.failure.step_scoring import StepScore, StepScoring, StepView, step_views
from credit_hooks.trajectory import Label, Trajectory

__all__ = ["StepScorePool"]

_MAX_HUNG: Final = 16
"""Scorers given up and still running, at most; beyond it none is called until one returns."""
_SUPPRESS: Final = "suppress_instrumentation"
"""OpenTelemetry's key by which instrumentations leave a call alone: a judge's prompts are the run's content."""


class StepScorePool:
    """Scores the steps of runs. Holds the threads that were given up, and the event loop of async scorers."""

    def __init__(self) -> None:
        self._hung: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pid = os.getpid()

    def score_failure(self, trajectory: Trajectory, config: CreditConfig) -> Trajectory:
        """As :meth:`score`, where the configuration asks for it and the run failed; else the run as it is.

        A run fails if its outcome says so, or is below the baseline as far as that is a number.
        """
        outcome, scoring = trajectory.outcome, config.step_scoring
        if scoring is None or outcome is None:
            return trajectory
        stated = outcome.baseline if outcome.baseline is not None else config.baseline
        baseline = DEFAULT_BASELINE if isinstance(stated, str) else stated
        failed = outcome.success is False or outcome.score < baseline
        return self.score(trajectory, scoring) if failed else trajectory

    def score(self, trajectory: Trajectory, scoring: StepScoring) -> Trajectory:
        """The run with a label for every step that was to be scored; earlier ones of the same scorer are replaced.

        Blocks for at most about `scoring.max_seconds`. Raises nothing of the scorer's.
        """
        views = step_views(trajectory, lookahead=scoring.lookahead, max_steps=scoring.max_steps)
        answers = self._answers(views, scoring)
        model = getattr(scoring.scorer, "model_name", None)
        new = [
            Label(
                target="message",
                target_id=view.step.id,
                name=STEP_SCORE,
                value=answer.value if isinstance(answer, StepScore) else None,
                reason=answer.reason if isinstance(answer, StepScore) else answer,
                annotator=scoring.annotator,
                source=model if isinstance(model, str) else None,
                timestamp=time.time_ns(),
            )
            for view, answer in zip(views, answers, strict=True)
        ]
        kept = [
            label for label in trajectory.labels if label.name != STEP_SCORE or label.annotator != scoring.annotator
        ]
        return trajectory.model_copy(update={"labels": (*kept, *new)})

    def ask(self, view: StepView, scoring: StepScoring) -> StepScore | str:
        """The score of one step, or why there is none. Blocks for at most about `scoring.timeout`; raises nothing."""
        return self._answers([view], scoring)[0]

    def _answers(self, views: list[StepView], scoring: StepScoring) -> list[StepScore | str]:
        """What came of each view: a score, or why there is none."""
        deadline = time.monotonic() + scoring.max_seconds
        answers: list[StepScore | str] = [f"not asked within {scoring.max_seconds:g} s"] * len(views)
        done: Queue[tuple[int, StepScore | str]] = Queue()
        running: dict[int, tuple[threading.Thread, float]] = {}
        waiting = list(range(len(views)))[::-1]
        while waiting or running:
            now = time.monotonic()
            while waiting and len(running) < scoring.workers and now < deadline and self._has_room():
                place = waiting.pop()
                running[place] = self._start(place, views[place], scoring, done), now + scoring.timeout
            if not running:
                break  # out of time, or too many scorers hang
            try:
                until = min(min(limit for _, limit in running.values()), deadline)
                place, answer = done.get(timeout=max(until - time.monotonic(), 0.001))
                if running.pop(place, None) is not None:
                    answers[place] = answer
            except Empty:
                self._give_up(running, answers, deadline, scoring)
        return answers

    def _give_up(
        self,
        running: dict[int, tuple[threading.Thread, float]],
        answers: list[StepScore | str],
        deadline: float,
        scoring: StepScoring,
    ) -> None:
        now = time.monotonic()
        for place, (thread, limit) in list(running.items()):
            if now >= min(limit, deadline):
                del running[place]
                answers[place] = f"took longer than {min(scoring.timeout, scoring.max_seconds):g} s"
                with self._lock:
                    self._hung.append(thread)

    def _has_room(self) -> bool:
        with self._lock:
            self._hung = [thread for thread in self._hung if thread.is_alive()]
            return len(self._hung) < _MAX_HUNG

    def _start(
        self, place: int, view: StepView, scoring: StepScoring, done: Queue[tuple[int, StepScore | str]]
    ) -> threading.Thread:
        def ask() -> None:
            inside_hook.set(True)
            attach(set_value(_SUPPRESS, True))  # never detached: the context ends with the thread
            try:
                result: Any = scoring.scorer(view)
                if inspect.isawaitable(result):
                    future = asyncio.run_coroutine_threadsafe(_within(result, scoring.timeout), self._event_loop())
                    result = future.result(scoring.timeout)
                done.put((place, _checked(result)))
            except BaseException as error:  # noqa: BLE001 - whatever the scorer does, it costs this score alone
                done.put((place, f"raised {type(error).__name__}"))

        thread = threading.Thread(target=ask, name="credit-hooks-score", daemon=True)
        thread.start()
        return thread

    def _event_loop(self) -> asyncio.AbstractEventLoop:
        """One loop for all calls: clients keep connections, which belong to the loop that opened them."""
        with self._lock:
            if self._loop is None or self._pid != os.getpid():  # a forked child has the loop, but not its thread
                self._loop, self._pid = asyncio.new_event_loop(), os.getpid()
                threading.Thread(target=_serve, args=(self._loop,), name="credit-hooks-scores", daemon=True).start()
                weakref.finalize(self, _stop, self._loop).atexit = False
            return self._loop


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    try:
        loop.run_forever()
    finally:
        loop.close()


def _stop(loop: asyncio.AbstractEventLoop) -> None:
    """End the loop's thread: nobody holds the pool any more."""
    with contextlib.suppress(RuntimeError):  # closed already
        loop.call_soon_threadsafe(loop.stop)


async def _within(awaitable: Awaitable[Any], seconds: float) -> Any:
    return await asyncio.wait_for(awaitable, seconds)


def _checked(result: Any) -> StepScore | str:
    if result is None:
        return "the scorer could not say"
    score = result if isinstance(result, StepScore) else StepScore(result)
    if isinstance(score.value, bool | int | float) and 0.0 <= score.value <= 1.0:
        return StepScore(float(score.value), score.reason if isinstance(score.reason, str) else None)
    return "the scorer returned no number from 0 to 1"
