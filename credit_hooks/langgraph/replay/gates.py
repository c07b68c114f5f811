"""Gates: a copy of a compiled graph whose nodes answer from the tape where their input is known.

A gate stands in front of each leaf, a node that is no graph itself. It gets the node's input and either hands out what
was recorded for it, or what the intervention says, or lets the node run and records that. Graphs inside are copied
likewise. The user's graph is not touched: `Pregel.copy` and `PregelNode.copy` make new objects that share the nodes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextvars import Token
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Protocol, TypeAlias

from langchain_core.runnables import Runnable, RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.errors import GraphInterrupt, ParentCommand
from langgraph.managed.base import is_managed_value
from langgraph.pregel import Pregel
from langgraph.types import RetryPolicy

from credit_hooks.errors import ReplayStoppedError
from credit_hooks.langgraph.replay.tools import live_calls
from credit_hooks.langgraph.replay.values import Names, freeze
from credit_hooks.replay import Claim, Recorded

__all__ = ["Course", "Gate", "Outcome", "Path", "Turn", "gated", "leaves", "managed_values", "outcome_of"]

Path: TypeAlias = tuple[str, ...]
"""Names of the nodes from the root graph to a node."""

_START = "__start__"


@dataclass(frozen=True)
class Outcome:
    """How a task ended; what it returned or handed over is frozen, independent of ids."""

    kind: Literal["return", "handoff", "interrupt", "error"]
    value: Any


def outcome_of(output: Any, error: BaseException | None, names: Names) -> Outcome:
    """What a task returned or raised, as something to be handed out again."""
    if isinstance(error, ParentCommand):
        return Outcome("handoff", freeze(error.args[0], names))
    if isinstance(error, GraphInterrupt):
        return Outcome("interrupt", error.args[0] if error.args else ())
    if error is not None:
        return Outcome("error", error)
    return Outcome("return", freeze(output, names))


@dataclass
class Turn:
    """One execution of a leaf in a replay."""

    key: str
    """Where it is, and what it is given."""
    names: Names
    """The ids it is given."""
    emit: Callable[[Outcome], Any]
    """Hands the outcome on as the intervention wants it: returns or raises."""
    draw: int = 0
    """Which draw of live outcomes."""
    known: Outcome | None = None
    """The outcome, where the intervention states it. None: it is on the tape, or has to be found out."""
    stand_in: Runnable[Any, Any] | None = None
    """Who is run in place of the node. None: the node itself."""
    passing: Callable[[Any], None] | None = None
    """Hears the output of a node that only hands over: it is run every time, and counts as no call. None: it does
    more."""


class Course(Protocol):
    """One replay as it goes on: what the gates of its graph ask."""

    def turn(self, path: Path, given: Any, config: RunnableConfig | None) -> Turn:
        """A leaf is reached."""

    def claim(self, turn: Turn) -> Claim[Outcome]:
        """Look a turn up on the tape."""

    def before_live(self, path: Path, given: Any) -> Outcome | None:
        """A leaf is about to be run. An outcome: do not run it, this is what it comes to.

        Raises:
            ReplayStoppedError: it must not be run.
        """

    def complete(self, claim: Claim[Outcome], recorded: Recorded[Outcome]) -> None:
        """A claimed execution has an outcome."""

    def fail(self, claim: Claim[Outcome], error: BaseException) -> None:
        """A claimed execution has none."""

    def pinned(self, recorded: Recorded[Outcome]) -> None:
        """An outcome was taken from the tape."""

    def enter_graph(self, config: RunnableConfig | None) -> None:
        """A graph inside the graph is reached."""


class Gate(Runnable[Any, Any]):
    """Stands in front of a leaf."""

    def __init__(self, path: Path, bound: Runnable[Any, Any], course: Course) -> None:
        self.name = path[-1]
        self._path = path
        self._bound = bound
        self._course = course

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002
        """The node's outcome for this input."""
        turn = self._course.turn(self._path, input, config)
        runnable = turn.stand_in or self._bound
        if turn.known is not None:
            return turn.emit(turn.known)
        if turn.passing is not None:
            with _Passing(turn.passing) as passing:
                passing.output = runnable.invoke(input, config, **kwargs)
            return passing.output
        claim = self._course.claim(turn)
        if claim.state != "mine":
            return self._taken(turn, claim.flight.result())
        with _Live(turn.names, self._course, claim) as live:
            live.known = self._course.before_live(self._path, input)
            if live.known is None:
                live.output = runnable.invoke(input, config, **kwargs)
        return turn.emit(live.outcome())

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002
        """The node's outcome for this input."""
        turn = self._course.turn(self._path, input, config)
        runnable = turn.stand_in or self._bound
        if turn.known is not None:
            return turn.emit(turn.known)
        if turn.passing is not None:
            with _Passing(turn.passing) as passing:
                passing.output = await runnable.ainvoke(input, config, **kwargs)
            return passing.output
        claim = self._course.claim(turn)
        if claim.state != "mine":
            return self._taken(turn, await asyncio.wrap_future(claim.flight))
        with _Live(turn.names, self._course, claim) as live:
            live.known = self._course.before_live(self._path, input)
            if live.known is None:
                live.output = await runnable.ainvoke(input, config, **kwargs)
        return turn.emit(live.outcome())

    def _taken(self, turn: Turn, recorded: Recorded[Outcome]) -> Any:
        self._course.pinned(recorded)
        return turn.emit(recorded.output)


