"""A capture session: what every front door shares, whatever the framework. One session serves any number of runs."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, cast

from credit_hooks import semconv as sc
from credit_hooks.archive import RunArchive
from credit_hooks.credit.failures import with_labels
from credit_hooks.encode import EncodingLimits
from credit_hooks.errors import ConfigurationError, StoreError
from credit_hooks.hold import OpenedSpan, SpanHolder
from credit_hooks.journal import Journal
from credit_hooks.metrics import Levels, RunMetrics
from credit_hooks.options import CaptureOptions, check_options, credit_config, replays, shows_content
from credit_hooks.pipeline import Pipeline
from credit_hooks.ports import Verdict
from credit_hooks.record import ActorRecord, RunRecord, RunStatus, StepRecord
from credit_hooks.release import SpanRelease
from credit_hooks.replay import Replays
from credit_hooks.rewards import CreditedRun
from credit_hooks.store import LazyStore, store_path
from credit_hooks.trajectory import Label, StepKind
from credit_hooks.verdicts import Verdicts
from credit_hooks.worker import Worker

__all__ = ["CaptureSession"]

_START: Mapping[str, Mapping[str, Any]] = {
    kind: {sc.GEN_AI_OPERATION_NAME: operation, sc.OPENINFERENCE_SPAN_KIND: shown}
    for kind, operation, shown in (
        ("workflow", sc.OPERATION_WORKFLOW, "CHAIN"),
        ("agent", sc.OPERATION_AGENT, "AGENT"),
        ("chat", sc.OPERATION_CHAT, "LLM"),
        ("tool", sc.OPERATION_TOOL, "TOOL"),
    )
}
"""What the span of every step of a kind says from its start."""


class CaptureSession:
    """Starts and ends runs and steps, holds their spans, hands finished runs to the pipeline."""

    def __init__(self, options: CaptureOptions, *, framework: str, source_id: Callable[[Any], str | None]) -> None:
        check_options(options)
        self._framework = framework
        self._max_hold = options.get("max_hold_seconds", 600.0)
        self._max_steps = options.get("max_spans_per_run", 50_000)
        self._delivery = options.get("reward_delivery", "span")
        self._max_active = options.get("max_active_runs", 10_000)
        self._active: dict[str, RunRecord] = {}
        self._finishing: dict[str, RunRecord] = {}
        self._lock = threading.Lock()
        self._holder = SpanHolder(
            options.get("tracer_provider"),
            max_held_spans=options.get("max_held_spans", 20_000),
            capture_content=shows_content(options),
        )
        self._journal = Journal(shows_content=self._holder.shows_content)
        self._metrics = RunMetrics(options.get("meter_provider"), framework, self._journal.stats, self._levels)
        path = options.get("store")
        store = self._store = None if path is None else LazyStore(store_path(path))
        config = credit_config(options)
        max_runs = options.get("max_runs", 1_000)
        self._archive = RunArchive(max_runs, config, None if store is None else store.recall)
        self._replays = replays(options, config)
        self._release = SpanRelease(self._holder, source_id, options.get("limits", EncodingLimits()), self._journal)
        verdicts = Verdicts(
            options.get("evaluate"),
            timeout=options.get("evaluate_timeout", 60.0),
            max_early=max_runs,
            metrics=self._metrics,
            journal=self._journal,
        )
        self._pipeline = Pipeline(
            self._release,
            verdicts,
            self._archive,
            config=config,
            replays=self._replays,
            exporters=[*([] if store is None else [store]), *options.get("exporters", ())],
            on_credit=options.get("on_credit"),
            delivery=self._delivery,
            metrics=self._metrics,
            journal=self._journal,
        )
        self._worker = Worker(
            self._release_overdue, self._save_rest, threads=2, max_queue=options.get("max_queue", 1_000)
        )

    # --- what users look at -------------------------------------------------------------------------------------------

    @property
    def runs(self) -> list[CreditedRun]:
        """The newest runs, oldest first."""
        return self._archive.all()

    @property
    def last(self) -> CreditedRun | None:
        """The newest run. None: there is none."""
        return self._archive.last()

    @property
    def stats(self) -> Counter[str]:
        """Counts of what happened and of what was given up."""
        return self._journal.stats

    @property
    def failures(self) -> list[str]:
        """The last failures, in sentences."""
        return list(self._journal.failures)

    @property
    def held_spans(self) -> int:
        """Spans started and not yet ended."""
        return self._holder.held

    @property
    def active_runs(self) -> int:
        """Runs that have started and not ended."""
        return len(self._active)

    def flush(self, timeout: float = 30.0) -> bool:
        """Wait until every finished run is credited; False if it took longer than `timeout` seconds."""
        return self._worker.flush(timeout)

    def score(self, run_id: str, verdict: Verdict) -> CreditedRun | None:
        """Credit a run whose outcome arrives now. None: it is still going on, and is scored when it ends.

        Raises:
            EvaluationError: the verdict is none.
            UnknownRunError: the run is neither going on nor known.
        """
        self._worker.flush(30.0)
        with self._lock:
            going_on = run_id in self._active or run_id in self._finishing
        run = self._pipeline.score(run_id, verdict, going_on=going_on)
        if run is not None:
            self._worker.submit(lambda: self._metrics.credited(run))
        return run

    def replayed(self, run: str | CreditedRun) -> tuple[Replays, CreditedRun]:
        """A finished run, and what can run it again.

        Raises:
            ConfigurationError: no `replay=` was given.
            UnknownRunError: nothing is known of the run.
        """
        if self._replays is None:
            raise ConfigurationError("this needs replay=, such as CreditCallback(replay=Replay(graph))")
        return self._replays, self._known(run)

    def annotate(self, run: str | CreditedRun, labels: Sequence[Label]) -> CreditedRun:
        """Add labels to a finished run, here and in stores; its credit stays.

        Raises:
            UnknownRunError: nothing is known of the run.
        """
        run = self._known(run)
        labelled = run.model_copy(update={"trajectory": with_labels(run.trajectory, labels)})
        self._pipeline.keep(labelled)
        return labelled

    def keep(self, run: CreditedRun) -> None:
        """A finished run is known better now: it takes its own place, here and in stores."""
        self._pipeline.keep(run)

    def _known(self, run: str | CreditedRun) -> CreditedRun:
        if isinstance(run, CreditedRun):
            return run
        self._worker.flush(30.0)
        known = self._archive.recall(run)
        if known is None:
            raise self._archive.unknown(run)
        return known

    @property
    def has_room(self) -> bool:
        """Whether another run can be captured. Runs that start and never end must not fill the memory."""
        room = len(self._active) < self._max_active
        if not room:
            self._journal.stats["refused: too many runs"] += 1
        return room

    # --- what capture rooms call --------------------------------------------------------------------------------------

    def start_run(
        self,
        run_id: str,
        name: str,
        *,
        attributes: Mapping[str, Any],
        links: tuple[tuple[str, str], ...] = (),
    ) -> RunRecord:
        """A run begins: its root span starts under whatever span is current for the caller."""
        self._worker.start()
        start = time.time_ns()
        title = f"{sc.OPERATION_WORKFLOW} {name}"
        own = {
            **_START["workflow"],
            sc.GEN_AI_WORKFLOW_NAME: name,
            sc.CREDIT_RUN_ID: run_id,
            sc.CREDIT_FRAMEWORK: self._framework,
            **attributes,
        }
        opened = self._holder.open_root(title, own, start, links)
        root = StepRecord("workflow", title, opened.span_id, None, None, start, own, opened)
        run = RunRecord(run_id=run_id, name=name, framework=self._framework, trace_id=opened.trace_id, root=root)
        run.links = links
        with self._lock:
            self._active[run_id] = run
        return run

    def start_step(
        self,
        run: RunRecord,
        kind: StepKind,
        operation: str,
        target: str,
        *,
        parent: StepRecord,
        actor: ActorRecord | None,
        attributes: Mapping[str, Any],
    ) -> StepRecord | None:
        """A step begins. None: the run has outgrown its limits and is recorded no further."""
        if len(run.steps) >= self._max_steps:
            run.truncated = True
            return None
        start = time.time_ns()
        title = f"{operation} {target}" if target else operation
        own = {**_START[kind], **attributes}
        opened = self._holder.open(title, own, start, cast(OpenedSpan, parent.opened))
        step = StepRecord(kind, title, opened.span_id, parent, actor, start, own, opened)
        run.add_step(step)
        if self._holder.full and run.released is None:
            self._give_up(run, "overflow")
        return step

    def end_step(self, run: RunRecord, step: StepRecord) -> None:
        """A step has ended; its span is held, unless this run's spans are not."""
        if run.released is not None or self._delivery == "event":
            run.unreleased.append(step)
            self._worker.submit(lambda: self._release.show_ended(run))

    def end_run(self, run: RunRecord, status: RunStatus) -> None:
        """A run has ended: hand it to the pipeline. Returns at once."""
        with self._lock:
            if self._active.pop(run.id, None) is None:
                return
            self._finishing[run.id] = run
        run.status = status
        run.close_open_steps("cancelled")
        if not self._worker.submit(lambda: self._finish(run)):
            self._finishing.pop(run.id, None)
            self._pipeline.drop(run, "overflow")

    def _finish(self, run: RunRecord) -> None:
        self._pipeline.process(run)
        self._finishing.pop(run.id, None)
        self._metrics.sync()

    def _save_rest(self) -> None:
        """The process ends: keep the runs whose verdict did not come in time, and those still going on, uncredited."""
        with self._lock:
            going_on, self._active = list(self._active.values()), {}
        for run in going_on:
            run.status = "cancelled"
            run.close_open_steps("cancelled")
        for run in [*self._finishing.values(), *going_on]:
            self._pipeline.save(run, "shutdown")
        if self._store is not None:
            try:
                self._store.write_rest()
            except StoreError as error:
                self._journal.failed("store", error)
        self._metrics.sync()
        self._holder.force_flush()

    def _give_up(self, run: RunRecord, why: Literal["overflow", "timeout"]) -> None:
        with run.lock:
            run.released = why
            run.unreleased.extend(step for step in run.steps if step.ended)
        self._journal.stats[f"released: {why}"] += 1
        self._worker.submit(lambda: self._release.show_ended(run))

    def _release_overdue(self) -> None:
        oldest = time.time_ns() - int(self._max_hold * 1e9)
        with self._lock:
            overdue = [run for run in self._active.values() if run.root.start_ns < oldest and run.released is None]
        for run in overdue:
            self._give_up(run, "timeout")
        self._metrics.sync()

    def _levels(self) -> Levels:
        return {
            "spans_held": self._holder.held,
            "runs_active": len(self._active),
            "runs_pending": len(self._finishing),
        }
