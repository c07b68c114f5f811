"""`retry_turns`: a team whose agents are asked again when something speaks against their answer. Opt-in, capped."""

from __future__ import annotations

import asyncio
import functools
import weakref
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any

from autogen_agentchat.base import Team
from autogen_core.models import AssistantMessage, CreateResult, SystemMessage, UserMessage
from opentelemetry.trace import TracerProvider

from credit_hooks.autogen import names
from credit_hooks.autogen.capture import TeamCapture
from credit_hooks.autogen.install import capture_of
from credit_hooks.autogen.messages import llm_snapshot
from credit_hooks.autogen.patches import Patches
from credit_hooks.errors import ConfigurationError
from credit_hooks.failure.step_scoring import StepView
from credit_hooks.genai import decode_parts
from credit_hooks.trajectory import Message
from credit_hooks.triage import RULES, RetryLimits, RetryRecord, Signal, TriageQueue
from credit_hooks.triage.attempt import Attempt, Cost, Place, Told
from credit_hooks.triage.retries import Retries

__all__ = ["TurnRetries", "retry_turns"]

Method = Callable[..., Any]


def retry_turns(
    runner: Any,
    limits: RetryLimits,
    *,
    signals: Sequence[Signal] = RULES,
    queue: TriageQueue | None = None,
    tracer_provider: TracerProvider | None = None,
) -> TurnRetries:
    """Ask an agent's model again when something speaks against its answer; and tell it critiques of earlier runs.

    ::

        queue = TriageQueue(store="runs.db")
        team = instrument(team, evaluate=..., store="runs.db", exporters=[queue])
        retries = retry_turns(team, RetryLimits(total=100), queue=queue)
        await team.run(task="...")
        retries.detach()

    Within a run only signals count, as credit comes after it (:mod:`credit_hooks.triage`). A retry is one more call of
    the agent's model client, in place of the answer; no tool is run again, the agent's context sees the answer that
    stands and nothing else, and the first one stands where the retry raises, takes too long or is no better. Critiques
    of earlier runs of the same task are added to the system message, where `queue` has some. Model clients of managers,
    and of agents that tools run, are left alone.

    Args:
        runner: A team or agent that was instrumented, not running. Agents that join it later are left alone.
        limits: Hard limits.
        signals: What may speak against an answer.
        queue: Where critiques come from, and where retries are noted, to become labels of their runs. None: neither.
        tracer_provider: Where the spans of retries are shown. None: the global provider.

    Raises:
        ConfigurationError: the runner is not instrumented, or none of its agents has a model client that is known.
    """
    capture = capture_of(runner)
    if capture is None:
        raise ConfigurationError("retry_turns needs a captured team: call instrument(team, ...) first")
    retries = TurnRetries(capture, limits, signals, queue, tracer_provider)
    members = [agent for agent in names.agents(runner) if not isinstance(agent, Team)]
    if not sum(retries.attach(client) for agent in members for client in names.model_clients(agent)):
        raise ConfigurationError("no agent of the team has a model client that could be asked again")
    return retries


