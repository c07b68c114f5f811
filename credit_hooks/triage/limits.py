"""What retries may cost, and the ledger that holds them to it."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from typing import Final, Literal

from pydantic import Field

from credit_hooks.parts import FrozenModel

__all__ = ["RetryLedger", "RetryLimits"]

_MAX_RUNS: Final = 10_000
"""Runs whose retries are counted; the counts of the oldest are forgotten."""
_CHARACTERS_PER_TOKEN: Final = 4
"""Of a model that states no usage."""


class RetryLimits(FrozenModel):
    """Hard limits on retries. A retry is a model call that would not have been made otherwise."""

    total: int = Field(ge=0)
    """Retries in all, for as long as the hook lives. There is no default: somebody pays for them. 0 turns them off."""
    per_run: int = Field(default=1, ge=0)
    """Retries of one run."""
    tokens: int | None = Field(default=None, ge=0)
    """Tokens spent on retries in all, prompts included; no retry begins once they are spent. The last one may exceed
    it, as nobody knows what a call costs before it is made. None: no limit."""
    timeout: float = Field(default=60.0, gt=0.0)
    """Seconds for one retry; after it the first answer stands."""
    keep: Literal["better", "last"] = "better"
    """Keep a retry only if less speaks against it than against the first answer; or always."""


class RetryLedger:
    """Counts retries against the limits. Thread-safe.

    Args:
        limits: The limits.
    """

    def __init__(self, limits: RetryLimits) -> None:
        self.limits = limits
        """The limits."""
        self.stats: Counter[str] = Counter()
        """Retries that began, were kept, failed and timed out; tokens; and how often each limit refused one."""
        self._lock = threading.Lock()
        self._runs: OrderedDict[str, int] = OrderedDict()

    def begin(self, run_key: str) -> bool:
        """Whether a retry may begin now; it then counts, whatever becomes of it."""
        with self._lock:
            refused = self._refusal(run_key)
            if refused is not None:
                self.stats[f"refused: {refused}"] += 1
                return False
            self.stats["begun"] += 1
            self._runs[run_key] = self._runs.get(run_key, 0) + 1
            self._runs.move_to_end(run_key)
            while len(self._runs) > _MAX_RUNS:
                self._runs.popitem(last=False)
            return True

    def may_begin(self, run_key: str) -> bool:
        """Whether :meth:`begin` would allow one; nothing is counted. Saves asking judges for nothing."""
        with self._lock:
            return self._refusal(run_key) is None

    def spent(self, tokens: int | None, characters: int) -> int:
        """A retry has been answered: its tokens, estimated from characters where the model states none."""
        used = -(-characters // _CHARACTERS_PER_TOKEN) if tokens is None else tokens
        with self._lock:
            self.stats["tokens"] += used
        return used

    def count(self, what: str) -> None:
        """Count something."""
        with self._lock:
            self.stats[what] += 1

    def _refusal(self, run_key: str) -> str | None:
        if self.stats["begun"] >= self.limits.total:
            return "total"
        if self._runs.get(run_key, 0) >= self.limits.per_run:
            return "per run"
        if self.limits.tokens is not None and self.stats["tokens"] >= self.limits.tokens:
            return "tokens"
        return None
