"""Calls that may take so long and no longer, in the caller's context."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["Deadline"]

T = TypeVar("T")

_MAX_HUNG = 8
"""Calls given up and still running, at most; beyond it none is begun until one returns."""


class Deadline:
    """Runs synchronous calls, each on a daemon thread of its own with a copy of the caller's context."""

    def __init__(self) -> None:
        self._hung: list[threading.Thread] = []
        self._lock = threading.Lock()

    def call(self, function: Callable[[], T], seconds: float) -> T:
        """What the function returns or raises.

        Raises:
            TimeoutError: it took longer, and goes on with nobody listening; or too many others do.
        """
        with self._lock:
            self._hung = [thread for thread in self._hung if thread.is_alive()]
            if len(self._hung) >= _MAX_HUNG:
                raise TimeoutError(f"{_MAX_HUNG} calls hang")
        call = _Call(function, contextvars.copy_context())
        call.start()
        call.join(seconds)
        if call.is_alive():
            with self._lock:
                self._hung.append(call)
            raise TimeoutError(f"took longer than {seconds:g} s")
        if call.error is not None:
            raise call.error
        return call.result


class _Call(threading.Thread, Generic[T]):
    result: T

    def __init__(self, function: Callable[[], T], context: contextvars.Context) -> None:
        super().__init__(name="credit-hooks-retry", daemon=True)
        self._function, self._context = function, context
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.result = self._context.run(self._function)
        except BaseException as error:  # noqa: BLE001 - raised again where the call was made
            self.error = error
