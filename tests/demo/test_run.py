from __future__ import annotations

import io

import pytest
from langchain_core.messages import HumanMessage
from rich.console import Console

from credit_hooks.demo import run_demo
from credit_hooks.demo.model import ArithmeticChatModel
from credit_hooks.demo.outcome import evaluate
from credit_hooks.demo.problems import PROBLEMS
from credit_hooks.demo.summary import agent_credits
from credit_hooks.demo.team import ROLES, build_team
from credit_hooks.errors import ConfigurationError
from credit_hooks.langgraph import CreditCallback
from credit_hooks.store import RunStore


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "not there yet"
    console = Console(file=io.StringIO(), width=140)
    run_demo(None, folder / "runs.db", folder / "report.html", console)
    with RunStore(folder / "runs.db", read_only=True) as store:
        runs = [run for run in store if run.trajectory.framework == "langgraph"]
    return runs, (folder / "report.html").read_text(encoding="utf-8"), console.file.getvalue()


def test_every_problem_is_stored_with_its_outcome_and_its_credit(demo):
    runs, _, _ = demo
    assert [run.trajectory.task_id for run in runs] == [problem.id for problem in PROBLEMS]
    for run in runs:
        assert run.credit.status == "credited"
        assert sum(run.credit.agents.values()) == pytest.approx(run.credit.total, abs=1e-9)
    assert sum(run.trajectory.outcome.success for run in runs) == 14


def test_the_flawed_solver_ends_lowest_and_is_the_first_to_err(demo):
    runs, _, _ = demo
    rows = {row.name: row for row in agent_credits(runs)}
    assert agent_credits(runs)[-1].name == "hasty"
    assert rows["hasty"].mean < 0 < rows["careful"].mean
    assert rows["hasty"].first_errors > sum(row.first_errors for name, row in rows.items() if name != "hasty")


def test_the_redundant_message_earns_next_to_nothing_where_the_team_succeeds(demo):
    runs, _, _ = demo
    rows = {row.name: row for row in agent_credits(runs)}
    assert abs(rows["scribe"].in_successes) < 0.02 < rows["careful"].in_successes


def test_with_the_flaw_mended_the_same_solver_is_not_lowest():
    mended = tuple(
        role._replace(instructions=role.instructions.replace("leave percentages out", "mind every number"))
        for role in ROLES
    )
    callback = CreditCallback(evaluate=evaluate)
    team = build_team(ArithmeticChatModel(), mended)
    for problem in PROBLEMS:
        config = {"callbacks": [callback], "metadata": {"task_id": problem.id}}
        team.invoke({"messages": [HumanMessage(problem.text)]}, config=config)
    assert callback.flush()
    rows = {row.name: row for row in agent_credits(callback.runs)}
    assert all(run.trajectory.outcome.success for run in callback.runs)
    assert rows["hasty"].mean == pytest.approx(rows["careful"].mean, abs=0.02)


def test_the_table_and_the_report_show_what_was_stored(demo):
    runs, page, printed = demo
    assert "14 of 20 problems solved" in printed
    assert "Lowest: hasty. What it was told: You are hasty" in printed
    shown = next(run for run in runs if f"credit-hooks show {run.trajectory.id}" in printed)
    assert shown.trajectory.outcome.success is False
    assert shown.trajectory.messages[0].text.split(".")[0] in page


@pytest.mark.parametrize("model", ["openai:gpt-4o-mini", "nobody:nothing", "nothing"])
def test_a_model_that_cannot_be_used_is_a_clear_error(model, tmp_path, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ConfigurationError, match=f"{model}"):
        run_demo(model, tmp_path / "runs.db", tmp_path / "report.html", Console(file=io.StringIO()))
    assert not (tmp_path / "report.html").exists()
