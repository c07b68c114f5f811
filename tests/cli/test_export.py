"""`credit-hooks export` into folders: splits, filters, going on, following."""

import json
import os
import signal
import sqlite3
import subprocess
import sys

import pytest

from credit_hooks.cli.app import run as run_cli
from credit_hooks.store import RunStore


@pytest.fixture
def store(tmp_path, make_run, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with RunStore("runs.db") as opened:
        for name in ("a", "b", "c"):
            opened.put(make_run(name))
        yield opened


def test_a_folder_has_splits_a_card_and_accounts_for_all_rewards(store, tmp_path, capsys):
    assert run_cli(["export", "-f", "trl-kto", "--out", "data", "--split", "train=0.5", "--split", "test=0.5"]) == 0
    said = capsys.readouterr().out
    assert "of 3 runs" in said
    assert "rewards: " in said
    assert (tmp_path / "data" / "README.md").exists()
    assert json.loads((tmp_path / "data" / "manifest.json").read_text())["splits"] == {"train": 0.5, "test": 0.5}


def test_filters_and_going_on(store, tmp_path, capsys):
    agents = sorted({actor.id for run in store for actor in run.trajectory.actors if actor.kind == "agent"})
    for _ in range(2):
        assert run_cli(["export", "-f", "trl-grpo", "-o", "data", "--since", "last", "--agent", agents[-1]]) == 0
        assert "other_agent" in capsys.readouterr().out
    table = [json.loads(line) for line in (tmp_path / "data" / "train-00000.jsonl").read_text().splitlines()]
    assert {row["agent"] for row in table} == {agents[-1]}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-f", "trl-kto", "-o", "d", "--since", "monday"], "'last' is the only choice"),
        (["-f", "trl-kto", "-o", "d", "--split", "train"], "--split 'train' is no name=value"),
        (["-f", "trl-kto", "-o", "d", "--split", "train=x"], "--split 'train=x': 'x' is no share of the tasks"),
        (["-f", "trl-kto", "-o", "d", "--split", "train=0,9"], "a number above 0 and at most 1"),
        (["-f", "trl-kto", "-o", "d", "--split", "train=nan"], "positive and sum to 1"),
        (["-f", "trl-kto", "-o", ""], "the name is empty"),
        (["-f", "trl-kto", "-o", "d.jsonl", "--follow"], "--follow needs a folder"),
        (["-f", "trl-kto", "-o", "d", "--threshold", "3"], "option threshold of format trl-kto"),
    ],
)
def test_what_cannot_work_is_one_line(arguments, said, store, capsys):
    assert run_cli(["export", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_standard_output_takes_the_rows_and_nothing_else(store, tmp_path, capfdbinary):
    assert run_cli(["export", "-o", "-"]) == 0
    piped = capfdbinary.readouterr()
    assert run_cli(["export", "-o", "x.jsonl"]) == 0
    assert piped.out == (tmp_path / "x.jsonl").read_bytes() != b""
    assert b"wrote -: 12 rows of 3 runs" in piped.err
    assert sorted(path.name for path in tmp_path.iterdir() if "runs.db" not in path.name) == ["x.jsonl"]
    capfdbinary.readouterr()
    assert run_cli(["export", "-f", "trl-grpo", "-o", "-"]) == 0
    assert all(json.loads(line) for line in capfdbinary.readouterr().out.splitlines())


def test_the_messages_of_one_agent(store, tmp_path, capsys):
    assert run_cli(["export", "-o", "x.jsonl", "--agent", "solver"]) == 0
    assert "9 left out (other_agent)" in capsys.readouterr().out
    rows = [json.loads(line) for line in (tmp_path / "x.jsonl").read_text().splitlines()]
    assert [row["agent"] for row in rows] == ["a:solver"] * 3


def test_a_share_may_begin_with_the_point(store, tmp_path):
    assert run_cli(["export", "-f", "trl-kto", "-o", "d", "--split", "train=.5", "--split", "test=5e-1"]) == 0
    assert json.loads((tmp_path / "d" / "manifest.json").read_text())["splits"] == {"train": 0.5, "test": 0.5}


@pytest.mark.parametrize("arguments", [["-o", "x.jsonl"], ["-f", "trl-kto", "-o", "d"]])
def test_an_agent_that_nobody_is(arguments, store, capsys):
    assert run_cli(["export", *arguments, "--agent", "nobody"]) == 1
    said = capsys.readouterr().err
    assert "no message in runs.db is by an agent nobody; agents there: " in said
    assert "solver" in said


@pytest.mark.parametrize("name", ["README.md", "manifest.json", "train-00000.jsonl", "notes.txt"])
def test_a_folder_of_others_is_left_alone(name, store, tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / name).write_text("{}")
    for out in ("mine", "."):
        assert run_cli(["export", "-f", "trl-kto", "--out", out]) == 2
        assert "choose " in capsys.readouterr().err
    assert digests(tmp_path / "mine") == {name: b"{}"}
    assert not (tmp_path / ".state").exists()


def test_a_dataset_of_another_format_is_left_alone(store, tmp_path, capsys):
    assert run_cli(["export", "-f", "trl-kto", "-o", "d"]) == 0
    before = digests(tmp_path / "d")
    assert run_cli(["export", "-f", "trl-grpo", "-o", "d"]) == 2
    assert "a dataset of format trl-kto, not trl-grpo" in capsys.readouterr().err
    assert digests(tmp_path / "d") == before
    assert run_cli(["export", "-f", "trl-kto", "-o", "d", "--threshold", "0.1"]) == 0


@pytest.mark.parametrize(
    "arguments", [["-o", "x.jsonl"], ["-f", "trl-kto", "-o", "x.jsonl"], ["-f", "trl-dpo", "-o", "d"]]
)
def test_a_damaged_run_costs_itself_alone_and_is_named(arguments, store, tmp_path, capsys):
    store.close()
    connection = sqlite3.connect("runs.db")
    with connection:
        connection.execute("UPDATE runs SET credit = x'00' WHERE id = 'b'")
    connection.close()
    assert run_cli(["export", *arguments]) == 1
    said = capsys.readouterr()
    assert "of 2 runs" in said.out
    assert "left out 1 run of runs.db that cannot be read: b" in said.err
    if arguments[-1] == "d":
        assert json.loads((tmp_path / "d" / "manifest.json").read_text())["damaged"] == ["b"]
        before = digests(tmp_path / "d")
        assert run_cli(["export", *arguments, "--since", "last"]) == 1  # it goes on, and still says so
        assert digests(tmp_path / "d") == before
    capsys.readouterr()
    assert run_cli(["list"]) == 0
    assert capsys.readouterr().out.count("maths team") == 3


def digests(folder):
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_following_goes_on_until_it_is_interrupted(store, tmp_path, make_run):
    command = [sys.executable, "-m", "credit_hooks.cli", "export", "-f", "trl-grpo", "-o", "data", "--follow"]
    code = "from credit_hooks.cli import main; import sys; sys.argv = sys.argv[1:]; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, *command[2:], "--interval", "0.1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        assert "of 3 runs" in process.stdout.readline()
        store.put(make_run("d"))
        lines = iter(process.stdout.readline, "")
        assert any("of 4 runs" in line for line in lines)
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    assert process.returncode == 130
