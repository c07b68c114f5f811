"""One execution of a node, as the provenance of its run sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from credit_hooks.record import MessageRecord, StepRecord

if TYPE_CHECKING:
    from credit_hooks.langgraph.provenance import GraphRun

__all__ = ["Task", "enclosing_scopes"]


# Tasks are many and kept until the run is over: a container that stays empty costs the garbage collector a visit.
_NOTHING: Mapping[Any, Any] = MappingProxyType({})


class Task:
    """One execution of a node or `@task`, or the root; all runnables inside it share it."""

    __slots__ = (
        "chats",
        "extras",
        "graphs",
        "is_call",
        "nested",
        "ns",
        "path",
        "run",
        "run_id",
        "scope",
        "seen",
        "step",
        "superstep",
    )

    def __init__(
        self,
        run: GraphRun,
        run_id: Any,
        step: StepRecord,
        *,
        ns: str,
        path: tuple[str, ...],
        superstep: int,
        is_call: bool,
    ) -> None:
        self.run = run
        self.run_id = run_id
        self.step = step
        self.ns = ns
        self.scope = ns.rpartition("|")[0]
        self.path = path
        self.superstep = superstep
        self.is_call = is_call
        self.extras: Mapping[MessageRecord, None] = _NOTHING
        """What it read beside the history that its read set's base covers."""
        self.seen: tuple[str, list[Any]] | None = None
        """(channel, messages) of the history it was given."""
        self.chats: Sequence[tuple[Any, StepRecord]] = ()
        """(output message, step) of the model calls inside it."""
        self.graphs: frozenset[Any] = frozenset()
        """Run ids of graphs that run inside it."""
        self.nested: Mapping[str, tuple[Any, tuple[MessageRecord, ...]]] = _NOTHING
        """Final channel values of graphs that ran inside it, and who wrote them."""


_OUTERMOST: tuple[str, ...] = ("",)


def enclosing_scopes(scope: str) -> Sequence[str]:
    """The graph that a checkpoint namespace belongs to, then those around it."""
    if not scope:
        return _OUTERMOST
    found = [scope]
    while scope:
        scope = scope.rpartition("|")[0]
        found.append(scope)
    return found
