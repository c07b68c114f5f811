"""What operators see adds up to what happened, is recorded by the worker alone, and never grows without bound."""

import gc
import threading
import time

import pytest
from opentelemetry import metrics
from opentelemetry.sdk.trace import TracerProvider
from team import Measured, invoke, right, sequence

from credit_hooks.errors import ConfigurationError
from credit_hooks.langgraph import CreditCallback
from credit_hooks.metrics import MAX_AGENTS, OTHER_AGENTS

SIGN = {"positive": 1.0, "negative": -1.0, "zero": 0.0}


def signed_sums(measured):
    """Credit per agent name, as the histogram has it."""
    sums = {}
    for point in measured.points["agent.credit"]:
        name = point.attributes["gen_ai.agent.name"]
        sums[name] = sums.get(name, 0.0) + SIGN[point.attributes["credit.sign"]] * point.sum
    return sums


def test_credit_per_agent_adds_up_to_the_credit_of_the_runs():
    measured = Measured(evaluate=right).run("right", "wrong", "wrong")
    earned = {}
    for run in measured.callback.runs:
        names = {actor.id: actor.name for actor in run.trajectory.actors}
        for actor, credit in run.credit.agents.items():
            earned[names[actor]] = earned.get(names[actor], 0.0) + credit
    earned.pop("user")
    assert signed_sums(measured) == pytest.approx(earned, abs=1e-12)
    assert sum(earned.values()) == pytest.approx(sum(run.credit.total for run in measured.callback.runs), abs=1e-9)
    (outcomes,) = measured.points["run.outcome"]
    assert (outcomes.count, outcomes.sum) == (3, 1.0)


def test_runs_are_counted_by_what_became_of_their_credit():
    verdicts = iter([True, None, 7, False])
    measured = Measured(evaluate=lambda run: next(verdicts)).run(*"abcd")
    assert measured.counts("run.finished", "credit.status") == {"credited": 2, "no_outcome": 1, "error": 1}
    assert measured.counts("hook.failures", "credit.stage") == {"evaluate": 1}
    assert {point.attributes["credit.status"]: point.count for point in measured.points["hook.duration"]} == {
        "credited": 2,
        "no_outcome": 1,
        "error": 1,
    }


def test_a_failure_of_ours_is_counted_as_such(monkeypatch):
    def broken(*args):
        raise RuntimeError("ours")

    monkeypatch.setattr("credit_hooks.pipeline.assign_credit", broken)
    measured = Measured(evaluate=right).run("right")
    assert measured.counts("run.finished", "credit.status") == {"error": 1}
    assert measured.counts("hook.failures", "credit.stage") == {"credit": 1}


def test_first_errors_are_counted_by_agent():
    measured = Measured(evaluate=right).run("wrong", "wrong", "right")
    blamed = [run.credit.first_error.actor_id for run in measured.callback.runs if run.credit.first_error]
    assert len(blamed) == 2
    assert sum(measured.counts("agent.first_errors", "gen_ai.agent.name").values()) == 2


def test_the_evaluator_is_timed_and_its_failures_are_told_apart():
    def raises(run):
        raise RuntimeError

    def hangs(run):
        hung.wait(30)

    hung = threading.Event()
    for evaluate, error in ((right, None), (raises, "error"), (hangs, "timeout")):
        measured = Measured(evaluate=evaluate, evaluate_timeout=0.05).run("right")
        (point,) = measured.points["evaluation.duration"]
        assert point.attributes.get("error.type") == error
        assert point.count == 1
    hung.set()
    assert point.sum >= 0.05


def test_without_an_evaluator_none_is_timed():
    measured = Measured().run("right")
    assert measured.counts("run.finished", "credit.status") == {"no_outcome": 1}
    assert "evaluation.duration" not in measured.points


def test_a_late_verdict_counts_as_such_and_brings_the_credit():
    measured = Measured().run("right")
    assert "agent.credit" not in measured.points
    measured.callback.score(measured.callback.last.trajectory.id, True)
    assert measured.callback.flush()
    assert measured.counts("run.late_verdicts", "credit.framework") == {"langgraph": 1}
    assert measured.counts("run.finished", "credit.status") == {"no_outcome": 1}  # what it was when it ended
    assert sum(signed_sums(measured).values()) == pytest.approx(0.5)


def test_what_is_dropped_and_released_is_counted_by_the_limit_met():
    full = Measured(evaluate=right, max_active_runs=0).run("right", "right")
    wait_for(lambda: full.counts("run.dropped", "credit.reason") == {"max_active_runs": 2}, full)
    queue_full = Measured(evaluate=lambda run: started.set() or go_on.wait(30), max_queue=1)
    started, go_on = threading.Event(), threading.Event()
    invoke(queue_full.callback)
    assert started.wait(30)
    for _ in range(6):  # two workers wait, one run is queued, the others find no room
        invoke(queue_full.callback)
    go_on.set()
    assert queue_full.callback.flush()
    dropped = queue_full.counts("run.dropped", "credit.reason")["max_queue"]
    assert dropped >= 1
    assert dropped + sum(queue_full.counts("run.finished", "credit.status").values()) == 7
    released = Measured(evaluate=right, max_held_spans=1, tracer_provider=TracerProvider()).run("right")
    assert released.counts("run.released", "credit.reason") == {"max_held_spans": 1}


