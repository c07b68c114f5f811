"""Lets spans of other instrumentations (HTTP, OpenAI) nest under the step they run in, without leaking a context.

Attaching an OpenTelemetry context in `on_chain_start` leaks under async: `on_chain_end` runs in a task of its own,
where it cannot be detached. LangChain scopes one context variable leak-free, its own: the current runnable's
configuration. So nothing is attached at all; instead, the *lookup* of the current OpenTelemetry context asks that
variable which step is running. A context that the user attached inside the step is a different object and always wins.

`opentelemetry.context._RUNTIME_CONTEXT` is a private name, used here only; if it has gone, spans are not nested and
nothing else changes.
"""

from __future__ import annotations

import threading
import weakref
from contextvars import Token
from typing import TYPE_CHECKING, Any

from langchain_core.runnables.config import var_child_runnable_config
from opentelemetry import context as otel_context
from opentelemetry.context.context import Context, _RuntimeContext

if TYPE_CHECKING:
    from credit_hooks.langgraph.callback import CreditCallback

__all__ = ["current", "disable", "enable"]

_callbacks: weakref.WeakSet[CreditCallback] = weakref.WeakSet()
_lock = threading.Lock()


class _NestingContext(_RuntimeContext):
    """The process's runtime context, with the running step's span as current span where nobody set another."""

    def __init__(self, inner: _RuntimeContext) -> None:
        self.inner = inner

    def attach(self, context: Context) -> Token[Context]:
        return self.inner.attach(context)

    def detach(self, token: Token[Context]) -> None:
        self.inner.detach(token)

    def get_current(self) -> Context:
        attached = self.inner.get_current()
        config = var_child_runnable_config.get()
        if config is None or not _callbacks:
            return attached
        return _step_context(config.get("callbacks"), attached) or attached


def _step_context(manager: Any, attached: Context) -> Context | None:
    run_id = getattr(manager, "parent_run_id", None)
    if run_id is None:
        return None
    for handler in getattr(manager, "handlers", ()):
        if handler in _callbacks:
            step = handler.step_of(run_id)
            if step is not None and not step.ended and step.outer is attached:
                context: Context | None = step.context
                return context
    return None


def current() -> Context:
    """The context that the user attached, whatever step is running."""
    runtime = getattr(otel_context, "_RUNTIME_CONTEXT", None)
    return runtime.inner.get_current() if isinstance(runtime, _NestingContext) else otel_context.get_current()


def enable(callback: CreditCallback) -> None:
    """Nest spans under the steps of this callback's runs, for as long as it lives."""
    with _lock:
        _callbacks.add(callback)
        runtime = getattr(otel_context, "_RUNTIME_CONTEXT", None)
        if runtime is not None and not isinstance(runtime, _NestingContext):
            otel_context._RUNTIME_CONTEXT = _NestingContext(runtime)


def disable(callback: CreditCallback) -> None:
    """Nest no longer under this callback's steps; the last one puts the process's own runtime context back."""
    with _lock:
        _callbacks.discard(callback)
        runtime = getattr(otel_context, "_RUNTIME_CONTEXT", None)
        if isinstance(runtime, _NestingContext) and not _callbacks:
            otel_context._RUNTIME_CONTEXT = runtime.inner
