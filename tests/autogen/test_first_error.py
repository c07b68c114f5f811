"""The first error of real failed AutoGen runs, found by doing them anew."""

import asyncio
import random

import pytest

pytest.importorskip("autogen_agentchat", reason="needs credit-hooks[autogen]")

from autogen_agentchat.messages import TextMessage
from autogen_agentchat.teams import (
    RoundRobinGroupChat,
    SelectorGroupChat,
)
from replay_cases.casts import Cast, fan_out, helped, nested, rounds, society
from replay_cases.faulty import NAMES, STEPS, SURE, TEAMS, captured, number, right, round_robin, stronger
from team_cases.kit import ScriptedClient, agent

from credit_hooks.autogen import Replay, capture_of, instrument
from credit_hooks.credit import CreditConfig, assign_credit
from credit_hooks.errors import ConfigurationError, ReplayRefusedError
from credit_hooks.failure import PROBE, ProbeNoise
from credit_hooks.failure.replacements import replacements_of
from credit_hooks.replay import Intervention, Meter, Redo, ReplayLimits


@pytest.mark.parametrize("fault", range(STEPS))
@pytest.mark.parametrize("team", TEAMS)
def test_a_correction_finds_the_fault_of_a_team_that_repeats_itself(team, fault):
    capture = captured(lambda: team(fault))
    found = capture.first_error(capture.last, correction=stronger, budget=16)
    assert found.first_error.actor_id.rpartition("/")[2] == f"step{fault}"
    assert found.bisection.calls <= 4
    assert found.form == "corrected"
    assert found.notes == ()
    (replacement,) = found.replacements
    assert (replacement.parts[0].text, replacement.gain) == (str(fault + 1), 1.0)
    assert found.costs.system_runs == 1 + found.bisection.calls + 1


@pytest.mark.parametrize("team", TEAMS)
def test_a_stronger_model_takes_over(team):
    capture = captured(lambda: team(4))
    client = right()
    found = capture.first_error(capture.last, correction=client)
    assert found.first_error.actor_id.rpartition("/")[2] == "step4"
    assert client.prompts
    assert found.costs.model_calls >= len(client.prompts)


def test_answers_are_labels_of_the_run_and_credit_of_them_asks_nobody():
    capture = captured(lambda: round_robin(3))
    before = capture.last
    found = capture.first_error(before.trajectory.id, correction=stronger)
    run = capture.last
    assert run == found.run
    assert sum(label.name == PROBE for label in run.trajectory.labels) == len(found.bisection.observations)
    assert replacements_of(run.trajectory.labels) == list(found.replacements)
    assert run.credit.messages == before.credit.messages
    assert assign_credit(run.trajectory, SURE).first_error == run.credit.first_error
    assert run.credit.first_error.evidence[-1] == "replay"


@pytest.mark.parametrize("team", TEAMS)
def test_a_team_that_repeats_itself_is_refused_without_a_correction(team):
    capture = captured(lambda: team(3))
    with pytest.raises(ReplayRefusedError, match="the very same.*correction="):
        capture.first_error(capture.last)
    assert not capture.last.trajectory.labels


def test_a_team_whose_replies_vary_is_done_anew_by_itself():
    hits = runs = 0
    for seed in range(20):
        rng = random.Random(seed)

        def build(rng=rng):
            def reply(shown):
                return str(number(shown) + (11 if rng.random() < 0.06 else 1))

            return RoundRobinGroupChat([agent(name, reply) for name in NAMES], max_turns=STEPS)

        capture = captured(build, credit=CreditConfig(probe_noise=ProbeNoise(0.7, 0.01)))
        said = [int(message.text) for message in capture.last.trajectory.messages]
        wrong = [i for i in range(STEPS) if said[i + 1] != said[i] + 1]
        if len(wrong) != 1:
            continue
        runs += 1
        found = capture.first_error(capture.last, budget=20, confidence=0.95)
        hits += found.first_error.actor_id == f"step{wrong[0]}"
        assert found.form == "anew"
        # Unchanged, all of it anew (again if it happened to say the same), the one alone.
        assert found.costs.system_runs - found.bisection.calls in (3, 4)
    assert runs >= 4
    assert hits / runs >= 0.75


async def test_on_the_callers_event_loop():
    team = instrument(
        round_robin(2),
        evaluate=lambda run: run.answer == str(STEPS),
        credit=SURE,
        replay=Replay(lambda: round_robin(2)),
    )
    await team.run(task="0")
    capture = capture_of(team)
    await asyncio.to_thread(capture.flush)
    found = await capture.afirst_error(capture.last, correction=stronger)
    assert found.first_error.actor_id == "step2"


# --- What is done anew ----------------------------------------------------------------------------------------------


