"""Who a task or a message belongs to, named as the user named it.

An agent is a node, or a `create_agent` whose inner nodes (model, tools, middleware) all act for it. Its id is the
path of node names from the root graph: equal names in different subgraphs stay apart, ids are stable between runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from credit_hooks.langgraph.messages import is_message, message_role
from credit_hooks.record import ActorRecord, RunRecord
from credit_hooks.trajectory import ActorKind

if TYPE_CHECKING:
    from credit_hooks.langgraph.task import Task

__all__ = ["Authors"]

_CREATE_AGENT = "langchain_create_agent"


class Authors:
    """The actors of one run."""

    def __init__(self, run: RunRecord) -> None:
        self._run = run
        self._agent_of: dict[str, str | None] = {}

    def user(self) -> ActorRecord:
        """Whoever started the run."""
        return self._run.actor("user", "user", "human")

    def of_task(self, ns: str, path: tuple[str, ...], metadata: Mapping[str, Any]) -> ActorRecord:
        """The agent that a task acts for.

        `lc_agent_name` names the agent around a task, but metadata is inherited: below an agent's tool the same name is
        still there. It counts only where the enclosing task does not carry it already.
        """
        scope = ns.rpartition("|")[0]
        outer = path[:-1]
        name = metadata.get("lc_agent_name")
        inherited = self._agent_of.get(scope)
        self._agent_of[ns] = name or inherited
        if isinstance(name, str) and name and name != inherited:
            return self._agent(outer if outer and outer[-1] == name else (*outer, name), name)
        if not name and outer and metadata.get("ls_integration") == _CREATE_AGENT and inherited is None:
            return self._agent(outer, outer[-1])
        return self._agent(path, path[-1])

    def of_step(self, task: Task) -> ActorRecord:
        """The agent that acts in a task."""
        return task.step.actor or self.user()

    def of_message(self, task: Task, message: Any) -> ActorRecord:
        """The author of a message that a task wrote: a tool for results, else the agent.

        Agents made by `create_react_agent` state their name on their messages only; it counts if it is also the name of
        a node around the task, or of the graph.
        """
        if message_role(message) == "tool":
            return self._tool(message)
        name = _name(message)
        if name and task.path:
            if name in task.path:
                depth = task.path.index(name) + 1
                return self._agent(task.path[:depth], name)
            if name == self._run.name and len(task.path) == 1:
                return self._agent((name,), name)
        return self.of_step(task)

    def outside(self, message: Any) -> ActorRecord:
        """The author of a message from before the run, as far as the message says."""
        role = message_role(message)
        if role == "user":
            return self.user()
        if role == "system":
            return self._run.actor("system", "system", "system")
        if role == "tool":
            return self._tool(message)
        name = _name(message)
        if name:
            return self._run.actor(name, name, "agent")
        return self._run.actor("unknown", "unknown", "unknown")

    def _agent(self, path: tuple[str, ...], name: str) -> ActorRecord:
        actor_id = "/".join(path)
        known = self._run.actors.get(actor_id)
        if known is not None:
            return known
        parent = "/".join(path[:-1]) if len(path) > 1 else None
        return self._run.actor(actor_id, name, "agent", parent)

    def _tool(self, message: Any) -> ActorRecord:
        name = _name(message) or "tool"
        kind: ActorKind = "tool"
        return self._run.actor(f"tool:{name}", name, kind)


def _name(message: Any) -> str | None:
    found = message.name if is_message(message) else message.get("name") if isinstance(message, dict) else None
    return found if isinstance(found, str) and found else None
