"""What `credit-hooks annotate` does: make the annotator, feed it, say what became of it."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from credit_hooks.errors import ConfigurationError
from credit_hooks.ports import RunExporter
from credit_hooks.registry import annotator
from credit_hooks.rewards import CreditedRun

__all__ = ["Told", "annotate_runs", "backend"]

_RUNS_AT_ONCE = 10
"""Runs between two waits, so that a store of any size passes through a bounded queue without loss."""

_GRACE = 5.0
"""Seconds that an annotator has, beyond its patience, to say that it gives up."""


class Told(NamedTuple):
    """What became of the runs."""

    runs: int
    """Runs read."""
    counts: dict[str, int]
    """What the annotator counted."""
    failures: tuple[str, ...]
    """Sentences, each once."""
    finished: bool
    """Whether everything was sent or given up in time."""

    @property
    def incomplete(self) -> bool:
        """Whether anything that should be at the backend is not."""
        return not self.finished or bool(self.failures) or any(key.startswith("given up") for key in self.counts)

    def sentence(self, to: str) -> str:
        """The result in one line."""
        counts = ", ".join(f"{number} {what}" for what, number in sorted(self.counts.items())) or "nothing sent"
        late = "" if self.finished else "; some are still waiting: the backend is slow or down"
        return f"{to}: {self.runs} {'run' if self.runs == 1 else 'runs'}, annotations: {counts}{late}"


def backend(name: str, *, endpoint: str | None, content: bool, timeout: float) -> RunExporter:
    """The annotator of this name with the options that it takes.

    Raises:
        ConfigurationError: there is none, a key is missing, or it takes no endpoint and one is given.
    """
    kind = annotator(name)
    takes = inspect.signature(kind).parameters
    options: dict[str, Any] = {"capture_content": content or None, "patience": timeout}
    options = {option: value for option, value in options.items() if option in takes}
    if endpoint is not None:
        if "endpoint" not in takes:
            raise ConfigurationError(f"{name} takes no --endpoint")
        options["endpoint"] = endpoint
    return kind(**options)


def annotate_runs(
    exporter: RunExporter,
    runs: Iterable[CreditedRun],
    timeout: float,
    advance: Callable[[], None],
    say: Callable[[str], object],
) -> Told:
    """Give all runs to the annotator and wait; at most `timeout` seconds at a time for the backend.

    Args:
        exporter: The annotator.
        runs: What to show there.
        timeout: Seconds to wait for the backend.
        advance: Called after each run.
        say: Told why nothing moves, as soon as that is known.
    """
    if hasattr(exporter, "on_wait"):
        exporter.on_wait = say
    logging.getLogger("credit_hooks").addHandler(logging.NullHandler())  # failures are printed below, once
    flush: Callable[[float], bool] = getattr(exporter, "flush", lambda _timeout: True)
    count, finished = 0, True
    for run in runs:
        exporter.export(run)
        count += 1
        advance()
        if count % _RUNS_AT_ONCE == 0 and not flush(timeout + _GRACE):
            finished = False
            break
    finished = finished and flush(timeout + _GRACE)
    failures = tuple(dict.fromkeys(getattr(exporter, "failures", ())))
    return Told(count, dict(getattr(exporter, "stats", {})), failures, finished)
