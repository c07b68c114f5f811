"""What users look at and call, whatever the framework: finished runs, late outcomes, and runs done anew."""

from __future__ import annotations

import uuid
from collections import Counter
from typing import Any

from credit_hooks.ports import Verdict
from credit_hooks.replay import Counterfactual, LocatedError, Search
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
            replacement: What it says instead: text, or a message of the framework. LangGraph also takes content blocks.

        Raises:
            ConfigurationError: no `replay=` was given, or this message cannot be replaced.
            ReplayRefusedError: the run was not recorded, or is another team's.
            ReplayStoppedError: the replay did not get to its end, such as at a tool that must not be called again.
            UnknownRunError: nothing is known of the run.
        """
        replays, known = self._session.replayed(_named(run))
        return replays.counterfactual(known, message_id, replacement)

    async def acounterfactual(
        self, run: str | uuid.UUID | CreditedRun, message_id: str, replacement: Any
    ) -> Counterfactual:
        """As :meth:`counterfactual`, on the caller's event loop: for async clients that are bound to it."""
        replays, known = self._session.replayed(_named(run))
        return await replays.acounterfactual(known, message_id, replacement)

    def first_error(
        self,
        run: str | uuid.UUID | CreditedRun,
        *,
        budget: int = 8,
        confidence: float = 0.9,
        correction: Any = None,
        tries: int = 1,
        repeatable: bool | None = None,
        corrections: int = 1,
    ) -> LocatedError:
        """Find the first error of a failed run by doing it anew from chosen turns: Bayesian bisection with replays.

        Probes ask: with everything before a message kept, the turn that wrote it and all after done anew, does the run
        succeed? At the end the message found is done anew alone. The answers become labels of the run, which takes its
        own place in `runs` and in stores, and is given to exporters and `on_credit` again.

        Args:
            run: A failed run, or its id.
            budget: Probes at most.
            confidence: Stop at this posterior probability of one turn.
            correction: Who does turns anew, in terms of the framework. LangGraph: a chat model such as a stronger one,
                a compiled graph with nodes of the same names, or a function of a
                :class:`credit_hooks.langgraph.MaskedTurn` to the node's output. AutoGen: a model client, or a function
                of a :class:`credit_hooks.autogen.MaskedTurn` to text or a chat message. None: the team itself, whose
                replies have to vary.
            tries: Ask each time until this odd number of probes has a majority.
            repeatable: Whether the same probe again is news. None: without a correction it is.
            corrections: Times that the message found is done anew alone; 0 for never.

        Raises:
            ConfigurationError: no `replay=` or `evaluate=` was given, the run did not fail, or an option cannot work.
            ReplayRefusedError: the run was not recorded, does not repeat, or says the same each time it is done anew.
            UnknownRunError: nothing is known of the run.
        """
        search = Search(budget, confidence, correction, tries, repeatable, corrections)
        replays, known = self._session.replayed(_named(run))
        found = replays.first_error(known, search)
        self._session.keep(found.run)
        return found

    async def afirst_error(
        self,
        run: str | uuid.UUID | CreditedRun,
        *,
        budget: int = 8,
        confidence: float = 0.9,
        correction: Any = None,
        tries: int = 1,
        repeatable: bool | None = None,
        corrections: int = 1,
    ) -> LocatedError:
        """As :meth:`first_error`, on the caller's event loop: for async clients that are bound to it."""
        search = Search(budget, confidence, correction, tries, repeatable, corrections)
        replays, known = self._session.replayed(_named(run))
        found = await replays.afirst_error(known, search)
        self._session.keep(found.run)
        return found

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
        return self._session.annotate(_named(run), labels)


def _named(run: str | uuid.UUID | CreditedRun) -> str | CreditedRun:
    return run if isinstance(run, CreditedRun) else str(run)
