"""The release of held spans: each is encoded, completed with what is known by then, ended as of its recorded end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from credit_hooks import semconv as sc
from credit_hooks.encode import EncodedSpan, EncodingLimits, encode_steps
from credit_hooks.hold import FLUSH_EVERY, SpanHolder
from credit_hooks.journal import Journal
from credit_hooks.record import RunRecord, StepRecord

__all__ = ["SpanRelease"]


class SpanRelease:
    """Shows what a holder holds.

    Args:
        holder: Where the runs' spans are held.
        source_id: A framework's message object to its id. None: it has none.
        limits: How much content is kept.
        journal: Where failures of foreign span processors are told.
    """

    def __init__(
        self, holder: SpanHolder, source_id: Callable[[Any], str | None], limits: EncodingLimits, journal: Journal
    ) -> None:
        self._holder = holder
        self._source_id = source_id
        self._limits = limits
        self._journal = journal

    def encode(self, run: RunRecord) -> list[EncodedSpan]:
        """All steps of a run as spans; its messages have their ids from now on."""
        with run.lock:
            return self._encode(run, run.steps)

    def _encode(self, run: RunRecord, steps: Sequence[StepRecord]) -> list[EncodedSpan]:
        run.assign_ids(self._source_id)
        return encode_steps(run, steps, self._limits)

    def show(
        self,
        run: RunRecord,
        encoded: Sequence[EncodedSpan],
        status: str,
        credit: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        """Show all spans of a run that are still held: parents start before children, and end after them.

        Args:
            run: The run.
            encoded: Its steps as spans; a step that is not among them is shown as it began.
            status: What became of its credit.
            credit: Attributes that carry rewards, by span id.
        """
        known = {id(span.step): span for span in encoded}
        rewards = credit or {}
        for step in run.steps:
            step.end("unknown")
            span = known.get(id(step))
            attributes, content = (step.attributes, {}) if span is None else (span.attributes, span.content)
            if step.span_id in rewards:
                attributes.update(rewards[step.span_id])
            if step is run.root:
                attributes[sc.CREDIT_STATUS] = status
            self._complete(step, attributes, content)
        for count, step in enumerate(reversed(run.steps), start=1):
            self._end(step)
            if count % FLUSH_EVERY == 0:
                self._holder.force_flush()

    def show_ended(self, run: RunRecord) -> None:
        """End, without credit, the spans of a running run that wait in `run.unreleased`."""
        with run.lock:
            steps, run.unreleased = run.unreleased, []
            encoded = self._encode(run, steps)
        for span in encoded:
            self._complete(span.step, span.attributes, span.content)
            self._end(span.step)

    def _complete(self, step: StepRecord, attributes: Mapping[str, Any], content: Mapping[str, Any]) -> None:
        try:
            self._holder.complete(step, attributes, content)
        except Exception as error:  # noqa: BLE001 - a foreign span processor may raise; the next span is not its business
            self._journal.failed("starting a span", error)

    def _end(self, step: StepRecord) -> None:
        try:
            self._holder.end(step)
        except Exception as error:  # noqa: BLE001 - as in _complete
            self._journal.failed("ending a span", error)
