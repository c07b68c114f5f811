"""How a run ended: what was said of it before it ended, else what the evaluator says."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from typing import Literal, NamedTuple

from credit_hooks.errors import EvaluationError
from credit_hooks.evaluation import EvaluationPool
from credit_hooks.journal import Journal
from credit_hooks.metrics import RunMetrics
from credit_hooks.outcome import FinishedRun, to_outcome
from credit_hooks.ports import Evaluator, Verdict
from credit_hooks.record import RunRecord
from credit_hooks.trajectory import Outcome

__all__ = ["Judgement", "Verdicts"]


class Judgement(NamedTuple):
    """What came of asking how a run ended."""

    outcome: Outcome | None
    """None: not known yet, or not to be had."""
    failure: Literal["timeout", "error"] | None = None
    """Why it is not to be had. None: nothing failed."""
    note: str | None = None
    """The failure in a sentence."""


class Verdicts:
    """Finds the outcome of each run.

    Args:
        evaluate: Says how a run ended. None: outcomes arrive from elsewhere.
        timeout: Seconds an evaluator may take.
        max_early: Most verdicts kept of runs that are still going on.
        metrics: What operators see of it.
        journal: Where failures are told.
    """

    def __init__(
        self, evaluate: Evaluator | None, *, timeout: float, max_early: int, metrics: RunMetrics, journal: Journal
    ) -> None:
        self._evaluate = evaluate
        self._pool = EvaluationPool(timeout=timeout)
        self._max_early = max_early
        self._early: OrderedDict[str, Verdict] = OrderedDict()
        self._lock = threading.Lock()
        self._metrics = metrics
        self._journal = journal

    def keep(self, run_id: str, verdict: Verdict) -> None:
        """Keep a verdict until its run ends; the oldest are forgotten beyond the cap."""
        with self._lock:
            self._early[run_id] = verdict
            while len(self._early) > self._max_early:
                self._early.popitem(last=False)

    def may_know(self, run_id: str) -> bool:
        """Whether an outcome may follow from asking."""
        with self._lock:
            return self._evaluate is not None or run_id in self._early

    def judge(self, finished: FinishedRun, run: RunRecord) -> Judgement:
        """How the run ended. Blocks for at most the timeout; raises nothing of the evaluator's."""
        try:
            return Judgement(to_outcome(self._verdict(finished, run)))
        except EvaluationError as error:
            self._journal.failed("evaluation", error, run.id)
            return Judgement(None, _why(error), str(error))

    def _verdict(self, finished: FinishedRun, run: RunRecord) -> Verdict:
        with self._lock:
            if finished.id in self._early:
                return self._early.pop(finished.id)
        if self._evaluate is None or finished.status in ("interrupted", "cancelled", "abandoned"):
            return None
        started, failure = time.perf_counter(), None
        try:
            return self._pool.run(self._evaluate, finished)
        except EvaluationError as error:
            failure = _why(error)
            raise
        finally:
            self._metrics.evaluated(run.root.context, time.perf_counter() - started, failure)


def _why(error: EvaluationError) -> Literal["timeout", "error"]:
    return "timeout" if isinstance(error.__cause__, TimeoutError) else "error"
