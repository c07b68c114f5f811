"""Teams whose agents join, leave and are spawned: every level of credit keeps its sum, lookahead and turns too."""

from math import fsum

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_hooks.credit import CreditConfig, assign_credit
from credit_hooks.credit.bottleneck import bottlenecks
from credit_hooks.credit.lookahead import spread, with_lookahead
from credit_hooks.credit.provenance import Provenance
from credit_hooks.credit.transcript import Transcript
from credit_hooks.errors import ConfigurationError
from credit_hooks.rewards import CreditedRun
from credit_hooks.trajectory import Actor, Message, Outcome, ReadSet, Step, TextPart, Trajectory

SAYINGS = ("It is 42.", "I assume 17.", "Maybe 41?", "The answer is 42.", "thanks", "")


def team(turns, score=0.0, extra=()):
    """A run of turns (agent, parent that spawned it or None, numbers of messages read, what is said)."""
    actors, messages, steps = {}, [], []
    for number, (name, parent, reads, text) in enumerate(turns):
        actors.setdefault(name, Actor(id=name, name=name, kind="agent", parent_id=parent))
        read = ReadSet(new=tuple(f"m{read}" for read in sorted(reads)))
        steps.append(Step(id=f"s{number}", kind="agent", actor_id=name, reads=read, output_message_ids=(f"m{number}",)))
        messages.append(
            Message(id=f"m{number}", index=number, actor_id=name, step_id=f"s{number}", parts=(TextPart(text=text),))
        )
    silent = tuple(Actor(id=name, name=name, kind="agent") for name in extra)
    return Trajectory(
        id="run",
        actors=(*actors.values(), *silent),
        messages=tuple(messages),
        steps=tuple(steps),
        outcome=Outcome(score=score),
    )


@st.composite
def dynamic_teams(draw):
    """Agents are spawned by those present, and leave; whoever has left is never heard again."""
    present, parents, born, turns = ["a0"], {"a0": None}, 1, []
    for number in range(draw(st.integers(1, 14))):
        if draw(st.booleans()):
            parents[f"a{born}"] = draw(st.sampled_from(present))
            present.append(f"a{born}")
            born += 1
        if len(present) > 1 and draw(st.booleans()):
            present.remove(draw(st.sampled_from(present)))
        speaker = draw(st.sampled_from(present))
        reads = draw(st.sets(st.integers(0, number - 1), max_size=4)) if number else set()
        turns.append((speaker, parents[speaker], reads, draw(st.sampled_from(SAYINGS))))
    return team(turns, draw(st.sampled_from([0.0, 0.3, 1.0])), extra=("never_spoke",))


def check(credit):
    """Messages, agents and turns have the same sums, agent by agent, within bounds."""
    rewards = [reward.reward for reward in credit.messages]
    assert fsum(rewards) == pytest.approx(credit.total, abs=1e-9)
    assert all(-1.0 <= reward <= 1.0 for reward in rewards)
    for agent, amount in credit.agents.items():
        own = fsum(reward.reward for reward in credit.messages if reward.actor_id == agent)
        in_time = fsum(cell.credit for cell in credit.turns if cell.actor_id == agent)
        assert amount == pytest.approx(own, abs=1e-9)
        assert in_time == pytest.approx(own, abs=1e-9)
    assert fsum(cell.credit for cell in credit.turns) == pytest.approx(credit.total, abs=1e-9)


@given(dynamic_teams(), st.integers(0, 5), st.floats(0, 1), st.floats(0, 1), st.sampled_from(["auto", "provenance"]))
def test_every_level_conserves_with_and_without_lookahead(trajectory, hops, decay, mix, method):
    run = CreditedRun(trajectory=trajectory, credit=assign_credit(trajectory, CreditConfig(method=method)))
    check(run.credit)
    assert run.credit.agents["never_spoke"] == 0.0
    ahead = with_lookahead(run, hops=hops, decay=decay, mix=mix)
    check(ahead)
    assert ahead.agents["never_spoke"] == 0.0
    assert all(0.0 <= turn.score <= 1.0 for turn in bottlenecks(run.model_copy(update={"credit": ahead})))


