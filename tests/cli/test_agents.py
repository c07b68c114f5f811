"""`credit-hooks agents`, and `score` over a store: who earned what over many runs, by what other runs say or not."""

import json
import random

import pytest

pytest.importorskip("typer")

from credit_hooks.cli.app import run as run_cli
from credit_hooks.credit import assign_credit
from credit_hooks.rewards import CreditedRun
from credit_hooks.store import RunStore
from credit_hooks.trajectory import Actor, Message, Outcome, ReadSet, Step, TextPart, Trajectory


@pytest.fixture(autouse=True)
def _surroundings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("CREDIT_HOOKS_STORE", "NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)


def team(run_id, task, said, *, good, prompt="Check.", at=0):
    texts = [("user", f"{task}: how many?"), *said]
    messages = tuple(
        Message(
            id=f"m{i}",
            index=i,
            actor_id=actor,
            step_id=f"s{i}" if i else None,
            role="user" if actor == "user" else "assistant",
            parts=(TextPart(text=text),),
            timestamp=at + i,
        )
        for i, (actor, text) in enumerate(texts)
    )
    steps = tuple(
        Step(id=f"s{i}", kind="agent", actor_id=texts[i][0], reads=ReadSet(new=tuple(f"m{k}" for k in range(i))))
        for i in range(1, len(texts))
    )
    actors = (
        Actor(id="user", name="user", kind="human"),
        Actor(id="ada", name="ada"),
        Actor(id="bob", name="bob", system_prompt=prompt),
    )
    return Trajectory(
        id=run_id, group_id=task, messages=messages, steps=steps, actors=actors, outcome=Outcome(score=float(good))
    )


@pytest.fixture
def store(tmp_path):
    draw = random.Random(4)
    with RunStore(tmp_path / "runs.db") as opened:
        for t in range(8):
            for k in range(6):
                good = draw.random() < (0.2 if k % 2 else 0.8)
                answer = 100 + t if good else 100 + t + draw.choice([10, 20])
                said = [("ada", f"I make it {100 + t}."), ("bob", f"The final answer is {answer}.")]
                prompt = "Guess." if k % 2 else "Check."
                run = team(f"r{t}.{k}", f"t{t}", said, good=good, prompt=prompt, at=1000 * (6 * t + k))
                opened.put(CreditedRun(trajectory=run, credit=assign_credit(run)))
    return tmp_path / "runs.db"


@pytest.fixture
def cli(capsys):
    def call(*arguments, code=0):
        assert run_cli([*map(str, arguments)]) == code
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return said.err if code else said.out

    return call


def test_score_without_paths_is_agents(cli, store):
    assert cli("score") == cli("agents") == cli("score", "--store", store)


def test_the_table_shows_credit_intervals_drift_roles_and_changed_prompts(cli, store):
    text = cli("agents")
    assert "48 runs, 48 credited, of 8 tasks" in text
    assert "used in 48 runs, gate" in text
    rows = {row.split()[0]: row for row in reversed(text.splitlines()) if row.strip()}
    assert {"ada", "bob", "agent", "human"} <= rows.keys()
    assert "[" in rows["bob"]
    assert "p=" in rows["bob"]
    assert "told apart" in text


def test_json_has_everything(cli, store):
    found = json.loads(cli("agents", "--json"))
    assert (found["runs"], found["credited"], found["tasks"]) == (48, 48, 8)
    assert found["siblings"]["used"] == 48
    assert found["siblings"]["gate"]["reason"] is None
    bob = next(agent for agent in found["agents"] if agent["name"] == "bob")
    assert bob["credit"]["low"] < bob["credit"]["mean"] < bob["credit"]["high"]
    assert bob["runs"] == bob["messages"] == 48
    assert {"change", "low", "high", "p", "p_adjusted"} == bob["drift"].keys()
    spoilt = min(found["siblings"]["prompts"], key=lambda prompt: prompt["effect"])
    assert spoilt["told_apart"]
    assert spoilt["effect"] < -0.15


def test_stored_credit_is_taken_as_it_is(cli, store):
    found = json.loads(cli("agents", "--stored", "--json"))
    assert found["siblings"] is None
    with RunStore(store, read_only=True) as opened:
        total = sum(run.credit.agents["ada"] for run in opened)
    assert next(a for a in found["agents"] if a["name"] == "ada")["total"] == pytest.approx(total)


def test_the_store_stays_as_it_is_unless_the_credit_is_to_be_kept(cli, store):
    def stored():
        with RunStore(store, read_only=True) as opened:
            return {run.trajectory.id: run for run in opened}

    before = stored()
    cli("agents")
    assert stored() == before
    assert "kept in runs.db" in cli("agents", "--keep")
    kept = stored()
    assert any("+siblings" in run.credit.method for run in kept.values())
    for run in kept.values():
        assert sum(run.credit.agents.values()) == pytest.approx(run.credit.total, abs=1e-9)
    again = json.loads(cli("agents", "--keep", "--json"))
    assert again["runs"] == 48
    assert stored() == kept  # what was added the first time is not added again


def test_a_baseline_that_is_named_wins(cli, store):
    cli("agents", "--keep", "--baseline", "0.25")
    with RunStore(store, read_only=True) as opened:
        assert {run.credit.baseline for run in opened} == {0.25}


def test_few_runs_say_why_siblings_were_not_used(cli, tmp_path):
    with RunStore("runs.db") as opened:
        run = team("r", "t", [("ada", "It is 7.")], good=True)
        opened.put(CreditedRun(trajectory=run, credit=assign_credit(run)))
    text = cli("agents")
    assert "not used in 1 runs: no other run of this task" in text
    assert "(one task)" in text
    assert "drift is tested from 10 runs" in text


def test_an_empty_store_says_so(cli, tmp_path):
    RunStore("runs.db").close()
    assert "no runs in runs.db" in cli("agents")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["agents", "--stored", "--keep"], "--stored takes the credit as it is"),
        (["score", "--dialect", "trail"], "name their PATHs"),
        (["agents", "--store", "missing.db"], "no run store at missing.db"),
    ],
)
def test_mistakes_are_one_line(cli, store, arguments, said):
    assert said in cli(*arguments, code=2)


def test_labels_of_files_of_their_own_are_compared(cli, tmp_path):
    talk = [{"role": "user", "content": "How many?"}, {"role": "assistant", "content": "I assume 7."}]
    (tmp_path / "runs.json").write_text(json.dumps([{"task_id": 3, "reward": 0.0, "traj": talk}]))
    failure = {"failure_id": 1, "step_number": 2, "failed_agent": "Assistant"}
    (tmp_path / "labels.json").write_text(
        json.dumps([{"trajectory_id": 3, "failures": [failure], "root_cause": {"failure_id": 1}}])
    )
    text = cli("score", "runs.json", "--labels", "labels.json", "--store", "new.db")
    assert "step (of 1)" in text
