"""Finds everything inside a team that takes part in a run, and puts the wrappers around it."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from autogen_agentchat.agents import UserProxyAgent
from autogen_agentchat.base import Team
from autogen_core.tools import StaticWorkbench

from credit_hooks.autogen import call_wrappers, names, wrappers
from credit_hooks.autogen.memory import MAX_SEEN
from credit_hooks.autogen.messages import is_message
from credit_hooks.autogen.patches import Patches, reference
from credit_hooks.autogen.replay.places import Member, members
from credit_hooks.autogen.replay.recording import CallKind
from credit_hooks.autogen.turns import AgentInfo
from credit_hooks.trajectory import ActorKind

if TYPE_CHECKING:
    from credit_hooks.autogen.capture import TeamCapture

__all__ = ["Members"]


class Members:
    """The teams, agents, models, contexts and tools that a capture is attached to. Instances only, never classes."""

    def __init__(self, capture: TeamCapture) -> None:
        self._capture = capture
        self._patches = Patches()
        self._infos: dict[int, tuple[Any, AgentInfo]] = {}
        self._paths: dict[int, tuple[Any, str]] = {}
        self._threads: dict[int, tuple[Any, list[Any]]] = {}

    def attach_root(self, runner: Any) -> None:
        """A team or agent whose runs are runs of their own."""
        self._patches.set(runner, "run_stream", functools.partial(wrappers.run_stream, self._capture, runner))
        if not isinstance(runner, Team):
            self._patches.set(runner, "run", functools.partial(wrappers.run, self._capture, runner))
        self.attach_inside(runner, "")

    def attach_inside(self, runner: Any, path: str) -> None:
        """What takes part in the runs of a team or agent; looked up again at each run, as members may change."""
        if isinstance(runner, Team):
            self._attach_team(runner, path)
        else:
            self._attach_agent(runner, path or runner.name)

    def detach(self) -> None:
        """Put everything back."""
        self._patches.restore()
        self._infos.clear()
        self._paths.clear()
        self._threads.clear()

    def path(self, runner: Any) -> str | None:
        """Where in the outermost team a team was found. None: it was not."""
        found = self._paths.get(id(runner))
        return found[1] if found is not None and found[0]() is runner else None

    def manager_clients(self, team: Any) -> list[Any]:
        """The models that a team's manager asks."""
        return names.model_clients(team)

    def recalled(self, runner: Any) -> list[Any]:
        """The messages that a team's members, or an agent, have in mind of earlier runs; unordered."""
        found: dict[int, Any] = {}
        for member in self.of(runner) if isinstance(runner, Team) else [runner]:
            if isinstance(member, Team):
                found.update((id(message), message) for message in self.recalled(member))
                continue
            known = self._infos.get(id(member))
            if known is not None:
                found.update((id(message), message) for message in known[1].memory.seen if is_message(message))
        return list(found.values())

    def inside(self, runner: Any) -> tuple[Member, ...]:
        """All teams and agents of a runner."""
        return tuple(members(runner))

    def watch_state(self, runner: Any) -> None:
        """Tell the recorder when a runner is reset or is given another state."""
        recorder = self._capture.recorder
        if recorder is not None:
            self._patches.set(runner, "load_state", functools.partial(wrappers.after, lambda: recorder.loaded(runner)))
            if isinstance(runner, Team):
                self._patches.set(runner, "reset", functools.partial(wrappers.after, lambda: recorder.fresh(runner)))

    def thread(self, team: Any) -> list[Any]:
        """The messages that a team's manager has in mind of earlier runs, oldest first."""
        found = self._threads.get(id(team))
        return found[1] if found is not None and found[0]() is team else []

    def keep_thread(self, team: Any, messages: Iterable[Any]) -> None:
        """Note, at the end of a run of a team, what its manager has read and written since it was last reset."""
        key = id(team)
        kept = [message for message in messages if is_message(message)][-MAX_SEEN:]
        self._threads[key] = (reference(team, lambda: self._threads.pop(key, None)), kept)

    def was_reset(self, info: AgentInfo) -> None:
        """An agent was reset, as all members and the manager of a team are when the team is."""
        info.memory.forget()
        agent = next((known() for known, one in self._infos.values() if one is info), None)
        for key, (team, _) in list(self._threads.items()):
            if any(member is agent for member in names.participants(team())):
                del self._threads[key]

    def of(self, team: Any) -> list[Any]:
        """The members of a team."""
        return names.participants(team)

    def _attach_team(self, team: Any, path: str) -> None:
        known = self.path(team)
        path = path if known is None else known
        key = id(team)
        self._paths[key] = (reference(team, lambda: self._paths.pop(key, None)), path)
        for source, edge in names.edges_of(team):
            if edge.condition_function is not None:
                self._patches.set(
                    edge, "condition_function", functools.partial(wrappers.condition, self._capture, team, source, edge)
                )
        self._attach_clients(team)
        for member in names.participants(team):
            self._attach(member, f"{path}/{member.name}" if path else member.name)

    def _attach(self, member: Any, path: str) -> None:
        if isinstance(member, Team):
            self._patches.set(member, "run_stream", functools.partial(wrappers.run_stream, self._capture, member))
            self._attach_team(member, path)
        else:
            self._attach_agent(member, path)

    def _attach_agent(self, agent: Any, path: str, name: str | None = None) -> None:
        known = self._infos.get(id(agent))
        if known is None or known[0]() is not agent:
            context = names.model_context(agent)
            kind: ActorKind = "human" if isinstance(agent, UserProxyAgent) else "agent"
            info = AgentInfo(path, name or agent.name, kind, context)
            key = id(agent)
            self._infos[key] = (reference(agent, lambda: self._infos.pop(key, None)), info)
            set_ = self._patches.set
            set_(agent, "on_messages_stream", functools.partial(wrappers.turn_stream, self._capture, agent, info))
            set_(agent, "on_messages", functools.partial(wrappers.turn, self._capture, agent, info))
            set_(agent, "on_reset", functools.partial(wrappers.reset, self._capture, agent, info))
            if context is not None:
                set_(context, "add_message", functools.partial(wrappers.add_message, self._capture, info))
        self._attach_clients(agent)
        for team in self._teams_in(agent):
            self._attach(team, f"{path}/{team.name}")
        wrapped = names.wrapped_agent(agent)
        if wrapped is not None:  # a filter is no agent of its own: what it lets through, the agent behind it reads
            self._attach_agent(wrapped, path, agent.name)
        for tool in names.handoff_tools(agent):
            self._patches.set(tool, "run_json", functools.partial(call_wrappers.run_tool, self._capture, tool))
        for workbench in names.workbenches(agent):
            self._patches.set(
                workbench, "call_tool", functools.partial(call_wrappers.call_tool, self._capture, workbench)
            )
            self._patches.set(
                workbench,
                "call_tool_stream",
                functools.partial(call_wrappers.call_tool_stream, self._capture, workbench),
            )
            if not isinstance(workbench, StaticWorkbench):
                self._record(workbench, "list_tools", "tools")
            for runner in names.task_runners(workbench):
                self._attach(runner, f"{path}/{runner.name}")

        for memory in names.memories(agent):
            self._record(memory, "update_context", "memory")
        executor = names.code_executor(agent)
        if executor is not None:
            self._record(executor, "execute_code_blocks", "executor")

    def _record(self, target: Any, name: str, kind: CallKind) -> None:
        if self._capture.recorder is not None:
            self._patches.set(target, name, functools.partial(call_wrappers.recorded, self._capture, kind))

    def _attach_clients(self, member: Any) -> None:
        for client in names.model_clients(member):
            self._patches.set(client, "create", functools.partial(call_wrappers.create, self._capture, client))
            self._patches.set(
                client, "create_stream", functools.partial(call_wrappers.create_stream, self._capture, client)
            )

    @staticmethod
    def _teams_in(agent: Any) -> Iterator[Any]:
        team = names.inner_team(agent)
        if isinstance(team, Team):
            yield team
