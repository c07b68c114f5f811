"""`Annotator`: what all backends share. A run goes into a bounded outbox; one daemon thread sends what is in it.

::

    export(run) -> annotations -> Outbox -> [thread] flush spans -> one request for many runs -> sent
                                     ^                                   | span not there yet
                                     +-----------------------------------+ each such run alone, later

Nothing here is on the user's path, and nothing that fails here costs more than the annotation.
"""

from __future__ import annotations

import logging
import os
import threading
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import ClassVar

from opentelemetry import trace
from opentelemetry.trace import TracerProvider

from credit_hooks.rewards import CreditedRun
from credit_hooks.worker import Worker, exiting
from credit_hooks_exporters.annotators.annotation import Annotation, annotations_of
from credit_hooks_exporters.annotators.errors import BackendError, SpanNotFoundError
from credit_hooks_exporters.annotators.http import Address, Connection
from credit_hooks_exporters.annotators.outbox import Outbox, Parcel
from credit_hooks_exporters.annotators.settings import captures_content

__all__ = ["Annotator"]

logger = logging.getLogger("credit_hooks")

_EXIT_PATIENCE = 3.0
"""Seconds an ending process waits for spans to show up at the backend."""


class Annotator(ABC):
    """Shows each run's rewards on its spans in one backend; a `credit_hooks.ports.RunExporter`.

    Sending a run again changes nothing; a run that is scored again has its annotations overwritten.

    Args:
        address: Where the backend is.
        tracer_provider: Flushed before annotations are sent, as their spans must be there first. None: the global one.
        capture_content: Whether judges' rationales are sent. None: as the environment variable
            `OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT` says, which is no unless set. Messages are never sent.
        patience: Seconds until annotations that the backend does not take are given up.
        max_queue: Most annotations waiting to be sent.
    """

    name: ClassVar[str]
    """Name of the backend, as `credit-hooks annotate --to` takes it."""
    batch: ClassVar[int] = 200
    """Most annotations per request, where the backend takes several."""

    def __init__(
        self,
        address: Address,
        *,
        tracer_provider: TracerProvider | None = None,
        capture_content: bool | None = None,
        patience: float = 60.0,
        max_queue: int = 20_000,
    ) -> None:
        self.address = address
        """Where annotations go."""
        self.stats: Counter[str] = Counter()
        """Annotations by what became of them: sent, or given up and why."""
        self.failures: deque[str] = deque(maxlen=100)
        """The last failures, in sentences."""
        self.on_wait: Callable[[str], object] | None = None
        """Told, on the sending thread, that the backend is waited for. None: nobody wants to know."""
        self._provider = tracer_provider
        self._content = captures_content(capture_content)
        self._patience = patience
        self._max_queue = max_queue
        self._worker = Worker(_nothing, _nothing, threads=1, max_queue=2)
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._connection = Connection(self.address, self._patience, self._waits)
        self._outbox = Outbox(self._max_queue)
        self._lock = threading.Lock()
        self._pumping = False
        self._reported = False

    def export(self, run: CreditedRun) -> None:
        """Queue a run's annotations; returns at once and raises nothing. Uncredited runs have none."""
        if self._pid != os.getpid():  # forked: what waits is the parent's to send, and its thread is not here
            self._begin()
        annotations = annotations_of(run, content=self._content)
        if not annotations:
            self._count("runs without credit or trace", 1)
            return
        if not self._outbox.put(run.trajectory.id, annotations):
            self._given_up(
                "the queue is full", len(annotations), f"{self.name}: more than {len(self._outbox)} runs wait"
            )
            return
        with self._lock:
            if self._pumping:
                return
            self._pumping = True
        self._worker.submit(self._pump)

    def flush(self, timeout: float = 30.0) -> bool:
        """Wait until everything queued is sent or given up; False if it took longer than `timeout` seconds."""
        return self._worker.flush(timeout)

    @abstractmethod
    def _send(self, connection: Connection, annotations: Sequence[Annotation]) -> None:
        """Write annotations, of several runs and at most `batch`, over what has the same id.

        Raises:
            BackendError: not all were written. A second call with the same annotations must do no harm.
        """

    def _pump(self) -> None:
        """Send until nothing waits."""
        try:
            while True:
                with self._connection:
                    while parcels := self._outbox.take(self.batch):
                        self._dispatch(parcels)
                with self._lock:
                    if not len(self._outbox):
                        self._pumping = False
                        return
        except BaseException:
            self._pumping = False  # the next run starts it again
            raise

    def _dispatch(self, parcels: Sequence[Parcel]) -> None:
        annotations = [annotation for parcel in parcels for annotation in parcel.annotations]
        try:
            self._flush_spans()
            for start in range(0, len(annotations), self.batch):
                self._send(self._connection, annotations[start : start + self.batch])
        except SpanNotFoundError as error:
            self._not_there(parcels, error)
        except BackendError as error:
            self._given_up("the backend did not take them", len(annotations), str(error))
        except Exception as error:  # noqa: BLE001 - a backend may answer anything; the next runs are not its business
            text = self.address.redacted(f"{type(error).__name__}: {error}")
            self._given_up("the answer was not understood", len(annotations), f"{self.name}: {text}")
        else:
            self._count("sent", len(annotations))
            self._reported = False

    def _waits(self, sentence: str) -> None:
        if self.on_wait is not None:
            self.on_wait(sentence)

    def _not_there(self, parcels: Sequence[Parcel], error: SpanNotFoundError) -> None:
        """Try each run alone; one whose spans stay unknown is given up, as with traces that were not sampled."""
        if len(parcels) > 1:
            self._outbox.put_back(parcels, later=False)
            return
        patience = min(self._patience, _EXIT_PATIENCE) if exiting.is_set() else self._patience
        if parcels[0].age < patience:
            self._outbox.put_back(parcels, later=True)
        else:
            self._given_up("the backend does not know the span", len(parcels[0].annotations), str(error))

    def _flush_spans(self) -> None:
        provider = self._provider or trace.get_tracer_provider()
        flush = getattr(provider, "force_flush", None)
        if flush is not None:
            flush(10_000)

    def _given_up(self, why: str, count: int, sentence: str) -> None:
        """Count, and say it once until something is sent again: a backend that is down must not fill the log."""
        self._count(f"given up: {why}", count)
        self.failures.append(sentence)
        logger.log(
            logging.DEBUG if self._reported else logging.WARNING,
            "credit-hooks: %d annotations for %s were given up, %s: %s",
            count,
            self.name,
            why,
            sentence,
        )
        self._reported = True

    def _count(self, what: str, number: int) -> None:
        with self._lock:
            self.stats[what] += number


def _nothing() -> None:
    """The sending thread has no other duties."""
