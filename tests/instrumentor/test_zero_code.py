"""`opentelemetry-instrument python app.py`: programs that were not changed are traced and credited."""

import json
from importlib.metadata import entry_points

import pytest

from credit_hooks.errors import ConfigurationError
from credit_hooks.instrumentor import LangGraphInstrumentor
from credit_hooks.store import RunStore

ANSWER = "6 times 7: the answer is 42.\n"


def stored(folder):
    with RunStore(folder / "runs.db", read_only=True) as store:
        return list(store)


CONFIGURATOR = """
from opentelemetry.sdk._configuration import _OTelSDKConfigurator

class Configurator(_OTelSDKConfigurator):  # all that opentelemetry-distro adds
    pass
"""


@pytest.fixture
def distribution(tmp_path):
    """What `pip install opentelemetry-distro` brings: the SDK is set up from the environment."""
    folder = tmp_path / "site"
    info = folder / "setup_of_sdk-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "setup_of_sdk.py").write_text(CONFIGURATOR)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: setup-of-sdk\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[opentelemetry_configurator]\nsdk = setup_of_sdk:Configurator\n")
    return {
        "PYTHONPATH": str(folder),
        "OTEL_PYTHON_CONFIGURATOR": "sdk",
        "OTEL_TRACES_EXPORTER": "console",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        "AUTOGEN_DISABLE_RUNTIME_TRACING": "true",
    }


def printed_spans(text):
    decoder, spans = json.JSONDecoder(), []
    while (start := text.find("{")) >= 0:
        span, end = decoder.raw_decode(text[start:])
        spans.append(span)
        text = text[start + end :]
    return spans


def test_a_program_that_was_not_changed_is_traced_credited_and_stored(framework, program, run, tmp_path, distribution):
    done = run(program, CREDIT_HOOKS_STORE="runs.db", CREDIT_HOOKS_EVALUATE="app:judge", **distribution)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count(ANSWER) == 1
    with RunStore(tmp_path / "runs.db", read_only=True) as store:
        (credited,) = store
    trajectory, credit = credited.trajectory, credited.credit
    assert trajectory.framework == framework
    written = [trajectory.actor_by_id[message.actor_id].name for message in trajectory.messages]
    assert written == ["user", "planner", "solver"]
    assert (credit.status, credit.outcome, credit.total) == ("credited", 1.0, 0.5)
    ours = [span for span in printed_spans(done.stdout) if "credit.step.status" in span["attributes"]]
    assert len({span["context"]["trace_id"] for span in ours}) == 1
    shown = {span["name"]: span["attributes"].get("credit.reward") for span in ours}
    assert shown["invoke_agent planner"] == pytest.approx(credit.agents["planner"], abs=1e-12)
    assert shown["invoke_agent solver"] == pytest.approx(credit.agents["solver"], abs=1e-12)
    assert not any("gen_ai.output.messages" in span["attributes"] for span in ours)  # contents are private


def test_a_framework_that_is_imported_before_the_program_starts(framework, program, run, distribution, tmp_path):
    """As when the instrumentor of somebody else loads it: there is no program yet when capture is installed."""
    package = NAMES[framework][0]
    pre = tmp_path / "site" / "setup_of_sdk.py"
    pre.write_text(f"import {package}\n{CONFIGURATOR}")
    done = run(program, CREDIT_HOOKS_STORE="runs.db", CREDIT_HOOKS_EVALUATE="app:judge", **distribution)
    assert (done.returncode, done.stderr, done.stdout.count(ANSWER)) == (0, "", 1)
    with RunStore(tmp_path / "runs.db", read_only=True) as store:
        assert [run.credit.status for run in store] == ["credited"]


def test_wrong_values_are_told_once_and_the_program_runs_unharmed(framework, program, run, tmp_path):
    wrong = {
        "CREDIT_HOOKS_STORE": "missing/runs.db",
        "CREDIT_HOOKS_BASELINE": "seven",
        "CREDIT_HOOKS_MAX_RUNS": "-1",
        "CREDIT_HOOKS_REWARD_DELIVERY": "post",
        "CREDIT_HOOKS_EVALUATE": "nowhere:judge",
        "CREDIT_HOOKS_ON_CREDIT": "no colon",
        "CREDIT_HOOKS_CREDIT": '{"steps": 3}',
        "CREDIT_HOOKS_STROE": "runs.db",
    }
    done = run(program, **wrong)
    assert (done.returncode, done.stdout) == (0, ANSWER)
    lines = done.stderr.splitlines()
    assert len(lines) == len(wrong)
    for name in wrong:
        assert sum(line.startswith(f"credit-hooks: {name}") for line in lines) == 1
    assert not list(tmp_path.glob("**/runs.db"))


def test_a_program_without_agents_loads_no_framework_and_next_to_nothing_of_ours(run):
    imported = """
import sys
packages = {name.split(".")[0] for name in sys.modules}
assert not packages & {"langgraph", "langchain_core", "autogen_agentchat", "autogen_core", "numpy", "pydantic"}
print(sorted(name for name in sys.modules if name.startswith("credit_hooks")))
"""
    others = {point.name for point in entry_points(group="opentelemetry_instrumentor")}  # these may load what they like
    left_out = ",".join(name for name in others if not name.startswith("credit_hooks"))
    done = run(imported, OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=left_out)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "['credit_hooks', 'credit_hooks.errors', 'credit_hooks.instrumentor']\n"


def test_one_framework_can_be_left_out_by_its_name(run, tmp_path):
    names = {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "credit_hooks_langgraph"}
    done = run("import langgraph.graph, sys\nprint('credit_hooks.session' in sys.modules)", **names)
    assert (done.returncode, done.stdout, done.stderr) == (0, "False\n", "")


SWITCHED = """
import {package}
from credit_hooks.instrumentor import {instrumentor}
instrumentor = {instrumentor}()
instrumentor.instrument(evaluate=lambda run: True)
capture = instrumentor.capture
{program}
assert capture.flush() and len(capture.runs) == 1
instrumentor.uninstrument()
assert instrumentor.capture is None
{program}
assert len(capture.runs) == 1
instrumentor.instrument(evaluate=lambda run: True)
{program}
assert instrumentor.capture.flush() and len(instrumentor.capture.runs) == 1
print(capture.last.credit.status)
"""
NAMES = {
    "langgraph": ("langgraph.graph", "LangGraphInstrumentor"),
    "autogen": ("autogen_agentchat.teams", "AutoGenInstrumentor"),
}


def test_instrumented_in_code_after_the_framework_was_imported_and_switched_off_again(framework, program, run):
    package, instrumentor = NAMES[framework]
    done = run(SWITCHED.format(package=package, instrumentor=instrumentor, program=program), command=None)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == ANSWER * 3 + "credited\n"


def test_options_in_code_that_do_not_exist_are_refused():
    with pytest.raises(ConfigurationError, match="unknown option 'stroe'"):
        LangGraphInstrumentor().instrument(stroe=1, skip_dep_check=True)
    assert not LangGraphInstrumentor().is_instrumented_by_opentelemetry


def test_credit_by_replay_costs_a_warning_and_that_option_only(program, run, tmp_path):
    done = run(program, CREDIT_HOOKS_STORE="runs.db", CREDIT_HOOKS_CREDIT='{"method": "replay"}')
    assert (done.returncode, done.stdout) == (0, ANSWER)
    assert "Traceback" not in done.stderr
    assert done.stderr.count("CREDIT_HOOKS_CREDIT") == 1
    assert len(stored(tmp_path)) == 1
