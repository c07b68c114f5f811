"""What is called instead of the methods of teams and agents: each calls the original, and tells the capture of it.

Each takes the capture, what it is about, and the original method, in this order, and returns the replacement. Arguments
are passed on exactly as they came, as a user's class may name them otherwise. Streams are run inside their scope item
by item, so that nothing is left attached while the user holds an item.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, Callable
from typing import TYPE_CHECKING, Any

from autogen_agentchat.base import Response, TaskResult

from credit_hooks.autogen.scope import Entered
from credit_hooks.autogen.turns import AgentInfo
from credit_hooks.autogen.wrapping import Method, argument, close

if TYPE_CHECKING:
    from credit_hooks.autogen.capture import TeamCapture

__all__ = ["add_message", "after", "condition", "reset", "run", "run_stream", "turn", "turn_stream"]


def run_stream(capture: TeamCapture, runner: Any, original: Method) -> Method:
    """A run of a team or agent. Its result is held back until the team has come to rest."""

    @functools.wraps(original)
    async def run_stream(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        opened = capture.safely(capture.open_run, runner, argument(args, kwargs, "task", 0))
        stream = original(*args, **kwargs)
        if opened is None:
            try:
                async for item in stream:
                    yield item
            finally:
                await close(stream, None)
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
            await close(stream, scope)
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
        opened = capture.safely(capture.open_run, runner, argument(args, kwargs, "task", 0))
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
        turn = capture.safely(capture.open_turn, agent, info, argument(args, kwargs, "messages", 0) or ())
        stream = original(*args, **kwargs)
        if turn is None:
            try:
                async for item in stream:
                    yield item
            finally:
                await close(stream, None)
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
            await close(stream, turn.scope)
            capture.safely(capture.close_turn, turn, error)
            raise
        capture.safely(capture.close_turn, turn, None)

    return on_messages_stream


def turn(capture: TeamCapture, agent: Any, info: AgentInfo, original: Method) -> Method:
    """A turn of an agent, at once."""

    @functools.wraps(original)
    async def on_messages(*args: Any, **kwargs: Any) -> Any:
        turn = capture.safely(capture.open_turn, agent, info, argument(args, kwargs, "messages", 0) or ())
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
        capture.safely(capture.added, info, argument(args, kwargs, "message", 0))
        return result

    return add_message


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
