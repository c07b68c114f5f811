"""`credit-hooks score` and `export`: foreign logs in, credit, accuracy beside its baselines, training data out."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("typer")

from credit_hooks.cli.app import run as run_cli
from credit_hooks.cli.scoring import FIRST_ERROR, Agreement
from credit_hooks.rewards import Credit, CreditedRun, FirstError
from credit_hooks.store import RunStore
from credit_hooks.trajectory import Actor, Label, Message, Trajectory


@pytest.fixture(autouse=True)
def _surroundings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("CREDIT_HOOKS_STORE", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)


def failure_log(step="2", agent="Solver", question="What is 6 times 7?"):
    """A made-up log in the form of Who&When."""
    history = [
        {"name": "Planner", "role": "assistant", "content": "Solver, please multiply 6 by 7."},
        {"name": "Solver", "role": "assistant", "content": "I multiply: 6 + 7 = 13."},
        {"name": "Solver", "role": "assistant", "content": "Therefore the answer is 13."},
        {"name": "Checker", "role": "assistant", "content": "The final answer is 13."},
    ]
    return {
        "question": question,
        "question_ID": question,
        "ground_truth": "42",
        "is_correct": False,
        "history": history,
        "mistake_agent": agent,
        "mistake_step": step,
        "mistake_reason": "Adds instead of multiplying.",
    }


def test_good_files_are_credited_and_bad_ones_named(tmp_path, capsys):
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "a.json").write_text(json.dumps(failure_log()))
    (logs / "b.json").write_text("{broken")
    (logs / "c.json").write_text(json.dumps({"weather": "fine"}))
    (logs / "d.json").write_text(json.dumps(failure_log(question="What is 7 times 6?", step="1")))
    assert run_cli(["score", "logs"]) == 0
    said = capsys.readouterr()
    assert "2 runs, 2 credited" in said.out
    assert "left out: logs/b.json: not JSON" in said.err
    assert "logs/c.json" in said.err
    assert "uniform random message" in said.out
    assert "step (of 2)" in said.out
    with RunStore("runs.db", read_only=True) as store:
        runs = list(store)
    assert len(runs) == 2
    for run in runs:
        assert run.credit.baseline == 0.5
        assert sum(run.credit.agents.values()) == pytest.approx(-0.5, abs=1e-9)
        assert run.trajectory.labels[0].name == FIRST_ERROR


def test_scoring_again_with_another_baseline_replaces_the_runs(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(failure_log()))
    for baseline in ("0.5", "0.25"):
        assert run_cli(["score", "a.json", "--baseline", baseline]) == 0
    with RunStore("runs.db", read_only=True) as store:
        (run,) = store
    assert run.credit.total == -0.25


def test_nothing_readable_exits_with_1_and_says_so(tmp_path, capsys):
    (tmp_path / "bad.json").write_text("{broken")
    assert run_cli(["score", "bad.json", "missing.json"]) == 1
    said = capsys.readouterr()
    assert "left out: bad.json" in said.err
    assert "left out: missing.json" in said.err
    assert "nothing could be read" in said.err
    assert "Traceback" not in said.err


def test_export_writes_every_run_through_the_registry(tmp_path, make_run, capsys, monkeypatch):
    from credit_hooks import registry
    from credit_hooks.ports import Manifest

    class Ids:
        name = "ids"

        def write(self, runs, path, **options):
            ids = [run.trajectory.id for run in runs]
            path.write_text(json.dumps([ids, options]))
            return Manifest(format="ids", path=path, runs=len(ids), rows=len(ids), dropped={"empty": 1}, sha256="")

    monkeypatch.setattr(registry, "exporter", lambda name: Ids())
    with RunStore("runs.db") as store:
        store.put(make_run("a"))
        store.put(make_run("b"))
    assert run_cli(["export", "--format", "ids", "-o", "out.json", "--option", "x=1", "--option", "y=z"]) == 0
    assert "wrote out.json: 2 rows of 2 runs, 1 left out (empty)" in capsys.readouterr().out
    assert json.loads((tmp_path / "out.json").read_text()) == [["a", "b"], {"x": 1, "y": "z"}]


# --- agreement with labels ----------------------------------------------------------------------------------------


def labelled(authors, target, named, *, inconsistent=False):
    messages = tuple(Message(id=f"m{n}", index=n, actor_id=author) for n, author in enumerate(authors))
    label = Label(target="message", target_id=target, name=FIRST_ERROR, inconsistent=inconsistent)
    actors = tuple(Actor(id=author, name=author) for author in dict.fromkeys(authors))
    trajectory = Trajectory(id="t", actors=actors, messages=messages, labels=(label,))
    error = None
    if named is not None:
        error = FirstError(
            message_id=f"m{named}", actor_id=authors[named], index=named, probability=0.5, rule="made up"
        )
    return CreditedRun(trajectory=trajectory, credit=Credit(trajectory_id="t", first_error=error))


def agreement(*runs):
    result = Agreement()
    for run in runs:
        result.add(run)
    return result


def test_accuracy_is_strict_and_baselines_are_those_of_the_same_runs():
    found = agreement(
        labelled("abab", "m1", 1),
        labelled("abab", "m1", 3),  # right agent, wrong step
        labelled("aabb", "m0", None),  # nothing named: wrong
    )
    assert found.ours() == pytest.approx((1 / 3, 2 / 3))
    assert found.uniform() == pytest.approx((1 / 4, 1 / 2))
    step, constant = found.constant()
    assert step == 1
    assert constant == pytest.approx((2 / 3, 1.0))


def test_labels_without_a_message_are_counted_apart_and_contradictory_ones_say_nothing_of_agents():
    found = agreement(labelled("ab", None, 0), labelled("ab", "m1", 1, inconsistent=True), labelled("ab", "m0", 1))
    assert (len(found), found.untargeted, found.consistent) == (2, 1, 1)
    assert found.ours() == (0.5, 0.0)


@given(
    st.lists(
        st.tuples(st.text("abc", min_size=1, max_size=6), st.integers(0, 5), st.none() | st.integers(0, 5)), min_size=1
    )
)
def test_accuracies_are_shares_and_naming_the_label_is_always_right(drawn):
    drawn = [(authors, target % len(authors), named) for authors, target, named in drawn]
    found = agreement(*(labelled(a, f"m{t}", None if n is None else n % len(a)) for a, t, n in drawn))
    for accuracy in (found.ours(), found.uniform(), found.constant()[1]):
        assert 0.0 <= accuracy.step <= accuracy.agent + 1e-12 <= 1.0 + 1e-9
    assert agreement(*(labelled(a, f"m{t}", t) for a, t, _ in drawn)).ours() == pytest.approx((1.0, 1.0))


# --- real logs ----------------------------------------------------------------------------------------------------

TRACES = Path(os.environ.get("CREDIT_HOOKS_TRAJECTORIES", Path(__file__).parents[3] / "shared" / "trajectories"))


@pytest.mark.skipif(not (TRACES / "whowhen").is_dir(), reason="the Who&When logs are not beside this checkout")
def test_real_failures_are_credited_whole_and_blamed_better_than_at_random(capsys):
    assert run_cli(["score", str(TRACES / "whowhen" / "algorithm_generated")]) == 0
    assert "63 runs, 63 credited" in capsys.readouterr().out
    found = Agreement()
    with RunStore("runs.db", read_only=True) as store:
        for run in store:
            found.add(run)
            rewards = [reward.reward for reward in run.credit.messages if reward.reward is not None]
            assert sum(rewards) == pytest.approx(-0.5, abs=1e-9)
            assert sum(run.credit.agents.values()) == pytest.approx(-0.5, abs=1e-9)
    assert len(found) == 63
    assert found.ours().step > found.uniform().step
    assert found.ours().step > found.constant()[1].step
    assert found.ours().agent > found.uniform().agent
