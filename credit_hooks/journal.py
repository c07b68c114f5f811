"""What a capture session has done and what it gave up: counts by name, and the last failures in sentences."""

from __future__ import annotations

import logging
import time
from collections import Counter, deque

from credit_hooks.errors import CreditHooksError, EvaluationError

__all__ = ["Journal"]

logger = logging.getLogger("credit_hooks")

_MAX_FAILURES = 100


class Journal:
    """Counts, and failures told once: in `failures`, and as a warning of the logger `credit_hooks`.

    Args:
        shows_content: Whether what is logged may quote messages.
    """

    def __init__(self, *, shows_content: bool) -> None:
        self._shows_content = shows_content
        self.stats: Counter[str] = Counter()
        """What happened: runs by credit status, and everything that was given up or failed, by name."""
        self.failures: deque[str] = deque(maxlen=_MAX_FAILURES)
        """The last failures, in sentences."""

    def failed(self, what: str, error: BaseException, run_id: str | None = None) -> None:
        """Something failed; a traceback is logged only of what is not our own error."""
        self.stats[f"failed: {what}"] += 1
        self.failures.append(f"{time.strftime('%H:%M:%S')} {what}: {error}")
        expected = isinstance(error, CreditHooksError)
        said: object = error  # what an evaluator says may quote the run
        if isinstance(error, EvaluationError) and not self._shows_content:
            said = error.logged
        where = what if run_id is None else f"{what} of run {run_id}"
        logger.warning("credit-hooks: %s failed: %s", where, said, exc_info=None if expected else error)
