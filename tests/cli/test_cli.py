"""The command line as a user sees it: real processes where it matters, one line per mistake, no traceback."""

import json
import os
import re
import sqlite3
import subprocess
import sys

import pytest

pytest.importorskip("typer")

from credit_hooks.cli.app import run as run_cli
from credit_hooks.rewards import CreditedRun
from credit_hooks.store import RunStore


@pytest.fixture(autouse=True)
def _surroundings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("CREDIT_HOOKS_STORE", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "TERM"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def store(tmp_path, make_run):
    with RunStore(tmp_path / "runs.db") as opened:
        opened.put(make_run("failed-run", rewards=(0.1, -0.55, -0.05), first_error=2))
        opened.put(make_run("won-run", outcome=1.0, rewards=(0.2, 0.2, 0.1), name="second"))
        opened.put(make_run("open-run", outcome=None))
    return tmp_path / "runs.db"


@pytest.fixture
def cli(capsys):
    def call(*arguments, code=0):
        assert run_cli([*map(str, arguments)]) == code
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        if code:
            assert said.out == ""
            return said.err
        return said.out

    return call


def lines(text):
    return [line.split() for line in text.splitlines() if line.strip()]


def test_list_shows_the_newest_first(cli, store):
    rows = lines(cli("list"))
    assert [row[0] for row in rows] == ["run", "open-run", "won-run", "failed-run"]
    failed = " ".join(rows[3])
    assert "-0.550 solver" in failed
    assert "#2 solver" in failed
    assert "no outcome" in " ".join(rows[1])


def test_list_takes_limit_agent_status_and_json(cli, store):
    assert "1 of 3 runs" in cli("list", "--limit", 1)
    assert len(lines(cli("list", "--agent", "nobody"))) == 1
    rows = [json.loads(line) for line in cli("list", "--json", "--status", "credited").splitlines()]
    assert [row["id"] for row in rows] == ["won-run", "failed-run"]
    assert rows[1]["worst_credit"] == -0.55


def test_show_says_outcome_agents_messages_and_first_error(cli, store):
    text = cli("show", "failed")
    assert "outcome 0.00 - baseline 0.50 = -0.500 to share" in text
    assert "first error #2 by solver, probability 0.62" in text
    rows = {row[0]: row for row in lines(text)}
    assert rows["planner"][2] == "+0.100"
    assert "FIRST ERROR message 1 of the team" in " ".join(rows["2"])
    assert "ANSWER" in " ".join(rows["3"])


def test_bars_lie_left_of_the_centre_for_losses_and_right_for_gains(cli, store):
    rows = {row.split()[0]: row for row in cli("show", "failed").splitlines() if row.strip()}
    left, right = rows["solver"].split("│")
    assert left.count("█") == 10
    assert "█" not in right
    left, right = rows["planner"].split("│")
    assert "█" not in left
    assert right.count("█") == 2
    assert {row.index("│") for name, row in rows.items() if name in ("solver", "planner", "user")} == {
        rows["solver"].index("│")
    }


def test_user_content_is_neither_markup_nor_terminal_control(cli, store, make_run):
    hostile = "[bold red]x[/] :smile: \x1b[31m\u202e\r"
    with RunStore(store) as opened:
        opened.put(make_run("hostile", name=hostile, texts=[hostile] * 3, agents=(hostile, "b", "c")))
    for text in (cli("show", "hostile"), cli("list")):
        assert "[bold red]x[/] :smi" in text
        assert not re.search("[\x1b\u202e\r]", text)


@pytest.mark.parametrize("width", [30, 60, 100, 200])
def test_no_line_is_wider_than_the_terminal(cli, store, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    assert all(len(line) <= width for line in cli("show", "failed").splitlines())
    if width >= 60:
        assert all(len(line) <= width for line in cli("list").splitlines())


def test_json_is_the_credited_run(cli, store):
    with RunStore(store) as opened:
        assert CreditedRun.model_validate_json(cli("show", "won-run", "--json")) == opened.get("won-run")


def test_report_writes_the_newest_or_the_named_run(cli, store, tmp_path):
    assert "for run open-run" in cli("report")
    assert "open-run" in (tmp_path / "report.html").read_text()
    assert "for run won-run" in cli("report", "won", "-o", "won.html")
    assert "second" in (tmp_path / "won.html").read_text()
    assert cli("report", "won", "-o", "-").startswith("<!DOCTYPE html>")


MISTAKES = [
    (["show", "nope"], "no run 'nope' in runs.db"),
    (["show"], "Missing argument 'RUN'"),
    (["list", "--store", "missing.db"], "no run store at missing.db"),
    (["list", "--store", "text.txt"], "damaged or no run store"),
    (["list", "--store", "foreign.db"], "is a SQLite file of another program, not a run store"),
    (["show", "x", "--store", "corrupt.db"], "corrupt.db is damaged or no run store"),
    (["export", "-o", "x.jsonl", "--store", "corrupt.db"], "corrupt.db is damaged or no run store"),
    (["list", "--store", "."], ". is a folder, not a run store"),
    (["list", "--store", ":memory:"], "':memory:' names no file"),
    (["list", "--limit", "many"], "'--limit'"),
    (["lsit"], "No such command 'lsit'"),
    (["list", "--colour"], "--colour"),
    (["report", "won", "-o", "nowhere/x.html"], "nowhere/x.html: No such file or directory"),
    (["export", "--format", "parchment", "-o", "x"], "no export format 'parchment'; known formats: "),
    (["export", "--option", "novalue", "-o", "x"], "is no name=value"),
    (["export", "-o", "nowhere/x.jsonl"], "nowhere/x.jsonl: the folder nowhere does not exist"),
    (["export", "-o", "x.csv"], "x.csv: format messages is written as JSON lines"),
    (["export", "-f", "trl-kto", "-o", "x.csv"], "x.csv: format trl-kto is written to a file that ends in"),
    (["export", "-o", "x.jsonl", "--threshold", "0.1"], "unknown option threshold of format messages"),
    (["export", "-o", "-", "--follow"], "--follow needs a folder, and - is standard output"),
    (["score", "text.txt", "--dialect", "klingon"], "no dialect 'klingon'; known dialects: "),
    (["score", "text.txt", "--baseline", "7"], "--baseline"),
]


@pytest.mark.parametrize(("arguments", "said"), MISTAKES, ids=[" ".join(arguments) for arguments, _ in MISTAKES])
def test_a_mistake_is_one_line_that_says_what_and_exits_with_2(cli, store, tmp_path, arguments, said):
    (tmp_path / "text.txt").write_text("this is no database and no JSON\n" * 100)
    (tmp_path / "corrupt.db").write_bytes(store.read_bytes()[:5000])
    foreign = sqlite3.connect(tmp_path / "foreign.db")
    foreign.execute("CREATE TABLE notes (text)")
    foreign.close()
    before = files(tmp_path)
    message = cli(*arguments, code=2)
    assert message.startswith("credit-hooks: ")
    assert message.count("\n") == 1
    assert said in message
    assert files(tmp_path) == before


def files(folder):
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(("-shm", "-wal")))  # SQLite's own


def test_the_store_comes_from_the_environment_and_the_option_wins(cli, store, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    store.rename(tmp_path / "elsewhere" / "my.db")
    monkeypatch.setenv("CREDIT_HOOKS_STORE", "elsewhere/my.db")
    assert "won-run" in cli("list")
    assert "no run store at other.db" in cli("list", "--store", "other.db", code=2)


def test_the_store_in_the_environment_may_be_in_the_home_of_the_user(cli, store, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.setenv("CREDIT_HOOKS_STORE", "~/runs.db")
    assert "won-run" in cli("list")


def test_without_a_command_the_help_is_printed_as_help(cli):
    assert cli() == cli("--help")
    assert len(cli().splitlines()) > 10


# --- as processes -------------------------------------------------------------------------------------------------


def process(*arguments, **environment):
    clean = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS")}
    return subprocess.run(
        [sys.executable, "-c", "from credit_hooks.cli import main; main()", *map(str, arguments)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        env=clean | environment,
    )


def test_colour_is_never_the_only_cue_and_can_be_switched_off(store):
    forced = {"FORCE_COLOR": "1", "TERM": "xterm-256color"}
    coloured = process("show", "failed", **forced).stdout
    assert "\x1b[31m" in coloured  # red
    assert "\x1b[34m" in coloured  # blue
    for off in (process("--no-color", "show", "failed", **forced), process("show", "failed", NO_COLOR="1", **forced)):
        assert not re.search(r"\x1b\[[0-9;]*3[0-9]m", off.stdout)
        assert "-0.550" in off.stdout
    assert "\x1b" not in process("show", "failed").stdout  # piped


def test_a_terminal_without_unicode_still_shows_signs_and_bars(store):
    done = process("show", "failed", PYTHONIOENCODING="ascii", PYTHONUTF8="0", LC_ALL="C")
    assert (done.returncode, done.stderr) == (0, "")
    solver = next(line for line in done.stdout.splitlines() if line.startswith("solver"))
    assert "-0.550" in solver
    assert "##########|" in solver


def test_without_the_extra_the_error_names_it():
    code = "import sys; sys.modules['typer'] = None; from credit_hooks.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr == (
        "credit-hooks: the command line needs an optional dependency: pip install 'credit-hooks[cli]'\n"
    )


def test_the_core_and_the_store_import_neither_typer_nor_rich_nor_jinja():
    code = (
        "import sys, credit_hooks, credit_hooks.store, credit_hooks.cli, credit_hooks.report\n"
        "print([name for name in ('typer', 'rich', 'jinja2', 'credit_hooks_adapters') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_help_lists_every_command():
    text = process("--help").stdout
    for command in ("list", "show", "report", "score", "export", "demo"):
        assert re.search(rf"^\s+{command}\s", text, re.MULTILINE)
