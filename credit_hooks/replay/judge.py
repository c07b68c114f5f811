"""What an intervention is worth: run the system again under it, ask the evaluator how that ended."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from math import nan

from credit_hooks.errors import EvaluationError, ReplayStoppedError
from credit_hooks.evaluation import EvaluationPool
from credit_hooks.outcome import FinishedRun, to_outcome
from credit_hooks.ports import Evaluator
from credit_hooks.replay.aside import aside
from credit_hooks.replay.meter import Meter, RunMeter
from credit_hooks.replay.port import Intervention, System
from credit_hooks.trajectory import Outcome

__all__ = ["Judge", "Judged"]


_MAX_SAID = 200
"""Characters kept of what an exception says."""


@dataclass(frozen=True)
class Judged:
    """How a replay ended."""

    outcome: Outcome | None
    """What the evaluator said. None: there is no outcome."""
    reason: str | None
    """Why there is none. None: there is one."""
    run: FinishedRun | None
    """The run. None: it did not get to its end."""
    meter: RunMeter
    """What it took."""

    @property
    def value(self) -> float:
        """The score; not a number where there is none."""
        return nan if self.outcome is None else self.outcome.score


class Judge:
    """Evaluates interventions, at most `parallel` at one time. Raises nothing: what fails has a reason, no outcome."""

    def __init__(self, system: System, evaluate: Evaluator, meter: Meter, evaluations: EvaluationPool) -> None:
        self._system = system
        self._evaluate = evaluate
        self._meter = meter
        self._evaluations = evaluations
        self._room = asyncio.Semaphore(meter.limits.parallel)

    async def judge(self, intervention: Intervention) -> Judged:
        """Run under an intervention, and evaluate."""
        async with self._room:
            meter = self._meter.open()
            exhausted = self._meter.exhausted
            if exhausted is not None:
                return Judged(None, exhausted, None, meter)
            finished, reason = await self._run(intervention, meter)
            reason = meter.stopped or reason
            if finished is None or reason is not None:
                return Judged(None, reason, finished, meter)
            return await self._judge(finished, meter)

    async def _run(self, intervention: Intervention, meter: RunMeter) -> tuple[FinishedRun | None, str | None]:
        seconds = min(self._meter.limits.run_seconds, self._meter.seconds_left)
        try:
            return await asyncio.wait_for(self._system.run(intervention, meter), seconds), None
        except ReplayStoppedError as error:
            return None, str(error)
        except TimeoutError as error:
            if str(error):  # the team's own
                return None, f"the replay raised TimeoutError: {error}"
            meter.stop(f"the replay took longer than {seconds:.3g} s")
            return None, None
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            return None, f"the replay raised {type(error).__name__}"
        except Exception as error:  # noqa: BLE001 - the user's team may raise anything; one replay fails, not the credit
            said = str(error).partition("\n")[0][:_MAX_SAID]
            return None, f"the replay raised {type(error).__name__}: {said}"

    async def _judge(self, finished: FinishedRun, meter: RunMeter) -> Judged:
        try:
            outcome = to_outcome(await aside(lambda: self._evaluations.run(self._evaluate, finished)))
        except EvaluationError as error:
            return Judged(None, str(error), finished, meter)
        reason = "the evaluator does not know how the replay ended" if outcome is None else None
        return Judged(outcome, reason, finished, meter)
