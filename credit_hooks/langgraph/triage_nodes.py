"""`NodeRetries`: a plain node of a graph that is run again when something speaks against its answer. Opt-in, capped."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

from langchain_core.runnables import Runnable
from opentelemetry.trace import TracerProvider

from credit_hooks.errors import ConfigurationError
from credit_hooks.failure.step_scoring import StepView
from credit_hooks.langgraph.node_values import Channels, characters, cleaned, copied, said_in, written_by
from credit_hooks.langgraph.turns import message_of, place_of
from credit_hooks.triage import RULES, RetryLimits, RetryRecord, Signal, TriageQueue
from credit_hooks.triage.attempt import Attempt, Cost, Place, Told
from credit_hooks.triage.deadline import Deadline
from credit_hooks.triage.retries import Retries

__all__ = ["NodeRetries"]

F = TypeVar("F", bound=Callable[..., Any])


class NodeRetries:
    """Runs plain nodes again when something speaks against their answers; and tells them critiques of earlier runs.

    ::

        queue = TriageQueue(store="runs.db")
        retries = NodeRetries(RetryLimits(total=100), queue=queue)
        graph.add_node("worker", retries.wrap(worker))
        callback = CreditCallback(evaluate=..., store="runs.db", exporters=[queue])
        graph.compile().invoke(inputs, config={"callbacks": [callback]})

    As :class:`credit_hooks.langgraph.triage.TriageMiddleware` does for agents, whose limits it can share: its `nodes`
    is one of these. Unlike there, **a retry calls the whole function again**, with all that it does: wrap nodes only
    whose tools and writes may happen twice. The graph sees one answer, the one that stands. Runs without a
    `CreditCallback` are left alone.

    Args:
        limits: Hard limits, common to all nodes that are wrapped.
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
        on_record = (lambda record: None) if queue is None else queue.note
        self.retries = Retries(limits, signals, tracer_provider, on_record)
        """What is counted against the limits."""
        self.told = Told(queue, self.retries)
        """Who was told what of earlier runs."""
        self.deadline = Deadline()
        """Runs what may take so long and no longer."""

    @property
    def records(self) -> list[RetryRecord]:
        """The newest retries and critiques passed on, oldest first."""
        return list(self.retries.records)

    @property
    def stats(self) -> Counter[str]:
        """Retries by how they ended, tokens, refusals by limit, failures."""
        return self.retries.ledger.stats

    def wrap(self, node: F, *, messages: str = "messages", answer: str | None = None, critique: str | None = None) -> F:
        """A node function that does what `node` does, and is asked again where something speaks against it.

        What `node` raises the first time is the caller's; its first answer stands where a retry raises, interrupts the
        graph, takes too long or is no better. The state and its messages are never written to: a retry gets a copy,
        with lists, dicts and sets of its own, and what was added to it is taken out of what the node returns.

        Args:
            node: Takes a state (dict, pydantic model or dataclass), returns an update or a `Command`; sync or async.
            messages: Key of the conversation in the state: what signals are shown.
            answer: Key of the update that holds the answer, a message or a text. None: the last of `messages`.
            critique: Key under which the node reads a critique, a text; one of its state. None: it is told in its
                messages, as the last one, after its first answer.

        Raises:
            ConfigurationError: it is no function.
        """
        if isinstance(node, Runnable) or not callable(node):
            raise ConfigurationError("wrap takes a node function; agents of create_agent take a TriageMiddleware")
        channels = Channels(messages, answer, critique)
        called = getattr(node, "__call__", None)  # noqa: B004 - an object whose __call__ is async is asked for
        if inspect.iscoroutinefunction(node) or inspect.iscoroutinefunction(called):
            return cast(F, self._async(node, channels))
        return cast(F, self._sync(node, channels))

    def _sync(self, node: Callable[..., Any], channels: Channels) -> Callable[..., Any]:
        @functools.wraps(node)
        def retried(state: Any, *args: Any, **kwargs: Any) -> Any:
            turn = self._turn(state, channels)
            if turn is None:
                return node(state, *args, **kwargs)
            critique = turn.first(node(turn.given(state), *args, **kwargs))
            while critique is not None:
                try:
                    call = functools.partial(node, turn.again(critique), *args, **kwargs)
                    made = self.deadline.call(call, self.retries.limits.timeout)
                except Exception as error:  # noqa: BLE001 - whatever a retry raises, the run has an answer without it
                    turn.attempt.failed(error)
                    break
                critique = turn.answered(made)
            return turn.attempt.answer

        return retried

    def _async(self, node: Callable[..., Any], channels: Channels) -> Callable[..., Any]:
        @functools.wraps(node)
        async def retried(state: Any, *args: Any, **kwargs: Any) -> Any:
            turn = self._turn(state, channels)
            if turn is None:
                return await node(state, *args, **kwargs)
            critique = await self.retries.off_loop(turn.first, await node(turn.given(state), *args, **kwargs))
            while critique is not None:
                try:
                    call = node(turn.again(critique), *args, **kwargs)
                    made = await asyncio.wait_for(call, self.retries.limits.timeout)
                except Exception as error:  # noqa: BLE001 - as above
                    turn.attempt.failed(error)
                    break
                critique = await self.retries.off_loop(turn.answered, made)
            return turn.attempt.answer

        return retried

    def _turn(self, state: Any, channels: Channels) -> _Turn | None:
        place = self.retries.safely(lambda: _placed(channels.asked(state)), None)
        return None if place is None else self.retries.safely(lambda: _Turn(self, place, state, channels), None)


