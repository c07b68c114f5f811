"""Who speaks for masked agents, and what such a turn leaves behind."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from autogen_agentchat.base import ChatAgent, Team
from autogen_agentchat.messages import BaseChatMessage, HandoffMessage, TextMessage
from autogen_core.models import AssistantMessage, ChatCompletionClient

from credit_hooks.autogen import names
from credit_hooks.errors import ConfigurationError

__all__ = ["Baseline", "MaskedTurn", "Speaker", "corrector_of", "remember", "speaker_of", "spoken"]


@dataclass(frozen=True)
class MaskedTurn:
    """The turn of a masked agent, as a baseline function sees it."""

    agent: str
    """Path of the agent, as `team/writer`."""
    messages: tuple[Any, ...]
    """What it is given in this replay."""
    recorded: Any
    """Its answer in the recorded run, in this turn or else in its last. None: it gave none."""


Baseline: TypeAlias = str | BaseChatMessage | Callable[[MaskedTurn], Any] | ChatCompletionClient


@dataclass(frozen=True)
class Speaker:
    """Who speaks for masked agents: a text, a message, a function, or a model."""

    described: str
    text: str = ""
    """What tools say that are masked, and agents unless there is something else."""
    message: BaseChatMessage | None = None
    function: Callable[[MaskedTurn], Any] | None = None
    client: ChatCompletionClient | None = None

    def says(self, turn: MaskedTurn, name: str) -> Any:
        """The message in place of a turn. Who handed over still does, or nobody else would ever speak."""
        wanted: Any = self.message if self.message is not None else self.text
        if self.function is not None:
            wanted = self.function(turn)
        return spoken(wanted, name, turn.recorded)


def speaker_of(baseline: Any) -> Speaker:
    """Read what a user says who speaks.

    Raises:
        ConfigurationError: it can be none.
    """
    if isinstance(baseline, str):
        return Speaker(f"the text {baseline!r}" if baseline else "silence", text=baseline)
    if isinstance(baseline, BaseChatMessage):
        return Speaker(f"the message {baseline.to_text()!r}", message=baseline)
    if isinstance(baseline, ChatCompletionClient):
        return Speaker(f"model {names.model_name(baseline) or type(baseline).__name__}", client=baseline)
    if callable(baseline):
        return Speaker(f"function {getattr(baseline, '__qualname__', type(baseline).__name__)}", function=baseline)
    raise ConfigurationError(
        f"baseline is a text, a chat message, a function of a MaskedTurn or a model client, not {baseline!r}"
    )


def corrector_of(by: Any) -> Speaker:
    """Read what a user says who does turns anew in place of the agents.

    Raises:
        ConfigurationError: it cannot; a text cannot either, as it would be every turn's.
    """
    if isinstance(by, ChatCompletionClient) or (
        callable(by) and not isinstance(by, (BaseChatMessage, ChatAgent, Team))
    ):
        return speaker_of(by)
    raise ConfigurationError(
        "correction is a function of a MaskedTurn or a model client, as it speaks more than one turn, not "
        f"{type(by).__name__}; for one message with a text of your own there is counterfactual(run, message_id, text)"
    )


def spoken(wanted: Any, name: str, recorded: Any) -> Any:
    """Text or a message as a message of this agent's.

    Raises:
        ConfigurationError: it is neither.
    """
    if isinstance(wanted, BaseChatMessage):
        return wanted.model_copy(update={"id": str(uuid.uuid4()), "source": name})
    if not isinstance(wanted, str):
        raise ConfigurationError(f"a message is replaced by text or a chat message, not by {type(wanted).__name__}")
    if isinstance(recorded, HandoffMessage):
        return HandoffMessage(content=wanted, target=recorded.target, source=name)
    return TextMessage(content=wanted, source=name)


async def remember(agent: Any, delivered: list[Any], said: Any) -> None:
    """Let a masked agent keep in mind what it was told, and what was said in its name."""
    context = names.model_context(agent)
    if context is None:
        return
    for message in delivered:
        for handed_over in getattr(message, "context", None) or ():
            await context.add_message(handed_over)
        await context.add_message(message.to_model_message())
    await context.add_message(AssistantMessage(content=said.to_model_text(), source=agent.name))
