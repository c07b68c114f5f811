"""What users look at and call, whatever the framework: the finished runs of one capture session, and late outcomes."""

from __future__ import annotations

import uuid
from collections import Counter
from typing import Any

from credit_hooks.ports import Verdict
from credit_hooks.replay import Counterfactual
from credit_hooks.rewards import CreditedRun
from credit_hooks.session import CaptureSession
from credit_hooks.trajectory import Label

__all__ = ["FrontDoor"]


class FrontDoor:
    """Base of every framework's capture; a subclass makes `_session` before anything else is asked."""

    _session: CaptureSession

    @property
    def last(self) -> CreditedRun | None:
        """The newest finished run. None: none has finished, or none was processed yet; call :meth:`flush` first."""
        return self._session.last

    @property
    def runs(self) -> list[CreditedRun]:
        """The newest finished runs, oldest first, at most `max_runs`."""
        return self._session.runs

    @property
    def stats(self) -> Counter[str]:
        """Counts of credited and uncredited runs and of everything that was given up or failed."""
        return self._session.stats

    @property
    def failures(self) -> list[str]:
        """The last failures of evaluators, stores, exporters and of ours, in sentences."""
        return self._session.failures

    @property
    def open_entries(self) -> int:
        """Runs going on, what is known of them, and spans held: 0 when no run is going on."""
        return self._session.active_runs + self._session.held_spans

    def flush(self, timeout: float = 30.0) -> bool:
        """Wait until every finished run is credited; False if it took longer than `timeout` seconds."""
        return self._session.flush(timeout)

    def score(self, run_id: str | uuid.UUID, value: Verdict) -> CreditedRun | None:
        """Credit a run whose outcome arrives later; its spans have ended, so rewards are sent as log events.

        Args:
            run_id: The run's id: `run.id` in an evaluator, `.last.trajectory.id`, in LangGraph the root run id.
            value: True, False, a score in [0, 1] or an `Outcome`.

        Returns:
            The credited run. None: the run has not finished yet; it is scored when it does.

        Raises:
            EvaluationError: the value is none of these.
            UnknownRunError: the run is neither going on nor known.
        """
        return self._session.score(str(run_id), value)

    def counterfactual(self, run: str | uuid.UUID | CreditedRun, message_id: str, replacement: Any) -> Counterfactual:
        """What if this message had been that one? Runs the team again, live only where the change reaches.

        On threads of its own; this call waits for it.

        Args:
            run: A finished run, or its id.
            message_id: The message to change, as in `run.trajectory.messages`.
            replacement: What it says instead: text, or a message of the framework.

        Raises:
            ConfigurationError: no `replay=` was given, or this message cannot be replaced.
            ReplayRefusedError: the run was not recorded, or is another team's.
            ReplayStoppedError: the replay did not get to its end, such as at a tool that must not be called again.
            UnknownRunError: nothing is known of the run.
        """
        replays, known = self._session.replayed(run if isinstance(run, CreditedRun) else str(run))
        return replays.counterfactual(known, message_id, replacement)

    async def acounterfactual(
        self, run: str | uuid.UUID | CreditedRun, message_id: str, replacement: Any
    ) -> Counterfactual:
        """As :meth:`counterfactual`, on the caller's event loop: for async clients that are bound to it."""
        replays, known = self._session.replayed(run if isinstance(run, CreditedRun) else str(run))
        return await replays.acounterfactual(known, message_id, replacement)

    def annotate(self, run: str | uuid.UUID | CreditedRun, *labels: Label) -> CreditedRun:
        """Keep labels with a finished run, such as `counterfactual(...).replacement.label()`; its credit stays.

        Args:
            run: The run, or its id.
            labels: What to add.

        Returns:
            The run with the labels. It takes its own place in `runs` and in stores; exporters and `on_credit` get it
            again.

        Raises:
            UnknownRunError: nothing is known of the run.
        """
        return self._session.annotate(run if isinstance(run, CreditedRun) else str(run), labels)
