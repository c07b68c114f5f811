import os
import subprocess
import sys

import pytest

from credit_hooks.credit import CreditConfig, assign_credit
from credit_hooks.trajectory import (
    Actor,
    DataPart,
    Message,
    Outcome,
    ReadSet,
    Step,
    TextPart,
    Trajectory,
    WithheldPart,
)


def long_run(count, *, agents=5, words=True, score=1.0):
    """Everybody reads everything, as delta read sets."""
    messages, steps = [], []
    for i in range(count):
        part = TextPart(text=f"After {i} steps the answer is {42 + i % 3}.") if words else DataPart(value=i)
        reads = ReadSet(base=f"s{i - 1}" if i else None, new=(f"m{i - 1}",) if i else ())
        steps.append(Step(id=f"s{i}", actor_id=f"a{i % agents}", reads=reads, start_ns=i, end_ns=i + 1))
        messages.append(Message(id=f"m{i}", index=i, actor_id=f"a{i % agents}", step_id=f"s{i}", parts=(part,)))
    return Trajectory(id="long", messages=tuple(messages), steps=tuple(steps), outcome=Outcome(score=score))


def test_no_outcome():
    credit = assign_credit(long_run(3).with_outcome(None))
    assert (credit.status, credit.total, credit.messages) == ("no_outcome", 0.0, ())


def test_no_messages():
    credit = assign_credit(Trajectory(id="r", outcome=Outcome(score=1.0)))
    assert (credit.status, credit.outcome, credit.messages) == ("no_messages", 1.0, ())


def test_too_many_messages_are_refused_with_the_limit():
    credit = assign_credit(long_run(4), CreditConfig(max_messages=3))
    assert credit.status == "overflow"
    assert "max_messages=3" in credit.notes[0]


@pytest.mark.parametrize("words", [True, False])
@pytest.mark.parametrize("score", [0.0, 1.0])
def test_ten_thousand_messages_are_credited_exactly(words, score):
    credit = assign_credit(long_run(10_000, words=words, score=score))
    assert abs(sum(reward.reward for reward in credit.messages) - credit.total) <= 1e-12
    assert abs(sum(credit.agents.values()) - credit.total) <= 1e-12
    assert len({cell.turn for cell in credit.turns}) > 9_000
    assert all((reward.reward > 0) == (score > 0) for reward in credit.messages[-3:])


def test_agents_that_never_wrote_are_listed_with_nothing():
    run = long_run(4)
    actors = (Actor(id="late", name="late"), Actor(id="a0", name="a0"), Actor(id="shell", name="shell", kind="tool"))
    assert assign_credit(run.model_copy(update={"actors": actors})).agents["late"] == 0.0


def test_a_repeated_id_gets_nothing_and_it_says_so(run_of, said):
    run = run_of(said("ada", "The answer is 42.", ()), said("bob", "The answer is 42.", (0,)))
    again = run.messages[0].model_copy(update={"index": 2})
    credit = assign_credit(run.model_copy(update={"messages": (*run.messages, again)}))
    assert credit.messages[2].reward == 0.0
    assert any("repeat the id" in note for note in credit.notes)
    assert sum(reward.reward for reward in credit.messages) == pytest.approx(0.5, abs=1e-12)


def test_the_same_message_listed_twice_is_paid_once(run_of, said):
    run = run_of(said("ada", "The answer is 42.", ()))
    credit = assign_credit(run.model_copy(update={"messages": run.messages * 2}))
    assert [reward.reward for reward in credit.messages] == [0.5, 0.0]


def test_withheld_content_leaves_provenance(run_of, said):
    hidden = (WithheldPart(length=10),)
    credit = assign_credit(run_of(said("ada", hidden, ()), said("bob", hidden, (0,))))
    assert credit.method.startswith("provenance_only")


def test_few_votes_are_low_evidence(run_of, said):
    words = [said("ada", "Let me think about that for a while.", ())] * 9
    credit = assign_credit(run_of(*words, said("bob", "The answer is 42.", tuple(range(9)))))
    assert credit.evidence == pytest.approx(0.1)
    assert credit.low_evidence


def test_many_votes_are_not(run_of, said):
    credit = assign_credit(run_of(said("ada", "It is 42.", ()), said("bob", "The answer is 42.", (0,))))
    assert credit.evidence == 1.0
    assert credit.conviction == pytest.approx(2 / 3)
    assert not credit.low_evidence


def test_no_shared_units_leave_the_shares_to_provenance(run_of, said):
    credit = assign_credit(run_of(said("ada", "!?", ()), said("bob", "...", (0,))))
    assert credit.evidence == 0.0
    assert sum(reward.reward for reward in credit.messages) == pytest.approx(0.5, abs=1e-12)
    assert any("shares come from provenance" in note for note in credit.notes)


def test_first_error_of_a_failure_that_scored_above_its_baseline(run_of, said):
    run = run_of(said("ada", "I assume it is 41.", ()), said("bob", "The answer is 41.", (0,)))
    assert assign_credit(run).first_error is None
    failed = run.with_outcome(Outcome(score=0.6, success=False))
    assert assign_credit(failed).first_error is not None


def test_nothing_is_said_of_the_first_error_where_nothing_shows(run_of, said):
    data = (DataPart(value=1),)
    assert assign_credit(run_of(said("a", data, ()), said("b", data, (0,)), score=0.0)).first_error is None


def test_owen_of_many_agents_falls_back_to_messages_and_it_says_so():
    credit = assign_credit(long_run(200, agents=100, words=False))
    assert credit.method == "provenance_only.path_mass.shapley"
    assert any("take too long" in note for note in credit.notes)


def test_reachability_of_too_many_agents_falls_back_and_it_says_so():
    credit = assign_credit(long_run(60, agents=30), CreditConfig(method="reachability"))
    assert credit.method.startswith("path_mass")
    assert any("30 agents" in note for note in credit.notes)


def test_the_far_end_of_a_very_long_chain_is_shared_evenly_and_not_undefined():
    count = 6_000  # .8^6000 is no float
    messages = tuple(Message(id=f"m{i}", index=i, actor_id=f"a{i // 3_000}", step_id=f"s{i}") for i in range(count))
    steps = tuple(Step(id=f"s{i}", reads=ReadSet(new=(f"m{i - 1}",) if i else ())) for i in range(count))
    run = Trajectory(id="chain", messages=messages, steps=steps, outcome=Outcome(score=1.0))
    credit = assign_credit(run, CreditConfig(method="reachability"))
    assert credit.agents == pytest.approx({"a0": 0.25, "a1": 0.25}, abs=1e-12)


@pytest.mark.parametrize(
    "wrong", [{"method": "guess"}, {"baseline": 1.5}, {"baseline": "mean"}, {"level": "winter"}, {"unknown": 1}]
)
def test_a_configuration_that_cannot_work_is_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        CreditConfig(**wrong)


@pytest.mark.parametrize("score", ["0.0", "1.0"])
def test_the_bytes_do_not_depend_on_the_processes_hash_seed(score):
    program = f"""
from credit_hooks.credit import assign_credit
from credit_hooks.trajectory import *
said = ["We assume Seattle has 17 Total_Count and 25.", "So the answer is 42 for Seattle.", "No, 41 for Boston, 7."]
messages = tuple(
    Message(id=f"m{{i}}", index=i, actor_id="abc"[i % 3], parts=(TextPart(text=said[i * i % 3]),)) for i in range(9)
)
print(assign_credit(Trajectory(id="r", messages=messages, outcome=Outcome(score={score}))).model_dump_json())
"""
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(outputs) == 1
    assert "credited" in outputs.pop()
