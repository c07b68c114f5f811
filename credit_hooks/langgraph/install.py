"""Attaches one callback to every run in the process, without a change to the user's code."""

from __future__ import annotations

from typing import Any, Unpack

from langchain_core.tracers.context import register_configure_hook

from credit_hooks.langgraph import nesting
from credit_hooks.langgraph.callback import CreditCallback
from credit_hooks.options import CaptureOptions

__all__ = ["install", "uninstall"]


class _ProcessWide:
    """Stands in for the context variable that LangChain asks: one value, in threads with an empty context too."""

    callback: CreditCallback | None = None

    def get(self) -> CreditCallback | None:
        return self.callback


_installed = _ProcessWide()
_registered = False


def install(**options: Unpack[CaptureOptions]) -> CreditCallback:
    """Capture every graph run from now on, as if the returned callback were listed in every `config`.

    Runs whose configuration already lists a `CreditCallback` keep that one. Calling it again replaces the callback;
    LangChain's registry of hooks has no removal, so :func:`uninstall` leaves an inert entry behind.

    Args:
        options: See :class:`credit_hooks.options.CaptureOptions`.

    Returns:
        The callback, for `flush`, `last`, `runs` and `score`.
    """
    global _registered
    callback = CreditCallback(**options)
    if not _registered:
        hook: Any = _installed
        register_configure_hook(hook, inheritable=True, handle_class=CreditCallback)
        _registered = True
    _installed.callback = callback
    return callback


def uninstall(timeout: float = 30.0) -> CreditCallback | None:
    """Stop capturing; runs going on are captured to their end. Waits for finished runs to be credited.

    Returns:
        The callback that was installed. None: none was.
    """
    callback, _installed.callback = _installed.callback, None
    if callback is not None:
        callback.flush(timeout)
        nesting.disable(callback)
    return callback
