"""Credit by replay on a team of pure functions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_team import Agent, MadeUpReplay, MadeUpSystem, Team, brute_force, counting, score, scored

from credit_hooks.credit import CreditConfig, owen, shapley
from credit_hooks.replay import Player, Replayer, ReplayLimits, System, recompute, replay_credit

LIMITS = ReplayLimits(parallel=2)


def credit_of(system, *, evaluate=score, limits=LIMITS, declared=None, **config):
    config = CreditConfig(**{"method": "replay", "budget": 1_000, **config})
    return replay_credit(scored(system, evaluate), system, evaluate, config, limits, declared=declared)


def chain(n, names="abcdefgh"):
    return Team([counting(names[i], range(i), weight=2 + i) for i in range(n)])


def conserved(credit):
    assert sum(reward.reward for reward in credit.messages) == pytest.approx(credit.total, abs=1e-9)
    assert sum(credit.agents.values()) == pytest.approx(credit.total, abs=1e-9)
    assert credit.total == credit.outcome - credit.baseline
    assert all(-1.0 <= reward.reward <= 1.0 for reward in credit.messages)
    return credit


def ancestors(team, turn):
    """Turns that can have been heard of in a turn, at first or second hand."""
    found = set(team.turns[turn].reads)
    return found.union(*(ancestors(team, earlier) for earlier in found))


def rewards(credit):
    return np.array([reward.reward for reward in credit.messages])


def test_the_made_up_team_implements_the_port():
    system = MadeUpSystem(chain(2))
    assert isinstance(system, System)
    assert isinstance(MadeUpReplay(chain(2)), Replayer)


@pytest.mark.parametrize("level", ["owen", "shapley"])
def test_exact_values_are_those_of_brute_force(level):
    team = Team([counting("a", (), 3), counting("b", (0,), 5), counting("a", (0, 1), 7), counting("c", (1, 2), 11)])
    table = brute_force(team, score)
    credit = conserved(credit_of(MadeUpSystem(team), level=level))
    expected = shapley(table) if level == "shapley" else owen(table, [[0, 2], [1], [3]])
    np.testing.assert_allclose(rewards(credit), expected, atol=1e-12)
    assert credit.baseline == table[0]
    assert credit.method == f"replay.{level}"
    assert credit.replay.stopped == "exact"
    assert [reward.std_err for reward in credit.messages] == [None] * 4


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_exact_on_any_team_of_functions(data):
    n = data.draw(st.integers(1, 5))
    turns = []
    for i in range(n):
        reads = data.draw(st.lists(st.integers(0, i - 1), unique=True) if i else st.just([]))
        turns.append(counting(data.draw(st.sampled_from("abc")), sorted(reads), data.draw(st.integers(1, 9))))
    team = Team(turns)
    system = MadeUpSystem(team)
    credit = conserved(credit_of(system, level="shapley"))
    np.testing.assert_allclose(rewards(credit), shapley(brute_force(team, score)), atol=1e-12)
    for turn, calls in team.calls.items():
        assert calls <= 2 ** len(ancestors(team, turn))  # recorded once, and once more to see whether it varies


def test_agents_are_masked_as_a_whole():
    team = Team([counting("a", (), 3), counting("b", (0,), 5), counting("a", (0, 1), 7)])
    table = brute_force(team, score)
    credit = conserved(credit_of(MadeUpSystem(team), players="agents"))
    expected = shapley([table[0b000], table[0b101], table[0b010], table[0b111]])
    assert [credit.agents["a"], credit.agents["b"]] == pytest.approx(expected)
    assert credit.method == "replay.agents"


def test_the_unchanged_replay_makes_no_live_call_and_shared_inputs_are_executed_once():
    team = chain(4)
    system = MadeUpSystem(team)
    credit = credit_of(system, level="shapley")
    costs = credit.replay.costs
    # Turn i is executed once per set of texts it can read, less the one that was recorded.
    # And once more in the largest coalition, to see whether replies vary.
    assert team.calls == {1: 1 + 1, 2: 3 + 1, 3: 7 + 1}
    assert costs.live_calls == 14 == costs.model_calls
    assert costs.system_runs == 1 + 16 - 1 + 1  # the identity, all coalitions but the run itself, one again
    assert costs.model_calls_saved == costs.pinned_calls
    assert (costs.input_tokens, costs.output_tokens) == (140, 14)


def test_a_stored_game_gives_the_same_values_to_the_last_bit():
    for budget in (1, 2, 7, 30, 1_000):
        credit = conserved(credit_of(MadeUpSystem(chain(6)), budget=budget))
        again = recompute(credit.replay.model_validate_json(credit.replay.model_dump_json()))
        assert again.values.tolist() == [player.value for player in credit.replay.players]


@pytest.mark.parametrize("budget", [1, 2, 3, 5, 9, 20])
def test_any_budget_is_kept_and_conserves(budget):
    system = MadeUpSystem(chain(6))
    credit = conserved(credit_of(system, budget=budget))
    assert system.runs <= budget + 2  # the unchanged replay, and one to see whether replies vary, are checks
    assert len(credit.replay.coalitions) <= max(0, budget - 1)
    assert credit.replay.stopped != "exact"
    assert all(reward.std_err is not None for reward in credit.messages)


def test_a_declared_baseline_is_the_value_of_the_empty_coalition():
    team = chain(3)
    table = brute_force(team, score)
    credit = conserved(credit_of(MadeUpSystem(team), level="shapley", declared=0.25))
    np.testing.assert_allclose(rewards(credit), shapley([0.25, *table[1:]]), atol=1e-12)
    assert credit.baseline == 0.25
    assert credit.replay.empty_is == "declared"


def test_estimates_come_near_to_the_truth():
    team = chain(6)
    exact = shapley(brute_force(team, score))
    credit = conserved(credit_of(MadeUpSystem(team), level="shapley", budget=40))
    wrong = rewards(credit) - exact
    errors = np.array([reward.std_err for reward in credit.messages])
    assert np.abs(wrong).max() < 0.2
    assert (np.abs(wrong) <= 4 * errors).all()


def test_repeats_measure_the_spread_of_stochastic_replies():
    draws = iter(range(10**6))

    def moody(texts):
        return str(1 + next(draws) % 5)

    def team():
        return Team([Agent("a", moody), Agent("b", lambda texts: f"{int(texts['0'] or 0)}", (0,))])

    system = MadeUpSystem(Team([counting("a"), Agent("b", moody, (0,))]))
    credit = conserved(credit_of(system, repeats=4, budget=64))
    assert credit.replay.repeats == 4
    assert any(reward.std_err for reward in credit.messages)


def test_a_player_of_several_messages_shares_its_value_among_them():
    system = MadeUpSystem(chain(3))
    system.players = [Player("a", ("m0", "m1")), Player("c", ("m2",))]
    credit = conserved(credit_of(system))
    first, second, _ = rewards(credit)
    assert first + second == pytest.approx(credit.replay.players[0].value)
