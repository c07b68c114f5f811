"""What determines the state of a graph at a superstep, for nodes that read more than their input."""

from __future__ import annotations

import threading
from typing import Any

from credit_hooks.langgraph.replay.values import digest

__all__ = ["Trace"]


class Trace:
    """What the leaves of each graph were given and came to, superstep by superstep: it determines the graph's state."""

    def __init__(self) -> None:
        self._done: dict[str, dict[int, list[str]]] = {}
        self._lock = threading.Lock()

    def enter(self, ns: str, superstep: int, key: str, value: Any) -> None:
        """A leaf has returned."""
        with self._lock:
            graph = self._done.setdefault(ns.rpartition("|")[0], {})
            graph.setdefault(superstep, []).append(f"{key} {digest(value)}")

    def before(self, ns: str, superstep: int) -> list[str]:
        """Traces of the last superstep before this one in the same graph."""
        with self._lock:
            graph = self._done.get(ns.rpartition("|")[0], {})
            earlier = [step for step in graph if step < superstep]
            return list(graph[max(earlier)]) if earlier else []
