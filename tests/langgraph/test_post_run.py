"""After the run: evaluators, scores, receivers and stores that fail cost their run the credit, and nothing else."""

import asyncio
import subprocess
import sys
import threading
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from capture_cases.basic import say
from capture_cases.kit import MODES, TOPOLOGIES, captured, dag, user
from capture_cases.state import pipeline
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.graph import START, MessagesState, StateGraph

from credit_hooks.errors import ConfigurationError, EvaluationError, UnknownRunError
from credit_hooks.langgraph import CreditCallback
from credit_hooks.store import RunStore
from credit_hooks.trajectory import Outcome

INVOKE = MODES["invoke"]
SEQUENTIAL = TOPOLOGIES["sequential"]


def invoke(callback, text="task", **config):
    return SEQUENTIAL.build(INVOKE).invoke(user(text)(), {"callbacks": [callback], **config})


def one_run(**options):
    """A callback that has seen one run, which returned what it returns without us."""
    callback = CreditCallback(**options)
    result = invoke(callback)
    assert [message.text for message in result["messages"]] == ["task", "a draft", "a review", "published"]
    assert callback.flush()
    assert callback.open_entries == 0
    assert dag(callback.last.trajectory) == SEQUENTIAL.turns[0].dag
    return callback


# --- Evaluators -----------------------------------------------------------------------------------------------------


async def anything(run):
    await asyncio.sleep(0)
    return run.answer == "published"


@pytest.mark.parametrize(
    ("evaluate", "score"),
    [
        (lambda run: True, 1.0),
        (lambda run: False, 0.0),
        (lambda run: 0.25, 0.25),
        (lambda run: 1, 1.0),
        (lambda run: Decimal("0.25"), 0.25),
        (lambda run: Fraction(1, 4), 0.25),
        (lambda run: np.float32(0.25), 0.25),
        (lambda run: np.int8(1), 1.0),
        (lambda run: np.bool_(True), 1.0),
        (lambda run: np.array(0.25), 0.25),
        (lambda run: Outcome(score=0.5), 0.5),
        (lambda run: "published" in run.answer, 1.0),
        (lambda run: run.output["messages"][-1].text == "published", 1.0),
        (lambda run: run.inputs["messages"][0] == ("user", "task"), 1.0),
        (anything, 1.0),
    ],
)
def test_what_evaluators_may_return(evaluate, score):
    callback = one_run(evaluate=evaluate)
    assert callback.last.credit.status == "credited"
    assert callback.last.credit.outcome == score
    assert callback.failures == []


def raises(run):
    raise ValueError("no idea")


async def araises(run):
    raise ValueError("no idea")


@pytest.mark.parametrize(
    ("evaluate", "said"),
    [
        (lambda run: float("nan"), "returned nan"),
        (lambda run: "yes", "returned str 'yes'"),
        (lambda run: 7, "returned 7.0"),
        (lambda run: -0.1, "returned -0.1"),
        (lambda run: [True], "returned list"),
        (lambda run: "0.5", "returned str '0.5'"),
        (lambda run: Decimal("sNaN"), "returned nan"),
        (lambda run: Decimal("1.01"), "returned 1.01"),
        (lambda run: np.float64("nan"), "returned nan"),
        (lambda run: np.array([0.5]), "returned ndarray"),
        (lambda run: 0.5 + 0j, "returned complex"),
        (raises, "raised ValueError: no idea"),
        (araises, "raised ValueError: no idea"),
        (lambda run: setattr(run, "output", 1), "cannot assign to field 'output'"),
        (lambda run: setattr(run, "status", "error"), "cannot assign to field 'status'"),
    ],
)
def test_evaluators_that_fail_cost_the_credit_alone(evaluate, said, caplog):
    callback = one_run(evaluate=evaluate, capture_content=True)
    credit = callback.last.credit
    assert (credit.status, credit.total) == ("error", 0.0)
    assert all(reward.reward is None for reward in credit.messages)
    assert any(said in note for note in credit.notes)
    assert said in caplog.text
    assert said in callback.failures[-1]


def quotes(run):
    raise ValueError(f"no verdict for {run.answer}: SECRET")


