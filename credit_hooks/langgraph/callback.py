"""`CreditCallback`: the one line added to a LangGraph graph."""

from __future__ import annotations

import threading
import uuid
from typing import Any, Unpack

from langchain_core.callbacks import BaseCallbackHandler

from credit_hooks.front_door import FrontDoor
from credit_hooks.langgraph import nesting
from credit_hooks.langgraph.calls import CallEvents
from credit_hooks.langgraph.chains import ChainEvents
from credit_hooks.langgraph.messages import message_id
from credit_hooks.langgraph.open_runs import OpenRuns
from credit_hooks.langgraph.threads import ThreadMemory
from credit_hooks.options import CaptureOptions
from credit_hooks.record import StepRecord
from credit_hooks.replay import Counterfactual, LocatedError, Search
from credit_hooks.rewards import CreditedRun
from credit_hooks.session import CaptureSession

try:  # since langgraph 1.2: without it, static breakpoints end a run as if it were complete
    from langgraph.callbacks import GraphCallbackHandler as _Handler
except ImportError:
    _Handler = BaseCallbackHandler  # type: ignore[assignment,misc]

__all__ = ["CreditCallback"]


class CreditCallback(ChainEvents, CallEvents, FrontDoor, _Handler):
    """Captures LangGraph runs as spans with provenance, credits them, and puts the rewards on those spans.

    One object serves any number of concurrent runs, sync and async. Attach it per call, for a graph, or globally::

        callback = CreditCallback(evaluate=lambda run: "42" in run.answer, store="runs.db")
        graph.invoke(inputs, config={"callbacks": [callback]})
        callback.flush()
        print(callback.last.credit)

    The run behaves as without it: no message or input is written to, no exception of ours escapes.

    Args:
        options: See :class:`credit_hooks.options.CaptureOptions`.

    Raises:
        ConfigurationError: an option is unknown or cannot work.
    """

    raise_error = False
    run_inline = True
    ignore_retriever = True
    ignore_retry = True
    ignore_custom_event = True

    def __init__(self, **options: Unpack[CaptureOptions]) -> None:
        super().__init__()
        self._session = CaptureSession(options, framework="langgraph", source_id=message_id)
        self._threads = ThreadMemory()
        self._recorder = getattr(options.get("replay"), "recorder", None)
        self._open = OpenRuns()
        self._guard = threading.Lock()
        nesting.enable(self)

    @property
    def open_entries(self) -> int:
        """Callbacks started and not ended, and spans held: 0 when no run is going on."""
        return len(self._open) + super().open_entries

    def counterfactual(self, run: str | uuid.UUID | CreditedRun, message_id: str, replacement: Any) -> Counterfactual:
        """What if this message had been that one? Runs the graph again, live only where the change reaches.

        On threads of its own, with nothing of yours but the nodes themselves; this call waits for it.

        Args:
            run: A finished run, or its id.
            message_id: The message to change, as in `run.trajectory.messages`.
            replacement: What it says instead: text, content blocks, or a LangChain message with tool calls of its own.

        Raises:
            ConfigurationError: no `replay=` was given, or this message cannot be replaced.
            ReplayRefusedError: the run was not recorded, or is of another graph.
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
            correction: Who does turns anew: a chat model such as a stronger one, a compiled graph with nodes of the
                same names, or a function of a :class:`MaskedTurn` to the node's output. None: the team itself, whose
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
        replays, known = self._session.replayed(run if isinstance(run, CreditedRun) else str(run))
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
        replays, known = self._session.replayed(run if isinstance(run, CreditedRun) else str(run))
        found = await replays.afirst_error(known, search)
        self._session.keep(found.run)
        return found

    def step_of(self, run_id: uuid.UUID) -> StepRecord | None:
        """The step that a callback run id is inside of. None: it belongs to no run that is going on."""
        return self._open.step_of(run_id)

    def __deepcopy__(self, memo: dict[int, Any]) -> CreditCallback:
        return self  # configurations are copied; the callback they list stays the same one

    def __copy__(self) -> CreditCallback:
        return self
