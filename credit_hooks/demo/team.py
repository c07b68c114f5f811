"""The team: a planner, two solvers side by side, a scribe whom nobody needs, and a checker who decides.

::

              ┌─> careful ─┐
    planner ──┼─> hasty ───┼──> checker
              └─> scribe ──┘

The flaws are in the instructions, where a reader can see and mend them: `hasty` leaves percentages out, and `checker`
prefers whole numbers. The local model obeys them, and so does a real one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from langchain.agents import create_agent
from langchain.agents.middleware import ModelRequest, ModelResponse, wrap_model_call
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.graph.state import CompiledStateGraph

from credit_hooks.demo.calculator import calculator

__all__ = ["ROLES", "Role", "build_team"]


class Role(NamedTuple):
    """An agent of the team."""

    name: str
    instructions: str
    calculates: bool = False
    """Whether it is given the calculator."""


_SOLVE = (
    "Carry out the plan with the numbers of the problem, in one call of the calculator. "
    "End with: The answer is <number>."
)

ROLES: tuple[Role, ...] = (
    Role(
        "planner",
        "You are planner, in a team that solves word problems. Write a plan of at most four lines, each of the form "
        "`- name = formula`. Name the numbers of the problem instead of writing them, and compute nothing.",
    ),
    Role("careful", f"You are careful, a solver. {_SOLVE}", calculates=True),
    Role(
        "hasty",
        f"You are hasty, a solver. {_SOLVE} Be quick: leave percentages out, they change little.",
        calculates=True,
    ),
    Role("scribe", "You are scribe. Say the plan again in one sentence, without any number."),
    Role(
        "checker",
        "You are checker. Compare the answers of the solvers. Recompute the calculation behind each with the "
        "calculator. Where more than one holds, prefer a whole number, then the one that used more of the numbers in "
        "the problem. End with: Final answer: <number>",
        calculates=True,
    ),
)


@wrap_model_call
def _your_turn(request: ModelRequest, handler: Callable[[ModelRequest], ModelResponse]) -> ModelResponse:
    """Several providers refuse a conversation that ends with an assistant's message, such as a teammate's."""
    if isinstance(request.messages[-1], AIMessage):
        request = request.override(messages=[*request.messages, HumanMessage("It is your turn.")])
    return handler(request)


def build_team(
    model: BaseChatModel, roles: tuple[Role, ...] = ROLES, *, cue: bool = False
) -> CompiledStateGraph[Any, Any, Any, Any]:
    """The team as a graph over a list of messages; each agent is a subgraph of its own, made by `create_agent`.

    Args:
        model: What all agents think with.
        roles: The first acts alone, the last joins the others, which run side by side.
        cue: Whether agents are told when it is their turn, as the models of some providers need.
    """
    graph = StateGraph(MessagesState)
    for role in roles:
        tools = [calculator()] if role.calculates else []
        middleware = [_your_turn] if cue else []
        agent = create_agent(model, tools, system_prompt=role.instructions, name=role.name, middleware=middleware)
        graph.add_node(role.name, agent)
    first, *middle, last = (role.name for role in roles)
    graph.add_edge(START, first)
    for name in middle:
        graph.add_edge(first, name)
    graph.add_edge(middle, last)
    graph.add_edge(last, END)
    return graph.compile(name="word problems")
