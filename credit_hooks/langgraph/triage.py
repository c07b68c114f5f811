"""`TriageMiddleware`: a LangChain agent that is asked again when something speaks against its answer. Opt-in, capped.

Needs `pip install 'credit-hooks[triage]'`, for `langchain.agents`.
"""

from __future__ import annotations

import asyncio
import functools
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langgraph.errors import GraphBubbleUp
from opentelemetry.trace import TracerProvider

from credit_hooks.errors import MissingExtraError
from credit_hooks.failure.step_scoring import StepView
from credit_hooks.langgraph.triage_nodes import NodeRetries
from credit_hooks.langgraph.turns import message_of, place_of
from credit_hooks.triage import RULES, RetryLimits, RetryRecord, Signal, TriageQueue
from credit_hooks.triage.attempt import Attempt, Cost, Place

try:
    from langchain.agents.middleware import AgentMiddleware, ModelRequest, ModelResponse
except ImportError as error:
    raise MissingExtraError("credit_hooks.langgraph.triage", "triage") from error

__all__ = ["TriageMiddleware"]


class TriageMiddleware(AgentMiddleware[Any, Any, Any]):
    """Asks an agent's model again when something speaks against its answer; and tells it critiques of earlier runs.

    ::

        queue = TriageQueue(store="runs.db")
        retry = TriageMiddleware(RetryLimits(total=100), queue=queue)
        agent = create_agent(model, tools, middleware=[retry])
        callback = CreditCallback(evaluate=..., store="runs.db", exporters=[queue])
        agent.invoke(inputs, config={"callbacks": [callback]})

    Within a run only signals count, as credit comes after it (:mod:`credit_hooks.triage`). A retry is one more model
    call with the critique, in place of the answer; no tool is run again, and the first answer stands where the retry
    raises, takes too long or is no better. Critiques of earlier runs of the same thread or task are added to the system
    prompt, where `queue` has some. Runs without a `CreditCallback` are left alone: nothing would be recorded.

    Put it last in the list: commands of middleware inside of it are those of its last call, whichever answer stands.
    A client that streams tokens has seen those of the first answer by then, and sees those of the retry as well.

    Args:
        limits: Hard limits.
        signals: What may speak against an answer.
        queue: Where critiques come from, and where retries are noted, to become labels of their runs. None: neither.
        tracer_provider: Where the spans of retries are shown. None: the global provider.
    """

    def __init__(
        self,
        limits: RetryLimits,
        *,
        signals: Sequence[Signal] = RULES,
        queue: TriageQueue | None = None,
        tracer_provider: TracerProvider | None = None,
    ) -> None:
        super().__init__()
        self.tools = []
        self.nodes = NodeRetries(limits, signals=signals, queue=queue, tracer_provider=tracer_provider)
        """Wraps plain nodes of the same graph, under the same limits."""
        self._retries, self._told, self._deadline = self.nodes.retries, self.nodes.told, self.nodes.deadline

    @property
    def records(self) -> list[RetryRecord]:
        """The newest retries and critiques passed on, oldest first."""
        return list(self._retries.records)

    @property
    def stats(self) -> Counter[str]:
        """Retries by how they ended, tokens, refusals by limit, failures."""
        return self._retries.ledger.stats

    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], ModelResponse[Any]]
    ) -> ModelResponse[Any]:
        """A model call of an agent that is invoked."""
        place = self._retries.safely(lambda: place_of(request.state.get("messages") or ()), None)
        if place is None:
            return handler(request)
        request = self._informed(request, place)
        attempt = self._attempt(request, place)
        critique = attempt.first(handler(request))
        while critique is not None:
            again = _retry(request, attempt.answer, critique)
            try:
                answer = self._deadline.call(functools.partial(handler, again), self._retries.limits.timeout)
            except GraphBubbleUp:
                raise
            except Exception as error:  # noqa: BLE001 - whatever a retry raises, the run has an answer without it
                attempt.failed(error)
                break
            critique = attempt.answered(answer)
        return attempt.answer

    async def awrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]]
    ) -> ModelResponse[Any]:
        """A model call of an agent that is invoked asynchronously."""
        place = self._retries.safely(lambda: place_of(request.state.get("messages") or ()), None)
        if place is None:
            return await handler(request)
        request = self._informed(request, place)
        attempt = self._attempt(request, place)
        critique = await self._retries.off_loop(attempt.first, await handler(request))
        while critique is not None:
            again = _retry(request, attempt.answer, critique)
            try:
                answer = await asyncio.wait_for(_awaited(handler(again)), self._retries.limits.timeout)
            except GraphBubbleUp:
                raise
            except Exception as error:  # noqa: BLE001 - as above
                attempt.failed(error)
                break
            critique = await self._retries.off_loop(attempt.answered, answer)
        return attempt.answer

    def _informed(self, request: ModelRequest[Any], place: Place) -> ModelRequest[Any]:
        critique = self._told.critique(place)
        return request if critique is None else _with_note(request, critique)

    def _attempt(self, request: ModelRequest[Any], place: Place) -> Attempt[ModelResponse[Any]]:
        return Attempt(
            self._retries,
            place,
            view=lambda answer: _view(request, answer, place),
            cost=lambda answer: _cost(request, answer),
        )


async def _awaited(answer: Awaitable[ModelResponse[Any]]) -> ModelResponse[Any]:
    return await answer


def _view(request: ModelRequest[Any], answer: ModelResponse[Any], place: Place) -> StepView:
    said = next(message for message in answer.result if isinstance(message, AIMessage))
    history = [message_of(message, index, place) for index, message in enumerate(request.messages)]
    return place.view(history, message_of(said, len(history), place))


def _cost(request: ModelRequest[Any], answer: ModelResponse[Any]) -> Cost:
    stated = [getattr(message, "usage_metadata", None) for message in answer.result]
    tokens = [usage["total_tokens"] for usage in stated if usage]
    characters = sum(len(str(message.text)) for message in (*request.messages, *answer.result))
    return Cost(sum(tokens) if tokens else None, characters + len(request.system_prompt or ""))


def _retry(request: ModelRequest[Any], answer: ModelResponse[Any], critique: str) -> ModelRequest[Any]:
    """The request once more, with the answer and what speaks against it; the user's objects stay as they are."""
    said = [message for message in answer.result if isinstance(message, AIMessage)]
    if any(message.tool_calls for message in said):  # a call without its result is no conversation that models accept
        return _with_note(request, critique)
    return request.override(messages=[*request.messages, *said, HumanMessage(critique)])


def _with_note(request: ModelRequest[Any], note: str) -> ModelRequest[Any]:
    before = request.system_message
    if before is None:
        return request.override(system_message=SystemMessage(note))
    if isinstance(before.content, str):
        return request.override(system_message=SystemMessage(f"{before.content}\n\n{note}"))
    return request.override(system_message=SystemMessage([*before.content, {"type": "text", "text": note}]))