def redone(team, actor_id, *, only=False):
    """Model calls by agent of doing a run anew from the last message of that actor."""
    cast = Cast()
    capture = captured(lambda: team(cast), task="task", credit=CreditConfig())
    run = capture.last
    ids = {message.actor_id: message.id for message in run.trajectory.messages}
    system = capture._session.replayed(run)[0]._system(run.trajectory.id)
    cast.calls.clear()
    redo = Redo(system.turn_from(ids[actor_id]), only=only)
    again = asyncio.run(system.run(Intervention(redo=redo, draw=7), Meter(ReplayLimits()).open()))
    assert again.answer == run.trajectory.answer  # these models say the same to the same
    return dict(cast.calls)


def choosing(cast):
    """Whoever is next, as a model says."""

    def choose(name, shown):
        return "abc"[sum(f"{letter}:" in str(shown[-1].content) for letter in "abc") % 3]

    members = [cast.agent(name) for name in "abc"]
    manager = cast.client("manager", choose)
    return SelectorGroupChat(members, model_client=manager, selector_prompt="{history}", max_turns=3)


@pytest.mark.parametrize(
    ("team", "start", "rest", "alone"),
    [
        (rounds, "user", {"a": 2, "b": 2}, {"a": 1}),
        (rounds, "a", {"a": 1, "b": 1}, {"a": 1}),
        (rounds, "b", {"b": 1}, {"b": 1}),
        (nested, "inner/y", {"y": 1, "b": 1}, {"y": 1}),
        (society, "mind/inner/y", {"y": 1, "mind": 1, "b": 1}, {"y": 1}),
        (society, "mind", {"mind": 1, "b": 1}, {"mind": 1}),
        (helped, "a/helper", {"helper": 1, "a": 1}, {"helper": 1}),
        (helped, "a", {"a": 1}, {"a": 1}),
        (fan_out, "a", dict.fromkeys("abcd", 1), {"a": 1}),
        (fan_out, "d", {"d": 1}, {"d": 1}),
        (choosing, "b", {"b": 1, "c": 1, "manager": 1}, {"b": 1}),
    ],
)
def test_what_comes_before_is_kept_and_the_rest_is_done_anew(team, start, rest, alone):
    assert redone(team, start) == rest
    assert redone(team, start, only=True) == alone


# --- What fails -----------------------------------------------------------------------------------------------------


def test_a_correction_that_fails_costs_its_probe_and_is_told():
    def raises(turn):
        raise RuntimeError("no such model")

    capture = captured(lambda: round_robin(3))
    found = capture.first_error(capture.last, correction=raises, budget=3)
    assert found.bisection.calls == 3
    assert found.bisection.observations == ()
    assert found.replacements == ()
    (note,) = found.notes
    assert note.startswith("4 replays had no answer: the replay raised RuntimeError: RuntimeError: no such model")
    assert found.run.credit.messages == capture.last.credit.messages


def test_a_live_call_that_raises_costs_its_probe_and_is_told():
    capture = captured(lambda: round_robin(3))
    found = capture.first_error(capture.last, correction=ScriptedClient(ConnectionError("no route")), budget=2)
    assert found.bisection.calls == 2
    assert found.bisection.observations == ()
    assert all("ConnectionError: no route" in note for note in found.notes)


@pytest.mark.parametrize("budget", [0, 1])
def test_the_budget_is_kept(budget):
    capture = captured(lambda: round_robin(3))
    found = capture.first_error(capture.last, correction=stronger, budget=budget, corrections=0)
    assert found.bisection.calls == budget
    assert found.costs.system_runs == 1 + budget
    assert 0.0 <= found.first_error.probability <= 1.0


def test_a_limit_on_calls_ends_the_probes():
    capture = captured(lambda: round_robin(3), limits=ReplayLimits(max_calls=2))
    found = capture.first_error(capture.last, correction=right())
    assert found.costs.live_calls <= 2
    assert "max_calls=2" in found.notes[0]


def test_what_cannot_be_located_says_why():
    capture = captured(lambda: round_robin(None))
    with pytest.raises(ConfigurationError, match="no first error"):
        capture.first_error(capture.last)
    capture = captured(lambda: round_robin(1))
    for text in ("41", TextMessage(content="41", source="x"), 41, round_robin(1)):
        with pytest.raises(ConfigurationError, match="correction is .* counterfactual"):
            capture.first_error(capture.last, correction=text)
    with pytest.raises(ConfigurationError, match="corrections"):
        capture.first_error(capture.last, correction=stronger, corrections=-1)
    with pytest.raises(ReplayRefusedError, match="not among"):
        captured(lambda: round_robin(1)).first_error(capture.last)
    team = instrument(round_robin(1), evaluate=lambda run: False)
    asyncio.run(team.run(task="0"))
    assert capture_of(team).flush()
    with pytest.raises(ConfigurationError, match="replay="):
        capture_of(team).first_error(capture_of(team).last)