@given(dynamic_teams(), st.integers(0, 4), st.floats(0, 1))
def test_the_spread_is_column_stochastic_over_near_ancestors(trajectory, hops, decay):
    transcript = Transcript.of(trajectory)
    provenance = Provenance.of(transcript, "consumed")
    identity = np.eye(len(transcript.messages))
    columns = np.array([spread(unit, provenance, hops=hops, decay=decay) for unit in identity]).T
    assert (columns >= 0).all()
    assert columns.sum(axis=0) == pytest.approx(np.ones(len(identity)), abs=1e-12)
    reads = [{int(parent[1:]) for parent in step.reads.new} for step in trajectory.steps]
    for j in range(len(identity)):
        near, edge = {j}, {j}
        for _ in range(hops):
            edge = {source for m in edge for source in reads[m]}
            near |= edge
        assert set(np.flatnonzero(columns[:, j])) <= near
        assert provenance.only_inputs or all(provenance.players[m] for m in np.flatnonzero(columns[:, j]) if m != j)


def test_lookahead_by_hand():
    """0 <- 1 <- 2: half of what shows in 2 is owed to 1, half of that to 0."""
    trajectory = team([("a", None, (), "x"), ("b", "a", (0,), "y"), ("c", "a", (1,), "z")])
    provenance = Provenance.of(Transcript.of(trajectory), "consumed")
    delta = np.array([0.0, 0.0, -0.8])
    assert spread(delta, provenance, hops=1).tolist() == pytest.approx([0.0, -0.4, -0.4])
    assert spread(delta, provenance, hops=2).tolist() == pytest.approx([-0.2, -0.2, -0.4])
    assert spread(delta, provenance, hops=9, decay=1.0).tolist() == pytest.approx([-0.8, 0.0, 0.0])
    run = CreditedRun(trajectory=trajectory, credit=assign_credit(trajectory))
    ahead = with_lookahead(run, mix=0.0, growth={"m2": -0.5})
    assert [reward.reward for reward in ahead.messages] == pytest.approx([-0.125, -0.125, -0.25])
    with pytest.raises(ConfigurationError, match="growth sums to -0.4"):
        with_lookahead(run, growth={"m2": -0.4})
    with pytest.raises(ConfigurationError, match="does not have"):
        with_lookahead(run, growth={"m9": -0.5})
    with pytest.raises(ConfigurationError, match="mix"):
        with_lookahead(run, mix=1.5)


def test_who_left_unread_gets_exactly_nothing():
    turns = [("a", None, (), "It is 42."), ("gone", "a", (0,), "It is 17."), ("b", "a", (0,), "The answer is 42.")]
    credit = with_lookahead(CreditedRun(trajectory=team(turns), credit=assign_credit(team(turns))))
    assert credit.agents["gone"] == 0.0
    check(credit)


def thirty_agents(messages=1_000):
    """Agents join one after another, the eldest leave, everyone reads the last few and the one who spawned them."""
    rng = np.random.default_rng(0)
    turns, first = [], {}
    for number in range(messages):
        newest = min(29, number * 30 // messages + 4)
        agent = int(rng.integers(max(0, newest - 9), newest + 1))
        reads = set(range(max(0, number - 3), number))
        parent = f"agent{agent // 2}" if agent else None
        reads |= {first[parent]} if parent in first and number else set()
        first.setdefault(f"agent{agent}", number)
        turns.append((f"agent{agent}", parent, reads, f"{SAYINGS[number % 4]} Part {number}."))
    return team(turns)


@pytest.mark.parametrize("method", ["auto", "provenance", "flow"])
def test_thirty_agents_and_a_thousand_messages(method):
    trajectory = thirty_agents()
    assert len({message.actor_id for message in trajectory.messages}) == 30
    run = CreditedRun(trajectory=trajectory, credit=assign_credit(trajectory, CreditConfig(method=method)))
    check(run.credit)
    check(with_lookahead(run, hops=4))
    found = bottlenecks(run)
    assert all(0.0 <= turn.score <= 1.0 for turn in found)
    assert {actor for turn in found for actor in turn.actor_ids} == {f"agent{i}" for i in range(30)}
