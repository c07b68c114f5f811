"""Decides on retries and keeps the record of them; the frameworks' rooms make the calls.

A retry is a second model call in place of an answer that something speaks against. It is never a second run of a tool.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal, NamedTuple, TypeAlias, TypeVar

from opentelemetry import trace
from opentelemetry.sdk.trace import Tracer as SdkTracer
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import Tracer, TracerProvider

from credit_hooks import __version__
from credit_hooks import semconv as sc
from credit_hooks.failure.step_scoring import StepView
from credit_hooks.hold import PrivateIdGenerator
from credit_hooks.triage.limits import RetryLedger, RetryLimits
from credit_hooks.triage.signals import Finding, Signal, findings, worst

__all__ = ["Retries", "RetryEnd", "RetryRecord"]

RetryEnd: TypeAlias = Literal["kept", "not better", "failed", "timeout", "carried"]

logger = logging.getLogger("credit_hooks")
A = TypeVar("A")
T = TypeVar("T")
D = TypeVar("D")

_SCOPE: Final = "credit_hooks.triage"
_IDS: Final = PrivateIdGenerator()
_MAX_RECORDS: Final = 1_000


class RetryRecord(NamedTuple):
    """One retry, or one critique of an earlier run that an agent was told. Holds nothing that was said."""

    agent: str
    """Who."""
    signals: tuple[str, ...]
    """What spoke against the first answer; of a critique, the run it is from."""
    before: float
    """Severity of the worst finding against the first answer, in [0, 1]."""
    after: float | None
    """The same of the retry. None: it gave no answer, or was not looked at."""
    end: RetryEnd
    """What became of it."""
    tokens: int
    """What it cost; estimated from characters where the model states no usage."""
    trace_id: str
    """Trace in which it happened."""
    span_id: str
    """Step in which it happened."""


class Retries:
    """What one hook knows: signals, limits, what has been retried so far.

    Args:
        limits: Hard limits.
        signals: What may speak against an answer.
        tracer_provider: Where the spans of retries are shown. None: the global provider.
        on_record: Told of every retry and every critique that was passed on.
    """

    def __init__(
        self,
        limits: RetryLimits,
        signals: Sequence[Signal],
        tracer_provider: TracerProvider | None,
        on_record: Callable[[RetryRecord], None],
    ) -> None:
        self.limits = limits
        self.ledger = RetryLedger(limits)
        self.records: deque[RetryRecord] = deque(maxlen=_MAX_RECORDS)
        self._signals = tuple(signals)
        self._provider = tracer_provider
        self._on_record = on_record

    def look(self, view: Callable[[], StepView]) -> tuple[Finding, ...] | None:
        """What speaks against an answer. None: we or a signal failed, and nothing can be said."""
        return self.safely(lambda: findings(self._signals, view()), None)

    def safely(self, action: Callable[[], T], otherwise: D) -> T | D:
        """The guard at the edge: a failure of ours or of the user's signals is counted, and the run goes on."""
        try:
            return action()
        except Exception as error:  # noqa: BLE001 - as said: whatever it is, the first answer stands
            self.failed("a signal", error)
            return otherwise

    async def off_loop(self, decide: Callable[[A], T], answer: A) -> T:
        """Decide on an answer, on another thread if a signal takes time: an event loop must not wait for it."""
        if any(getattr(signal, "asks", False) for signal in self._signals):
            return await asyncio.to_thread(decide, answer)
        return decide(answer)

    def failed(self, what: str, error: BaseException) -> None:
        """Something of ours, or of the user's signals, has failed; the run goes on."""
        self.ledger.count(f"failed: {what}")
        logger.warning("credit-hooks: %s failed in triage; the run is not affected", what, exc_info=error)

    def is_better(self, before: Sequence[Finding], after: Sequence[Finding] | None) -> bool:
        """Whether a retry takes the place of what it is compared with."""
        return self.limits.keep == "last" or (after is not None and worst(after) < worst(before))

    def record(self, record: RetryRecord, started_ns: int) -> None:
        """Keep and show a record. Raises nothing."""
        self.records.append(record)
        self.ledger.count(record.end)
        try:
            self._show(record, started_ns)
            self._on_record(record)
        except Exception as error:  # noqa: BLE001 - a foreign span processor may raise; the run is not its business
            self.failed("the record of a retry", error)

    def _show(self, record: RetryRecord, started_ns: int) -> None:
        attributes: dict[str, Any] = {
            sc.GEN_AI_OPERATION_NAME: sc.OPERATION_RETRY,
            sc.GEN_AI_AGENT_NAME: record.agent,
            sc.CREDIT_RETRY_SIGNALS: record.signals,
            sc.CREDIT_RETRY_BEFORE: record.before,
            sc.CREDIT_RETRY_END: record.end,
            sc.CREDIT_RETRY_TOKENS: record.tokens,
        }
        if record.after is not None:
            attributes[sc.CREDIT_RETRY_AFTER] = record.after
        tracer = _tracer(self._provider)
        name = f"{sc.OPERATION_RETRY} {record.agent}"
        tracer.start_span(name, attributes=attributes, start_time=started_ns).end(end_time=time.time_ns())


def _tracer(provider: TracerProvider | None) -> Tracer:
    tracer = (provider or trace.get_tracer_provider()).get_tracer(_SCOPE, __version__)
    if isinstance(tracer, SdkTracer) and type(tracer.id_generator) is RandomIdGenerator:
        tracer.id_generator = _IDS  # the default draws from the user's `random`
    return tracer
