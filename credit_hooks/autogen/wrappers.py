"""What is called instead of AutoGen's methods: each calls the original, and tells the capture before and after.

Each takes the capture, what it is about, and the original method, in this order, and returns the replacement. Arguments
are passed on exactly as they came, as a user's class may name them otherwise. Streams
are run inside their scope item by item, so that nothing is left attached while the user holds an item.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import TYPE_CHECKING, Any

from autogen_agentchat.base import Response, TaskResult
from autogen_core.tools import ToolResult

from credit_hooks.autogen.replay.recording import CallKind
from credit_hooks.autogen.scope import Entered, Scope
from credit_hooks.autogen.turns import AgentInfo

if TYPE_CHECKING:
    from credit_hooks.autogen.capture import TeamCapture

__all__ = [
    "add_message",
    "after",
    "call_tool",
    "call_tool_stream",
    "condition",
    "create",
    "create_stream",
    "recorded",
    "reset",
    "run",
    "run_stream",
    "run_tool",
    "turn",
    "turn_stream",
]

Method = Callable[..., Any]


def run_stream(capture: TeamCapture, runner: Any, original: Method) -> Method:
    """A run of a team or agent. Its result is held back until the team has come to rest."""

    @functools.wraps(original)
    async def run_stream(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        opened = capture.safely(capture.open_run, runner, _argument(args, kwargs, "task", 0))
        stream = original(*args, **kwargs)
        if opened is None:
            try:
                async for item in stream:
                    yield item
            finally:
                await _close(stream, None)
            return
        scope, outer = opened
        result: TaskResult | None = None
        try:
            while True:
                with Entered(scope):
                    try:
                        item = await anext(stream)
                    except StopAsyncIteration:
                        break
                capture.safely(capture.saw, scope, item)
                if isinstance(item, TaskResult) and result is None:
                    result = item
                    continue
                if result is not None:
                    yield result
                    result = item if isinstance(item, TaskResult) else None
                    if result is not None:
                        continue
                yield item
        except BaseException as error:
            await _close(stream, scope)
            capture.safely(capture.close_run, scope, outer, result, error)
            if result is not None and not isinstance(error, GeneratorExit):
                yield result
            raise
        capture.safely(capture.close_run, scope, outer, result, None)
        if result is not None:
            yield result

    return run_stream


def run(capture: TeamCapture, runner: Any, original: Method) -> Method:
    """A run of an agent that is not streamed."""

    @functools.wraps(original)
    async def run(*args: Any, **kwargs: Any) -> Any:
        opened = capture.safely(capture.open_run, runner, _argument(args, kwargs, "task", 0))
        if opened is None:
            return await original(*args, **kwargs)
        scope, outer = opened
        try:
            with Entered(scope):
                result = await original(*args, **kwargs)
        except BaseException as error:
            capture.safely(capture.close_run, scope, outer, None, error)
            raise
        for message in getattr(result, "messages", ()):
            capture.safely(capture.saw, scope, message)
        capture.safely(capture.close_run, scope, outer, result, None)
        return result

    return run


def turn_stream(capture: TeamCapture, agent: Any, info: AgentInfo, original: Method) -> Method:
    """A turn of an agent, streamed."""

    @functools.wraps(original)
    async def on_messages_stream(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        turn = capture.safely(capture.open_turn, agent, info, _argument(args, kwargs, "messages", 0) or ())
        stream = original(*args, **kwargs)
        if turn is None:
            try:
                async for item in stream:
                    yield item
            finally:
                await _close(stream, None)
            return
        try:
            while True:
                with Entered(turn.scope):
                    try:
                        item = await anext(stream)
                    except StopAsyncIteration:
                        break
                capture.safely(capture.wrote, turn, item)
                if isinstance(item, Response):
                    # Whoever asked may stop reading here: the turn is over.
                    capture.safely(capture.close_turn, turn, None)
                yield item
        except BaseException as error:
            await _close(stream, turn.scope)
            capture.safely(capture.close_turn, turn, error)
            raise
        capture.safely(capture.close_turn, turn, None)

    return on_messages_stream


def turn(capture: TeamCapture, agent: Any, info: AgentInfo, original: Method) -> Method:
    """A turn of an agent, at once."""

    @functools.wraps(original)
    async def on_messages(*args: Any, **kwargs: Any) -> Any:
        turn = capture.safely(capture.open_turn, agent, info, _argument(args, kwargs, "messages", 0) or ())
        if turn is None:
            return await original(*args, **kwargs)
        try:
            with Entered(turn.scope):
                response = await original(*args, **kwargs)
        except BaseException as error:
            capture.safely(capture.close_turn, turn, error)
            raise
        capture.safely(capture.wrote, turn, response)
        capture.safely(capture.close_turn, turn, None)
        return response

    return on_messages


def reset(capture: TeamCapture, agent: Any, info: AgentInfo, original: Method) -> Method:
    """An agent is reset."""

    @functools.wraps(original)
    async def on_reset(*args: Any, **kwargs: Any) -> Any:
        capture.safely(capture.reset, agent, info)
        return await original(*args, **kwargs)

    return on_reset


def add_message(capture: TeamCapture, info: AgentInfo, original: Method) -> Method:
    """A model context grows."""

    @functools.wraps(original)
    async def add_message(*args: Any, **kwargs: Any) -> Any:
        result = await original(*args, **kwargs)
        capture.safely(capture.added, info, _argument(args, kwargs, "message", 0))
        return result

    return add_message


def create(capture: TeamCapture, client: Any, original: Method) -> Method:
    """A model call."""

    @functools.wraps(original)
    async def create(*args: Any, **kwargs: Any) -> Any:
        opened = capture.safely(capture.open_chat, client, _argument(args, kwargs, "messages", 0) or (), kwargs)
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
        opened = capture.safely(capture.open_chat, client, _argument(args, kwargs, "messages", 0) or (), kwargs)
        stream = original(*args, **kwargs)
        scope = None if opened is None else _inside(opened[0], opened[1])
        item: Any = None
        try:
            async for item in _through(stream, scope):
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
        arguments = _argument(args, kwargs, "args", 0)
        scope = capture.safely(capture.open_tool, tool, tool.name, arguments, _argument(args, kwargs, "call_id", 2))
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
            async for item in _through(original(*args, **kwargs), scope):
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


def condition(capture: TeamCapture, team: Any, source: str, edge: Any, original: Method) -> Method:
    """The condition of a graph's edge."""

    @functools.wraps(original)
    def condition_function(message: Any) -> Any:
        met = original(message)
        if not met:
            capture.safely(capture.refused, team, edge, message)
        return met

    return condition_function


