"""A recorded run, looked up by place: which messages were written where, by whom, and what each place came to."""

from __future__ import annotations

from collections.abc import Collection, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import ToolMessage
from langgraph.prebuilt import ToolNode
from langgraph.pregel import Pregel

from credit_hooks import semconv as sc
from credit_hooks.errors import ReplayRefusedError
from credit_hooks.langgraph.replay.gates import Outcome, Path, leaves, managed_values, outcome_of
from credit_hooks.langgraph.replay.masks import DATA, Masks, said, written_in
from credit_hooks.langgraph.replay.messages import message_channels, messages_within, steering_tools, value_of
from credit_hooks.langgraph.replay.places import node_path, places_of
from credit_hooks.langgraph.replay.recording import Execution, Recording
from credit_hooks.langgraph.replay.tools import calls_of, needs_state
from credit_hooks.langgraph.replay.trace import Trace
from credit_hooks.langgraph.replay.values import Names, digest, freeze, names_in
from credit_hooks.replay import Player, Recorded, Tape
from credit_hooks.trajectory import Step, Trajectory

__all__ = ["Index", "Place"]


@dataclass
class Place:
    """A turn of a leaf in the recorded run."""

    path: Path
    outcome: Outcome
    messages: dict[str, int] = field(default_factory=dict)
    """Message id to its number among the new messages of the output, -1 for data."""
    block: tuple[str, ...] = ()
    """Messages that cannot be told apart here, as they were written inside the node: all or none are masked."""

    @property
    def written(self) -> tuple[str, ...]:
        """All message ids."""
        return self.block or tuple(self.messages)


