"""`credit-hooks annotate`: stored runs to a backend by name."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

pytest.importorskip("typer")

from credit_hooks.cli.app import run as run_cli
from credit_hooks.errors import ConfigurationError
from credit_hooks.ports import RunExporter
from credit_hooks.registry import ANNOTATORS, annotator
from credit_hooks.store import RunStore

NAMES = ("langfuse", "langsmith", "mlflow", "opik", "otlp", "phoenix")


@pytest.fixture
def store(tmp_path, run, rename):
    with RunStore(tmp_path / "runs.db") as opened:
        for number in range(23):
            opened.put(rename(run, f"run-{number:02}", trace=number + 1))
    return tmp_path / "runs.db"


@pytest.fixture
def annotate(store, backend, capsys):
    def call(*arguments, code=0):
        given = ["annotate", "--to", "phoenix", "--store", store, "--endpoint", backend.url, *arguments]
        assert run_cli([*map(str, given)]) == code
        return capsys.readouterr()

    return call


def sent(backend):
    return {each["metadata"]["run"] for request in backend.requests for each in request.body["data"]}


def test_runs_are_named_by_the_start_of_their_id(annotate, backend):
    said = annotate("--run", "run-03", "--run", "run-11")
    assert sent(backend) == {"run-03", "run-11"}
    assert said.out == "phoenix: 2 runs, annotations: 10 sent\n"


def test_the_newest_run_is_sent_where_none_is_named(annotate, backend):
    annotate()
    assert sent(backend) == {"run-22"}


def test_all_runs_pass_through(annotate, backend):
    assert "23 runs, annotations: 115 sent" in annotate("--all").out
    assert len(sent(backend)) == 23


def test_a_run_that_is_not_there_and_options_that_exclude_each_other_are_said_in_a_line(annotate, backend):
    assert "run-99" in annotate("--run", "run-99", code=2).err
    assert "exclude" in annotate("--run", "run-01", "--all", code=2).err
    assert backend.requests == []


def test_a_refusal_is_said_and_is_the_exit_code(annotate, backend):
    backend.answer = lambda request: (401, {}, {"detail": "who are you"})
    said = annotate("--run", "run-01", code=1)
    assert "401" in said.err
    assert "given up" in said.out
    assert "Traceback" not in said.err


def test_a_wait_for_the_backend_is_said_when_it_begins(annotate, backend):
    answers = iter([(503, {}, {}), (503, {}, {})])
    backend.answer = lambda request: next(answers, (200, {}, {}))
    said = annotate("--run", "run-01")
    assert said.err == f"credit-hooks: waiting for {backend.url}: trying again, for up to 60 s\n"
    assert "5 sent" in said.out


def test_an_unknown_backend_and_a_missing_key_are_said_in_a_line(store, capsys):
    assert run_cli(["annotate", "--to", "stone", "--store", str(store)]) == 2
    assert "known annotators: langfuse, langsmith, mlflow, opik, otlp, phoenix" in capsys.readouterr().err
    assert run_cli(["annotate", "--to", "langfuse", "--store", str(store)]) == 2
    assert "LANGFUSE_PUBLIC_KEY is not set" in capsys.readouterr().err


def test_a_backend_that_is_down_is_given_up_in_time(store):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable,
        "-c",
        "from credit_hooks.cli import main; main()",
        "annotate",
        "--to",
        "phoenix",
        "--store",
        str(store),
    ]
    command += ["--endpoint", f"http://127.0.0.1:{port}", "--timeout", "0.5"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr.count("cannot be reached") == 1
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", NAMES)
def test_every_annotator_is_found_by_its_name(name):
    kind = annotator(name)
    assert kind.name == name
    assert issubclass(kind, RunExporter)


def test_unknown_annotators_list_the_known_ones():
    assert ANNOTATORS == "credit_hooks.annotators"
    with pytest.raises(ConfigurationError, match=r"no annotator 'stone'; known annotators: .*phoenix"):
        annotator("stone")


def test_without_the_extra_the_line_to_type_is_named():
    code = "import sys; sys.modules['tenacity'] = None; from credit_hooks_exporters.annotators import PhoenixAnnotator"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "pip install 'credit-hooks[annotators]'" in done.stderr
    code = code.replace("PhoenixAnnotator", "OTLPLogsAnnotator")
    subprocess.run([sys.executable, "-c", code], check=True)
