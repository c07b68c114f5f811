"""Environment variables as capture options."""

from pathlib import Path

import pytest

from credit_hooks.credit import CreditConfig
from credit_hooks.encode import EncodingLimits
from credit_hooks.environment import VARIABLES, read_environment
from credit_hooks.options import CaptureOptions
from credit_hooks.session import CaptureSession

DOCS = Path(__file__).parents[2] / "docs" / "zero-code.md"
NOT_BY_VARIABLE = {"capture_content", "meter_provider", "tracer_provider", "limits", "replay"}
"""Given by OpenTelemetry's own variables; `limits` by its fields; a replay is an object of the program."""

calls = []


def judge(run):
    calls.append(run)
    return True


class Collector:
    def __init__(self):
        self.got = []

    def export(self, run):
        calls.append(run)


def test_every_option_has_a_variable_and_every_variable_is_documented():
    options = {option for option, _ in VARIABLES.values()}
    assert options == set(CaptureOptions.__annotations__) - NOT_BY_VARIABLE | {"max_message_chars", "max_prompt_chars"}
    text = DOCS.read_text(encoding="utf-8")
    assert [name for name in VARIABLES if f"`{name}`" not in text] == []


def test_values_are_read_as_the_options_are_typed(tmp_path):
    found = read_environment(
        {
            "CREDIT_HOOKS_BASELINE": "0.25",
            "CREDIT_HOOKS_CREDIT": '{"max_messages": 10}',
            "CREDIT_HOOKS_EVALUATE_TIMEOUT": "1.5",
            "CREDIT_HOOKS_MAX_MESSAGE_CHARS": "100",
            "CREDIT_HOOKS_MAX_RUNS": "7",
            "CREDIT_HOOKS_REWARD_DELIVERY": "event",
            "CREDIT_HOOKS_STORE": str(tmp_path / "runs.db"),
            "CREDIT_HOOKS_EVALUATE": "",
            "OTHER": "x",
        }
    )
    assert found.problems == ()
    assert found.options == {
        "baseline": 0.25,
        "credit": CreditConfig(max_messages=10),
        "evaluate_timeout": 1.5,
        "limits": EncodingLimits(max_message_chars=100),
        "max_runs": 7,
        "reward_delivery": "event",
        "store": tmp_path / "runs.db",
    }
    CaptureSession(found.options, framework="test", source_id=lambda source: None)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("BASELINE", "2"),
        ("BASELINE", "nan"),
        ("CREDIT", "[]"),
        ("CREDIT", "{"),
        ("EVALUATE", "module"),
        ("EVALUATE", "module:"),
        ("EVALUATE", "a b:c"),
        ("EVALUATE_TIMEOUT", "inf"),
        ("MAX_QUEUE", "1.5"),
        ("MAX_PROMPT_CHARS", "many"),
        ("STORE", ":memory:"),
        ("REWARD_DELIVERY", "SPAN"),
    ],
)
def test_a_wrong_value_is_one_sentence_that_names_the_variable(variable, value):
    options, (problem,) = read_environment({f"CREDIT_HOOKS_{variable}": value})
    assert options == {}
    assert problem.startswith(f"CREDIT_HOOKS_{variable}={value!r} is left out: ")


def test_variables_of_others_are_left_alone():
    assert read_environment({"CREDIT_HOOKS_TRAJECTORIES": "x", "CREDIT": "y"}) == ({}, ())


def test_functions_and_exporters_are_imported_when_they_are_needed(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    options, problems = read_environment(
        {
            "CREDIT_HOOKS_EVALUATE": "test_environment:judge",
            "CREDIT_HOOKS_EXPORTERS": "test_environment:Collector, nowhere:Exporter",
        }
    )
    assert problems == ()
    assert options["evaluate"]("a run") is True
    for exporter in options["exporters"]:
        exporter.export("a run")
    import test_environment

    assert test_environment.calls == ["a run", "a run"]


def test_credit_by_replay_needs_an_object_of_the_program():
    variables = {"CREDIT_HOOKS_CREDIT": '{"method": "replay"}', "CREDIT_HOOKS_MAX_RUNS": "7"}
    found = read_environment(variables)
    assert found.options == {"max_runs": 7}
    (problem,) = found.problems
    assert problem.startswith("CREDIT_HOOKS_CREDIT=")
    assert "replay=" in problem
    assert read_environment(variables, replays=True).options["credit"].method == "replay"
