"""The post-run hook: the one place that knows the order of things after a run has ended.

    record -> spans as data -> trajectory -> outcome -> credit -> rewards on the held spans -> store, exporters

All of it runs on daemon threads behind a bounded queue, so that `invoke()` returns when the run is over, whatever the
evaluator costs. A failure at any stage costs the run that stage and nothing else: spans are always ended, the record is
always stored.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from credit_hooks import semconv as sc
from credit_hooks.archive import RunArchive
from credit_hooks.credit import CreditConfig, assign_credit
from credit_hooks.credit.baseline import BaselineTracker
from credit_hooks.delivery import emit_events
from credit_hooks.encode import EncodedSpan, EncodingLimits, encode_steps
from credit_hooks.errors import CreditHooksError, EvaluationError, UnknownRunError
from credit_hooks.evaluation import EvaluationPool
from credit_hooks.hold import FLUSH_EVERY, SpanHolder
from credit_hooks.metrics import RunMetrics
from credit_hooks.native import ADAPTER
from credit_hooks.options import RewardDelivery
from credit_hooks.outcome import FinishedRun, to_outcome
from credit_hooks.ports import Evaluator, OnCredit, RunExporter, Verdict
from credit_hooks.record import RunRecord, StepRecord
from credit_hooks.replay import Replays
from credit_hooks.rewards import Credit, CreditedRun, CreditStatus, run_attributes, span_attributes
from credit_hooks.step_scores import StepScorePool
from credit_hooks.trajectory import Trajectory

__all__ = ["Pipeline"]

logger = logging.getLogger("credit_hooks")

_GRACE = 0.002
"""Seconds until a finished run is processed. A worker that starts at once takes the interpreter lock for a whole switch
interval (5 ms) just before `invoke()` returns: measured at 100 steps, it then returned 4 ms later."""


class Pipeline:
    """Takes finished runs and credits them.

    Args:
        holder: Where the runs' spans are held.
        source_id: A framework's message object to its id. None: it has none.
        evaluate: Says how a run ended. None: outcomes arrive later through :meth:`score`.
        config: How credit is assigned.
        replays: What can run runs again. None: nothing can.
        exporters: Receive every credited run.
        on_credit: Called with every credited run.
        delivery: "span": rewards are attributes of the held spans. "event": spans end at once, rewards are log events.
        limits: How much content is kept.
        evaluate_timeout: Seconds an evaluator may take.
        metrics: What operators see of it.
        stats: Where to count.
        max_runs: Most credited runs kept for `runs` and :meth:`score`.
        recall: Finds an older run, as in a store.
    """

    def __init__(
        self,
        holder: SpanHolder,
        source_id: Callable[[Any], str | None],
        *,
        evaluate: Evaluator | None,
        config: CreditConfig,
        replays: Replays | None = None,
        exporters: Sequence[RunExporter],
        on_credit: OnCredit | None,
        delivery: RewardDelivery,
        limits: EncodingLimits,
        evaluate_timeout: float,
        metrics: RunMetrics,
        stats: Counter[str],
        max_runs: int,
        recall: Callable[[str], CreditedRun | None] | None = None,
    ) -> None:
        self._holder = holder
        self._source_id = source_id
        self._evaluate = evaluate
        self._config = config
        self._replays = replays
        self._exporters = tuple(exporters)
        self._on_credit = on_credit
        self._delivery = delivery
        self._limits = limits
        self._evaluations = EvaluationPool(timeout=evaluate_timeout)
        self._baselines = BaselineTracker(config.baseline)
        self._step_scores = StepScorePool()
        self._early_scores: OrderedDict[str, Verdict] = OrderedDict()
        self._metrics = metrics
        self._archive = RunArchive(max_runs, config)
        self._max_runs = max_runs
        self._recall = recall
        self._lock = threading.Lock()
        self.stats = stats
        """What happened: runs by credit status, and everything that was given up or failed, by name."""
        self.failures: deque[str] = deque(maxlen=100)
        """The last failures, in sentences."""

    @property
    def runs(self) -> list[CreditedRun]:
        """The newest runs, oldest first."""
        return self._archive.all()

    @property
    def last(self) -> CreditedRun | None:
        """The newest run. None: there is none."""
        return self._archive.last()

    def process(self, run: RunRecord) -> None:
        """Credit a finished run and end its spans. Called on a worker; raises nothing."""
        encoded: list[EncodedSpan] = []
        time.sleep(_GRACE)
        try:
            with run.lock:
                run.assign_ids(self._source_id)
                encoded = encode_steps(run, run.steps, self._limits)
            if self._is_awaited(run):
                self._credit(run, encoded)
            else:
                self._set_aside(run, encoded)
        except Exception as error:  # noqa: BLE001 - the guard of the worker: the spans are ended whatever happens
            self._failed("crediting", error)
            self._release(run, encoded, {}, "error")
            self._metrics.finished(run, "error")
        finally:
            run.dissolve()

    def release_ended(self, run: RunRecord) -> None:
        """End, without credit, the spans of a running run that wait in `run.unreleased`."""
        with run.lock:
            steps, run.unreleased = run.unreleased, []
            run.assign_ids(self._source_id)
            encoded = encode_steps(run, steps, self._limits)
        for span in encoded:
            self._complete(span.step, span.attributes, span.content)
            self._end(span.step)

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
        known = self._archive.get(run_id)
        if known is None and self._recall is not None:
            known = self._recall(run_id)
        if known is None:
            if not going_on:
                raise UnknownRunError(self._unknown(run_id))
            with self._lock:
                self._early_scores[run_id] = verdict
                while len(self._early_scores) > self._max_runs:
                    self._early_scores.popitem(last=False)
            return None
        run = self._credited(known.trajectory.with_outcome(outcome))
        self._deliver(run)
        emit_events(run)
        return run

    def known(self, run_id: str) -> CreditedRun:
        """A finished run.

        Raises:
            UnknownRunError: nothing is known of it.
        """
        known = self._archive.get(run_id) or (None if self._recall is None else self._recall(run_id))
        if known is None:
            raise UnknownRunError(self._unknown(run_id))
        return known

    def _unknown(self, run_id: str) -> str:
        places = f"the newest {self._max_runs} runs of this process"
        if self._recall is not None:
            places += " or the store"
        return f"no run {run_id!r} is going on, or among {places}: a run's id is run.id in an evaluator"

    def drop(self, run: RunRecord, status: CreditStatus) -> None:
        """Give a finished run up: its spans end without credit."""
        self.stats[status] += 1
        self.stats["dropped: queue full"] += 1
        try:
            with run.lock:
                run.assign_ids(self._source_id)
                encoded = encode_steps(run, run.steps, self._limits)
        except Exception as error:  # noqa: BLE001 - as in process
            self._failed("encoding", error)
            encoded = []
        self._release(run, encoded, {}, status)
        run.dissolve()

    def save(self, run: RunRecord, status: CreditStatus) -> None:
        """Give a run up as :meth:`drop` does, but deliver it, uncredited: the process ends before its verdict came."""
        with run.lock:
            run.assign_ids(self._source_id)
            encoded = encode_steps(run, run.steps, self._limits)
        trajectory = _trajectory(run, encoded)
        self.stats[status] += 1
        self._release(run, encoded, {}, status)
        self._deliver(CreditedRun(trajectory=trajectory, credit=Credit(trajectory_id=run.id, status=status)))
        self._metrics.finished(run, status)

    def _is_awaited(self, run: RunRecord) -> bool:
        """Whether anybody looks at the run now: an outcome may follow from it, or somebody receives it."""
        with self._lock:
            scored = run.id in self._early_scores
        too_long = len(run.messages) > self._config.max_messages  # which its credit has to say
        return scored or too_long or self._evaluate is not None or bool(self._exporters) or self._replays is not None

    def _set_aside(self, run: RunRecord, encoded: list[EncodedSpan]) -> None:
        """Keep a run for :meth:`score` as it is: reading its trajectory costs as much as all else after a run."""
        credit = Credit(trajectory_id=run.id, status="no_outcome")
        shown = run.released is None and self._delivery == "span"
        attributes = {run.root.span_id: run_attributes(credit)} if shown else {}
        self.stats[credit.status] += 1
        self._archive.keep_spans(run.id, run.ended_ns, [span.essential_fields(run) for span in encoded])
        self._release(run, encoded, attributes, run.released or credit.status)
        self._metrics.finished(run, credit.status)

    def _credit(self, run: RunRecord, encoded: list[EncodedSpan]) -> None:
        trajectory = _trajectory(run, encoded)
        finished = FinishedRun(trajectory, run.output, run.inputs, run.error, run.metadata)
        if self._replays is not None:
            self._replays.keep(finished)
        status: CreditStatus | None = None
        note: str | None = None
        try:
            outcome = to_outcome(self._verdict(finished, run))
        except EvaluationError as error:
            self._failed("evaluation", error, run.id)
            outcome, note = None, str(error)
            status = _why(error)
        trajectory = self._step_scores.score_failure(trajectory.with_outcome(outcome), self._config)
        credited = self._credited(trajectory, status=status, note=note)
        attributes = span_attributes(credited) if run.released is None and self._delivery == "span" else {}
        self._release(run, encoded, attributes, run.released or credited.credit.status)
        self._deliver(credited)
        self._metrics.finished(run, credited.credit.status)
        self._metrics.credited(credited, run)
        ended_before = self._delivery == "event" or run.released is not None
        if ended_before and credited.credit.status == "credited":
            emit_events(credited)

    def _verdict(self, finished: FinishedRun, run: RunRecord) -> Verdict:
        with self._lock:
            if finished.id in self._early_scores:
                return self._early_scores.pop(finished.id)
        if self._evaluate is None or finished.status in ("interrupted", "cancelled", "abandoned"):
            return None
        started, failure = time.perf_counter(), None
        try:
            return self._evaluations.run(self._evaluate, finished)
        except EvaluationError as error:
            failure = _why(error)
            raise
        finally:
            self._metrics.evaluated(run.root.context, time.perf_counter() - started, failure)

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
        self.stats[credit.status] += 1
        return CreditedRun(trajectory=trajectory, credit=credit)

    def _release(
        self,
        run: RunRecord,
        encoded: Sequence[EncodedSpan],
        credit: Mapping[str, Mapping[str, Any]],
        status: str,
    ) -> None:
        """Show all spans that are still held: parents start before children, and end after them."""
        known = {id(span.step): span for span in encoded}
        for step in run.steps:
            step.end("unknown")
            span = known.get(id(step))
            attributes, content = (step.attributes, {}) if span is None else (span.attributes, span.content)
            if step.span_id in credit:
                attributes.update(credit[step.span_id])
            if step is run.root:
                attributes[sc.CREDIT_STATUS] = status
            self._complete(step, attributes, content)
        for count, step in enumerate(reversed(run.steps), start=1):
            self._end(step)
            if count % FLUSH_EVERY == 0:
                self._holder.force_flush()

    def _complete(self, step: StepRecord, attributes: Mapping[str, Any], content: Mapping[str, Any]) -> None:
        try:
            self._holder.complete(step, attributes, content)
        except Exception as error:  # noqa: BLE001 - a foreign span processor may raise; the next span is not its business
            self._failed("starting a span", error)

    def _end(self, step: StepRecord) -> None:
        try:
            self._holder.end(step)
        except Exception as error:  # noqa: BLE001 - as in _complete
            self._failed("ending a span", error)

    def _deliver(self, run: CreditedRun) -> None:
        self._archive.keep(run)
        receivers: list[Callable[[CreditedRun], None]] = [exporter.export for exporter in self._exporters]
        if self._on_credit is not None and run.credit.status == "credited":
            receivers.append(self._on_credit)
        for receive in receivers:
            try:
                receive(run)
            except BaseException as error:  # noqa: BLE001 - receivers are the user's: none may cost the others their run
                self._failed(getattr(receive, "__qualname__", type(receive).__name__), error)

    def _failed(self, what: str, error: BaseException, run_id: str | None = None) -> None:
        self.stats[f"failed: {what}"] += 1
        self.failures.append(f"{time.strftime('%H:%M:%S')} {what}: {error}")
        expected = isinstance(error, CreditHooksError)
        said: object = error  # what an evaluator says may quote the run
        if isinstance(error, EvaluationError) and not self._holder.shows_content:
            said = error.logged
        where = what if run_id is None else f"{what} of run {run_id}"
        logger.warning("credit-hooks: %s failed: %s", where, said, exc_info=None if expected else error)


def _why(error: EvaluationError) -> Literal["timeout", "error"]:
    return "timeout" if isinstance(error.__cause__, TimeoutError) else "error"


def _trajectory(run: RunRecord, encoded: Sequence[EncodedSpan]) -> Trajectory:
    return next(iter(ADAPTER.trajectories([span.span_data(run) for span in encoded])))
