"""Credit by replay equals brute force, which builds the team anew for every coalition and knows nothing of replay."""

from types import SimpleNamespace

import numpy as np
import pytest
from graphs import TEAMS, Cast, score

from credit_hooks.credit import CreditConfig, owen, shapley
from credit_hooks.langgraph import CreditCallback, Replay
from credit_hooks.replay import recompute


def inputs():
    return {"messages": [("user", "task")], "round": 0, "last": []}


def brute_force(build, turns):
    """(table of all coalitions of turns, model calls it took)."""
    values, calls = [], 0
    for kept in range(1 << len(turns)):
        cast = Cast(silent=[turn for i, turn in enumerate(turns) if not kept >> i & 1])
        output = build(cast).invoke(inputs())
        values.append(score(SimpleNamespace(answer=output["messages"][-1].text)))
        calls += sum(cast.calls.values())
    return np.array(values), calls


def credited(build, run=None, **config):
    """(credit by replay, model calls that the replays made, callback) of one run of a team."""
    cast = Cast()
    graph = build(cast)
    config = CreditConfig(method="replay", budget=1_000, **config)
    callback = CreditCallback(evaluate=score, credit=config, replay=Replay(graph))
    (run or graph.invoke)(inputs(), {"callbacks": [callback]})
    observed = sum(cast.calls.values())
    assert callback.flush(120)
    assert callback.failures == []
    return callback.last.credit, sum(cast.calls.values()) - observed, callback


def by_player(credit):
    return np.array([player.value for player in credit.replay.players])


@pytest.fixture(params=TEAMS.values(), ids=TEAMS)
def team(request):
    return request.param


def test_messages_get_their_shapley_value(team):
    build, turns = team
    table, calls = brute_force(build, turns)
    credit, live, _ = credited(build, level="shapley")
    np.testing.assert_allclose(by_player(credit), shapley(table), atol=1e-12)
    assert credit.replay.stopped == "exact"
    assert credit.replay.costs.model_calls == live
    assert live < calls
    assert recompute(credit.replay).values.tolist() == by_player(credit).tolist()


def test_messages_of_an_agent_get_their_owen_value():
    build, turns = TEAMS["rounds"]
    table, _ = brute_force(build, turns)
    credit, _, callback = credited(build)
    unions = [[i for i, (name, _) in enumerate(turns) if name == agent] for agent in "abc"]
    np.testing.assert_allclose(by_player(credit), owen(table, unions), atol=1e-12)
    assert credit.method == "replay.owen"
    assert sum(credit.agents.values()) == pytest.approx(credit.total, abs=1e-9)
    assert credit.agents["next"] == 0.0
    assert callback.last.trajectory.outcome.score == credit.outcome
    assert credit.baseline == table[0]


def test_agents_get_the_shapley_value_of_all_they_say():
    build, turns = TEAMS["debate"]
    table, _ = brute_force(build, turns)
    credit, _, _ = credited(build, players="agents")
    a, b = 0b0101, 0b1010
    expected = shapley([table[0], table[a], table[b], table[a | b]])
    assert [credit.agents["a"], credit.agents["b"]] == pytest.approx(expected)


async def test_runs_on_an_event_loop_are_replayed_on_one():
    build, turns = TEAMS["star"]
    cast = Cast()
    graph = build(cast)
    config = CreditConfig(method="replay", level="shapley")
    callback = CreditCallback(evaluate=score, credit=config, replay=Replay(graph))
    await graph.ainvoke(inputs(), {"callbacks": [callback]})
    assert callback.flush(120)
    table, _ = brute_force(build, turns)
    np.testing.assert_allclose(by_player(callback.last.credit), shapley(table), atol=1e-12)


def test_a_declared_baseline_is_kept():
    build, turns = TEAMS["chain"]
    table, _ = brute_force(build, turns)
    credit, _, _ = credited(build, level="shapley", baseline=0.25)
    np.testing.assert_allclose(by_player(credit), shapley([0.25, *table[1:]]), atol=1e-12)
    assert credit.baseline == 0.25
    assert credit.total == credit.outcome - 0.25
