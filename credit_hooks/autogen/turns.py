"""The parts of a run while they go on: a team's run, an agent's turn, a model call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from autogen_agentchat.messages import HandoffMessage

from credit_hooks.autogen import names
from credit_hooks.autogen.memory import AgentMemory, Entry
from credit_hooks.autogen.messages import message_id
from credit_hooks.autogen.scope import Scope
from credit_hooks.record import ActorRecord, MessageRecord, StepRecord
from credit_hooks.trajectory import ActorKind

__all__ = ["AgentInfo", "Chat", "TeamPart", "Turn"]


class AgentInfo:
    """An agent as long as it is captured."""

    __slots__ = ("context", "kind", "memory", "name", "path")

    def __init__(self, path: str, name: str, kind: ActorKind, context: Any) -> None:
        self.path = path
        self.name = name
        self.kind = kind
        self.context = context
        self.memory = AgentMemory()


class Chat(NamedTuple):
    """A model call that has returned."""

    step: StepRecord
    result: Any
    entry: Entry
    """What its result stands for in the model context: the messages that were made of it."""

    def made(self, message: Any) -> bool:
        """Whether a message is this call's result: it states its very usage, or its text."""
        usage = getattr(message, "models_usage", None)
        if usage is not None:
            return usage is self.result.usage
        content = getattr(message, "content", None)
        return isinstance(content, str) and bool(content) and content in (self.result.content, self.result.thought)


class Turn:
    """One turn of an agent."""

    __slots__ = (
        "actor",
        "awaiting_memory",
        "awaiting_results",
        "calls",
        "chats",
        "cursor",
        "delivered",
        "handed_over",
        "info",
        "outer",
        "response",
        "scope",
        "step",
        "tools",
    )

    def __init__(
        self, info: AgentInfo, agent: Any, outer: Scope, step: StepRecord, actor: ActorRecord, delivered: Sequence[Any]
    ) -> None:
        self.info = info
        self.outer = outer
        self.step = step
        self.actor = actor
        self.delivered = delivered
        self.scope = Scope(outer.run, step, agent, turn=self)
        outer.run.turns.append(self)
        self.response: list[MessageRecord] = []
        """What its team is given of it: messages it wrote or passes on, its answer last."""
        self.cursor = 0
        """How many of the delivered messages its model context has taken in."""
        self.chats: list[Chat] = []
        self.calls: dict[str, MessageRecord] = {}
        """Call id to the message that asks for the call."""
        self.tools: dict[str, StepRecord] = {}
        """Call id to the tool's step."""
        self.awaiting_results: list[Entry] = []
        self.awaiting_memory: list[Entry] = []
        self.handed_over: dict[int, Any] = {
            id(item): message
            for message in delivered
            if isinstance(message, HandoffMessage)
            for item in message.context
        }
        """What handoffs brought along from another model's context, by identity."""


class TeamPart:
    """One run of a team: the root's, or one inside it."""

    def __init__(self, scope: Scope, team: Any, path: str, outer: Turn | None) -> None:
        scope.team = self
        # A runtime that shows nothing still passes the current span on with every message, at a tenth of a turn's cost.
        scope.shown = names.runtime_traces(team)
        scope.run.parts.append(self)
        self.scope = scope
        self.path = path
        self.outer = outer
        """The turn that asked this team. None: the user did, or the team is a member of another."""
        self.manager_name = names.manager_name(team)
        self.members = {member.name: member for member in names.participants(team)}
        self.thread: list[MessageRecord] = []
        """What its manager has read."""
        self.thread_read = 0
        """How much of it the manager's last step has."""
        self.managing: Scope | None = None
        """The manager's step that is going on."""
        self.managed: list[StepRecord] = []
        """All of the manager's steps."""
        self.chats: list[Chat] = []
        """The manager's model calls."""
        self.finished: list[StepRecord] = []
        """Turns that ended since a speaker was last chosen."""
        self.batch: tuple[StepRecord, ...] = ()
        """Those the last choice was made after."""
        self.latest: dict[str, tuple[StepRecord, Any]] = {}
        """Node to its last turn that ended, and the message it ended with."""
        self.taken: dict[str, set[StepRecord]] = {}
        """Node to the turns that have scheduled it already."""
        self.edges: dict[str, list[tuple[str, Any]]] = {}
        """Node to (source, edge) of the edges that lead to it."""
        for source, edge in names.edges_of(team):
            self.edges.setdefault(edge.target, []).append((source, edge))
        self.refused: set[tuple[int, str | None]] = set()
        """(edge, message id) of conditions that were not met."""

    def scheduled_by(self, name: str) -> tuple[StepRecord, ...]:
        """The steps because of which a member's turn starts now."""
        if self.managing is not None:
            return (self.managing.step,)
        if self.finished:
            self.batch, self.finished = tuple(self.finished), []
        if name not in self.edges:
            return self.batch
        taken = self.taken.setdefault(name, set())
        found: dict[StepRecord, None] = {}
        for source, edge in self.edges[name]:
            step, message = self.latest.get(source, (None, None))
            if step is not None and step not in taken and self._met(edge, message):
                found[step] = None
        taken.update(found)
        return tuple(found)

    def _met(self, edge: Any, message: Any) -> bool:
        if (id(edge), message_id(message)) in self.refused:
            return False
        if isinstance(edge.condition, str) and edge.condition_function is None:
            return edge.condition in message.to_model_text()
        return True