def after(then: Callable[[], None], original: Method) -> Method:
    """A method after which something is to be noted."""

    @functools.wraps(original)
    async def method(*args: Any, **kwargs: Any) -> Any:
        result = await original(*args, **kwargs)
        then()
        return result

    return method


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


async def _through(stream: Any, scope: Scope | None) -> AsyncGenerator[Any, None]:
    """The items of a stream that runs inside a scope."""
    try:
        while True:
            try:
                if scope is None:
                    item = await anext(stream)
                else:
                    with Entered(scope):
                        item = await anext(stream)
            except StopAsyncIteration:
                return
            yield item
    finally:
        await _close(stream, scope)


async def _close(stream: Any, scope: Scope | None) -> None:
    close = getattr(stream, "aclose", None)
    if close is None:
        return
    if scope is None:
        await close()
        return
    with Entered(scope):
        await close()


def _inside(scope: Scope, step: Any) -> Scope:
    """A model call's scope: foreign spans nest under it; agents and tools do not."""
    inner = Scope(scope.run, step, scope.owner, turn=scope.turn)
    inner.team = scope.team
    return inner


def _argument(args: tuple[Any, ...], kwargs: Mapping[str, Any], name: str, place: int) -> Any:
    return kwargs.get(name, args[place] if len(args) > place else None)


def _call(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[str, Any, str | None]:
    """Name, arguments and id of a workbench's call."""
    call_id = _argument(args, kwargs, "call_id", 3)
    name = str(_argument(args, kwargs, "name", 0))
    return name, _argument(args, kwargs, "arguments", 1), call_id if isinstance(call_id, str) else None
