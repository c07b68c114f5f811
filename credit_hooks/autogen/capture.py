"""`TeamCapture`: what `instrument` and `install` put around teams and agents."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, ParamSpec, TypeVar, Unpack

from autogen_agentchat.base import Response, Team

from credit_hooks.autogen import chats, names
from credit_hooks.autogen.members import Members
from credit_hooks.autogen.memory import Authors
from credit_hooks.autogen.messages import is_message, message_id
from credit_hooks.autogen.replay.recording import Call, CallKind, Recorder
from credit_hooks.autogen.run import TeamRun
from credit_hooks.autogen.scope import MUTED, Scope, caller_path, current
from credit_hooks.autogen.turns import AgentInfo, TeamPart, Turn
from credit_hooks.evaluation import inside_hook
from credit_hooks.front_door import FrontDoor
from credit_hooks.options import CaptureOptions
from credit_hooks.record import RunStatus, StepRecord, StepStatus
from credit_hooks.session import CaptureSession

__all__ = ["TeamCapture"]

logger = logging.getLogger("credit_hooks")
P = ParamSpec("P")
T = TypeVar("T")


class TeamCapture(FrontDoor):
    """Captures AutoGen runs as spans with provenance, credits them, and puts the rewards on those spans.

    One object serves any number of teams and agents, and concurrent runs of them::

        capture = TeamCapture(evaluate=lambda run: "42" in run.answer, store="runs.db")
        capture.attach(team)
        await team.run(task="...")
        capture.flush()
        print(capture.last.credit)

    The run behaves as without it: no message is written to, no exception of ours escapes.

    Args:
        options: See :class:`credit_hooks.options.CaptureOptions`.

    Raises:
        ConfigurationError: an option is unknown or cannot work.
    """

    hears_own_runs: ClassVar[bool] = False
    """Whether runs that we start ourselves, as in evaluators and replays, are captured."""

    def __init__(self, **options: Unpack[CaptureOptions]) -> None:
        self._session = CaptureSession(options, framework="autogen", source_id=message_id)
        self._authors = Authors()
        self._members = Members(self)
        self.recorder: Recorder | None = getattr(options.get("replay"), "recorder", None)
        """Takes what replay needs. None: runs are not replayed."""
        self._active: dict[int, list[Scope]] = {}
        """Member of a team, or a manager's model client, to the runs it is in: a runtime that the user started runs
        agents in tasks of its own, where no context variable says so."""

    # --- what users look at -------------------------------------------------------------------------------------------

    @property
    def open_entries(self) -> int:
        """Runs going on, members known to be in one, and spans held: 0 when no run is going on."""
        return len(self._active) + super().open_entries

    def attach(self, runner: Any) -> None:
        """Capture every run of a team or agent from now on."""
        self._members.attach_root(runner)

    def detach(self) -> None:
        """Put everything back as it was, in all teams and agents. Runs going on are captured no further."""
        self._members.detach()

    # --- runs ---------------------------------------------------------------------------------------------------------

    def scope(self) -> Scope | None:
        """Where the current task is in a run of this capture. None: in none, or inside what is not recorded."""
        scope = current()
        return scope if isinstance(scope, Scope) and scope.run.session is self._session else None

    def safely(self, action: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """The one guard at the edge: a failure of ours is counted and logged, and the user's run goes on."""
        try:
            return action(*args, **kwargs)
        except Exception as error:
            self._session.stats["failed: capture"] += 1
            name = getattr(action, "__name__", type(action).__name__)
            logger.warning("credit-hooks: capture failed in %s; the run is not affected", name, exc_info=error)
            return None

    def open_run(self, runner: Any, task: Any) -> tuple[Scope, Scope | None] | None:
        """A team or agent starts: (its scope, the scope around it). None: not to be recorded, or known already."""
        here = current()
        if here is MUTED or (inside_hook.get() and not self.hears_own_runs):
            return None
        outer = self.scope()
        if isinstance(here, Scope) and outer is None:
            return None  # another capture has it
        if outer is not None and outer.owner is runner:
            return None  # one method of it calls another
        if outer is None or (outer.team is not None and runner not in outer.team.members.values()):
            outer = self._owner_scope(runner) or outer
        if outer is None:
            return self._start_run(runner, task), None
        if not isinstance(runner, Team):
            return None  # an agent inside a run: its turn says it all
        self._members.attach_inside(runner, self._path(runner, outer))
        run = outer.run
        with run.record.lock:
            part = run.start_team(runner, _name(runner), self._path(runner, outer), outer)
            if part is None:
                return None
            earlier = [run.known(message, part.scope) for message in self._members.thread(runner)]
            part.thread = [*earlier, *run.start(task, part.scope)]
        self._enlist(part)
        return part.scope, outer

    def _start_run(self, runner: Any, task: Any) -> Scope:
        self._members.attach_inside(runner, "")
        record = self._session.start_run(self._new_run_id(), _name(runner), attributes={})
        record.inputs = task
        if self.recorder is not None:
            self._members.watch_state(runner)
            self.recorder.start_run(record.id, runner, _name(runner), task, self._members.inside(runner))
        run = TeamRun(self._session, record, self._authors)
        scope = Scope(run, record.root, runner)
        with record.lock:
            part = TeamPart(scope, runner, "", None) if isinstance(runner, Team) else None
            thread = self._members.thread(runner)
            run.recall([*self._members.recalled(runner), *thread], scope)
            given = run.start(task, scope)
            if part is not None:
                part.thread = [*(run.known(message, scope) for message in thread), *given]
        if part is not None:
            self._enlist(part)
        return scope

    def _new_run_id(self) -> str:
        return str(uuid.uuid4())

    def _path(self, runner: Any, outer: Scope) -> str:
        known = self._members.path(runner)
        if known is not None:
            return known
        around = outer.turn.info.path if outer.turn is not None else outer.team.path if outer.team is not None else ""
        return f"{around}/{_name(runner)}" if around else _name(runner)

    def close_run(self, scope: Scope, outer: Scope | None, result: Any, error: BaseException | None) -> None:
        """A team or agent has ended."""
        run, part = scope.run, scope.team
        if part is not None:
            self._strike(part)
        if not run.is_open:
            return
        status = _run_status(error)
        with run.record.lock:
            if outer is not None and part is not None:
                run.end_team(part, outer, _step_status(error), error if status == "error" else None)
                self._members.keep_thread(part.scope.owner, [record.source for record in part.thread])
                return
            if part is not None:
                run.stop_managing(part)
            run.record.error = error if status == "error" else None
            for inside in run.parts:
                self._strike(inside)
                if inside is part:
                    self._members.keep_thread(inside.scope.owner, [record.source for record in inside.thread])
            run.close(result)
            scope.step.end(_step_status(error), run.record.error)
        self._session.end_run(run.record, status)

    def _enlist(self, part: TeamPart) -> None:
        for member in [*part.members.values(), *self._members.manager_clients(part.scope.owner)]:
            self._active.setdefault(id(member), []).append(part.scope)

    def _strike(self, part: TeamPart) -> None:
        for key, scopes in list(self._active.items()):
            if part.scope in scopes:
                scopes.remove(part.scope)
                if not scopes:
                    del self._active[key]

    def _owner_scope(self, member: Any) -> Scope | None:
        scopes = self._active.get(id(member))
        return scopes[-1] if scopes else None

    def saw(self, scope: Scope, item: Any) -> None:
        """A run has put out an item."""
        if is_message(item):
            with scope.run.record.lock:
                if scope.team is not None:
                    scope.run.streamed(item, scope.team)
                else:
                    scope.run.known(item, scope)

    # --- turns --------------------------------------------------------------------------------------------------------

    def open_turn(self, agent: Any, info: AgentInfo, messages: Any) -> Turn | None:
        """An agent is asked. None: outside of any run, inside of what is not recorded, or by itself."""
        here = current()
        if here is MUTED:
            return None
        outer = self.scope()
        if outer is not None and outer.owner is agent and outer.turn is not None:
            return None
        if isinstance(here, Scope) and outer is None:
            return None
        if outer is None or (outer.team is not None and agent not in outer.team.members.values()):
            outer = self._owner_scope(agent) or outer
        if outer is None or not outer.run.is_open:
            return None
        with outer.run.record.lock:
            turn = outer.run.start_turn(info, agent, list(messages), outer)
        if self.recorder is not None and turn is not None and names.wrapped_agent(agent) is None:
            self.recorder.start_turn(outer.run.record.id, turn.step.span_id, info.path, turn.delivered)
        return turn

    def wrote(self, turn: Turn, item: Any) -> None:
        """An agent has put out an item of its turn."""
        run = turn.scope.run
        if self.recorder is not None:
            self.recorder.wrote(turn.step.span_id, item)
        if not run.is_open:
            return
        with run.record.lock:
            if isinstance(item, Response):
                inner = [message for message in item.inner_messages or () if is_message(message)]
                run.respond(turn, inner, item.chat_message)
            elif is_message(item):
                run.write(turn, item)

    def close_turn(self, turn: Turn, error: BaseException | None) -> None:
        """An agent's turn has ended."""
        run = turn.scope.run
        if self.recorder is not None:
            self.recorder.end_turn(run.record.id, turn.step.span_id, error)
        if run.is_open:
            with run.record.lock:
                run.end_turn(turn, _step_status(error), error if isinstance(error, Exception) else None)

    def reset(self, agent: Any, info: AgentInfo) -> None:
        """An agent was reset: it remembers nothing."""
        if self.recorder is not None:
            self.recorder.fresh(agent)
        self._members.was_reset(info)

    # --- models and tools ---------------------------------------------------------------------------------------------

    def open_chat(self, client: Any, messages: Any, options: Mapping[str, Any]) -> tuple[Scope, StepRecord] | None:
        """A model is called."""
        scope = self.scope()
        if scope is None and current() is None:
            managed = self._active.get(id(client), ())
            scope = managed[0] if len(managed) == 1 else None
        if scope is None or not scope.run.is_open:
            return None
        with scope.run.record.lock:
            step = chats.start_chat(scope.run, scope, client, messages)
        if step is None:
            return None
        if self.recorder is not None:
            call = Call("model", caller_path(scope), (list(messages), dict(options)))
            turn = None if scope.turn is None else scope.turn.step.span_id
            self.recorder.start_call(scope.run.record.id, step.span_id, call, turn)
        return scope, step

    def chunk(self, step: StepRecord, item: Any) -> None:
        """A model or tool has put out a part of its answer."""
        if self.recorder is not None:
            self.recorder.chunk(step.span_id, item)

    def close_chat(self, opened: tuple[Scope, StepRecord], result: Any, error: BaseException | None) -> None:
        """A model has answered, or failed."""
        scope, step = opened
        if self.recorder is not None:
            self.recorder.end_call(step.span_id, result, error)
        if not scope.run.is_open:
            return
        with scope.run.record.lock:
            if error is None and result is not None:
                chats.end_chat(scope, step, result)
            else:
                scope.run.end_step(step, _step_status(error), error if isinstance(error, Exception) else None)

    def added(self, info: AgentInfo, item: Any) -> None:
        """Something was added to an agent's model context."""
        scope = self.scope()
        turn = None if scope is None else scope.turn
        if scope is not None and turn is not None and turn.info is info:
            with scope.run.record.lock:
                chats.added(turn, item)

    def open_tool(self, workbench: Any, name: str, arguments: Any, call_id: str | None) -> Scope | None:
        """A tool is called."""
        scope = self.scope()
        if scope is None or scope.turn is None or scope.owner is workbench:
            return None
        with scope.run.record.lock:
            opened = chats.start_tool(scope.run, scope.turn, workbench, name, arguments, call_id)
        if self.recorder is not None and opened is not None:
            call = Call("tool", caller_path(scope), (name, dict(arguments or {})))
            self.recorder.start_call(scope.run.record.id, opened.step.span_id, call)
        return opened

    def close_tool(self, scope: Scope, result: Any, error: BaseException | None) -> None:
        """A tool has returned, or failed."""
        if self.recorder is not None:
            self.recorder.end_call(scope.step.span_id, result, error)
        if not scope.run.is_open:
            return
        status = "error" if error is None and getattr(result, "is_error", False) else _step_status(error)
        with scope.run.record.lock:
            chats.end_tool(scope, result, status, error if isinstance(error, Exception) else None)

    def open_call(self, kind: CallKind, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Call | None:
        """A memory, an executor or a workbench is asked."""
        scope = self.scope()
        if self.recorder is None or scope is None or scope.turn is None:
            return None
        asked = (*args, *(kwargs[name] for name in ("model_context", "code_blocks") if name in kwargs))[:1]
        call = Call(kind, caller_path(scope), asked)
        if kind == "memory":
            call.grows = asked[0]
            call.asked = (list(names.context_messages(call.grows)),)
        self.recorder.start_call(scope.run.record.id, str(id(call)), call)
        return call

    def close_call(self, call: Call | None, result: Any, error: BaseException | None) -> None:
        """It has answered, or failed."""
        if self.recorder is not None and call is not None:
            if call.grows is not None:
                call.chunks = names.context_messages(call.grows)[len(call.asked[0]) :]
                call.grows = None
            self.recorder.end_call(str(id(call)), result, error)

    def refused(self, team: Any, edge: Any, message: Any) -> None:
        """The condition of a graph's edge was not met."""
        for member in self._members.of(team):
            for scope in self._active.get(id(member), ()):
                if scope.team is not None and scope.owner is team:
                    scope.team.refused.add((id(edge), message_id(message)))
                    return


def _name(runner: Any) -> str:
    found = getattr(runner, "name", None)
    return found if isinstance(found, str) and found else type(runner).__name__


def _run_status(error: BaseException | None) -> RunStatus:
    if error is None:
        return "ok"
    if isinstance(error, GeneratorExit):
        return "abandoned"
    return "error" if isinstance(error, Exception) else "cancelled"


def _step_status(error: BaseException | None) -> StepStatus:
    if error is None:
        return "ok"
    return "error" if isinstance(error, Exception) and not isinstance(error, asyncio.CancelledError) else "cancelled"