def wait_for(condition, measured):
    """Until a worker that nothing was given to has passed on what happened on other threads: about a second."""
    measured.callback._session._worker.start()
    deadline = time.monotonic() + 30
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert condition()


def test_levels_follow_what_is_held_and_are_zero_in_the_end():
    def look(state):
        wait_for(lambda: measured.counts("span.held", "credit.framework") == {"langgraph": 2}, measured)
        return "looked"

    measured = Measured(evaluate=right, tracer_provider=TracerProvider())
    measured.run("right", team=sequence(("watcher", look)))
    for level in ("span.held", "run.active", "run.pending"):
        assert measured.counts(level, "credit.framework") == {"langgraph": 0}


def test_a_receiver_that_fails_is_counted_without_its_name():
    def on_credit_of_mine(run):
        raise ValueError("secret")

    measured = Measured(evaluate=right, on_credit=on_credit_of_mine).run("right", "right")
    invoke(measured.callback)
    assert measured.callback.flush()
    assert measured.counts("hook.failures", "credit.stage") == {"deliver": 3}


def test_agent_names_are_capped():
    team = sequence(*((f"agent-{number}", f"The answer is {number}.") for number in range(MAX_AGENTS + 5)))
    measured = Measured(evaluate=lambda run: True).run("right", team=team)
    names = {point.attributes["gen_ai.agent.name"] for point in measured.points["agent.credit"]}
    assert len(names) == MAX_AGENTS + 1
    assert OTHER_AGENTS in names
    assert sum(signed_sums(measured).values()) == pytest.approx(0.5)


def test_nothing_of_content_or_ids_is_an_attribute():
    measured = Measured(evaluate=right, tracer_provider=TracerProvider()).run("right", "wrong")
    run = measured.callback.last.trajectory
    said = " ".join(str(dict(point.attributes)) for points in measured.points.values() for point in points)
    assert "42" not in said
    assert run.id not in said
    assert not any(step.id in said for step in run.steps)
    keys = {key for points in measured.points.values() for point in points for key in point.attributes}
    assert keys == {"credit.framework", "credit.status", "credit.run.status", "credit.sign", "gen_ai.agent.name"}


def test_exemplars_lead_to_the_trace_of_the_run():
    measured = Measured(evaluate=right, tracer_provider=TracerProvider()).run("right")
    (point,) = measured.points["hook.duration"]
    assert {f"{exemplar.trace_id:032x}" for exemplar in point.exemplars} == {
        measured.callback.last.trajectory.steps[0].trace_id
    }


class Spying:
    """A meter whose instruments note the thread that they are called on."""

    def __init__(self):
        self.threads = set()

    def get_meter(self, *args, **kwargs):
        return self

    def __getattr__(self, name):
        if not name.startswith("create_"):
            raise AttributeError(name)
        return lambda *args, **kwargs: self

    def add(self, *args):
        self.threads.add(threading.current_thread().name)

    record = add


def test_nothing_is_recorded_on_the_threads_of_the_user():
    meters = Spying()
    callback = CreditCallback(evaluate=right, meter_provider=meters, max_queue=1, max_active_runs=1)
    threads = [threading.Thread(target=invoke, args=(callback,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert callback.flush()
    callback.score(callback.last.trajectory.id, False)
    assert callback.flush()
    assert meters.threads
    assert all(name.startswith("credit-hooks-") for name in meters.threads)


def test_callbacks_of_one_provider_share_its_instruments():
    measured = Measured(evaluate=right).run("right")
    other = CreditCallback(evaluate=right, meter_provider=measured.provider)
    invoke(other)
    assert other.flush()
    assert measured.counts("run.finished", "credit.status") == {"credited": 2}
    del other
    gc.collect()
    assert measured.counts("run.finished", "credit.status") == {"credited": 2}


def test_the_global_provider_is_used_when_none_is_given(monkeypatch):
    measured = Measured()
    monkeypatch.setattr(metrics, "get_meter_provider", lambda: measured.provider)
    callback = CreditCallback(evaluate=right)
    invoke(callback)
    assert callback.flush()
    assert measured.counts("run.finished", "credit.status") == {"credited": 1}


def test_what_is_no_meter_provider_is_refused():
    with pytest.raises(ConfigurationError, match="meter_provider is an OpenTelemetry MeterProvider"):
        CreditCallback(meter_provider=TracerProvider())
