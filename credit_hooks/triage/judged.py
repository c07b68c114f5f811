"""`Judged`: a process reward model or judge as a signal, asked while the run waits."""

from __future__ import annotations

from collections import Counter

from credit_hooks.errors import ConfigurationError
from credit_hooks.failure.step_scoring import StepScore, StepScorer, StepScoring, StepView
from credit_hooks.step_scores import StepScorePool
from credit_hooks.triage.signals import Finding

__all__ = ["Judged"]

_LEAST = 1e-9


class Judged:
    """Speaks against a turn that a scorer gives less than `below`.

    The run waits for the scorer, for `timeout` seconds at most: it is asked about every answer for which a retry could
    still be made. One that raises, takes too long or cannot say speaks against nothing. What it says is never passed on
    to the agent; only that it said so.

    Args:
        scorer: As for `StepScoring`, such as :class:`credit_hooks.langgraph.LangChainJudge`.
        below: Scores below this speak against the turn; a score is P(the run is still on a good way).
        timeout: Seconds it may take.

    Raises:
        ConfigurationError: the scorer cannot be called, or a number cannot work.
    """

    asks = True
    """It takes time: where the run is on an event loop, it is asked on another thread."""

    def __init__(self, scorer: StepScorer, *, below: float = 0.3, timeout: float = 20.0) -> None:
        if not 0.0 < below <= 1.0:
            raise ConfigurationError(f"below={below}: scores are from 0 to 1")
        self._scoring = StepScoring(scorer, lookahead=0, max_steps=1, timeout=timeout, max_seconds=timeout, workers=1)
        self._below = below
        self._pool = StepScorePool()
        self.stats: Counter[str] = Counter()
        """How often it was asked, and why it could not say."""

    def __call__(self, view: StepView) -> Finding | None:
        """What speaks against the turn, if the scorer says so."""
        answer = self._pool.ask(view, self._scoring)
        self.stats["asked"] += 1
        if not isinstance(answer, StepScore):
            self.stats[answer] += 1
            return None
        if answer.value >= self._below:
            return None
        return Finding(
            self._scoring.annotator,
            max(1.0 - answer.value, _LEAST),
            "A reviewer holds that this step contains an error that decides the outcome. Go through it again step by "
            "step, check every fact and figure against what you were given, and correct what is wrong.",
        )
