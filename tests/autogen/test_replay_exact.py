"""Credit by replay equals brute force, which builds the team anew for every coalition and knows nothing of replay."""

import asyncio
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("autogen_agentchat", reason="needs credit-hooks[autogen]")

from replay_cases.casts import TEAMS, Cast, score

from credit_hooks.autogen import Replay, capture_of, instrument
from credit_hooks.credit import CreditConfig, owen, shapley
from credit_hooks.replay import recompute


def brute_force(build, turns):
    """(table of all coalitions of turns, model calls it took)."""
    values, calls = [], 0
    for kept in range(1 << len(turns)):
        cast = Cast(silent=[turn for i, turn in enumerate(turns) if not kept >> i & 1])
        result = asyncio.run(build(cast).run(task="task"))
        values.append(score(SimpleNamespace(answer=result.messages[-1].to_text())))
        calls += sum(cast.calls.values())
    return np.array(values), calls


def credited(build, **config):
    """(credit by replay, model calls that the replays made, capture) of one run of a team."""
    cast = Cast()
    credit = CreditConfig(method="replay", budget=1_000, **config)
    team = instrument(build(cast), evaluate=score, credit=credit, replay=Replay(lambda: build(cast)))
    asyncio.run(team.run(task="task"))
    observed = sum(cast.calls.values())
    capture = capture_of(team)
    assert capture.flush(120)
    assert capture.failures == []
    return capture.last.credit, sum(cast.calls.values()) - observed, capture


def by_turn(credit, turns):
    """Values of the players in the order of `turns`: members that speak side by side do so in any order."""
    values, number = {}, Counter()
    for player in credit.replay.players:
        name = player.actor_id.rpartition("/")[2]
        values[name, number[name]] = player.value
        number[name] += 1
    return np.array([values[turn] for turn in turns])


@pytest.fixture(params=TEAMS.values(), ids=TEAMS)
def team(request):
    return request.param


def test_messages_get_their_shapley_value(team):
    build, turns = team
    table, calls = brute_force(build, turns)
    credit, live, _ = credited(build, level="shapley")
    assert credit.replay is not None, credit.notes
    np.testing.assert_allclose(by_turn(credit, turns), shapley(table), atol=1e-12)
    assert credit.replay.stopped == "exact"
    assert credit.replay.costs.model_calls == live
    assert live < calls
    assert recompute(credit.replay).values.tolist() == [player.value for player in credit.replay.players]


def test_messages_of_an_agent_get_their_owen_value():
    build, turns = TEAMS["rounds"]
    table, _ = brute_force(build, turns)
    credit, _, capture = credited(build)
    unions = [[i for i, (name, _) in enumerate(turns) if name == agent] for agent in "ab"]
    np.testing.assert_allclose(by_turn(credit, turns), owen(table, unions), atol=1e-12)
    assert credit.method == "replay.owen"
    assert sum(credit.agents.values()) == pytest.approx(credit.total, abs=1e-9)
    assert capture.last.trajectory.outcome.score == credit.outcome
    assert credit.baseline == table[0]


def test_agents_get_the_shapley_value_of_all_they_say():
    build, turns = TEAMS["rounds"]
    table, _ = brute_force(build, turns)
    credit, _, _ = credited(build, players="agents")
    a, b = 0b0101, 0b1010
    expected = shapley([table[0], table[a], table[b], table[a | b]])
    assert [credit.agents["a"], credit.agents["b"]] == pytest.approx(expected)
