"""What all wrappers of AutoGen's methods need: arguments by name or place, and streams run inside a scope."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any, TypeAlias

from credit_hooks.autogen.scope import Entered, Scope

__all__ = ["Method", "argument", "close", "through"]

Method: TypeAlias = Callable[..., Any]


def argument(args: tuple[Any, ...], kwargs: Mapping[str, Any], name: str, place: int) -> Any:
    """An argument of a call, however it was passed. None: it was not."""
    return kwargs.get(name, args[place] if len(args) > place else None)


async def through(stream: Any, scope: Scope | None) -> AsyncGenerator[Any, None]:
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
        await close(stream, scope)


async def close(stream: Any, scope: Scope | None) -> None:
    """Close a stream inside its scope."""
    close = getattr(stream, "aclose", None)
    if close is None:
        return
    if scope is None:
        await close()
        return
    with Entered(scope):
        await close()
