"""Who speaks in place of agents: what users may pass, as something that a course can run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import Runnable, RunnableLambda
from langgraph.pregel import Pregel

from credit_hooks.errors import ConfigurationError
from credit_hooks.langgraph.replay.course import StandIn
from credit_hooks.langgraph.replay.gates import leaves

__all__ = ["corrector", "speaker"]


def speaker(baseline: Any) -> tuple[str, StandIn, str]:
    """What silent messages say, who speaks instead, and both in words."""
    if isinstance(baseline, str):
        return baseline, None, f"the text {baseline!r}" if baseline else "silence"
    if isinstance(baseline, Pregel):
        return "", {path: node.bound for path, node in leaves(baseline)}, f"graph {baseline.get_name()!r}"
    if isinstance(baseline, BaseChatModel):
        name = getattr(baseline, "model_name", None) or getattr(baseline, "model", None) or type(baseline).__name__
        return "", _as_node(baseline), f"model {name}"
    if callable(baseline):
        return "", baseline, f"function {getattr(baseline, '__qualname__', type(baseline).__name__)}"
    raise ConfigurationError(
        f"baseline is a text, a function of a MaskedTurn, a chat model or a compiled graph, not {baseline!r}"
    )


def corrector(by: Any) -> StandIn:
    """Who does turns anew in place of the agents.

    Raises:
        ConfigurationError: it cannot; a text cannot either, as it would be every turn's.
    """
    if isinstance(by, str):
        raise ConfigurationError(
            "correction is a function of a MaskedTurn, a chat model or a compiled graph, as it speaks more than one "
            "turn; for one message with a text of your own there is counterfactual(run, message_id, text)"
        )
    return speaker(by)[1]


def _as_node(model: BaseChatModel) -> Runnable[Any, Any]:
    """A node that answers the state's messages by a model."""

    def speak(state: Any) -> dict[str, Any]:
        return {"messages": [model.invoke(_messages(state))]}

    async def aspeak(state: Any) -> dict[str, Any]:
        return {"messages": [await model.ainvoke(_messages(state))]}

    return RunnableLambda(speak, aspeak)


def _messages(state: Any) -> Any:
    return state["messages"] if isinstance(state, Mapping) else state.messages