def _placed(messages: Sequence[Any]) -> Place | None:
    try:
        return place_of(messages)
    except RuntimeError:  # called outside of any graph, as in a test of the user's
        return None


class _Turn:
    """One call of a node, and the retries of it."""

    def __init__(self, hook: NodeRetries, place: Place, state: Any, channels: Channels) -> None:
        self._retries, self._place, self._channels = hook.retries, place, channels
        self._before = copied(state)
        """The state as the node was first given it, whatever the node did to its lists."""
        self._informed, self._added = self._before, list[Any]()
        critique = hook.told.critique(place)
        if critique is not None:
            self._informed, self._added = channels.informed(self._before, critique)
        self._shown = channels.asked(self._informed)
        self.attempt: Attempt[Any] = Attempt(self._retries, place, view=self._view, cost=self._cost)

    def given(self, state: Any) -> Any:
        """What the node is called with first: its own state, unless it is told something."""
        return copied(self._informed) if self._added else state

    def first(self, answer: Any) -> str | None:
        """Take the node's own answer. The critique to retry it with; None: it stands."""
        answer = self._cleaned(answer)
        self.attempt.answer = answer
        if self._retries.safely(lambda: said_in(answer, self._channels, self._shown), None) is None:
            return None  # routers, tools, and what cannot be read: no turn of an agent
        return self.attempt.first(answer)

    def again(self, critique: str) -> Any:
        """What the node is called with for a retry."""
        state, added = self._channels.criticised(copied(self._informed), self.attempt.answer, critique)
        self._added = [*self._added, *added]
        return state

    def answered(self, answer: Any) -> str | None:
        """Take the answer of a retry. The critique of what stands now; None: it stands."""
        return self.attempt.answered(self._cleaned(answer))

    def _cleaned(self, answer: Any) -> Any:
        return self._retries.safely(lambda: cleaned(answer, self._added, self._before), answer)

    def _view(self, answer: Any) -> StepView:
        said = said_in(answer, self._channels, self._shown)
        if said is None:
            raise ValueError("the node has returned no answer that can be read")
        own = written_by(answer, self._channels, self._shown)[:-1]
        conversation = [message_of(one, index, self._place) for index, one in enumerate([*self._shown, *own])]
        step = message_of(said, len(conversation), self._place)  # in many graphs agents write as users; it is theirs
        step = step.model_copy(update={"role": "assistant", "actor_id": self._place.actor_id})
        return self._place.view(conversation, step)

    def _cost(self, answer: Any) -> Cost:
        written = written_by(answer, self._channels, self._shown)
        stated = [usage["total_tokens"] for one in written if (usage := getattr(one, "usage_metadata", None))]
        told = sum(len(one) if isinstance(one, str) else characters(one) for one in self._added)
        return Cost(sum(stated) if stated else None, told + sum(characters(one) for one in [*self._shown, *written]))
