"""Asks critics: functions, LangChain chat models, AutoGen clients. Never for longer than they are given."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, cast

from credit_hooks.errors import ConfigurationError
from credit_hooks.prompts.critique import CritiqueError, CritiqueRequest
from credit_hooks.prompts.loop import run_async

__all__ = ["Critic", "as_critic", "ask"]

Critic: TypeAlias = Callable[[CritiqueRequest], str | Awaitable[str]]
"""Answers a request with text as `request.prompt` asks for it; may be async. Its answer is checked, never trusted."""


def as_critic(critic: Any) -> Critic:
    """A critic from whatever can answer: a function, a LangChain chat model or chain, an AutoGen model client.

    Raises:
        ConfigurationError: it is none of these.
    """
    model: Any = critic
    if callable(getattr(model, "invoke", None)):
        return lambda request: _text_of(model.invoke(request.prompt))
    if callable(getattr(model, "create", None)) and hasattr(model, "model_info"):
        from credit_hooks.prompts.autogen import client_critic

        return client_critic(model)
    if callable(critic):
        return cast(Critic, critic)
    raise ConfigurationError(
        f"critic is a function of a CritiqueRequest, a LangChain chat model or an AutoGen client, not {critic!r:.80}"
    )


def _text_of(answer: Any) -> str:
    text = getattr(answer, "text", answer)  # of a LangChain message, the text parts of its content
    if not isinstance(text, str):
        raise CritiqueError(f"the critic returned {type(answer).__name__}, which has no text")
    return str(text)


def ask(critic: Critic, request: CritiqueRequest, timeout: float) -> object:
    """The critic's reply, whatever it is.

    Raises:
        CritiqueError: it raised, or took longer than `timeout` seconds; it may then go on, and nobody listens.
    """
    call = _Call(critic, request, timeout)
    call.start()
    call.join(timeout)
    if call.is_alive() or isinstance(call.error, TimeoutError):
        raise CritiqueError(f"the critic took longer than {timeout:g} s")
    if call.error is not None:
        raise CritiqueError(f"the critic raised {type(call.error).__name__}: {call.error!s:.300}") from call.error
    return call.reply


class _Call(threading.Thread):
    def __init__(self, critic: Critic, request: CritiqueRequest, timeout: float) -> None:
        super().__init__(name="credit-hooks-critic", daemon=True)
        self._critic = critic
        self._request = request
        self._limit = timeout
        self.reply: object = None
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            reply: Any = self._critic(self._request)
            if inspect.isawaitable(reply):
                reply = run_async(_awaited(reply), self._limit)
            self.reply = reply
        except Exception as error:  # noqa: BLE001 - whatever a critic does costs one attempt, and is told as that
            self.error = error


async def _awaited(reply: Awaitable[Any]) -> Any:
    return await reply