@pytest.mark.parametrize(
    ("evaluate", "logged"),
    [(quotes, "the evaluator raised ValueError"), (lambda run: "SECRET", "returned a value of type str")],
)
def test_what_an_evaluator_says_is_content_and_stays_out_of_the_log(evaluate, logged, caplog):
    callback = one_run(evaluate=evaluate)
    assert logged in caplog.text
    assert f"evaluation of run {callback.last.trajectory.id}" in caplog.text
    assert "SECRET" not in caplog.text
    assert "SECRET" in callback.failures[-1]  # of this process, as `callback.runs`
    caplog.clear()
    one_run(evaluate=evaluate, capture_content=True)
    assert "SECRET" in caplog.text


def test_not_known_yet():
    assert one_run(evaluate=lambda run: None).last.credit.status == "no_outcome"
    assert one_run().last.credit.status == "no_outcome"


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_an_evaluator_that_hangs_is_given_up(kind, caplog):
    never = threading.Event()

    async def ahangs(run):
        await asyncio.sleep(60)

    callback = one_run(evaluate=ahangs if kind == "async" else lambda run: never.wait(60), evaluate_timeout=0.05)
    never.set()
    assert callback.last.credit.status == "timeout"
    assert "took longer than 0.05 s" in caplog.text


def test_an_evaluator_that_runs_a_graph_is_not_captured():
    judge = pipeline(MessagesState, ("judge", say("good")))

    def evaluate(run):
        return judge.invoke({"messages": [("user", run.answer)]})["messages"][-1].text == "good"

    callback = CreditCallback(evaluate=evaluate)
    graph = SEQUENTIAL.build(INVOKE).with_config(callbacks=[callback])
    judge = judge.with_config(callbacks=[callback])
    graph.invoke(user()())
    assert callback.flush()
    assert [run.trajectory.messages[0].text for run in callback.runs] == ["task"]
    assert callback.last.credit.outcome == 1.0


def test_invoke_does_not_wait_for_the_evaluator():
    returned = threading.Event()

    def evaluate(run):
        return returned.wait(10)  # False if `invoke` waited for this

    callback = CreditCallback(evaluate=evaluate)
    invoke(callback)
    returned.set()
    assert callback.flush()
    assert callback.last.credit.outcome == 1.0


# --- Scores that arrive on their own --------------------------------------------------------------------------------


def test_a_score_after_the_run():
    callback = one_run()
    run_id = callback.last.trajectory.id
    scored = callback.score(run_id, True)
    assert scored.credit.status == "credited"
    assert callback.last == scored
    again = callback.score(run_id, 0.0)
    assert again.credit.total == -0.5
    assert [run.trajectory.id for run in callback.runs] == [run_id]


def test_a_score_during_the_run():
    import uuid

    during = uuid.uuid4()
    callback = CreditCallback()

    def node(state):
        assert callback.score(during, 0.25) is None
        return {"messages": [AIMessage("done")]}

    pipeline(MessagesState, ("node", node)).invoke(user()(), {"callbacks": [callback], "run_id": during})
    assert callback.flush()
    assert {run.trajectory.id: run.credit.outcome for run in callback.runs} == {str(during): 0.25}


@pytest.mark.parametrize("kept", [False, True])
def test_a_score_of_an_unknown_run_is_refused(kept, tmp_path):
    callback = one_run(store=tmp_path / "runs.db" if kept else None)
    with pytest.raises(UnknownRunError, match=r"no run 'typo' is going on.*newest 1000 runs") as caught:
        callback.score("typo", True)
    assert isinstance(caught.value, LookupError)
    assert ("or the store" in str(caught.value)) is kept
    assert len(callback.runs) == 1
    prefix = callback.last.trajectory.id[:8]
    with pytest.raises(UnknownRunError):  # a verdict is for one run, named in full
        callback.score(prefix, True)


@pytest.mark.parametrize("value", ["yes", 7, float("nan"), object()])
def test_a_score_that_is_none_is_refused(value):
    callback = one_run()
    with pytest.raises(EvaluationError, match="an evaluator returns"):
        callback.score(callback.last.trajectory.id, value)


