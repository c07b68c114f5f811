"""`credit-hooks explain`, on runs that were really credited and really replayed."""

import json

import pytest

pytest.importorskip("typer")

from credit_hooks.cli.app import run as run_cli
from credit_hooks.credit import CreditConfig, assign_credit
from credit_hooks.replayed import ReplayedPlayer, ReplayRecord
from credit_hooks.rewards import CreditedRun
from credit_hooks.store import RunStore
from credit_hooks.trajectory import Actor, Message, Outcome, ReadSet, Step, TextPart, Trajectory

SAID = ("How much is it?", "It is 42.", "No, it is 17.", "The answer is 42.")
AUTHORS = ("user", "ann", "bob", "ann")


def conversation(score=1.0):
    messages = [Message(id="m0", index=0, actor_id="user", role="user", parts=(TextPart(text=SAID[0]),))]
    steps = []
    for i in (1, 2, 3):
        steps.append(
            Step(id=f"s{i}", kind="agent", actor_id=AUTHORS[i], reads=ReadSet(new=tuple(f"m{k}" for k in range(i))))
        )
        part = TextPart(text=SAID[i])
        messages.append(
            Message(id=f"m{i}", index=i, actor_id=AUTHORS[i], step_id=f"s{i}", role="assistant", parts=(part,))
        )
    actors = (Actor(id="user", name="user", kind="human"), Actor(id="ann", name="ann"), Actor(id="bob", name="bob"))
    return Trajectory(
        id="talk", messages=tuple(messages), steps=tuple(steps), actors=actors, outcome=Outcome(score=score)
    )


@pytest.fixture
def explain(tmp_path, capsys):
    def call(run, *arguments, code=0):
        with RunStore(tmp_path / "runs.db") as store:
            store.put(run)
        assert run_cli(["explain", run.trajectory.id, *arguments, "--store", str(tmp_path / "runs.db")]) == code
        said = capsys.readouterr()
        return said.err if code else said.out

    return call


def credited(config=CreditConfig()):
    trajectory = conversation()
    return CreditedRun(trajectory=trajectory, credit=assign_credit(trajectory, config))


def test_a_run_is_explained_and_computed_again(explain):
    said = explain(credited(CreditConfig(baseline=0.25)))
    assert "R - b = 1.0000 - 0.2500 = +0.7500, by reader_vote.owen" in said
    assert "settings: baseline=0.25" in said
    assert "input" in said.splitlines()[-6:][0] or " input" in said
    assert "equal to the last bit" in said


@pytest.mark.parametrize("wanted", ["2", "#2", "m2"])
def test_a_message_is_found_by_number_or_id(explain, wanted):
    said = explain(credited(), wanted)
    assert "message #2 m2 by bob" in said
    assert "stance" in said
    reward = credited().credit.reward_of["m2"]
    assert f"reward {reward:+.6f}" in said


def test_a_message_that_cannot_earn_says_why(explain):
    assert "input: it cannot have contributed" in explain(credited(), "0")


@pytest.mark.parametrize(("wanted", "wrong"), [("9", "messages 0 to 3"), ("m", "give more of the id")])
def test_unknown_messages(explain, wanted, wrong):
    assert wrong in explain(credited(), wanted, code=2)


def test_json_has_every_term(explain):
    found = json.loads(explain(credited(), "--json"))
    assert found["reproduced"] is True
    assert set(found["messages"][1]["parts"]) == set(found["symbols"])


def test_coalitions_of_a_replayed_run(explain):
    run = credited()
    players = (
        ReplayedPlayer(actor_id="ann", message_ids=("m1",), value=0.5),
        ReplayedPlayer(actor_id="bob", message_ids=("m2",), value=0.0),
    )
    record = ReplayRecord(
        substitute="silence",
        players=players,
        unions=False,
        ends=(0.5, 1.0),
        coalitions=("1", "2"),
        values=(1.0, 0.5),
        stopped="exact",
        budget=4,
    )
    replayed = run.model_copy(update={"credit": run.credit.model_copy(update={"replay": record})})
    said = explain(replayed)
    assert "v({0}) = 1.0000" in said
    assert "v({1}) = 0.5000" in said
    one = explain(replayed, "1")
    assert "joining {}: 0.5000 -> 1.0000, +0.5000" in one
    assert "joining {1}: 0.5000 -> 1.0000, +0.5000" in one
