"""`credit-hooks report --all`."""

import pytest

pytest.importorskip("typer")
pytest.importorskip("jinja2")

from credit_hooks.cli.app import run as run_cli
from credit_hooks.report import render_all
from credit_hooks.store import RunStore


@pytest.fixture(autouse=True)
def _store(tmp_path, monkeypatch, make_run):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CREDIT_HOOKS_STORE", raising=False)
    with RunStore("runs.db") as opened:
        opened.put(make_run("run-1"))
        opened.put(make_run("run-2", outcome=1.0, rewards=(0.2, 0.2, 0.1)))


def test_the_page_of_all_runs_is_written_as_the_library_writes_it(tmp_path, capsys):
    assert run_cli(["report", "--all", "-o", "all.html"]) == 0
    with RunStore("runs.db", read_only=True) as store:
        assert (tmp_path / "all.html").read_text(encoding="utf-8") == render_all(store)
    assert "for 2 runs of runs.db" in " ".join(capsys.readouterr().out.split())


def test_the_page_goes_to_standard_output(capfdbinary):
    assert run_cli(["report", "--all", "-o", "-"]) == 0
    assert capfdbinary.readouterr().out.startswith(b"<!DOCTYPE html>")


def test_a_run_and_all_runs_cannot_be_asked_for_at_once(capsys):
    assert run_cli(["report", "run-1", "--all"]) == 2
    assert "leave out 'run-1' or --all" in " ".join(capsys.readouterr().err.split())


def test_a_store_that_is_not_there_is_named(capsys):
    assert run_cli(["report", "--all", "--store", "none.db"]) == 2
    assert "no run store at none.db" in " ".join(capsys.readouterr().err.split())
