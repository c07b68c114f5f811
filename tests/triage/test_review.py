"""What triage has queued is what `credit-hooks review --queued` goes through."""

import io
import sys

import pytest

pytest.importorskip("typer")

from triage_kit import run_of

from credit_hooks.cli.app import run as run_cli
from credit_hooks.failure import first_error_of
from credit_hooks.store import RunStore
from credit_hooks.triage import TriagePolicy, TriageQueue


def test_reviewers_are_asked_about_queued_runs_alone(tmp_path, monkeypatch, capsys):
    path = tmp_path / "runs.db"
    with RunStore(path) as store:
        queue = TriageQueue(TriagePolicy(least_blame=0.01), store=store)
        for number in range(3):
            store.put(run_of(f"r{number}"))
        queue.export(run_of("r1"))
    arguments = ["review", "--queued", "--store", str(path), "--as", "Rosa"]
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n"))
    assert run_cli(arguments) == 0
    said = capsys.readouterr().out
    assert "1 of 1" in said
    assert "1 labelled, 0 skipped, 0 left" in said
    with RunStore(path, read_only=True) as store:
        assert first_error_of(store.get("r1").trajectory.labels).annotator == "Rosa"
        assert first_error_of(store.get("r0").trajectory.labels) is None
    assert run_cli(arguments) == 0
    assert "triage has queued no run that is not labelled yet" in " ".join(capsys.readouterr().out.split())
