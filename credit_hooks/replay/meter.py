"""What replays cost: the one place where runs, calls and tokens are counted, and where limits are enforced."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from math import inf

from credit_hooks.errors import ConfigurationError, ReplayStoppedError
from credit_hooks.replayed import ReplayCosts

__all__ = ["Meter", "ReplayLimits", "RunMeter"]


@dataclass(frozen=True)
class ReplayLimits:
    """What the replays of one finished run may cost. Where a limit ends them, credit rests on what was found before."""

    max_calls: int = 1_000
    """Live executions: units of work whose inputs no run has had before."""
    max_tokens: int | None = None
    """Input and output tokens of live model calls, as the models report them. None: no limit."""
    max_seconds: float = 300.0
    """Seconds for all replays together."""
    run_seconds: float = 60.0
    """Seconds for one of them."""
    parallel: int = 4
    """Most replays at one time."""

    def __post_init__(self) -> None:
        """Refuse what cannot work.

        Raises:
            ConfigurationError: naming the limit.
        """
        for name in ("max_calls", "max_tokens", "max_seconds", "run_seconds"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < inf:
                raise ConfigurationError(f"{name} is a number of at least 0, not {value!r}")
        if self.parallel < 1:
            raise ConfigurationError(f"parallel is at least 1, not {self.parallel!r}")


@dataclass
class _Counts:
    live: int = 0
    pinned: int = 0
    model_calls: int = 0
    model_calls_saved: int = 0
    input_tokens: int = 0
    output_tokens: int = 0


class Meter:
    """Counts of all replays of one finished run. Thread-safe."""

    def __init__(self, limits: ReplayLimits) -> None:
        self.limits = limits
        self.runs = 0
        """Replays started."""
        self.counts = _Counts()
        self._lock = threading.Lock()
        self._deadline = time.monotonic() + limits.max_seconds

    def open(self) -> RunMeter:
        """Another replay begins."""
        with self._lock:
            self.runs += 1
        return RunMeter(self)

    @property
    def seconds_left(self) -> float:
        """Until `max_seconds` are over, at least 0."""
        return max(0.0, self._deadline - time.monotonic())

    @property
    def exhausted(self) -> str | None:
        """Which limit is reached, in words. None: none is."""
        limits, counts = self.limits, self.counts
        if counts.live >= limits.max_calls:
            return f"max_calls={limits.max_calls} live executions are spent"
        if limits.max_tokens is not None and counts.input_tokens + counts.output_tokens >= limits.max_tokens:
            return f"max_tokens={limits.max_tokens} tokens are spent"
        if not self.seconds_left:
            return f"max_seconds={limits.max_seconds:g} are over"
        return None

    @property
    def costs(self) -> ReplayCosts:
        """What all replays took so far, as data."""
        counts = self.counts
        return ReplayCosts(
            system_runs=self.runs,
            live_calls=counts.live,
            pinned_calls=counts.pinned,
            model_calls=counts.model_calls,
            model_calls_saved=counts.model_calls_saved,
            input_tokens=counts.input_tokens,
            output_tokens=counts.output_tokens,
        )

    def add(self, run: _Counts, **amounts: int) -> None:
        """Count, for one replay and for all."""
        with self._lock:
            for name, amount in amounts.items():
                for counts in (run, self.counts):
                    setattr(counts, name, getattr(counts, name) + amount)


class RunMeter:
    """Counts of one replay. A system tells it of every execution; it says when to stop. Thread-safe."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._counts = _Counts()
        self.stopped: str | None = None
        """Why this replay has no result, whatever it returns. None: it has one."""

    @property
    def live(self) -> int:
        """Live executions."""
        return self._counts.live

    @property
    def pinned(self) -> int:
        """Executions whose output was known."""
        return self._counts.pinned

    @property
    def model_calls(self) -> int:
        """Model calls made."""
        return self._counts.model_calls

    @property
    def model_calls_saved(self) -> int:
        """Model calls that pinned executions made when they were recorded."""
        return self._counts.model_calls_saved

    def before_live(self) -> None:
        """Called before every live execution, and counts it.

        Raises:
            ReplayStoppedError: a limit is reached, or this replay was stopped or given up.
        """
        reason = self.stopped or self._meter.exhausted
        if reason is not None:
            raise self.stop(reason)
        self._meter.add(self._counts, live=1)

    def count_pinned(self, model_calls: int = 0) -> None:
        """An execution whose inputs were known got its recorded output; recording it took so many model calls."""
        self._meter.add(self._counts, pinned=1, model_calls_saved=model_calls)

    def count_model_call(self) -> None:
        """A model is called."""
        self._meter.add(self._counts, model_calls=1)

    def count_tokens(self, input_tokens: int, output_tokens: int) -> None:
        """A model has reported its usage."""
        self._meter.add(self._counts, input_tokens=input_tokens, output_tokens=output_tokens)

    def stop(self, reason: str) -> ReplayStoppedError:
        """Mark this replay as without result, for good: frameworks may swallow the error, which is to be raised."""
        self.stopped = self.stopped or reason
        return ReplayStoppedError(self.stopped)
