"""The post-run hook: the one place that knows the order of things after a run has ended.

    record -> spans as data -> trajectory -> outcome -> credit -> rewards on the held spans -> store, exporters

All of it runs on daemon threads behind a bounded queue, so that `invoke()` returns when the run is over, whatever the
evaluator costs. A failure at any stage costs the run that stage and nothing else: spans are always ended, the record is
always stored.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from credit_hooks.archive import RunArchive
from credit_hooks.credit import CreditConfig, assign_credit
from credit_hooks.credit.baseline import BaselineTracker
from credit_hooks.delivery import emit_events
from credit_hooks.encode import EncodedSpan
from credit_hooks.errors import EvaluationError
from credit_hooks.journal import Journal
from credit_hooks.metrics import RunMetrics
from credit_hooks.native import ADAPTER
from credit_hooks.options import RewardDelivery
from credit_hooks.outcome import FinishedRun, to_outcome
from credit_hooks.ports import OnCredit, RunExporter, Verdict
from credit_hooks.record import RunRecord
from credit_hooks.release import SpanRelease
from credit_hooks.replay import Replays
from credit_hooks.rewards import Credit, CreditedRun, CreditStatus, run_attributes, span_attributes
from credit_hooks.step_scores import StepScorePool
from credit_hooks.trajectory import Trajectory
from credit_hooks.verdicts import Verdicts

__all__ = ["Pipeline"]

_GRACE = 0.002
"""Seconds until a finished run is processed. A worker that starts at once takes the interpreter lock for a whole switch
interval (5 ms) just before `invoke()` returns: measured at 100 steps, it then returned 4 ms later."""


class Pipeline:
    """Takes finished runs and credits them.

    Args:
        release: Encodes and shows the runs' spans.
        verdicts: Finds how runs ended.
        archive: Keeps the newest runs, for `runs` and :meth:`score`.
        config: How credit is assigned.
        replays: What can run runs again. None: nothing can.
        exporters: Receive every credited run.
        on_credit: Called with every credited run.
        delivery: "span": rewards are attributes of the held spans. "event": spans end at once, rewards are log events.
        metrics: What operators see of it.
        journal: Where to count, and to tell failures.
    """

    def __init__(
        self,
        release: SpanRelease,
        verdicts: Verdicts,
        archive: RunArchive,
        *,
        config: CreditConfig,
        replays: Replays | None = None,
        exporters: Sequence[RunExporter],
        on_credit: OnCredit | None,
        delivery: RewardDelivery,
        metrics: RunMetrics,
        journal: Journal,
    ) -> None:
        self._release = release
        self._verdicts = verdicts
        self._archive = archive
        self._config = config
        self._replays = replays
        self._exporters = tuple(exporters)
        self._on_credit = on_credit
        self._delivery = delivery
        self._baselines = BaselineTracker(config.baseline)
        self._step_scores = StepScorePool()
        self._metrics = metrics
        self._journal = journal

    def process(self, run: RunRecord) -> None:
        """Credit a finished run and end its spans. Called on a worker; raises nothing."""
        encoded: list[EncodedSpan] = []
        time.sleep(_GRACE)
        try:
            encoded = self._release.encode(run)
            if self._is_awaited(run):
                self._credit(run, encoded)
            else:
                self._set_aside(run, encoded)
        except Exception as error:  # noqa: BLE001 - the guard of the worker: the spans are ended whatever happens
            self._journal.failed("crediting", error)
            self._release.show(run, encoded, "error")
            self._metrics.finished(run, "error")
        finally:
            run.dissolve()

    def score(self, run_id: str, verdict: Verdict, *, going_on: bool) -> CreditedRun | None:
        """Credit a run whose outcome arrives now. None: the run is still going on, and is scored when it ends.

        Args:
            run_id: The run's id.
            verdict: How it ended.
            going_on: Whether the run has begun and is not credited yet.

        Raises:
            EvaluationError: the verdict is none.
            UnknownRunError: the run is neither going on nor known.
        """
        outcome = to_outcome(verdict)
        if outcome is None:
            raise EvaluationError("score takes True, False, a number from 0 to 1 or an Outcome; None says nothing")
        known = self._archive.recall(run_id)
        if known is None:
            if not going_on:
                raise self._archive.unknown(run_id)
            self._verdicts.keep(run_id, verdict)
            return None
        run = self._credited(known.trajectory.with_outcome(outcome))
        self._deliver(run)
        emit_events(run)
        return run

    def keep(self, run: CreditedRun) -> None:
        """A finished run is known better now: it takes its own place here, in stores and at exporters."""
        self._deliver(run)

    def drop(self, run: RunRecord, status: CreditStatus) -> None:
        """Give a finished run up: its spans end without credit."""
        self._journal.stats[status] += 1
        self._journal.stats["dropped: queue full"] += 1
        try:
            encoded = self._release.encode(run)
        except Exception as error:  # noqa: BLE001 - as in process
            self._journal.failed("encoding", error)
            encoded = []
        self._release.show(run, encoded, status)
        run.dissolve()

    def save(self, run: RunRecord, status: CreditStatus) -> None:
        """Give a run up as :meth:`drop` does, but deliver it, uncredited: the process ends before its verdict came."""
        encoded = self._release.encode(run)
        trajectory = _trajectory(run, encoded)
        self._journal.stats[status] += 1
        self._release.show(run, encoded, status)
        self._deliver(CreditedRun(trajectory=trajectory, credit=Credit(trajectory_id=run.id, status=status)))
        self._metrics.finished(run, status)

    def _is_awaited(self, run: RunRecord) -> bool:
        """Whether anybody looks at the run now: an outcome may follow from it, or somebody receives it."""
        too_long = len(run.messages) > self._config.max_messages  # which its credit has to say
        received = bool(self._exporters) or self._replays is not None
        return received or too_long or self._verdicts.may_know(run.id)

    def _set_aside(self, run: RunRecord, encoded: list[EncodedSpan]) -> None:
        """Keep a run for :meth:`score` as it is: reading its trajectory costs as much as all else after a run."""
        credit = Credit(trajectory_id=run.id, status="no_outcome")
        shown = run.released is None and self._delivery == "span"
        attributes = {run.root.span_id: run_attributes(credit)} if shown else {}
        self._journal.stats[credit.status] += 1
        self._archive.keep_spans(run.id, run.ended_ns, [span.essential_fields(run) for span in encoded])
        self._release.show(run, encoded, run.released or credit.status, attributes)
        self._metrics.finished(run, credit.status)

    def _credit(self, run: RunRecord, encoded: list[EncodedSpan]) -> None:
        trajectory = _trajectory(run, encoded)
        finished = FinishedRun(trajectory, run.output, run.inputs, run.error, run.metadata)
        if self._replays is not None:
            self._replays.keep(finished)
        outcome, failure, note = self._verdicts.judge(finished, run)
        trajectory = self._step_scores.score_failure(trajectory.with_outcome(outcome), self._config)
        credited = self._credited(trajectory, status=failure, note=note)
        attributes = span_attributes(credited) if run.released is None and self._delivery == "span" else {}
        self._release.show(run, encoded, run.released or credited.credit.status, attributes)
        self._deliver(credited)
        self._metrics.finished(run, credited.credit.status)
        self._metrics.credited(credited, run)
        ended_before = self._delivery == "event" or run.released is not None
        if ended_before and credited.credit.status == "credited":
            emit_events(credited)

    def _credited(
        self, trajectory: Trajectory, *, status: CreditStatus | None = None, note: str | None = None
    ) -> CreditedRun:
        outcome = trajectory.outcome
        if outcome is not None and outcome.baseline is None:
            if self._replays is None or not self._replays.finds_baseline:
                resolved = outcome.model_copy(update={"baseline": self._baselines.resolve(trajectory)})
                trajectory = trajectory.with_outcome(resolved)
            self._baselines.observe(trajectory, outcome.score)
        replayed = None if self._replays is None else self._replays.credit(trajectory)
        credit = replayed or assign_credit(trajectory, self._config)
        if status is not None:
            notes = (*credit.notes, *([note] if note else []))
            credit = credit.model_copy(update={"status": status, "notes": notes})
        self._journal.stats[credit.status] += 1
        return CreditedRun(trajectory=trajectory, credit=credit)

    def _deliver(self, run: CreditedRun) -> None:
        self._archive.keep(run)
        receivers: list[Callable[[CreditedRun], None]] = [exporter.export for exporter in self._exporters]
        if self._on_credit is not None and run.credit.status == "credited":
            receivers.append(self._on_credit)
        for receive in receivers:
            try:
                receive(run)
            except BaseException as error:  # noqa: BLE001 - receivers are the user's: none may cost the others their run
                self._journal.failed(getattr(receive, "__qualname__", type(receive).__name__), error)


def _trajectory(run: RunRecord, encoded: Sequence[EncodedSpan]) -> Trajectory:
    return next(iter(ADAPTER.trajectories([span.span_data(run) for span in encoded])))
