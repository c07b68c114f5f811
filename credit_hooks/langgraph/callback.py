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

    def step_of(self, run_id: uuid.UUID) -> StepRecord | None:
        """The step that a callback run id is inside of. None: it belongs to no run that is going on."""
        return self._open.step_of(run_id)

    def __deepcopy__(self, memo: dict[int, Any]) -> CreditCallback:
        return self  # configurations are copied; the callback they list stays the same one

    def __copy__(self) -> CreditCallback:
        return self
