"""The order desk as a LangGraph graph: prompts come through its configuration.

::

              ┌─> goods ──┐
    reader ───┤           ├──> desk ──> cashier
              └─> extras ─┘

`desk` is the aggregation: it puts the work of the others together. The others are roles.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from langchain_core.messages import HumanMessage, SystemMessage
from langchain_core.runnables import RunnableConfig
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.graph.state import CompiledStateGraph

from credit_hooks.credit import CreditConfig
from credit_hooks.demo.order_desk.model import ClerkModel
from credit_hooks.demo.order_desk.skills import SKILLS
from credit_hooks.prompts.blocks import PromptBlock
from credit_hooks.prompts.langgraph import LangGraphTeam

__all__ = ["BLOCKS", "build_desk", "desk_blocks", "desk_team"]

_DUTIES: Mapping[str, str] = {
    "reader": "You are reader. Write a note of the order.",
    "goods": "You are goods. Work out what the goods cost.",
    "extras": "You are extras. Work out what comes on top of the goods.",
    "desk": "You are desk. Put the work of the clerks together.",
    "cashier": "You are cashier. Name the amount to pay.",
}


def desk_blocks(without: Collection[str] = ()) -> tuple[PromptBlock, ...]:
    """The five prompts, which teach everything but the skills `without`."""
    return tuple(
        PromptBlock(
            role=role,
            text=" ".join(
                [duty, *(skill.sentence for skill in SKILLS if skill.role == role and skill.name not in without)]
            ),
            kind="aggregation" if role == "desk" else "role",
        )
        for role, duty in _DUTIES.items()
    )


BLOCKS: tuple[PromptBlock, ...] = desk_blocks(without=("percent", "damaged"))
"""The prompts of the example: `goods` knows neither of its skills."""


def build_desk(
    blocks: Collection[PromptBlock] = BLOCKS,
    *,
    slip: float = 0.0,
    honest: bool = True,
    seed: int = 0,
    parallel: bool = True,
) -> CompiledStateGraph[Any, Any, Any, Any]:
    """The graph; each node takes its prompt from `config["configurable"]["prompts"]`, else from `blocks`.

    Args:
        blocks: The prompts of runs that are configured with none.
        slip: As for :class:`ClerkModel`, like the rest.
        honest: Whether clerks say what they are not sure of.
        seed: Of the slips.
        parallel: Whether goods and extras work side by side; else one after the other, so that the order of messages
            is no matter of threads.
    """
    own = {block.role: block.text for block in blocks}
    graph = StateGraph(MessagesState)
    for role in _DUTIES:
        graph.add_node(role, _node(ClerkModel(role=role, slip=slip, honest=honest, seed=seed), own))
    graph.add_edge(START, "reader")
    graph.add_edge("reader", "goods")
    graph.add_edge("reader" if parallel else "goods", "extras")
    graph.add_edge(["goods", "extras"], "desk")
    graph.add_edge("desk", "cashier")
    graph.add_edge("cashier", END)
    return graph.compile(name="order desk")


def _node(model: ClerkModel, own: Mapping[str, str]) -> Any:
    def work(state: MessagesState, config: RunnableConfig) -> dict[str, Any]:
        prompts = config["configurable"].get("prompts", own)
        heard = [HumanMessage(message.text) for message in state["messages"]]
        return {"messages": [model.invoke([SystemMessage(prompts[model.role]), *heard])]}

    return work


def desk_team(
    without: Collection[str] = ("percent", "damaged"),
    *,
    slip: float = 0.0,
    honest: bool = True,
    seed: int = 0,
    parallel: bool = True,
) -> LangGraphTeam:
    """The team, as :func:`credit_hooks.prompts.optimize` takes it; arguments as for :func:`build_desk`."""
    blocks = desk_blocks(without)
    graph = build_desk(blocks, slip=slip, honest=honest, seed=seed, parallel=parallel)
    return LangGraphTeam(graph, blocks, name="order desk", credit=CreditConfig(baseline=0.5))
