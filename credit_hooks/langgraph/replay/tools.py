"""Which tools may be called again, with arguments that the run did not have."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from contextvars import ContextVar
from typing import Any, Literal, TypeAlias
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.tools import BaseTool
from langgraph.prebuilt import ToolNode

from credit_hooks.replay import RunMeter
from credit_hooks.trajectory import Trajectory

__all__ = ["Repeat", "ReplayGuard", "ToolRules", "calls_of", "live_calls", "needs_state", "stopped_by", "unused_rules"]

Repeat: TypeAlias = Literal["repeat", "pin", "stop"]
"""`repeat`: call it again. `pin`: give its recorded result instead. `stop`: that replay has no result."""

_RULES: Mapping[Any, Repeat] = {"repeat": "repeat", "pin": "pin", "stop": "stop"}

MARK = "credit_hooks"
"""Key of a tool's metadata, or prefix of a tag as in `credit_hooks:repeat`."""

live_calls: ContextVar[list[int] | None] = ContextVar("credit_hooks_live_calls", default=None)
"""Counts the model calls of the live execution that is going on in this context, in its one entry."""

_HANDOFF = "__handoff_destination"
"""How the handoff tools of langgraph-supervisor and langgraph-swarm are marked."""


class ToolRules:
    """What to do when a replay would call a tool with arguments that the run did not have.

    A rule for its name decides; else the tool's own mark; else what an MCP server says of it (`readOnlyHint` may be
    repeated, `destructiveHint` is pinned); else `otherwise`.
    """

    def __init__(self, by_name: Mapping[str, Repeat], otherwise: Repeat, steering: frozenset[str]) -> None:
        self._by_name = by_name
        self._otherwise = otherwise
        self._steering = steering

    def of(self, name: str, metadata: Mapping[str, Any] | None, tags: list[str] | None) -> Repeat:
        """What to do with a tool."""
        if name in self._by_name:
            return self._by_name[name]
        known = metadata or {}
        if name in self._steering or _HANDOFF in known:
            return "repeat"  # it only hands over
        marks = [known.get(MARK), *(tag.removeprefix(f"{MARK}:") for tag in tags or () if tag.startswith(f"{MARK}:"))]
        for mark in marks:
            if mark in _RULES:
                return _RULES[mark]
        if known.get("readOnlyHint") is True:
            return "repeat"
        return "pin" if known.get("destructiveHint") is True else self._otherwise

    def of_tool(self, tool: BaseTool | None, name: str) -> Repeat:
        """What to do with a tool of a tools node. None: the node has no such tool, and says so to the model."""
        return "repeat" if tool is None else self.of(name, tool.metadata, tool.tags)


class ReplayGuard(BaseCallbackHandler):
    """Hears the live calls of one replay: counts models and tokens, stops tools that must not be called again."""

    raise_error = True
    run_inline = True

    def __init__(self, rules: ToolRules, meter: RunMeter) -> None:
        self._rules = rules
        self._meter = meter

    def on_chat_model_start(self, *args: Any, **kwargs: Any) -> None:
        """A chat model is called."""
        self._count_call()

    def on_llm_start(self, *args: Any, **kwargs: Any) -> None:
        """A text model is called."""
        self._count_call()

    def _count_call(self) -> None:
        self._meter.count_model_call()
        execution = live_calls.get()
        if execution is not None:
            execution[0] += 1

    def on_llm_end(self, response: Any, **kwargs: Any) -> None:
        """A model has answered."""
        for generations in response.generations:
            for generation in generations:
                usage = getattr(getattr(generation, "message", None), "usage_metadata", None) or {}
                self._meter.count_tokens(usage.get("input_tokens", 0), usage.get("output_tokens", 0))

    def on_tool_start(
        self,
        serialized: dict[str, Any] | None,
        input_str: str,
        *,
        run_id: UUID,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """A tool is about to be called."""
        name = str((serialized or {}).get("name") or kwargs.get("name") or "tool")
        if self._rules.of(name, metadata, tags) != "repeat":
            raise self._meter.stop(stopped_by(name))


def stopped_by(name: str) -> str:
    """Why a replay was stopped at a tool."""
    return (
        f"tool {name!r} would be called with arguments that the run did not have: allow it by Replay(tools={{{name!r}: "
        f"'repeat'}}), or have its recorded result by 'pin'"
    )


def unused_rules(rules: Collection[str], nodes: Iterable[Any], trajectory: Trajectory) -> list[str]:
    """A note on names of tools that neither the tools nodes among `nodes` nor the run know, such as misspelt ones.

    Code of a node may have tools that no run shows, so this is no error.
    """
    if not rules:
        return []
    known = {actor.name for actor in trajectory.actors if actor.kind == "tool"}
    for node in nodes:
        if isinstance(node.bound, ToolNode):
            known |= node.bound.tools_by_name.keys()
    unknown = ", ".join(repr(name) for name in rules if name not in known)
    return [f"Replay(tools=...) names {unknown}: no tool of that name is in a tools node or was called"] * bool(unknown)


def calls_of(node: ToolNode, given: Any) -> list[dict[str, Any]]:
    """The tool calls in a tools node's input."""
    if isinstance(given, dict) and given.get("__type") == "tool_call_with_context":
        return [given["tool_call"]]
    if isinstance(given, list) and given and isinstance(given[-1], dict) and given[-1].get("type") == "tool_call":
        return given
    key = getattr(node, "_messages_key", "messages")
    messages = given if isinstance(given, list) else given.get(key) if isinstance(given, dict) else getattr(given, key)
    for message in reversed(messages or []):
        if getattr(message, "type", None) == "ai":
            return list(message.tool_calls)
    return []


def needs_state(node: ToolNode, calls: list[dict[str, Any]]) -> bool:
    """Whether a tool among these calls is given more than its arguments, such as the graph's state."""
    for call in calls:
        tool = node.tools_by_name.get(call["name"])
        if tool is None:
            continue
        shown: Any = getattr(tool.tool_call_schema, "model_fields", None)
        whole: Any = getattr(tool.get_input_schema(), "model_fields", {})
        if shown is None or set(whole) - set(shown):
            return True
    return False
