"""Runs work of ours beside the user's: on a daemon thread, in an empty context, for a bounded time."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from opentelemetry.context import attach, set_value

from credit_hooks.errors import ReplayStoppedError
from credit_hooks.evaluation import inside_hook

__all__ = ["aside", "run_aside"]

T = TypeVar("T")

_SUPPRESS = "suppress_instrumentation"
"""The context key by which OpenTelemetry's instrumentations are told to be silent."""


def run_aside(main: Callable[[], Coroutine[Any, Any, T]], *, timeout: float) -> T:
    """Run a coroutine on an event loop of its own thread, and wait for it here.

    Raises:
        ReplayStoppedError: it took longer than `timeout` seconds; its thread is given up.
        Exception: whatever it raises.
    """
    thread = _Aside(lambda: asyncio.run(main()))
    thread.start()
    thread.join(timeout)
    if thread.is_alive():
        raise ReplayStoppedError(f"the replays did not end within {timeout:g} s")
    return thread.result()


async def aside(function: Callable[[], T]) -> T:
    """Run a blocking function on a daemon thread of its own, and wait for it without blocking the event loop.

    A thread cannot be stopped: if the caller is cancelled it goes on, and its result is dropped.
    """
    loop = asyncio.get_running_loop()
    done = asyncio.Event()

    def ended() -> None:
        try:
            loop.call_soon_threadsafe(done.set)
        except RuntimeError:
            return  # the caller was given up, and its loop is closed

    thread = _Aside(function, ended)
    thread.start()
    await done.wait()
    return thread.result()


class _Aside(threading.Thread, Generic[T]):
    """A daemon thread that knows nothing of whoever starts it: not their context, tracing or callbacks."""

    def __init__(self, function: Callable[[], T], ended: Callable[[], None] | None = None) -> None:
        super().__init__(name="credit-hooks-replay", daemon=True)
        self._function = function
        self._ended = ended
        self._result: list[T] = []
        self._error: BaseException | None = None

    def run(self) -> None:
        contextvars.Context().run(self._work)
        if self._ended is not None:
            self._ended()

    def _work(self) -> None:
        inside_hook.set(True)
        attach(set_value(_SUPPRESS, True))  # never detached: the context ends with the thread
        try:
            self._result.append(self._function())
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is raised where the result is asked for
            self._error = error

    def result(self) -> T:
        """What the function returned, or raised. Exits and cancellations end that thread, not this one."""
        if isinstance(self._error, Exception):
            raise self._error
        if self._error is not None:
            raise ReplayStoppedError(f"it ended in {type(self._error).__name__}") from self._error
        return self._result[0]
