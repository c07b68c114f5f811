"""Agents over many runs: sums and means, intervals that cover, drift that is found where it is and only there."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_hooks.credit.siblings import Standings
from credit_hooks.credit.siblings.student import student_quantile, student_tail
from credit_hooks.rewards import Credit, CreditedRun, Reward
from credit_hooks.trajectory import Actor, Message, Trajectory

KINDS = {"shell": "tool", "user": "human"}


def run(number, rewards, *, task=None, at=None, roles=None, status="credited"):
    """rewards: (actor, reward) per message."""
    names = dict.fromkeys(actor for actor, _ in rewards)
    trajectory = Trajectory(
        id=f"r{number}",
        group_id=task,
        actors=tuple(
            Actor(id=n, name=n, kind=KINDS.get(n, "agent"), meta={"role": roles[n]} if roles and n in roles else {})
            for n in names
        ),
        messages=tuple(
            Message(id=f"m{i}", index=i, actor_id=actor, timestamp=at) for i, (actor, _) in enumerate(rewards)
        ),
    )
    agents = {name: sum(value for actor, value in rewards if actor == name) for name in names}
    messages = tuple(Reward(message_id=f"m{i}", actor_id=a, reward=v) for i, (a, v) in enumerate(rewards))
    credit = Credit(trajectory_id=trajectory.id, status=status, agents=agents, messages=messages)
    return CreditedRun(trajectory=trajectory, credit=credit)


def standings(runs):
    result = Standings()
    for each in runs:
        result.add(each)
    return result


def test_sum_and_mean_per_message_are_both_given():
    found = standings(
        [
            run(0, [("ada", 0.2), ("ada", 0.4), ("bob", -0.1)], task="a"),
            run(1, [("ada", 0.3), ("shell", 0.0)], task="b"),
            run(2, [("ada", 0.9)], status="no_outcome"),
        ]
    )
    ada, shell, bob = found.agents()
    assert (ada.name, ada.runs, ada.messages, ada.tasks) == ("ada", 2, 3, 2)
    assert ada.total == pytest.approx(0.9)
    assert ada.credit.mean == pytest.approx(0.45)
    assert ada.per_message.mean == pytest.approx(0.3)
    assert (shell.kind, bob.credit) == ("tool", (pytest.approx(-0.1), None, None))
    assert (found.runs, found.credited, found.tasks) == (3, 2, 2)


def test_roles_are_stated_or_the_kind_of_actor():
    roles = {"s1": "solver", "s2": "solver"}
    found = standings([run(0, [("s1", 0.2), ("s2", 0.1), ("shell", 0.0)], roles=roles)])
    assert {standing.name: standing.total for standing in found.roles()} == {
        "solver": pytest.approx(0.3),
        "tool": 0.0,
    }


def test_intervals_hold_the_mean_as_often_as_they_say_also_where_runs_of_a_task_resemble_each_other():
    draw = np.random.default_rng(0)
    held = []
    for _ in range(200):
        runs = []
        for task in range(12):
            level = draw.normal(0.1, 0.1)
            runs += [run(len(runs), [("ada", level + draw.normal(0, 0.1))], task=f"t{task}") for _ in range(5)]
        interval = standings(runs).agents()[0].credit
        held.append(interval.low <= 0.1 <= interval.high)
    assert 0.91 <= np.mean(held) <= 0.98


def drawn(draw, change, runs=60, tasks=15):
    return [
        run(i, [("ada", change * i / runs + draw.normal(0, 0.1)), ("bob", draw.normal(0, 0.1))], task=f"t{i % tasks}")
        for i in range(runs)
    ]


def test_drift_is_found_where_it_is():
    ada, bob = sorted(standings(drawn(np.random.default_rng(1), -0.3)).agents(), key=lambda s: s.name)
    assert ada.drift.p_adjusted < 0.001
    assert ada.drift.low < -0.3 < ada.drift.high
    assert bob.drift.p_adjusted > 0.05


def test_drift_is_seldom_found_where_there_is_none():
    draw = np.random.default_rng(2)
    false = [min(s.drift.p_adjusted for s in standings(drawn(draw, 0.0)).agents()) < 0.05 for _ in range(100)]
    assert np.mean(false) < 0.1


def test_few_runs_or_tasks_are_not_tested_for_drift():
    draw = np.random.default_rng(3)
    assert all(s.drift is None for s in standings(drawn(draw, 0.5, runs=9)).agents())
    assert all(s.drift is None for s in standings(drawn(draw, 0.5, tasks=4)).agents())


def test_time_decides_the_order_where_it_is_stated():
    runs = [run(i, [("ada", i / 40)], task=f"t{i % 8}", at=1000 - i) for i in range(40)]
    assert standings(runs).agents()[0].drift.change < -0.9
    shuffled = random.Random(0).sample(runs, 40)
    assert standings(shuffled).agents()[0].drift.change == pytest.approx(standings(runs).agents()[0].drift.change)


def test_constant_credit_neither_drifts_nor_fails():
    found = standings([run(i, [("ada", 0.25)], task=f"t{i}") for i in range(20)]).agents()[0]
    assert found.credit == (0.25, 0.25, 0.25)
    assert found.drift.p == 1.0


@pytest.mark.parametrize(
    ("degrees", "quantile"), [(1, 12.7062047362), (2, 4.30265272975), (5, 2.57058183661), (30, 2.04227245630)]
)
def test_students_quantiles(degrees, quantile):
    assert student_quantile(0.975, degrees) == pytest.approx(quantile, rel=1e-9)


@given(st.floats(0, 30), st.integers(1, 200))
def test_quantiles_invert_tails(t, degrees):
    tail = student_tail(t, degrees)
    assert 0.0 <= tail <= 0.5
    if tail > 1e-9:
        assert student_quantile(1.0 - tail, degrees) == pytest.approx(t, abs=1e-4, rel=1e-4)


@given(st.lists(st.tuples(st.floats(-1, 1), st.sampled_from("tuv")), min_size=1, max_size=30), st.randoms())
def test_totals_and_means_do_not_depend_on_the_order(values, draw):
    runs = [run(i, [("ada", value)], task=task) for i, (value, task) in enumerate(values)]
    one, other = standings(runs).agents()[0], standings(draw.sample(runs, len(runs))).agents()[0]
    assert one.total == pytest.approx(other.total, abs=1e-12)
    assert one.credit == pytest.approx(other.credit, abs=1e-9)
