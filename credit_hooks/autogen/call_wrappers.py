"""What is called instead of the methods of models, tools and whatever else only replay needs to know of.

As in :mod:`credit_hooks.autogen.wrappers`: the capture, what it is about, and the original method; arguments are passed
on exactly as they came.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, Mapping
from typing import TYPE_CHECKING, Any

from autogen_core.tools import ToolResult

from credit_hooks.autogen.replay.recording import CallKind
from credit_hooks.autogen.scope import Entered, Scope
from credit_hooks.autogen.wrapping import Method, argument, through

if TYPE_CHECKING:
    from credit_hooks.autogen.capture import TeamCapture

__all__ = ["call_tool", "call_tool_stream", "create", "create_stream", "recorded", "run_tool"]


def create(capture: TeamCapture, client: Any, original: Method) -> Method:
    """A model call."""

    @functools.wraps(original)
    async def create(*args: Any, **kwargs: Any) -> Any:
        opened = capture.safely(capture.open_chat, client, argument(args, kwargs, "messages", 0) or (), kwargs)
        if opened is None:
            return await original(*args, **kwargs)
        try:
            with Entered(_inside(opened[0], opened[1])):
                result = await original(*args, **kwargs)
        except BaseException as error:
            capture.safely(capture.close_chat, opened, None, error)
            raise
        capture.safely(capture.close_chat, opened, result, None)
        return result

    return create


def create_stream(capture: TeamCapture, client: Any, original: Method) -> Method:
    """A model call, streamed."""

    @functools.wraps(original)
    async def create_stream(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        opened = capture.safely(capture.open_chat, client, argument(args, kwargs, "messages", 0) or (), kwargs)
        stream = original(*args, **kwargs)
        scope = None if opened is None else _inside(opened[0], opened[1])
        item: Any = None
        try:
            async for item in through(stream, scope):
                if opened is not None and isinstance(item, str):
                    capture.safely(capture.chunk, opened[1], item)
                elif opened is not None:
                    capture.safely(capture.close_chat, opened, item, None)
                    opened = None
                yield item
        except BaseException as error:
            if opened is not None:
                capture.safely(capture.close_chat, opened, None, error)
            raise
        if opened is not None:
            capture.safely(capture.close_chat, opened, None, None)

    return create_stream


def call_tool(capture: TeamCapture, workbench: Any, original: Method) -> Method:
    """A tool call."""

    @functools.wraps(original)
    async def call_tool(*args: Any, **kwargs: Any) -> Any:
        scope = capture.safely(capture.open_tool, workbench, *_call(args, kwargs))
        return await _tool(capture, scope, functools.partial(original, *args, **kwargs))

    return call_tool


def run_tool(capture: TeamCapture, tool: Any, original: Method) -> Method:
    """A call of a tool that runs in no workbench, such as a handoff."""

    @functools.wraps(original)
    async def run_json(*args: Any, **kwargs: Any) -> Any:
        arguments = argument(args, kwargs, "args", 0)
        scope = capture.safely(capture.open_tool, tool, tool.name, arguments, argument(args, kwargs, "call_id", 2))
        return await _tool(capture, scope, functools.partial(original, *args, **kwargs))

    return run_json


async def _tool(capture: TeamCapture, scope: Scope | None, call: Method) -> Any:
    if scope is None:
        return await call()
    try:
        with Entered(scope):
            result = await call()
    except BaseException as error:
        capture.safely(capture.close_tool, scope, None, error)
        raise
    capture.safely(capture.close_tool, scope, result, None)
    return result


def call_tool_stream(capture: TeamCapture, workbench: Any, original: Method) -> Method:
    """A tool call, streamed; the last item is the result."""

    @functools.wraps(original)
    async def call_tool_stream(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        scope = capture.safely(capture.open_tool, workbench, *_call(args, kwargs))
        item: Any = None
        try:
            async for item in through(original(*args, **kwargs), scope):
                if scope is not None and not isinstance(item, ToolResult):
                    capture.safely(capture.chunk, scope.step, item)
                yield item
        except BaseException as error:
            if scope is not None:
                capture.safely(capture.close_tool, scope, None, error)
            raise
        if scope is not None:
            capture.safely(capture.close_tool, scope, item, None)

    return call_tool_stream


def recorded(capture: TeamCapture, kind: CallKind, original: Method) -> Method:
    """What only replay needs to know of: a look-up in a memory, the running of code, a list of tools."""

    @functools.wraps(original)
    async def method(*args: Any, **kwargs: Any) -> Any:
        key = capture.safely(capture.open_call, kind, args, kwargs)
        try:
            result = await original(*args, **kwargs)
        except BaseException as error:
            capture.safely(capture.close_call, key, None, error)
            raise
        capture.safely(capture.close_call, key, result, None)
        return result

    return method


def _inside(scope: Scope, step: Any) -> Scope:
    """A model call's scope: foreign spans nest under it; agents and tools do not."""
    inner = Scope(scope.run, step, scope.owner, turn=scope.turn)
    inner.team = scope.team
    return inner


def _call(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[str, Any, str | None]:
    """Name, arguments and id of a workbench's call."""
    call_id = argument(args, kwargs, "call_id", 3)
    name = str(argument(args, kwargs, "name", 0))
    return name, argument(args, kwargs, "arguments", 1), call_id if isinstance(call_id, str) else None
