"""Metrics for operators: who earns and who costs over time, how long crediting takes, what was given up.

Everything is recorded by the worker, never on the user's thread. What happens on other threads is counted in the
pipeline's `stats`, and the worker passes the increments on. Attributes are few, with few values, and free of content:
names and statuses, never ids or messages. What each metric says: docs/metrics.md.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final, Literal, TypeAlias

from opentelemetry import metrics
from opentelemetry.context import Context
from opentelemetry.metrics import Histogram, Meter, MeterProvider

from credit_hooks import __version__
from credit_hooks import semconv as sc
from credit_hooks.record import RunRecord
from credit_hooks.rewards import CreditedRun, CreditStatus

__all__ = ["MAX_AGENTS", "OTHER_AGENTS", "RunMetrics"]

MAX_AGENTS: Final = 50
"""Agent names told apart per meter provider; teams that name agents by task would make a time series of each."""
OTHER_AGENTS: Final = "_OTHER"
"""Stands for every further name, as OpenTelemetry's `error.type` has it."""

_MAX_NAME: Final = 100
_SHARES: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
_SCORES: Final = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)

Failure: TypeAlias = Literal["timeout", "error"]
Levels: TypeAlias = Mapping[Literal["spans_held", "runs_active", "runs_pending"], int]

# How `stats` names what was given up or failed, to metric, attribute and value. Other keys are counted elsewhere.
_GIVEN_UP: Final = {
    "refused: too many runs": ("runs_dropped", sc.CREDIT_REASON, "max_active_runs"),
    "dropped: queue full": ("runs_dropped", sc.CREDIT_REASON, "max_queue"),
    "released: overflow": ("runs_released", sc.CREDIT_REASON, "max_held_spans"),
    "released: timeout": ("runs_released", sc.CREDIT_REASON, "max_hold_seconds"),
    "failed: evaluation": ("failures", sc.CREDIT_STAGE, "evaluate"),
    "failed: crediting": ("failures", sc.CREDIT_STAGE, "credit"),
    "failed: encoding": ("failures", sc.CREDIT_STAGE, "encode"),
    "failed: starting a span": ("failures", sc.CREDIT_STAGE, "show"),
    "failed: ending a span": ("failures", sc.CREDIT_STAGE, "show"),
}
_RECEIVER: Final = ("failures", sc.CREDIT_STAGE, "deliver")  # named after the user's function, which may be any


class _Instruments:
    """Our instruments on one meter provider, shared by all sessions that use it."""

    def __init__(self, meter: Meter) -> None:
        def seconds(name: str, description: str) -> Histogram:
            return meter.create_histogram(name, "s", description, explicit_bucket_boundaries_advisory=_SECONDS)

        self.agent_credit = meter.create_histogram(
            "credit_hooks.agent.credit",
            "1",
            "Size of the credit of an agent in one run; credit.sign says whether it is reward or blame",
            explicit_bucket_boundaries_advisory=_SHARES,
        )
        self.run_outcome = meter.create_histogram(
            "credit_hooks.run.outcome",
            "1",
            "Outcome of a credited run, from 0 to 1",
            explicit_bucket_boundaries_advisory=_SCORES,
        )
        self.hook_duration = seconds(
            "credit_hooks.hook.duration", "From the end of a run until its credit is delivered"
        )
        self.evaluation_duration = seconds("credit_hooks.evaluation.duration", "Time that the evaluator took")
        self.counters = {
            "runs": meter.create_counter(
                "credit_hooks.run.finished", "{run}", "Finished runs, by what became of their credit"
            ),
            "low_evidence": meter.create_counter(
                "credit_hooks.run.low_evidence", "{run}", "Credited runs whose messages say little about who earned it"
            ),
            "late_verdicts": meter.create_counter(
                "credit_hooks.run.late_verdicts", "{verdict}", "Runs credited by a verdict that came after their end"
            ),
            "first_errors": meter.create_counter(
                "credit_hooks.agent.first_errors", "{error}", "Failed runs, by the agent that made the first error"
            ),
            "runs_dropped": meter.create_counter(
                "credit_hooks.run.dropped", "{run}", "Runs neither credited nor stored, by the limit they met"
            ),
            "runs_released": meter.create_counter(
                "credit_hooks.run.released", "{run}", "Runs whose spans were shown before their credit was known"
            ),
            "failures": meter.create_counter(
                "credit_hooks.hook.failures", "{failure}", "Failures of evaluators, receivers and of ours, by stage"
            ),
        }
        self.levels = {
            "spans_held": meter.create_up_down_counter(
                "credit_hooks.span.held", "{span}", "Spans whose end waits for credit"
            ),
            "runs_active": meter.create_up_down_counter(
                "credit_hooks.run.active", "{run}", "Captured runs that are going on"
            ),
            "runs_pending": meter.create_up_down_counter(
                "credit_hooks.run.pending", "{run}", "Finished runs that wait for their credit"
            ),
        }
        self._agents: set[str] = set()

    def agent(self, name: str) -> str:
        """The name as an attribute's value: itself, or :data:`OTHER_AGENTS` once there are too many."""
        name = name[:_MAX_NAME]
        if name not in self._agents:
            if len(self._agents) >= MAX_AGENTS:
                return OTHER_AGENTS
            self._agents.add(name)
        return name


