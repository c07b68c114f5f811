"""`credit-hooks optimize`: from a file to better prompts, a table, diffs and a page; one line for a mistake."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("typer")
pytest.importorskip("langgraph")

from credit_hooks.cli.app import run as run_cli
from credit_hooks.demo.order_desk import orders
from credit_hooks.store import RunStore

EXAMPLE = Path(__file__).parents[2] / "examples" / "optimize" / "order_desk.toml"


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "work").mkdir()
    path = tmp_path / "work" / "order_desk.toml"
    text = EXAMPLE.read_text().replace("[options]\n", "[options]\nwidth = 1\n")
    path.write_text(text)
    return path


def test_the_example_finds_the_weak_prompt_and_shows_why(config, capsys):
    assert run_cli(["optimize", str(config)]) == 0
    said = capsys.readouterr().out
    assert "goods: kept  wrong to right" in said
    assert "+Do not charge damaged items." in said.splitlines()
    assert "evidence: " in said
    before, after = [line for line in said.splitlines() if line.startswith("held-out tasks")][0].split()[2:4]
    assert float(before.rstrip("%")) < float(after.rstrip("%"))
    folder = config.parent  # paths are beside the file, whatever the working folder
    assert "damaged" in (folder / "prompts" / "goods.txt").read_text()
    assert len(list((folder / "prompts").glob("*.txt"))) == 5
    assert "Attempt 1: " in (folder / "optimization.html").read_text()
    with RunStore(folder / "optimize.db") as store:
        made = len(store)
    assert run_cli(["optimize", str(config)]) == 0  # again: everything is read
    assert f"{made - 1} read from the store" in capsys.readouterr().out
    with RunStore(folder / "optimize.db") as store:
        assert len(store) == made


def test_tasks_may_be_json_lines_and_parts_are_beside_the_file(config, capsys):
    folder = config.parent
    lines = [json.dumps(task.model_dump(exclude_defaults=True)) for task in orders(40, seed=1)]
    (folder / "tasks.jsonl").write_text("\n".join(lines) + "\n")
    (folder / "my_critic_of_orders.py").write_text("def critic(request):\n    return 'I would rather not.'\n")
    text = config.read_text()
    text = text.replace('"credit_hooks.demo.order_desk:example_orders"', '"tasks.jsonl"')
    text = text.replace('"credit_hooks.demo.order_desk:LocalCritic"', '"my_critic_of_orders:critic"')
    config.write_text(text)
    assert run_cli(["optimize", str(config)]) == 0
    said = capsys.readouterr().out
    assert "no rewrite" in said
    assert "a refusal, or not in the form asked for" in " ".join(said.split())


MISTAKES = [
    (("[budget]", "[bugdet]"), "order_desk.toml: budget: Field required"),
    (("system_runs = 200", "system_runs = -1"), "budget.system_runs: "),
    (("order_desk:desk_team", "order_desk:no_team"), "has no attribute 'no_team'"),
    (("credit_hooks.demo.order_desk:desk_team", "nowhere:team"), "no module 'nowhere' beside the configuration"),
    (("credit_hooks.demo.order_desk:desk_team", "json:dumps"), "cannot be called without arguments"),
    (("credit_hooks.demo.order_desk:example_orders", "none.jsonl"), "no file"),
    (("credit_hooks.demo.order_desk:desk_team", "json:__name__"), "is a str, not a credit_hooks.prompts.Team"),
    (("critic = ", "# critic = "), "name either a critic or a model"),
    (("held_out = 0.5", "held_out = 2.0"), "held_out is a share between 0 and 1"),
    (("team = ", "team == "), "is no TOML file"),
]


@pytest.mark.parametrize(("change", "said"), MISTAKES, ids=[said for _, said in MISTAKES])
def test_a_mistake_is_one_line_that_says_what(config, capsys, change, said):
    config.write_text(config.read_text().replace(*change))
    assert run_cli(["optimize", str(config)]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_it_goes_on_after_an_interruption(config, capsys):
    command = [sys.executable, "-c", "from credit_hooks.cli import main; main()", "optimize", str(config)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ})
    store = config.parent / "optimize.db"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None and not (store.exists() and _runs(store) > 20):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 130
    assert run_cli(["optimize", str(config)]) == 0
    said = capsys.readouterr().out
    assert "goods: kept" in said
    assert "read from the store" in said


def _runs(store):
    try:
        with RunStore(store, read_only=True) as opened:
            return len(opened)
    except Exception:
        return 0


def test_the_page_is_not_written_over_a_store(config, capsys):
    store = config.parent / "kept.db"
    with RunStore(store):
        pass
    before = store.read_bytes()
    assert run_cli(["optimize", str(config), "--report", str(store)]) == 2
    assert "SQLite database" in capsys.readouterr().err
    assert store.read_bytes() == before
