"""One replay as it goes on: what each gate is to do under the intervention."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias
from uuid import NAMESPACE_OID, uuid5

from langchain_core.messages import BaseMessage
from langchain_core.runnables import Runnable, RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.errors import GraphInterrupt, ParentCommand
from langgraph.prebuilt import ToolNode

from credit_hooks.errors import ConfigurationError
from credit_hooks.langgraph.replay.gates import Outcome, Path, Turn
from credit_hooks.langgraph.replay.index import Index, Place
from credit_hooks.langgraph.replay.masks import DATA, Written, edited, said, silenced
from credit_hooks.langgraph.replay.messages import messages_within
from credit_hooks.langgraph.replay.places import Places
from credit_hooks.langgraph.replay.tools import ToolRules, calls_of, stopped_by
from credit_hooks.langgraph.replay.trace import Trace
from credit_hooks.langgraph.replay.values import Names, freeze, thaw
from credit_hooks.replay import Claim, Intervention, Recorded, RunMeter

__all__ = ["MaskedTurn", "ReplayCourse", "StandIn"]


@dataclass(frozen=True)
class MaskedTurn:
    """The turn of a masked agent, as a baseline function sees it."""

    agent: str
    """Path of the node, as `team/writer`."""
    state: Any
    """What the node is given in this replay."""
    recorded: Any
    """What it returned in the recorded run, in this turn or else in its last. A copy."""


StandIn: TypeAlias = Callable[[MaskedTurn], Any] | Mapping[Path, Runnable[Any, Any]] | Runnable[Any, Any] | None
"""Who speaks for masked agents: a function of the turn to the node's output, runnables by path, one for all, or None
for a text."""


@dataclass(frozen=True)
class _Here:
    """Where a turn is, and what it is given."""

    ns: str
    superstep: int
    name: str
    path: Path
    given: Any
    names: Names
    key: str


class ReplayCourse:
    """The course of one replay, or of one turn of its thread."""

    def __init__(
        self,
        index: Index,
        intervention: Intervention,
        meter: RunMeter,
        rules: ToolRules,
        stand_in: StandIn,
        name: str,
        thread_turn: int,
    ) -> None:
        self._index = index
        self._intervention = intervention
        self._meter = meter
        self._rules = rules
        self._stand_in = stand_in
        self._name = name
        self._places = Places(f"{thread_turn}")
        self._read: dict[str, str] = {}
        self._trace = Trace()
        self._is_anew = _anew(index, intervention)

    def turn(self, path: Path, given: Any, config: RunnableConfig | None) -> Turn:
        """A leaf is reached: what is it to do?"""
        if self._meter.stopped is not None:
            raise self._meter.stop(self._meter.stopped)
        metadata = (config or {}).get("metadata") or {}
        ns, name, superstep = self._places.of(metadata)
        self._note_read(given)
        key, names = self._index.key(path, name, given, self._trace.before(ns, superstep))
        here = _Here(ns, superstep, name, path, given, names, key)
        turn = Turn(key, names, emit=lambda outcome: self._emit(outcome, here))
        place = self._index.places.get(name)
        if self._is_silent(path, place):
            return self._spoken_turn(turn, here, _of(self._stand_in, path), "baseline")
        redo = self._intervention.redo if self._is_anew(name) else None
        corrector = None if redo is None else _of(redo.by, path)
        if corrector is not None and self._index.speaks(path):
            return self._spoken_turn(turn, here, corrector, "correction")
        node = self._index.leaves[path]
        # Models are asked again for fresh replies; tools answer a known call as before, and so act no more often.
        turn.draw = 0 if isinstance(node.bound, ToolNode) else self._intervention.draw
        if redo is not None and redo.by is None and not isinstance(node.bound, ToolNode):
            turn.key = f"anew {key}"
        if self._only_hands_over(node, given):
            turn.passing = lambda output: self._note_output(output, here)
        cached = self._index.cached.get((path, key.rpartition(" ")[2])) if node.cache_policy is not None else None
        if cached is not None and place is None:
            self._meter.count_pinned(cached.model_calls)
            turn.known = cached.output
        return turn

    def enter_graph(self, config: RunnableConfig | None) -> None:
        """A graph inside the graph is reached."""
        self._places.of((config or {}).get("metadata") or {})

    def claim(self, turn: Turn) -> Claim[Outcome]:
        """Look a turn up on the tape."""
        return self._index.tape.claim(turn.key, self._meter, turn.draw)

    def complete(self, claim: Claim[Outcome], recorded: Recorded[Outcome]) -> None:
        """A claimed execution has an outcome."""
        self._index.tape.complete(claim, recorded)

    def fail(self, claim: Claim[Outcome], error: BaseException) -> None:
        """A claimed execution has none."""
        self._index.tape.fail(claim, error)

    def pinned(self, recorded: Recorded[Outcome]) -> None:
        """An outcome was taken from the tape."""
        self._meter.count_pinned(recorded.model_calls)

    def before_live(self, path: Path, given: Any) -> Outcome | None:
        """Whether a leaf may be run, as far as its tools and the graphs that it runs say."""
        leaf = self._index.leaves[path]
        if any(isinstance(getattr(inner, "checkpointer", None), BaseCheckpointSaver) for inner in leaf.subgraphs):
            raise self._meter.stop(
                f"node {'/'.join(path)!r} runs a graph with a checkpointer of its own, which a replay would write to"
            )
        if isinstance(leaf.bound, ToolNode):
            pinned = self._pinned_tools(leaf.bound, path, given)
            if pinned is not None:
                return pinned
        self._meter.before_live()
        return None

    # --- what the intervention wants ----------------------------------------------------------------------------------

    def _is_silent(self, path: Path, place: Place | None) -> bool:
        """Whether the baseline speaks all of this turn."""
        written = place.written if place is not None else ()
        if written and self._intervention.masked.issuperset(written):
            return True
        authors = self._index.authors.get(path)
        return bool(authors) and self._intervention.absent.issuperset(authors or ())

    def _spoken_turn(self, turn: Turn, here: _Here, stand_in: Any, who: str) -> Turn:
        """The turn of an agent in whose place somebody else speaks: a runnable, a function, or silence (None)."""
        place = self._index.places.get(here.name)
        recorded = place.outcome if place is not None and place.written else self._index.last.get(here.path)
        recorded = recorded or Outcome("return", None)
        turn.emit = lambda outcome: self._deliver(outcome, self._thawed(outcome, here), here)
        if isinstance(stand_in, Runnable):
            turn.key, turn.stand_in, turn.draw = f"{who} {turn.key}", stand_in, self._intervention.draw
        elif stand_in is not None:
            spoken = stand_in(MaskedTurn("/".join(here.path), here.given, self._thawed(recorded, here)))
            turn.known = Outcome("return", freeze(spoken, here.names))
        else:
            turn.known = recorded
            turn.emit = lambda outcome: self._emit_silence(outcome, here)
        return turn

    def _emit_silence(self, outcome: Outcome, here: _Here) -> Any:
        value = self._thawed(outcome, here)
        if outcome.kind in ("return", "handoff"):
            value = silenced(value, here.given, self._read, self._index.masks)
        return self._deliver(outcome, value, here)

    def _emit(self, outcome: Outcome, here: _Here) -> Any:
        """The outcome, with single messages masked or replaced."""
        value = self._thawed(outcome, here)
        if outcome.kind in ("return", "handoff"):
            masks = self._index.masks
            masked, replaced = self._wanted(value, here)
            if masked:
                value = silenced(value, here.given, self._read, masks, masked)
            if replaced:

                def replace(written: Written) -> Any:
                    wanted = replaced.get(written.place, written)
                    return written.value if wanted is written else _replacement(written, wanted)

                value = edited(value, here.given, self._read, masks, replace)
        return self._deliver(outcome, value, here)

    def _wanted(self, value: Any, here: _Here) -> tuple[frozenset[int], dict[int, Any]]:
        """Places of an output that are masked, and what is said at those that are replaced."""
        place = self._index.places.get(here.name)
        if place is not None:
            masked = {
                number for message_id, number in place.messages.items() if message_id in self._intervention.masked
            }
            replaced = {
                number: self._intervention.replaced[message_id]
                for message_id, number in place.messages.items()
                if message_id in self._intervention.replaced
            }
            return frozenset(masked), replaced
        absent = self._index.authors.get(here.path, frozenset()) & self._intervention.absent
        if not absent:
            return frozenset(), {}
        masked = set()

        def note(written: Written) -> Any:
            if isinstance(written.value, BaseMessage) and f"tool:{written.value.name}" in absent:
                masked.add(written.place)
            return written.value

        edited(value, here.given, self._read, self._index.masks, note)
        return frozenset(masked), {}

    def _thawed(self, outcome: Outcome, here: _Here) -> Any:
        """What was returned or handed over, with the ids of this replay."""
        if outcome.kind in ("interrupt", "error"):
            return outcome.value
        own = f"{self._name} {here.name}"
        return thaw(outcome.value, here.names, lambda number: str(uuid5(NAMESPACE_OID, f"{own} {number}")))

    def _deliver(self, outcome: Outcome, value: Any, here: _Here) -> Any:
        if outcome.kind == "interrupt":
            raise GraphInterrupt(value)
        if outcome.kind == "error":
            raise _again(value)
        self._note_output(value, here)
        if outcome.kind == "handoff":
            raise ParentCommand(value)
        return value

    def _note_output(self, value: Any, here: _Here) -> None:
        if self._index.traces:
            self._trace.enter(here.ns, here.superstep, here.key, value)
        self._note_read(value)

    def _note_read(self, value: Any) -> None:
        for message in messages_within(value):
            self._read[message.id] = said(message)

    # --- tools --------------------------------------------------------------------------------------------------------

    def _only_hands_over(self, node: Any, given: Any) -> bool:
        if not isinstance(node.bound, ToolNode):
            return False
        calls = calls_of(node.bound, given)
        return bool(calls) and all(self._steers(node.bound, call["name"]) for call in calls)

    def _steers(self, node: ToolNode, name: str) -> bool:
        tool = node.tools_by_name.get(name)
        return name in self._index.masks.steering_tools or "__handoff_destination" in ((tool and tool.metadata) or {})

    def _pinned_tools(self, node: ToolNode, path: Path, given: Any) -> Outcome | None:
        """The recorded results of tools that must not be called again. None: all of them may."""
        calls = calls_of(node, given)
        wanted = {
            call["name"]: self._rules.of_tool(node.tools_by_name.get(call["name"]), call["name"]) for call in calls
        }
        for name, rule in wanted.items():
            if rule == "stop":
                raise self._meter.stop(stopped_by(name))
        if "pin" not in wanted.values():
            return None
        if "repeat" in wanted.values():
            raise self._meter.stop("a turn calls tools that may be repeated beside tools that are pinned")
        results = self._index.pinned_results(path, given)
        if results is None:
            raise self._meter.stop(f"a tool among {sorted(wanted)} is pinned, and the run has no result of it")
        return results


def _anew(index: Index, intervention: Intervention) -> Callable[[str], bool]:
    """Whether a turn is done anew, by its place."""
    redo = intervention.redo
    name = None if redo is None else index.place_from(redo.message_id)
    if redo is None or name is None:
        return lambda place: False
    if redo.only:
        return lambda place: place == name
    kept = index.kept_before(name)
    return lambda place: place not in kept


def _of(speakers: StandIn, path: Path) -> Any:
    """Who of several speaks for a leaf."""
    return speakers.get(path) if isinstance(speakers, Mapping) else speakers


def _replacement(written: Written, replacement: Any) -> Any:
    """What stands in place of something new."""
    if written.place == DATA:
        return replacement
    if isinstance(written.value, BaseMessage):
        if isinstance(replacement, BaseMessage):
            return replacement.model_copy(update={"id": written.value.id})
        if not isinstance(replacement, (str, list)):
            kind = type(replacement).__name__
            raise ConfigurationError(f"a message is replaced by text, content blocks or a message, not by {kind}")
        changes: dict[str, Any] = {"content": replacement, "additional_kwargs": {}}
        if "tool_calls" in type(written.value).model_fields:
            changes |= {"tool_calls": [], "invalid_tool_calls": []}
        return written.value.model_copy(update=changes)
    if isinstance(written.value, dict) and isinstance(replacement, str):
        return {key: item for key, item in written.value.items() if key != "tool_calls"} | {"content": replacement}
    if isinstance(written.value, tuple) and isinstance(replacement, str):
        return (written.value[0], replacement)
    return replacement


def _again(error: BaseException) -> BaseException:
    """A recorded exception, to be raised once more: not the user's own object, whose traceback would grow."""
    try:
        copied = copy.copy(error)
        copied.__credit_hooks_recorded__ = True  # type: ignore[attr-defined]
    except Exception:  # noqa: BLE001 - an exception that cannot be copied is raised as it is, with nothing written on it
        return error
    return copied