_shared: weakref.WeakKeyDictionary[MeterProvider, _Instruments] = weakref.WeakKeyDictionary()
_lock = threading.Lock()


def _instruments(meter_provider: MeterProvider | None) -> _Instruments:
    provider = metrics.get_meter_provider() if meter_provider is None else meter_provider
    with _lock:  # a callback made for each call must not make meters without end
        found = _shared.get(provider)
        if found is None:
            found = _shared[provider] = _Instruments(provider.get_meter("credit_hooks", __version__))
        return found


class RunMetrics:
    """Records what one capture session does.

    Args:
        meter_provider: Where metrics go. None: the global provider; one that is set later is used from then on.
        framework: What runs the teams.
        stats: Counts of what was given up or failed, added to on any thread.
        levels: How much is held and waiting at this moment.
    """

    def __init__(
        self,
        meter_provider: MeterProvider | None,
        framework: str,
        stats: Counter[str],
        levels: Callable[[], Levels],
    ) -> None:
        self._to = _instruments(meter_provider)
        self._framework = {sc.CREDIT_FRAMEWORK: framework}
        self._stats = stats
        self._levels = levels
        self._sent: Counter[str] = Counter()
        self._lock = threading.Lock()
        _all.add(self)

    def finished(self, run: RunRecord, status: CreditStatus) -> None:
        """A run was processed: it ended at the end of its root step, and whatever became of its credit is delivered."""
        context = _context(run)
        how = {**self._framework, sc.CREDIT_STATUS: status}
        self._to.counters["runs"].add(1, {**how, sc.CREDIT_RUN_STATUS: run.status})
        if run.root.end_ns is not None:
            waited = max(0.0, (time.time_ns() - run.root.end_ns) / 1e9)  # wall clocks are set back
            self._to.hook_duration.record(waited, how, context)

    def credited(self, run: CreditedRun, record: RunRecord | None = None) -> None:
        """A run was credited; by a late verdict, where its `record` is gone."""
        credit = run.credit
        if credit.status != "credited":
            return
        context = None if record is None else _context(record)
        names = {actor.id: actor.name for actor in run.trajectory.actors}
        kinds = {actor.id: actor.kind for actor in run.trajectory.actors}
        for actor_id, value in credit.agents.items():
            if value == 0.0 and kinds.get(actor_id) == "human":
                continue  # who asked earns nothing, by construction
            sign = "positive" if value > 0 else "negative" if value < 0 else "zero"
            of = {**self._framework, sc.GEN_AI_AGENT_NAME: self._agent(names, actor_id), sc.CREDIT_SIGN: sign}
            self._to.agent_credit.record(abs(value), of, context)
        if credit.outcome is not None:
            self._to.run_outcome.record(credit.outcome, self._framework, context)
        if credit.first_error is not None:
            by = {**self._framework, sc.GEN_AI_AGENT_NAME: self._agent(names, credit.first_error.actor_id)}
            self._to.counters["first_errors"].add(1, by)
        if credit.low_evidence:
            self._to.counters["low_evidence"].add(1, self._framework)
        if record is None:
            self._to.counters["late_verdicts"].add(1, self._framework)

    def evaluated(self, run_context: Context | None, seconds: float, failure: Failure | None) -> None:
        """An evaluator returned, raised or was given up."""
        how = self._framework if failure is None else {**self._framework, sc.ERROR_TYPE: failure}
        self._to.evaluation_duration.record(seconds, how, run_context)

    def sync(self) -> None:
        """Pass on what `stats` and levels have changed by since the last call."""
        with self._lock:
            for key, count in dict(self._stats).items():
                if (added := count - self._sent[key]) > 0 and (known := _given_up(key)) is not None:
                    name, attribute, value = known
                    self._to.counters[name].add(added, {**self._framework, attribute: value})
                self._sent[key] = count
            for level, now in self._levels().items():
                changed = now - self._sent[level]
                if changed or level not in self._sent:  # a zero at first, that the series is there
                    self._to.levels[level].add(changed, self._framework)
                self._sent[level] = now

    def _agent(self, names: Mapping[str, str], actor_id: str) -> str:
        return self._to.agent(names.get(actor_id, actor_id))


def _given_up(key: str) -> tuple[str, str, str] | None:
    return _GIVEN_UP.get(key, _RECEIVER if key.startswith("failed: ") else None)


def _context(run: RunRecord) -> Context | None:
    """The run's root span as context: exemplars lead from a measurement to its trace."""
    return run.root.context


_all: weakref.WeakSet[RunMetrics] = weakref.WeakSet()


def _after_fork() -> None:
    # A lock may have been held by a thread that the child does not have.
    global _lock
    _lock = threading.Lock()
    for each in list(_all):
        each._lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