class _Passing:
    """A node that only hands over: what it returns or raises goes on as it is, and is heard."""

    def __init__(self, hear: Callable[[Any], None]) -> None:
        self.output: Any = None
        self._hear = hear

    def __enter__(self) -> _Passing:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            self._hear(self.output)
        elif isinstance(error, ParentCommand):
            self._hear(error.args[0])


class _Live:
    """A live execution: its outcome completes the claim; a handoff is an outcome, any other exception fails it."""

    def __init__(self, names: Names, course: Course, claim: Claim[Outcome]) -> None:
        self.output: Any = None
        self.known: Outcome | None = None
        """The outcome, if it was not to be run after all."""
        self._names = names
        self._course = course
        self._claim = claim
        self._handoff: ParentCommand | None = None
        self._calls = [0]
        self._token: Token[list[int] | None] | None = None

    def __enter__(self) -> _Live:
        self._token = live_calls.set(self._calls)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        if self._token is not None:
            live_calls.reset(self._token)
        if isinstance(error, ParentCommand):
            self._handoff = error
        elif error is not None:
            self._course.fail(self._claim, error)
            return False
        self._course.complete(self._claim, Recorded(self.outcome(), self._calls[0]))
        return True

    def outcome(self) -> Outcome:
        """What came of it."""
        if self.known is None:
            self.known = outcome_of(self.output, self._handoff, self._names)
        return self.known


class _Entrance(Runnable[Any, Any]):
    """Stands in front of a graph inside the graph, so that the course knows where its nodes are."""

    def __init__(self, name: str, graph: Pregel[Any, Any, Any, Any], course: Course) -> None:
        self.name = name
        self._graph = graph
        self._course = course

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002
        """The graph's output."""
        self._course.enter_graph(config)
        return self._graph.invoke(input, config, **kwargs)

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002
        """The graph's output."""
        self._course.enter_graph(config)
        return await self._graph.ainvoke(input, config, **kwargs)


def leaves(graph: Pregel[Any, Any, Any, Any], around: Path = ()) -> Iterator[tuple[Path, Any]]:
    """(path, node) of every node that is no graph itself."""
    for name, node in graph.nodes.items():
        if name == _START:
            continue
        if isinstance(node.bound, Pregel):
            yield from leaves(node.bound, (*around, name))
        else:
            yield (*around, name), node


def managed_values(graph: Pregel[Any, Any, Any, Any]) -> frozenset[str]:
    """Channels that the framework computes, in this graph and those inside it, such as `remaining_steps`."""
    own = {name for name, channel in graph.channels.items() if is_managed_value(channel)}
    inside = (managed_values(node.bound) for node in graph.nodes.values() if isinstance(node.bound, Pregel))
    return frozenset(own.union(*inside))


def gated(graph: Pregel[Any, Any, Any, Any], course: Course, around: Path = ()) -> Pregel[Any, Any, Any, Any]:
    """A copy of a graph with gates in front of its leaves, that has no cache and no checkpointer of the user's."""
    nodes: dict[str, Any] = {}
    for name, node in graph.nodes.items():
        path = (*around, name)
        if name == _START:
            nodes[name] = node
            continue
        bound: Runnable[Any, Any] = Gate(path, node.bound, course)
        if isinstance(node.bound, Pregel):
            bound = _Entrance(name, gated(node.bound, course, path), course)
        policy = [_without_stops(policy) for policy in node.retry_policy or ()] or None
        nodes[name] = node.copy({"bound": bound, "subgraphs": [], "cache_policy": None, "retry_policy": policy})
    changes: dict[str, Any] = {"nodes": nodes, "cache": None, "cache_policy": None}
    if isinstance(graph.checkpointer, BaseCheckpointSaver):
        changes["checkpointer"] = InMemorySaver()
    return graph.copy(changes)


def _without_stops(policy: RetryPolicy) -> RetryPolicy:
    """The node's own policy, but a replay that was stopped stays so."""
    wanted = policy.retry_on

    def retry_on(error: Exception) -> bool:
        if isinstance(error, ReplayStoppedError) or getattr(error, "__credit_hooks_recorded__", False):
            return False
        if isinstance(wanted, type):
            return isinstance(error, wanted)
        if callable(wanted):
            return bool(wanted(error))
        return isinstance(error, tuple(wanted))

    return policy._replace(retry_on=retry_on)
