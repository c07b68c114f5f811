"""The demo's team in AutoGen: the same problems, roles, model and calculator."""

from __future__ import annotations

import io

import pytest

pytest.importorskip("autogen_agentchat", reason="AutoGen is not installed: pip install 'credit-hooks[autogen]'")

from autogen_core import CancellationToken
from autogen_core.models import SystemMessage, UserMessage
from rich.console import Console

from credit_hooks.demo import run_demo
from credit_hooks.demo.autogen_model import LangChainClient
from credit_hooks.demo.autogen_team import solve_with_autogen
from credit_hooks.demo.model import ArithmeticChatModel
from credit_hooks.demo.problems import PROBLEMS
from credit_hooks.demo.summary import agent_credits
from credit_hooks.store import RunStore


@pytest.fixture(scope="module")
def runs():
    return solve_with_autogen(ArithmeticChatModel(), None, solved=lambda: None)


def test_the_same_problems_are_solved_as_in_langgraph(runs):
    assert [run.trajectory.task_id for run in runs] == [problem.id for problem in PROBLEMS]
    assert sum(run.trajectory.outcome.success for run in runs) == 14
    for run in runs:
        assert run.credit.status == "credited"
        assert sum(run.credit.agents.values()) == pytest.approx(run.credit.total, abs=1e-9)


def test_the_solver_without_the_flaw_earns_more_and_nobody_needs_the_scribe(runs):
    rows = {row.name: row for row in agent_credits(runs)}
    assert rows["careful"].mean > rows["hasty"].mean
    assert rows["careful"].in_failures > rows["hasty"].in_failures
    assert abs(rows["scribe"].in_successes) < 0.02


def test_solvers_work_side_by_side_and_the_checker_reads_both(runs):
    run = runs[0].trajectory
    written = {}
    for message in run.messages:
        written.setdefault(message.actor_id, []).append(message)
    (problem,), (plan,), checked = written["user"], written["planner"], written["checker"][-1]
    for solver in ("careful", "hasty"):
        assert run.parents(written[solver][0].id) == (problem.id, plan.id)
        assert written[solver][-1].id in run.parents(checked.id)


def test_both_frameworks_stand_side_by_side_and_in_one_store(tmp_path):
    console = Console(file=io.StringIO(), width=140)
    run_demo(None, tmp_path / "runs.db", tmp_path / "report.html", console)
    printed = console.file.getvalue()
    (heading,) = [line for line in printed.splitlines() if "LangGraph" in line and "AutoGen" in line]
    assert heading.split() == ["LangGraph", "AutoGen"]
    rows = [line.split() for line in printed.splitlines() if line.strip().startswith(("careful", "solved"))]
    assert rows[-1] == ["solved", "14", "of", "20", "14", "of", "20"]
    with RunStore(tmp_path / "runs.db", read_only=True) as store:
        frameworks = [run.trajectory.framework for run in store]
    assert (frameworks.count("langgraph"), frameworks.count("autogen")) == (20, 20)


async def test_a_langchain_model_is_a_model_client_of_autogen():
    client = LangChainClient(ArithmeticChatModel())
    prompt = [
        SystemMessage(content="You are planner. Write a plan."),
        UserMessage(content=PROBLEMS[0].text, source="user"),
    ]
    answer = await client.create(prompt, cancellation_token=CancellationToken())
    assert (answer.finish_reason, answer.thought) == ("stop", None)
    assert answer.content.startswith("Plan:")
    assert [item async for item in client.create_stream(prompt)] == [answer]
