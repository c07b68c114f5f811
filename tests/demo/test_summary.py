from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from credit_hooks.demo.summary import agent_credits, credit_table, most_instructive
from credit_hooks.rewards import Credit, CreditedRun, FirstError
from credit_hooks.trajectory import Actor, Trajectory


def credited(run_id, total, blamed=None, status="credited", **agents):
    actors = tuple(Actor(id=f"{name}-id", name=name) for name in agents)
    error = blamed and FirstError(message_id="m", actor_id=f"{blamed}-id", index=0, probability=1.0, rule="planted")
    credit = Credit(
        trajectory_id=run_id,
        status=status,
        total=total,
        agents={f"{name}-id": value for name, value in agents.items()},
        first_error=error or None,
    )
    return CreditedRun(trajectory=Trajectory(id=run_id, actors=actors), credit=credit)


RUNS = [
    credited("good", 0.5, ada=0.4, bob=0.1),
    credited("bad", -0.5, blamed="bob", ada=0.1, bob=-0.6),
    credited("worse", -0.5, blamed="bob", ada=0.4, bob=-0.9),
    credited("unknown", 0.0, status="no_outcome", ada=9.0, bob=9.0),
]

shares = st.floats(-1, 1)


@given(st.lists(st.tuples(shares, shares), min_size=1, max_size=6))
def test_sums_over_agents_are_the_sums_over_runs(pairs):
    runs = [credited(str(number), a + b, ada=a, bob=b) for number, (a, b) in enumerate(pairs)]
    rows = agent_credits(runs)
    assert sum(row.total for row in rows) == pytest.approx(sum(run.credit.total for run in runs), abs=1e-9)
    assert [row.mean for row in rows] == sorted((row.mean for row in rows), reverse=True)


def test_a_row_says_mean_sum_and_first_errors_over_credited_runs_only():
    ada, bob = agent_credits(RUNS)
    assert (ada.name, ada.first_errors) == ("ada", 0)
    assert ada.mean == pytest.approx(0.3)
    assert ada.in_successes == pytest.approx(0.4)
    assert ada.in_failures == pytest.approx(0.25)
    assert (bob.name, bob.first_errors) == ("bob", 2)
    assert bob.total == pytest.approx(-1.4)


def test_the_most_instructive_run_is_the_failure_that_sets_agents_furthest_apart():
    assert most_instructive(RUNS).trajectory.id == "worse"
    assert most_instructive(RUNS[:1]).trajectory.id == "good"
    assert most_instructive(RUNS[3:]) is None
    assert most_instructive([]) is None


def test_bars_point_the_way_of_the_sign():
    console = Console(file=io.StringIO(), width=80)
    console.print(credit_table(RUNS))
    lines = console.file.getvalue().splitlines()
    ada, bob = (next(line for line in lines if name in line) for name in ("ada", "bob"))
    assert ada.index("│") < ada.index("█")
    assert bob.index("█") < bob.index("│")
    assert bob.count("█") == 7
    assert "-0.467" in bob
    assert bob.rstrip().endswith("2")
    assert "…" not in console.file.getvalue()


def test_the_table_of_no_runs_is_empty():
    assert credit_table([]).row_count == 0
