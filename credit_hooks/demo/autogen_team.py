"""The demo's team once more, as a GraphFlow of AutoGen: the same roles, instructions, model and calculator."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.messages import TextMessage
from autogen_agentchat.teams import DiGraphBuilder, GraphFlow
from autogen_core.tools import FunctionTool
from langchain_core.language_models import BaseChatModel

from credit_hooks.autogen import TeamCapture
from credit_hooks.demo.autogen_model import LangChainClient
from credit_hooks.demo.calculator import calculator, run_calculator
from credit_hooks.demo.outcome import evaluate
from credit_hooks.demo.problems import PROBLEMS, Problem
from credit_hooks.demo.team import ROLES, Role
from credit_hooks.rewards import CreditedRun

__all__ = ["autogen_team", "solve_with_autogen"]

_MAX_CALLS = 4
"""Rounds of tool calls in one turn."""


def autogen_team(model: BaseChatModel, roles: tuple[Role, ...] = ROLES) -> GraphFlow:
    """The first role acts alone, the last joins the others, which run side by side."""
    client = LangChainClient(model)
    members = [_member(client, role) for role in roles]
    first, *middle, last = members
    graph = DiGraphBuilder()
    for member in members:
        graph.add_node(member)
    for member in middle:
        graph.add_edge(first, member)
        graph.add_edge(member, last)
    return GraphFlow(list(members), graph=graph.build())


def _member(client: LangChainClient, role: Role) -> AssistantAgent:
    return AssistantAgent(
        role.name,
        client,
        tools=[_tool()] if role.calculates else [],
        system_message=role.instructions,
        max_tool_iterations=_MAX_CALLS,
    )


def _tool() -> FunctionTool:
    return FunctionTool(run_calculator, description=calculator().description, name=calculator().name)


def solve_with_autogen(
    model: BaseChatModel,
    store: Path | None,
    *,
    solved: Callable[[], None],
    problems: Sequence[Problem] = PROBLEMS,
) -> list[CreditedRun]:
    """Run a fresh team on each problem under `TeamCapture`.

    Args:
        model: What all agents think with.
        store: SQLite file that the runs are added to. None: they are kept in memory only.
        solved: Called after each problem.
        problems: What to solve.

    Returns:
        The credited runs, in the order of the problems.
    """
    capture = TeamCapture(evaluate=evaluate, store=store)
    asyncio.run(_solve(model, capture, solved, problems))
    capture.flush()
    return capture.runs


async def _solve(
    model: BaseChatModel, capture: TeamCapture, solved: Callable[[], None], problems: Sequence[Problem]
) -> None:
    for problem in problems:
        team = autogen_team(model)
        capture.attach(team)
        await team.run(task=TextMessage(content=problem.text, source="user", metadata={"task_id": problem.id}))
        solved()
