"""Who read what before writing what, in one run of a team or agent.

Three relations are kept apart. *Delivered* is what a member's buffer held when its turn began (an attribute).
*Visible* is what the turn could read: all that was delivered to it and that it wrote since it was last reset; and, on a
model call, what the model was shown. *Scheduled by* are the turns, or the manager's choice, that made it run.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from autogen_agentchat.messages import (
    BaseAgentEvent,
    BaseChatMessage,
    CodeExecutionEvent,
    MemoryQueryEvent,
    ToolCallExecutionEvent,
    ToolCallRequestEvent,
)

from credit_hooks import semconv as sc
from credit_hooks.autogen.known_messages import KnownMessages
from credit_hooks.autogen.memory import Authors
from credit_hooks.autogen.messages import message_id
from credit_hooks.autogen.scope import Scope
from credit_hooks.autogen.turns import AgentInfo, TeamPart, Turn
from credit_hooks.record import ActorRecord, MessageRecord, RunRecord, StepRecord, StepStatus
from credit_hooks.session import CaptureSession

__all__ = ["TeamRun"]


class TeamRun:
    """The provenance tables of one run. All methods are called with the record's lock held."""

    def __init__(self, session: CaptureSession, record: RunRecord, authors: Authors) -> None:
        self.session = session
        self.record = record
        self.is_open = True
        self.messages = KnownMessages(record)
        self._authors = authors
        self.parts: list[TeamPart] = []
        """The runs of teams in it, its own first."""
        self.turns: list[Turn] = []
        self._infos: dict[AgentInfo, None] = {}

    # --- messages -----------------------------------------------------------------------------------------------------

    def start(self, task: Any, scope: Scope) -> list[MessageRecord]:
        """Note what a team or agent was given, the run's own or one inside it."""
        if isinstance(task, str):
            around = scope.turn if scope.team is None else scope.team.outer
            author = self.record.actor("user", "user", "human") if around is None else around.actor
            role, step = ("user", None) if around is None else ("assistant", around.step)
            return [self.messages.add_text(task, role, author, step)]
        given = list(task) if isinstance(task, list | tuple) else [task]
        messages = [message for message in given if isinstance(message, BaseChatMessage)]
        if messages and scope.step is self.record.root:
            stated = messages[-1].metadata
            self.record.metadata = stated
            self.record.task_id, self.record.group_id = stated.get("task_id"), stated.get("group_id")
        return [self.known(message, scope) for message in messages]

    def recall(self, messages: Iterable[Any], scope: Scope) -> None:
        """Note, in the order of their writing, what members have in mind of earlier runs."""
        for message in sorted(messages, key=lambda message: message.created_at):
            self.known(message, scope)

    def known(self, message: Any, scope: Scope) -> MessageRecord:
        """The record of a message that is read. Nobody's: the manager's, the turn's around it, or of before the run."""
        record = self.messages.find(message)
        if record is not None:
            return record
        own_id = message_id(message)
        earlier = None if own_id is None else self._authors.get(own_id)
        if earlier is not None:
            return self.messages.add(message, self.record.actor(*earlier), None)
        team = scope.team
        source = getattr(message, "source", None)
        if isinstance(message, BaseChatMessage | BaseAgentEvent):
            if team is not None and source == team.manager_name:
                return self._written_by_manager(team, message)
            around = scope.turn if team is None else team.outer
            if around is not None:
                return self.messages.add(message, around.actor, around.step)
        return self.messages.add(message, self._outside(team, source), None)

    def _outside(self, team: TeamPart | None, source: Any) -> ActorRecord:
        """The author of a message from before the run, as far as it says."""
        if not isinstance(source, str):
            return self.record.actor("unknown", "unknown", "unknown")
        if team is not None and source in team.members:
            return self.record.actor(_join(team.path, source), source, "agent", team.path or None)
        return self.record.actor(source, source, "human")

    def streamed(self, message: Any, team: TeamPart) -> None:
        """A team has put out a message; members that could not be captured are known by these only."""
        if self.messages.find(message) is not None:
            return
        source = message.source
        if source not in team.members:
            self.known(message, team.scope)
            return
        actor = self.record.actor(_join(team.path, source), source, "agent", team.path or None)
        step = self._step("agent", sc.OPERATION_AGENT, source, team.scope.step, actor, {sc.GEN_AI_AGENT_NAME: source})
        if step is not None:
            step.reads_new = tuple(team.thread)
            team.thread.append(self.messages.add(message, actor, step))
            self.end_step(step, "ok")

    # --- agents -------------------------------------------------------------------------------------------------------

    def start_turn(self, info: AgentInfo, agent: Any, delivered: Sequence[Any], outer: Scope) -> Turn | None:
        """An agent's turn begins. None: the run has outgrown its limits."""
        memory = info.memory
        memory.begin(self)
        self._infos[info] = None
        given = [self.known(message, outer) for message in delivered]
        parent = info.path.rpartition("/")[0] or None
        actor = self.record.actor(info.path, info.name, info.kind, parent)
        attributes: dict[str, Any] = {
            sc.GEN_AI_AGENT_NAME: info.name,
            sc.AGENT_NAME: info.name,
            sc.GRAPH_NODE_ID: info.name,
            sc.AUTOGEN_DELIVERED: [message_id(message) or "" for message in delivered],
        }
        if parent is not None:
            attributes[sc.GRAPH_NODE_PARENT_ID] = parent.rpartition("/")[2]
        step = self._step("agent", sc.OPERATION_AGENT, info.name, outer.step, actor, attributes)
        if step is None:
            return None
        step.reads_base = memory.last
        earlier = [self.known(message, outer) for message in memory.seen] if memory.last is None else ()
        read = [*memory.unread, *(r for r in dict.fromkeys([*earlier, *given]) if r not in memory.visible)]
        step.reads_new = tuple(read)
        memory.visible.update(dict.fromkeys(read))
        step.reads_count = len(memory.visible)
        memory.unread = []
        memory.last = step
        if outer.team is not None:
            step.scheduled_by = outer.team.scheduled_by(info.name)
            self.stop_managing(outer.team)
        return Turn(info, agent, outer, step, actor, delivered)

    def write(self, turn: Turn, message: Any) -> None:
        """An agent has put out a message. Those that agents inside of it wrote pass by."""
        if self.messages.find(message) is not None:
            return
        record = self.messages.add(message, self._author(turn, message), turn.step)
        if isinstance(message, ToolCallExecutionEvent):
            self._tools_ended(turn, message, record)
            return
        if isinstance(message, MemoryQueryEvent):
            for entry in turn.awaiting_memory:
                entry.messages.append(message)
            turn.awaiting_memory.clear()
            return
        if isinstance(message, ToolCallRequestEvent):
            turn.calls.update((call.id, record) for call in message.content)
        for chat in reversed(turn.chats):
            if chat.made(message):
                chat.step.generates += (record,)
                chat.entry.messages.append(message)
                return

    def respond(self, turn: Turn, inner: Iterable[Any], message: Any) -> None:
        """An agent has given its response: this is what the others are given, beside what was streamed."""
        for item in inner:
            self.write(turn, item)
        self.write(turn, message)
        found = [self.messages.find(item) for item in (*inner, message)]
        turn.response = [record for record in found if record is not None]

    def _author(self, turn: Turn, message: Any) -> ActorRecord:
        if isinstance(message, ToolCallExecutionEvent):
            tools = "+".join(sorted({result.name for result in message.content})) or "tool"
            return self.record.actor(f"tool:{tools}", tools, "tool")
        if isinstance(message, CodeExecutionEvent):
            return self.record.actor("tool:code_executor", "code_executor", "tool")
        if isinstance(message, MemoryQueryEvent):
            return self.record.actor("memory", "memory", "environment")
        source = message.source
        if source in (turn.info.name, turn.scope.owner.name, "user"):
            return turn.actor
        return self.record.actor(_join(turn.info.path, source), source, "agent", turn.info.path)

    def _tools_ended(self, turn: Turn, message: ToolCallExecutionEvent, record: MessageRecord) -> None:
        """Several calls may have one message of results: it was made of what each of them read."""
        steps = [turn.tools[result.call_id] for result in message.content if result.call_id in turn.tools]
        read = dict.fromkeys(known for step in steps for known in step.reads_new)
        for step in steps:
            step.generates += (record,)
            step.reads_new = tuple(read)
        for entry in turn.awaiting_results[:1]:
            entry.messages.append(message)
        del turn.awaiting_results[:1]

    def end_turn(self, turn: Turn, status: StepStatus, error: BaseException | None) -> None:
        """An agent's turn has ended. What it wrote, and what agents inside of it did, it can read from now on."""
        step, memory = turn.step, turn.info.memory
        if step.ended:
            return
        written = step.writes
        if memory.run is self and memory.last is step:
            candidates = [*turn.scope.inside, *written[:-1]]
            read = [record for record in dict.fromkeys(candidates) if record not in memory.visible]
            step.reads_new = (*step.reads_new, *read)
            memory.visible.update(dict.fromkeys(read))
            memory.unread = [record for record in written[-1:] if record not in memory.visible]
            memory.visible.update(dict.fromkeys(memory.unread))
        self.end_step(step, status, error)
        results = [*turn.scope.inside, *written] if turn.scope.inside else list(written)
        outer = turn.outer
        outer.inside.extend(results)
        team = outer.team
        if team is not None:
            team.thread.extend(turn.response)
            team.finished.append(step)
            team.latest[turn.info.name] = (step, turn.response[-1].source if turn.response else None)

    # --- teams --------------------------------------------------------------------------------------------------------

    def start_team(self, team: Any, name: str, path: str, outer: Scope) -> TeamPart | None:
        """A team inside the run begins. None: the run has outgrown its limits."""
        step = self._step("workflow", sc.OPERATION_WORKFLOW, name, outer.step, None, {sc.GEN_AI_WORKFLOW_NAME: name})
        if step is None:
            return None
        around = outer.turn if outer.team is None else outer.team.outer
        return TeamPart(Scope(self, step, team), team, path, around)

    def end_team(self, part: TeamPart, outer: Scope, status: StepStatus, error: BaseException | None) -> None:
        """A team inside the run has ended; whoever asked it can read what its members wrote."""
        self.stop_managing(part)
        self.end_step(part.scope.step, status, error)
        written = [record for record in part.scope.inside if record.step is not None]
        outer.inside.extend(written)
        if outer.team is not None:
            outer.team.thread.extend(written)
            outer.team.finished.append(part.scope.step)

    def managing(self, team: TeamPart) -> Scope | None:
        """The manager's step that is going on, begun if there is none. None: the run has outgrown its limits."""
        if team.managing is None:
            name = team.manager_name or "manager"
            actor = self.record.actor(_join(team.path, name), name, "orchestrator", team.path or None)
            attributes = {sc.GEN_AI_AGENT_NAME: name, sc.AGENT_NAME: name}
            step = self._step("agent", sc.OPERATION_AGENT, name, team.scope.step, actor, attributes)
            if step is None:
                return None
            step.reads_base = team.managed[-1] if team.managed else None
            step.reads_new = tuple(team.thread[team.thread_read :])
            step.reads_count = len(team.thread)
            team.thread_read = len(team.thread)
            step.scheduled_by = team.batch = tuple(team.finished) or team.batch
            team.finished = []
            team.managed.append(step)
            team.managing = Scope(self, step, team)
        return team.managing

    def stop_managing(self, team: TeamPart) -> None:
        """The manager has chosen, or its team has ended."""
        if team.managing is not None:
            self.end_step(team.managing.step, "ok")
            team.managing = None

    def _written_by_manager(self, team: TeamPart, message: Any) -> MessageRecord:
        """Managers have no stream of their own: what they wrote shows when a member or the user is given it."""
        created = int(message.created_at.timestamp() * 1e9)
        step = next((step for step in reversed(team.managed) if _within(step, created)), None)
        if step is None:
            scope = self.managing(team)
            step = team.scope.step if scope is None else scope.step
            self.stop_managing(team)
        step.reads_new = (*step.reads_new, *(mine for mine in step.writes[-1:] if mine not in step.reads_new))
        record = self.messages.add(message, step.actor or self.record.actor("unknown", "unknown", "unknown"), step)
        for chat in reversed(team.chats):
            if chat.made(message):
                chat.step.generates += (record,)
                break
        team.thread.append(record)
        return record

    # --- steps --------------------------------------------------------------------------------------------------------

    def _step(
        self,
        kind: Any,
        operation: str,
        target: str,
        parent: StepRecord,
        actor: ActorRecord | None,
        attributes: dict[str, Any],
    ) -> StepRecord | None:
        return self.session.start_step(
            self.record, kind, operation, target, parent=parent, actor=actor, attributes=attributes
        )

    def end_step(self, step: StepRecord, status: StepStatus, error: BaseException | None = None) -> None:
        """A step has ended."""
        if not step.ended:
            step.end(status, error)
            self.session.end_step(self.record, step)

    def close(self, result: Any) -> None:
        """The run is over: its answer, and what later runs need to know."""
        self.is_open = False
        self.record.output = result
        messages: Iterable[Any] = getattr(result, "messages", None) or ()
        said = [self.messages.find(message) for message in messages if isinstance(message, BaseChatMessage)]
        known = [record for record in said if record is not None and record.step is not None]
        if not known:
            known = [r for r in self.record.messages if r.step is not None and isinstance(r.source, BaseChatMessage)]
        self.record.answer = known[-1] if known else None
        self._authors.remember(self.record)
        for info in self._infos:
            info.memory.leave(self)
        self._infos.clear()
        self._dissolve()

    def _dissolve(self) -> None:
        """Cut what refers back, as in `RunRecord.dissolve`: else all of the run waits for the garbage collector."""
        for turn in self.turns:
            turn.scope.turn = None
        for part in self.parts:
            part.scope.team = None
        self.turns, self.parts = [], []


def _within(step: StepRecord, time_ns: int) -> bool:
    return step.start_ns - 1_000 <= time_ns and (step.end_ns is None or time_ns <= step.end_ns + 1_000)


def _join(path: str, name: str) -> str:
    return f"{path}/{name}" if path else name