class Index:
    """What replays of a run look up. Built once, when the run is over.

    Args:
        graph: The graph.
        recording: What was recorded of the run.
        trajectory: The same run as data.
        text: What silent messages say.
        cached: Outcomes of nodes with a cache, of this and earlier runs, by input; added to.
        agents: Names or ids of the actors that are players. None: all but nodes of code that only write data.

    Raises:
        ReplayRefusedError: the recording is not of this graph, or not whole.
    """

    def __init__(
        self,
        graph: Pregel[Any, Any, Any, Any],
        recording: Recording,
        trajectory: Trajectory,
        text: str,
        cached: MutableMapping[tuple[Path, str], Recorded[Outcome]],
        agents: Collection[str] | None = None,
    ) -> None:
        self.thread = recording.thread() if graph.checkpointer else [recording]
        self.leaves = dict(leaves(graph))
        self._managed = managed_values(graph)
        self.tape: Tape[Outcome] = Tape()
        self.places: dict[str, Place] = {}
        """Turns of leaves of the run itself, not of those before it on its thread."""
        self._starts: dict[str, int] = {}
        """Leaf turns of the run itself in the order of their starts."""
        self._indices = {message.id: message.index for message in trajectory.messages}
        self.last: dict[Path, Outcome] = {}
        """The newest outcome of each leaf that said something."""
        self.authors: dict[Path, frozenset[str]] = {}
        """Actors whose messages each leaf wrote."""
        self.cached = cached
        """Outcomes of nodes with a cache, by input: where a node did not run, the cache had it."""
        self.tool_results: dict[str, Any] = {}
        """The newest result message of each tool."""
        self.notes: list[str] = []
        if any(run.overflow for run in self.thread):
            raise ReplayRefusedError("the run had more tasks than are recorded")
        tasks = [task for run in self.thread for task in run.tasks.values()]
        self.masks = Masks(text, message_channels(tasks), steering_tools(tasks, self.leaves))
        self.traces = any(isinstance(node.bound, ToolNode) for node in self.leaves.values())
        """Whether a leaf may read more of the state than its input."""
        self.supersteps = max((task.superstep for task in tasks), default=0)
        self._read: dict[str, str] = {}
        steps = _steps_by_ns(trajectory)
        calls = _model_calls(trajectory)
        self._thinking = {step.id for ns, step in steps.items() if calls.get(ns)}
        for turn, run in enumerate(self.thread):
            self._enter(run, turn, steps if run is recording else {}, calls if run is recording else {}, trajectory)
        self.players = self._players(trajectory, agents, calls)

    def key(self, path: Path, place: str, given: Any, before: Sequence[str]) -> tuple[str, Names]:
        """What an execution is known by, and the ids it is given.

        Args:
            path: Which leaf.
            place: Which of its turns.
            given: Its input.
            before: Traces of the superstep before it, which stand for the state that a tool may read beside its input.
        """
        bound = self.leaves[path].bound
        given = self._without_managed(given)
        if not isinstance(bound, ToolNode):
            return f"{place} {digest(given)}", names_in(given)
        calls = [{"type": "tool_call", **call} for call in calls_of(bound, given)]
        reads = (given, *sorted(before)) if needs_state(bound, calls) else calls
        return f"{place} {digest(reads)}", names_in(reads)

    def _without_managed(self, given: Any) -> Any:
        """An input less what the framework computes for it, such as the number of steps that are left."""
        if not self._managed or not isinstance(given, dict):
            return given
        if given.get("__type") == "tool_call_with_context":
            return {**given, "state": self._without_managed(given["state"])}
        return {key: value for key, value in given.items() if key not in self._managed}

    def pinned_results(self, path: Path, given: Any) -> Outcome | None:
        """The recorded results of tools, as the answer to other calls of theirs. None: one of them has none."""
        bound = self.leaves[path].bound
        calls = calls_of(bound, given)
        if not all(call["name"] in self.tool_results for call in calls):
            return None
        results = [
            self.tool_results[call["name"]].model_copy(update={"tool_call_id": call["id"], "id": None})
            for call in calls
        ]
        is_list = isinstance(given, list) and not isinstance(given[-1], dict)
        output = results if is_list else {getattr(bound, "_messages_key", "messages"): results}
        return Outcome("return", freeze(output, names_in(calls)))

    def place_from(self, message_id: str) -> str | None:
        """The turn that wrote a message; else the first one that wrote something later. None: there is none."""
        index = self._indices.get(message_id)
        if index is None:
            return None
        after = [(first, name) for name, first in self._firsts().items() if first > index]
        own = next((name for name, place in self.places.items() if message_id in place.written), None)
        return own if own is not None else min(after, default=(0, None))[1]

    def kept_before(self, name: str) -> frozenset[str]:
        """The turns before a turn: what wrote has written before it, what wrote nothing has started before it."""
        firsts = self._firsts()
        return frozenset(
            other
            for other, start in self._starts.items()
            if (firsts[other] < firsts[name] if other in firsts else start < self._starts[name])
        )

    @property
    def turns(self) -> frozenset[str]:
        """All turns of the run itself."""
        return frozenset(self._starts)

    def speaks(self, path: Path) -> bool:
        """Whether a leaf is an agent: its messages are players."""
        return bool(self.authors.get(path, frozenset()) & {player.actor_id for player in self.players})

    def _firsts(self) -> dict[str, int]:
        return {
            name: min(self._indices[message_id] for message_id in place.written)
            for name, place in self.places.items()
            if place.written
        }

    def _enter(
        self,
        run: Recording,
        turn: int,
        steps: Mapping[str, Step],
        calls: Mapping[str, int],
        trajectory: Trajectory,
    ) -> None:
        places = places_of(run, f"{turn}")
        trace = Trace()
        for task in run.tasks.values():
            path = node_path(task.ns)
            self._note_read(task.given)
            if path not in self.leaves or not task.ended:
                continue
            key, names = self.key(path, places[task.ns], task.given, trace.before(task.ns, task.superstep))
            outcome = outcome_of(task.output, task.error, names)
            recorded = Recorded(outcome, calls.get(task.ns, 0))
            self.tape.record(key, recorded)
            if self.leaves[path].cache_policy is not None:
                self.cached[path, key.rpartition(" ")[2]] = recorded
            if turn == len(self.thread) - 1:
                self._starts[places[task.ns]] = len(self._starts)
            if task.ns in steps:
                self._enter_place(places[task.ns], path, task, outcome, trajectory, steps)
            if self.traces:
                trace.enter(task.ns, task.superstep, key, value_of(task))
            self._note_read(value_of(task))

    def _enter_place(
        self,
        name: str,
        path: Path,
        task: Execution,
        outcome: Outcome,
        trajectory: Trajectory,
        steps: Mapping[str, Step],
    ) -> None:
        place = self.places[name] = Place(path, outcome)
        inside = [
            message_id
            for ns, step in steps.items()
            if ns.startswith(f"{task.ns}|")
            for message_id in step.output_message_ids
        ]
        own = steps[task.ns].output_message_ids
        messages = [m for m in own if trajectory.message_by_id[m].role != "data"]
        data = [m for m in own if trajectory.message_by_id[m].role == "data"]
        new = [w for w in written_in(value_of(task), task.given, self._read, self.masks) if w.place >= 0]
        if inside or len(new) != len(messages):
            order = {message.id: message.index for message in trajectory.messages}
            place.block = tuple(sorted({*inside, *own}, key=lambda message_id: order.get(message_id, 0)))
        else:
            place.messages = {
                **{message_id: written.place for message_id, written in zip(messages, new, strict=True)},
                **dict.fromkeys(data, DATA),
            }
        if place.written:
            authors = {trajectory.message_by_id[message_id].actor_id for message_id in place.messages}
            if place.block:
                authors = {_block_author(place, trajectory)}
            self.authors[path] = self.authors.get(path, frozenset()) | authors
            self.last[path] = outcome

    def _note_read(self, value: Any) -> None:
        for message in messages_within(value):
            self._read[message.id] = said(message)
            if isinstance(message, ToolMessage) and message.name:
                self.tool_results[message.name] = message

    def _players(
        self, trajectory: Trajectory, agents: Collection[str] | None, calls: Mapping[str, int]
    ) -> list[Player]:
        found = []
        for place in self.places.values():
            if place.block:
                found.append(Player(_block_author(place, trajectory), place.block))
                continue
            for message_id in place.messages:
                author = trajectory.message_by_id[message_id].actor_id
                if not self._only_steers(trajectory, message_id):
                    found.append(Player(author, (message_id,)))
        if sum(1 for place in self.places.values() if len(place.block) > 1):
            self.notes.append("nodes that run graphs or tasks of their own are masked as a whole")
        players = self._wanted(found, trajectory, agents, any(calls.values()))
        order = {message.id: message.index for message in trajectory.messages}
        return sorted(players, key=lambda player: order[player.message_ids[0]])

    def _wanted(
        self, found: list[Player], trajectory: Trajectory, agents: Collection[str] | None, has_models: bool
    ) -> list[Player]:
        """Those who are players: whom the user names; else, where models are seen, all but code that writes data."""
        if agents is not None:
            names = {actor.id: actor.name for actor in trajectory.actors}
            return [p for p in found if p.actor_id in agents or names.get(p.actor_id) in agents]
        if not has_models:
            return found
        thinking = {player.actor_id for player in found if self._thinks(player, trajectory)}
        code = sorted({player.actor_id for player in found} - thinking)
        if code:
            self.notes.append(f"{', '.join(code)} called no model and wrote data only: never masked")
        return [player for player in found if player.actor_id in thinking]

    def _thinks(self, player: Player, trajectory: Trajectory) -> bool:
        messages = [trajectory.message_by_id[message_id] for message_id in player.message_ids]
        return any(message.role != "data" or message.step_id in self._thinking for message in messages)

    def _only_steers(self, trajectory: Trajectory, message_id: str) -> bool:
        """Whether masking a message would change nothing: it hands over, or says that somebody did."""
        parts = trajectory.message_by_id[message_id].parts
        return bool(parts) and all(
            part.type in ("tool_call", "tool_result") and part.name in self.masks.steering_tools for part in parts
        )


def _block_author(place: Place, trajectory: Trajectory) -> str:
    around = "/".join(place.path)
    return around if around in trajectory.actor_by_id else trajectory.message_by_id[place.block[0]].actor_id


def _steps_by_ns(trajectory: Trajectory) -> dict[str, Step]:
    """Steps of tasks by checkpoint namespace; of attempts the last that wrote."""
    steps: dict[str, Step] = {}
    for step in trajectory.steps:
        ns = step.attributes.get(sc.LANGGRAPH_CHECKPOINT_NS)
        if isinstance(ns, str) and (step.output_message_ids or ns not in steps):
            steps[ns] = step
    return steps


def _model_calls(trajectory: Trajectory) -> dict[str, int]:
    """Model calls inside each task, by checkpoint namespace."""
    counts: dict[str, int] = {}
    for step in trajectory.steps:
        around: Step | None = step
        while step.kind == "chat" and around is not None:
            ns = around.attributes.get(sc.LANGGRAPH_CHECKPOINT_NS)
            if isinstance(ns, str):
                counts[ns] = counts.get(ns, 0) + 1
            around = trajectory.step_by_id.get(around.parent_id or "")
    return counts