def test_a_run_of_an_earlier_process_is_scored_from_the_store(tmp_path):
    run_id = one_run(store=tmp_path / "runs.db").last.trajectory.id
    later = CreditCallback(store=tmp_path / "runs.db")
    assert later.score(run_id, True).credit.total == 0.5
    with RunStore(tmp_path / "runs.db") as store:
        assert store.get(run_id).credit.total == 0.5


# --- Receivers ------------------------------------------------------------------------------------------------------


class Broken:
    def export(self, run):
        raise OSError("backend is down")


class Collecting:
    def __init__(self):
        self.runs = []

    def export(self, run):
        self.runs.append(run)


def test_a_receiver_that_fails_costs_the_others_nothing(caplog):
    collecting, told = Collecting(), []

    def on_credit(run):
        told.append(run)
        raise ValueError("user's mistake")

    callback = one_run(evaluate=lambda run: True, exporters=[Broken(), collecting], on_credit=on_credit)
    assert collecting.runs == told == [callback.last]
    assert "backend is down" in caplog.text
    assert "user's mistake" in caplog.text
    assert callback.last.credit.status == "credited"


def test_on_credit_is_for_credited_runs():
    told = []
    one_run(on_credit=told.append)
    assert told == []


def test_an_unknown_option_is_refused():
    with pytest.raises(ConfigurationError, match="unknown option 'evaluator'"):
        CreditCallback(evaluator=lambda run: True)


# --- Stores ---------------------------------------------------------------------------------------------------------


def test_every_run_is_stored(tmp_path):
    callback = one_run(evaluate=lambda run: True, store=tmp_path / "runs.db")
    with RunStore(tmp_path / "runs.db") as store:
        assert store.get(callback.last.trajectory.id) == callback.last


def corrupt(path):
    path.write_bytes(b"this is no database" * 100)


def missing_folder(path):
    path.parent.rmdir()


def is_a_folder(path):
    path.mkdir()


@pytest.mark.parametrize(
    ("spoil", "said"), [(corrupt, "damaged or no run store"), (missing_folder, "mkdir -p"), (is_a_folder, "runs.db")]
)
def test_a_store_that_cannot_be_used_costs_the_run_nothing(spoil, said, tmp_path, caplog):
    path = tmp_path / "folder" / "runs.db"
    path.parent.mkdir()
    spoil(path)
    callback = one_run(evaluate=lambda run: True, store=path)
    assert callback.last.credit.status == "credited"
    assert said in caplog.text
    assert callback.failures
    if path.is_file():
        assert path.read_bytes() == b"this is no database" * 100


def test_a_store_that_becomes_usable_again_takes_what_it_could_not_before(tmp_path):
    path = tmp_path / "later" / "runs.db"
    callback = one_run(evaluate=lambda run: True, store=path)
    path.parent.mkdir()
    invoke(callback)
    assert callback.flush()
    with RunStore(path) as store:
        assert {summary.id for summary in store.list()} == {run.trajectory.id for run in callback.runs}
        assert len(store) == 2


