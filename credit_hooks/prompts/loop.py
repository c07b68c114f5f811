"""One event loop of our own, on a daemon thread: async clients keep connections, and connections belong to a loop."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

__all__ = ["run_async"]

T = TypeVar("T")

_lock = threading.Lock()
_running: tuple[int, asyncio.AbstractEventLoop] | None = None


def run_async(work: Coroutine[Any, Any, T], timeout: float | None = None) -> T:
    """Run a coroutine to its end from synchronous code, also where the caller's thread has a loop of its own.

    Raises:
        TimeoutError: it took longer than `timeout` seconds; it is cancelled.
    """
    waiting = asyncio.run_coroutine_threadsafe(work, _loop())
    try:
        return waiting.result(timeout)
    except BaseException:
        waiting.cancel()
        raise


def _loop() -> asyncio.AbstractEventLoop:
    global _running
    with _lock:
        if _running is None or _running[0] != os.getpid():  # a forked child has the loop, and not its thread
            loop = asyncio.new_event_loop()
            threading.Thread(target=loop.run_forever, name="credit-hooks-prompts", daemon=True).start()
            _running = os.getpid(), loop
        return _running[1]
