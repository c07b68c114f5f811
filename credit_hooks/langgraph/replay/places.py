"""Where a task stands in its run, in terms that hold in other runs of the same graph too.

Task ids differ between runs, supersteps shift. A *place* is the way through the graph: for every level its node, how
often that node had its turn there before, and for tasks that were sent their order: `team#0/writer#2.1`.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from credit_hooks.langgraph.replay.recording import Recording, sent_order

__all__ = ["Places", "node_path", "places_of"]


class Places:
    """Places of one run, told in the order in which tasks start. Thread-safe."""

    def __init__(self, prefix: str = "") -> None:
        self._prefix = prefix
        self._turns: dict[tuple[str, str], list[int]] = {}
        self._places: dict[str, str] = {}
        self._lock = threading.Lock()

    def enter(self, ns: str, superstep: int, order: int | None) -> str:
        """The place of a task that starts; all tasks of earlier supersteps of its graph have started before."""
        around, _, own = ns.rpartition("|")
        node = own.partition(":")[0]
        with self._lock:
            turns = self._turns.setdefault((around, node), [])
            if superstep not in turns:
                turns.append(superstep)
                turns.sort()
            place = f"{node}#{turns.index(superstep)}" + ("" if order is None else f".{order}")
            whole = self._places[ns] = f"{self._places.get(around, self._prefix)}/{place}"
            return whole

    def of(self, metadata: Mapping[str, Any]) -> tuple[str, str, int]:
        """Namespace, place and superstep of a task by its metadata."""
        ns = str(metadata.get("langgraph_checkpoint_ns", ""))
        superstep = int(metadata.get("langgraph_step", 0))
        return ns, self.enter(ns, superstep, sent_order(metadata)), superstep


def places_of(recording: Recording, prefix: str) -> dict[str, str]:
    """The place of every task of a recorded run, by namespace."""
    places = Places(prefix)
    by_depth = sorted(recording.tasks.values(), key=lambda task: (task.ns.count("|"), task.superstep))
    return {task.ns: places.enter(task.ns, task.superstep, task.order) for task in by_depth}


def node_path(ns: str) -> tuple[str, ...]:
    """Names of the nodes from the root graph to a task."""
    return tuple(part.partition(":")[0] for part in ns.split("|"))
