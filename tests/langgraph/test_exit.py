"""Processes that end: scripts that never flush, signals, forks. Each leaves its run in the store."""

import os
import signal
import subprocess
import sys
import textwrap

import pytest

from credit_hooks.store import RunStore

SCRIPT = """
import os, signal, sys, time
from langchain_core.messages import AIMessage
from langgraph.graph import START, MessagesState, StateGraph
from credit_hooks.langgraph import CreditCallback

def evaluate(run):
    time.sleep(0.2)
    return True

def node(state):
    return {"messages": [AIMessage("done")]}

builder = StateGraph(MessagesState)
builder.add_node("node", node)
builder.add_edge(START, "node")
graph = builder.compile()
callback = CreditCallback(evaluate=evaluate, store=sys.argv[1])

def run():
    graph.invoke({"messages": [("user", "task")]}, {"callbacks": [callback]})

"""


@pytest.fixture
def script(tmp_path):
    """Runs the script with this ending; returns (exit code, what it wrote to stderr, credit statuses in the store)."""

    def run(ending):
        source = SCRIPT + textwrap.dedent(ending)
        command = [sys.executable, "-c", source, str(tmp_path / "runs.db")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        with RunStore(tmp_path / "runs.db") as store:
            return done.returncode, done.stderr, [summary.credit_status for summary in store.list()]

    return run


def test_a_script_that_ends_without_flushing(script):
    assert script("run()") == (0, "", ["credited"])


def test_a_script_that_raises(script):
    code, stderr, stored = script("run()\nraise SystemExit(3)")
    assert (code, stderr, stored) == (3, "", ["credited"])


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_terminated_process_still_dies_of_the_signal(script):
    ending = "run()\nos.kill(os.getpid(), signal.SIGTERM)\ntime.sleep(60)"
    assert script(ending) == (-signal.SIGTERM, "", ["credited"])


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_users_own_signal_handler_stays(script):
    ending = """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
    run()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(60)
    """
    assert script(ending) == (7, "", ["credited"])


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX limits")
def test_a_full_disk_costs_the_run_nothing_but_the_store(tmp_path):
    """The process may write no file at all, as on a full disk."""
    ending = """
    import resource
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    run()
    callback.flush()
    print(callback.last.credit.status, callback.open_entries)
    """
    command = [sys.executable, "-c", SCRIPT + textwrap.dedent(ending), str(tmp_path / "runs.db")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "credited 0\n")
    assert "runs.db" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_captures_its_own_runs(script):
    ending = """
    import warnings
    warnings.simplefilter("ignore", DeprecationWarning)  # since 3.12 Python warns of forks beside any thread
    run()
    callback.flush()
    child = os.fork()
    if child == 0:
        run()
        assert callback.flush(10)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    run()
    """
    assert script(ending) == (0, "", ["credited"] * 3)


def test_a_run_whose_verdict_never_comes_is_kept_uncredited(script):
    ending = """
    import credit_hooks.worker
    credit_hooks.worker._EXIT_SECONDS = 0.5
    def evaluate(run):
        time.sleep(100)
    callback = CreditCallback(evaluate=evaluate, store=sys.argv[1])
    run()
    """
    assert script(ending) == (0, "", ["shutdown"])


def test_a_run_that_is_going_on_when_the_process_is_terminated_is_kept(script):
    ending = """
    def node(state):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(10)
    builder = StateGraph(MessagesState)
    builder.add_node("node", node)
    builder.add_edge(START, "node")
    graph = builder.compile()
    run()
    """
    assert script(ending) == (-signal.SIGTERM, "", ["shutdown"])