class TurnRetries:
    """What :func:`retry_turns` has put around a team's model clients; see there."""

    def __init__(
        self,
        capture: TeamCapture,
        limits: RetryLimits,
        signals: Sequence[Signal],
        queue: TriageQueue | None,
        tracer_provider: TracerProvider | None,
    ) -> None:
        on_record = (lambda record: None) if queue is None else queue.note
        self._capture = weakref.ref(capture)
        self._retries = Retries(limits, signals, tracer_provider, on_record)
        self._told = Told(queue, self._retries)
        self._patches = Patches()

    @property
    def records(self) -> list[RetryRecord]:
        """The newest retries and critiques passed on, oldest first."""
        return list(self._retries.records)

    @property
    def stats(self) -> Counter[str]:
        """Retries by how they ended, tokens, refusals by limit, failures."""
        return self._retries.ledger.stats

    def attach(self, client: Any) -> bool:
        """Put it around a model client; False where it is already, or cannot be."""
        create = client.create
        self._patches.set(client, "create_stream", functools.partial(self._create_stream, create))
        return self._patches.set(client, "create", self._create)

    def detach(self) -> None:
        """Put everything back. Detach this before the capture."""
        self._patches.restore()

    def _create(self, original: Method) -> Method:
        @functools.wraps(original)
        async def create(*args: Any, **kwargs: Any) -> Any:
            place = self._retries.safely(self._place, None)
            if place is None:
                return await original(*args, **kwargs)
            call = self._informed(_Call(args, kwargs), place)
            return await self._settled(place, call, original, await original(*call.args, **call.kwargs))

        return create

    def _create_stream(self, create: Method, original: Method) -> Method:
        @functools.wraps(original)
        async def create_stream(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
            place = self._retries.safely(self._place, None)
            call = _Call(args, kwargs) if place is None else self._informed(_Call(args, kwargs), place)
            stream = original(*call.args, **call.kwargs)
            try:
                async for item in stream:
                    if place is not None and isinstance(item, CreateResult):
                        item = await self._settled(place, call, create, item)
                    yield item
            finally:
                close = getattr(stream, "aclose", None)
                if close is not None:
                    await close()

        return create_stream

    async def _settled(self, place: Place, call: _Call, create: Method, first: Any) -> Any:
        """The answer that stands in the end."""
        attempt: Attempt[Any] = Attempt(
            self._retries,
            place,
            view=lambda answer: _view(call.messages, answer, place),
            cost=lambda answer: _cost(call.messages, answer),
        )
        critique = await self._retries.off_loop(attempt.first, first)
        while critique is not None:
            try:
                again = call.with_messages(_retry(call.messages, attempt.answer, critique, place)).for_create()
                answer = await asyncio.wait_for(create(*again.args, **again.kwargs), self._retries.limits.timeout)
            except Exception as error:  # noqa: BLE001 - whatever a retry raises, the run has an answer without it
                attempt.failed(error)
                break
            critique = await self._retries.off_loop(attempt.answered, answer)
        return attempt.answer

    def _informed(self, call: _Call, place: Place) -> _Call:
        critique = self._told.critique(place)
        return call if critique is None else call.with_messages(_with_note(call.messages, critique))

    def _place(self) -> Place | None:
        """Where the call is. None: in no agent's turn of a run that is captured."""
        capture = self._capture()
        scope = None if capture is None else capture.scope()
        if scope is None or scope.turn is None or scope.step is not scope.turn.step:
            return None
        run = scope.run.record
        return Place(
            run_key=run.root.span_id,
            actor_id=scope.turn.actor.id,
            actor=scope.turn.actor.name,
            trace_id=run.trace_id,
            span_id=scope.turn.step.span_id,
            task=_task(run.inputs),
        )


class _Call:
    """The arguments of a model call, as they came."""

    def __init__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.args, self.kwargs = args, kwargs

    @property
    def messages(self) -> Sequence[Any]:
        return list(self.args[0] if self.args else self.kwargs.get("messages", ()))

    def with_messages(self, messages: Sequence[Any]) -> _Call:
        if self.args:
            return _Call((messages, *self.args[1:]), self.kwargs)
        return _Call((), {**self.kwargs, "messages": messages})

    def for_create(self) -> _Call:
        """Without what only a stream takes."""
        return _Call(self.args, {key: value for key, value in self.kwargs.items() if key != "include_usage"})


def _task(given: Any) -> str:
    first = given[0] if isinstance(given, list | tuple) and given else given
    content = first if isinstance(first, str) else getattr(first, "content", None)
    return content if isinstance(content, str) else ""


def _view(messages: Sequence[Any], answer: Any, place: Place) -> StepView:
    history = [_message(message, index, place) for index, message in enumerate(messages)]
    said = AssistantMessage(content=answer.content, source=place.actor)
    return place.view(history, _message(said, len(history), place))


def _message(message: Any, index: int, place: Place) -> Message:
    taken = llm_snapshot(message)
    author = str(getattr(message, "source", None) or taken.role)
    if taken.role == "assistant" and author == place.actor:
        author = place.actor_id
    parts = decode_parts(taken.encode(taken.content))
    return Message(id=f"m{index}", index=index, actor_id=author, role=taken.role, parts=parts)


def _cost(messages: Sequence[Any], answer: Any) -> Cost:
    stated = answer.usage.prompt_tokens + answer.usage.completion_tokens
    said = [getattr(message, "content", "") for message in (*messages, answer)]
    return Cost(stated or None, sum(len(text if isinstance(text, str) else repr(text)) for text in said))


def _retry(messages: Sequence[Any], answer: Any, critique: str, place: Place) -> list[Any]:
    """The prompt once more, with the answer and what speaks against it; the user's objects stay as they are."""
    if not isinstance(answer.content, str):  # a call without its result is no conversation that models accept
        return _with_note(messages, critique)
    draft = AssistantMessage(content=answer.content, source=place.actor)
    return [*messages, draft, UserMessage(content=critique, source="credit_hooks")]


def _with_note(messages: Sequence[Any], note: str) -> list[Any]:
    if messages and isinstance(messages[0], SystemMessage):
        return [SystemMessage(content=f"{messages[0].content}\n\n{note}"), *messages[1:]]
    return [SystemMessage(content=note), *messages]
