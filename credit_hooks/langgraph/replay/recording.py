"""What replay needs of a run, taken while it runs: the input and the outcome of every task, by reference.

All that happens on the user's path is a few list copies per task; hashing and copying wait until the run is over.
"""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from langgraph.pregel import Pregel

from credit_hooks.langgraph.replay.running import running_graph

__all__ = ["Execution", "Recorder", "Recording", "sent_order"]

_MAX_TASKS = 10_000
"""Most tasks recorded of one run."""

_MAX_TURNS = 50
"""Most runs of one thread that are kept for the newest of them, which is replayed from the first."""


@dataclass(slots=True, eq=False)
class Execution:
    """One task: a node that ran, or ran again."""

    ns: str
    """Its checkpoint namespace, `node:id|node:id`."""
    superstep: int
    order: int | None
    """Its place among the tasks that were sent in that superstep. None: it was triggered by an edge."""
    given: Any
    """Its input."""
    output: Any = None
    error: BaseException | None = None
    """What it raised; a handoff or an interrupt counts as raised. None: it returned `output`."""
    ended: bool = False


@dataclass(eq=False)
class Recording:
    """One run of a graph."""

    run_id: str
    name: str
    inputs: Any
    is_async: bool
    """Whether it was started on an event loop."""
    previous: Recording | None
    """The run before it on the same thread. None: it is the first that was recorded, or there are too many."""
    is_own: bool | None = None
    """Whether it is a run of the graph that is replayed. None: what ran was not to be seen."""
    thread_id: str | None = None
    """Its thread. None: it has none."""
    turn: int = 0
    """Its place in the thread, among the runs that were recorded."""
    tasks: dict[str, Execution] = field(default_factory=dict)
    """By checkpoint namespace, in the order of their first starts; of attempts the last."""
    overflow: bool = False
    """True if it had more tasks than are recorded."""

    def thread(self) -> list[Recording]:
        """The runs of its thread up to this one, oldest first."""
        runs = [self]
        while (earlier := runs[-1].previous) is not None:
            runs.append(earlier)
        return runs[::-1]


class Recorder:
    """Recordings of the newest runs, and of the newest threads.

    Args:
        max_runs: How many of each.
        is_own: Whether a graph is the one that is replayed. Called when a run starts.
    """

    def __init__(self, max_runs: int, is_own: Callable[[Pregel[Any, Any, Any, Any]], bool]) -> None:
        self._max_runs = max_runs
        self._is_own = is_own
        self._runs: OrderedDict[str, Recording] = OrderedDict()
        self._threads: OrderedDict[str, Recording] = OrderedDict()
        self._lock = threading.Lock()

    def start_run(self, run_id: str, name: str, inputs: Any, thread: str | None) -> None:
        """A run begins. To be called from inside the graph's own call."""
        graph = running_graph()
        is_own = None if graph is None else self._is_own(graph)
        with self._lock:
            previous = None if thread is None else self._threads.get(thread)
            turn = 0 if previous is None else previous.turn + 1
            if turn >= _MAX_TURNS:
                previous = None
            recording = Recording(run_id, name, _kept(inputs), _on_a_loop(), previous, is_own, thread, turn)
            _add(self._runs, run_id, recording, self._max_runs)
            if thread is not None:
                _add(self._threads, thread, recording, self._max_runs)

    def start(self, run_id: str, ns: str, given: Any, metadata: Mapping[str, Any]) -> None:
        """A task of a run begins."""
        recording = self._runs.get(run_id)
        if recording is None:
            return
        if len(recording.tasks) >= _MAX_TASKS:
            recording.overflow = True
            return
        superstep = metadata.get("langgraph_step")
        recording.tasks[ns] = Execution(
            ns, superstep if isinstance(superstep, int) else 0, sent_order(metadata), _kept(given)
        )

    def end(self, run_id: str, ns: str, output: Any, error: BaseException | None) -> None:
        """A task has returned or raised."""
        recording = self._runs.get(run_id)
        execution = None if recording is None else recording.tasks.get(ns)
        if execution is not None:
            execution.output, execution.error, execution.ended = output, error, True

    def forget(self, run_id: str) -> None:
        """A run's recording has been read. Runs of a thread are kept for those after them."""
        with self._lock:
            recording = self._runs.get(run_id)
            if recording is not None and recording.thread_id is None:
                del self._runs[run_id]

    def of(self, run_id: str) -> Recording | None:
        """The recording of a run. None: it was not recorded, or is too old."""
        return self._runs.get(run_id)


def sent_order(metadata: Mapping[str, Any]) -> int | None:
    """The place of a task among those that were sent in its superstep. None: it was triggered by an edge."""
    path: Sequence[Any] = metadata.get("langgraph_path") or ()
    return path[1] if len(path) > 1 and isinstance(path[1], int) else None


def _kept(value: Any) -> Any:
    """A value as it is now, as far as the framework goes on writing to it: its lists."""
    if type(value) is dict:
        return {key: list(item) if type(item) is list else item for key, item in value.items()}
    return list(value) if type(value) is list else value


def _add(table: OrderedDict[str, Recording], key: str, recording: Recording, limit: int) -> None:
    table[key] = recording
    table.move_to_end(key)
    while len(table) > limit:
        table.popitem(last=False)


def _on_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
