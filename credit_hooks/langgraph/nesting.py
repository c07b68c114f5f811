"""Lets spans of other instrumentations (HTTP, OpenAI) nest under the step they run in, without leaking a context.

Attaching an OpenTelemetry context in `on_chain_start` leaks under async: `on_chain_end` runs in a task of its own,
where it cannot be detached. LangChain scopes one context variable leak-free, its own: the current runnable's
configuration. So nothing is attached at all; instead, the *lookup* of the current OpenTelemetry context asks that
variable which step is running. A context that the user attached inside the step is a different object and always wins.

LangChain's variable does not name a model call, only the step around it. So each call notes its run id in a variable of
our own when it starts, in the caller's context, and copies of it in threads. Nobody has to take it back: the id of a
call that has ended leads to nothing.

`opentelemetry.context._RUNTIME_CONTEXT` is a private name, used here only; if it has gone, spans are not nested and
nothing else changes.
"""

from __future__ import annotations

import threading
import uuid
import weakref
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Any

from langchain_core.runnables.config import var_child_runnable_config
from opentelemetry import context as otel_context
from opentelemetry.context.context import Context, _RuntimeContext

if TYPE_CHECKING:
    from credit_hooks.langgraph.callback import CreditCallback

__all__ = ["current", "disable", "enable", "model_called"]

_callbacks: weakref.WeakSet[CreditCallback] = weakref.WeakSet()
_lock = threading.Lock()
_model_call: ContextVar[uuid.UUID | None] = ContextVar("credit_hooks_model_call", default=None)
"""Run id of the model call that began last in this context; it may have ended. An id, as a step would keep its run."""


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
            around = handler.step_of(run_id)
            if around is None:
                continue
            call_id = _model_call.get()
            call = None if call_id is None else handler.step_of(call_id)
            # A call started elsewhere, and inherited by a task that started in the meantime, is not this step's own.
            for step in (call, around) if call is not None and call.parent is around else (around,):
                if not step.ended and step.outer is attached:
                    context: Context | None = step.context
                    return context
    return None


def model_called(run_id: uuid.UUID) -> None:
    """A model call starts in the current context: until it ends, spans started here are inside it."""
    _model_call.set(run_id)


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