def test_a_store_that_is_usable_again_when_the_process_ends_takes_the_rest(tmp_path):
    path = tmp_path / "later" / "runs.db"
    program = f"""
import os
from credit_hooks.langgraph import CreditCallback
from langgraph.graph import START, StateGraph
builder = StateGraph(dict)
builder.add_node("a", lambda state: {{"x": 1}})
builder.add_edge(START, "a")
callback = CreditCallback(evaluate=lambda run: True, store={str(path)!r})
builder.compile().invoke({{}}, {{"callbacks": [callback]}})
assert callback.flush() and callback.failures
os.mkdir({str(path.parent)!r})
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
    with RunStore(path, read_only=True) as store:
        assert len(store) == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"credit": "replay"}, "credit is a CreditConfig, not 'replay'"),
        ({"store": 5}, "store is the path of a file, not 5"),
    ],
)
def test_options_of_the_wrong_kind_are_told_at_once(options, said):
    with pytest.raises(ConfigurationError, match=said):
        CreditCallback(**options)


def test_the_home_of_the_user_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    callback = one_run(store="~/runs.db")
    assert callback.failures == []
    assert (tmp_path / "runs.db").is_file()
    with RunStore("~/runs.db", read_only=True) as store:
        assert len(store) == 1


# --- Extremes -------------------------------------------------------------------------------------------------------


def test_ten_thousand_messages():
    def flood(state):
        return {"messages": [AIMessage(f"message {number}", id=str(number)) for number in range(9_998)]}

    callback = CreditCallback(evaluate=lambda run: True)
    pipeline(MessagesState, ("flood", flood), ("last", say("last"))).invoke(user()(), {"callbacks": [callback]})
    (run,) = captured(callback)
    assert len(run.messages) == 10_000
    assert len(run.parents(run.messages[-1].id)) == 9_999
    credit = callback.last.credit
    assert credit.status == "credited"
    assert sum(credit.agents.values()) == pytest.approx(0.5, abs=1e-9)


def test_messages_changed_in_place_are_kept_as_they_were_written():
    def scribble(state):
        state["messages"][0].content = "changed"
        state["messages"][-1].content = "changed too"
        return {"messages": [AIMessage("done")]}

    callback = CreditCallback(evaluate=lambda run: True)
    graph = pipeline(MessagesState, ("first", say("one")), ("scribble", scribble))
    graph.invoke({"messages": [HumanMessage("task")]}, {"callbacks": [callback]})
    (run,) = captured(callback)
    assert dag(run) == {"user:task": [], "first:one": ["user:task"], "scribble:done": ["user:task", "first:one"]}


def test_a_queue_that_is_full_gives_runs_up_and_says_so():
    busy = threading.Event()

    def evaluate(run):
        busy.wait(10)
        return True

    callback = CreditCallback(evaluate=evaluate, max_queue=1)
    for number in range(8):
        invoke(callback, f"task {number}")
    busy.set()
    assert callback.flush()
    assert callback.stats["overflow"] == 8 - callback.stats["credited"] > 0
    assert callback.open_entries == 0


def test_a_run_that_outgrows_its_limit_says_so():
    builder = StateGraph(MessagesState)
    builder.add_node("talk", say("again"))
    builder.add_edge(START, "talk")
    builder.add_conditional_edges("talk", lambda state: "talk" if len(state["messages"]) < 20 else "__end__")
    callback = CreditCallback(evaluate=lambda run: True, max_spans_per_run=5)
    builder.compile().invoke(user()(), {"callbacks": [callback]})
    (run,) = captured(callback)
    assert len(run.steps) == 5
    assert run.meta["credit.truncated"] is True
    assert callback.open_entries == 0


def test_only_the_newest_runs_are_kept():
    callback = CreditCallback(evaluate=lambda run: True, max_runs=3)
    for number in range(5):
        invoke(callback, f"task {number}")
        callback.flush()
    assert [run.trajectory.messages[0].text for run in callback.runs] == ["task 2", "task 3", "task 4"]


def test_a_receiver_that_wants_to_exit_costs_nothing():
    def leave(run):
        raise SystemExit

    callback = CreditCallback(evaluate=lambda run: True, on_credit=leave)
    for _ in range(5):
        invoke(callback)
    assert callback.flush(10)
    assert (callback.stats["credited"], callback.open_entries) == (5, 0)


def test_none_is_no_late_verdict():
    callback = one_run(evaluate=lambda run: True)
    with pytest.raises(EvaluationError, match="None says nothing"):
        callback.score(callback.last.trajectory.id, None)
    assert callback.last.credit.status == "credited"


@pytest.mark.parametrize(
    "option",
    [
        {"max_runs": -1},
        {"evaluate_timeout": "a"},
        {"evaluate": "lambda"},
        {"reward_delivery": "x"},
        {"exporters": [3]},
        {"tracer_provider": 5},
        {"baseline": 2},
        {"store": ":memory:"},
        {"store": ""},
    ],
    ids=lambda option: next(iter(option)),
)
def test_options_that_cannot_work_are_refused_by_name(option):
    with pytest.raises(ConfigurationError, match=next(iter(option))):
        CreditCallback(**option)
