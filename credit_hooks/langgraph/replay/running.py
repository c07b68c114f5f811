"""Which graph is running: callbacks are told a name only, which all graphs share that were given none."""

from __future__ import annotations

import sys
from typing import Any

from langgraph.pregel import Pregel

__all__ = ["is_same_graph", "running_graph"]

_METHODS = ("stream", "astream")
"""Methods of a graph from which the start of its run is told."""


def running_graph() -> Pregel[Any, Any, Any, Any] | None:
    """The innermost graph whose run is on the stack, such as the one that tells a callback of its start. None: none is.

    Read from the callers' frames, as no callback is given the graph.
    """
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_name in _METHODS:
            found = frame.f_locals.get("self")
            if isinstance(found, Pregel):
                return found
        frame = frame.f_back  # type: ignore[assignment]
    return None


def is_same_graph(one: Pregel[Any, Any, Any, Any], other: Pregel[Any, Any, Any, Any]) -> bool:
    """Whether two graphs run the same nodes.

    One is a copy of the other (`with_config`), or both are compilations of a builder that was not changed in between.
    """
    if one is other:
        return True
    if one.nodes.keys() != other.nodes.keys():
        return False
    pairs = [(node, other.nodes[name]) for name, node in one.nodes.items()]
    if all(node is its for node, its in pairs):
        return True
    builder = getattr(one, "builder", None)
    return (
        builder is not None
        and builder is getattr(other, "builder", None)
        and all(node.bound is its.bound and set(node.triggers) == set(its.triggers) for node, its in pairs)
    )
