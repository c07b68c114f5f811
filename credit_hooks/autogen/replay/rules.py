"""Which tools may be called again, with arguments that the run did not have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from credit_hooks.autogen import names

__all__ = ["Repeat", "ToolRules", "stopped_by"]

Repeat: TypeAlias = Literal["repeat", "pin", "stop"]
"""`repeat`: call it again. `pin`: give its recorded result instead. `stop`: that replay has no result."""

_RULES: Mapping[Any, Repeat] = {"repeat": "repeat", "pin": "pin", "stop": "stop"}

MARK = "credit_hooks"
"""Attribute of a tool, or of the function that it is made of."""


class ToolRules:
    """What to do when a replay would call a tool with arguments that the run did not have.

    A rule for its name decides; else the tool's own mark; else `otherwise`.
    """

    def __init__(self, by_name: Mapping[str, Repeat], otherwise: Repeat) -> None:
        self._by_name = by_name
        self._otherwise = otherwise

    def of(self, name: str, tool: Any = None, otherwise: Repeat | None = None) -> Repeat:
        """What to do with a tool, or with an agent that acts by itself.

        Args:
            name: Its name.
            tool: The object that may bear a mark. None: it cannot be had.
            otherwise: What to do where nothing is said. None: as with any tool.
        """
        if name in self._by_name:
            return self._by_name[name]
        for bearer in (tool, names.tool_function(tool)):
            mark = getattr(bearer, MARK, None)
            if isinstance(mark, str) and mark in _RULES:
                return _RULES[mark]
        return otherwise or self._otherwise


def stopped_by(what: str, name: str) -> str:
    """Why a replay was stopped."""
    return (
        f"{what} {name!r} would be called with inputs that the run did not have: allow it by Replay(tools={{{name!r}: "
        f"'repeat'}}), or have its recorded result by 'pin'"
    )
