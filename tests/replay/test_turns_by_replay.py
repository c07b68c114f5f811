"""C[t, i] with replay values: turns, agents and messages are sums of the same rewards, in teams that change, too."""

from math import fsum

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_team import MadeUpSystem, Team, brute_force, counting, score, scored

from credit_hooks.credit import CreditConfig, shapley
from credit_hooks.credit.lookahead import with_lookahead
from credit_hooks.replay import ReplayLimits, replay_credit
from credit_hooks.rewards import CreditedRun

LIMITS = ReplayLimits(max_calls=10**6, parallel=1)


def check(credit):
    assert fsum(cell.credit for cell in credit.turns) == pytest.approx(credit.total, abs=1e-9)
    for agent, amount in credit.agents.items():
        in_time = fsum(cell.credit for cell in credit.turns if cell.actor_id == agent)
        messages = fsum(reward.reward for reward in credit.messages if reward.actor_id == agent)
        assert in_time == pytest.approx(amount, abs=1e-9)
        assert messages == pytest.approx(amount, abs=1e-9)
    assert all(-1.0 <= reward.reward <= 1.0 for reward in credit.messages)


@st.composite
def dynamic_teams(draw):
    """Whoever speaks may be new each time; everyone reads some of the turns before."""
    turns = []
    for number in range(draw(st.integers(1, 5))):
        reads = draw(st.sets(st.integers(0, number - 1), max_size=3)) if number else set()
        turns.append(counting(f"a{draw(st.integers(0, number))}", sorted(reads), draw(st.integers(1, 5))))
    return Team(turns)


@settings(max_examples=20, deadline=None)
@given(dynamic_teams())
def test_row_sums_are_the_values_of_turns_against_brute_force(team):
    system = MadeUpSystem(team)
    config = CreditConfig(method="replay", level="shapley", budget=64)
    trajectory = scored(system, score)
    credit = replay_credit(trajectory, system, score, config, LIMITS)
    check(credit)
    check(with_lookahead(CreditedRun(trajectory=trajectory, credit=credit)))
    exact = shapley(np.array(brute_force(team, score)))
    rows = {}
    for cell in credit.turns:
        rows[cell.turn] = rows.get(cell.turn, 0.0) + cell.credit
    assert [rows.get(turn, 0.0) for turn in range(len(exact))] == pytest.approx(exact.tolist(), abs=1e-9)


def test_thirty_agents_and_a_thousand_messages():
    """Agents join and leave; more players than single messages can be: agents are masked as a whole."""
    rng = np.random.default_rng(0)
    turns = []
    for number in range(1_000):
        newest = min(29, number * 30 // 1_000 + 4)
        agent = int(rng.integers(max(0, newest - 9), newest + 1))
        turns.append(counting(f"agent{agent}", range(max(0, number - 2), number) if number % 7 else (), agent % 3))
    system = MadeUpSystem(Team(turns))

    def near(run):
        return (int(run.answer or 0) % 101) / 100

    trajectory = scored(system, near)
    credit = replay_credit(trajectory, system, near, CreditConfig(method="replay", budget=12), LIMITS)
    assert len(credit.replay.players) == 30
    assert len(credit.agents) == 30
    check(credit)
    check(with_lookahead(CreditedRun(trajectory=trajectory, credit=credit), hops=4))
