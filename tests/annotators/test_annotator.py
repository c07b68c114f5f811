"""Sending: off the caller's thread, bounded, idempotent, patient with the backend, silent about secrets."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import threading
import time
from email.utils import formatdate

import pytest
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

from credit_hooks.errors import ConfigurationError
from credit_hooks.ports import RunExporter
from credit_hooks_exporters.annotators import PhoenixAnnotator, http
from credit_hooks_exporters.annotators.errors import BackendRefusedError, BackendUnavailableError


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Backoff of milliseconds, so that no test waits for the clock."""
    monkeypatch.setattr(http, "_backoff", lambda state: 0.001)
    monkeypatch.setattr("credit_hooks_exporters.annotators.outbox._FIRST_DELAY", 0.001)


def scores(request):
    return {(each["span_id"], each["name"]): each["result"]["score"] for each in request.body["data"]}


def test_it_is_a_run_exporter_and_sends_everything_in_one_request(backend, run):
    annotator = PhoenixAnnotator(backend.url)
    assert isinstance(annotator, RunExporter)
    annotator.export(run)
    assert annotator.flush(30)
    (request,) = backend.requests
    assert (request.method, request.path) == ("POST", "/v1/span_annotations?sync=true")
    assert scores(request)[f"{6:016x}", "credit_reward"] == -0.125
    assert annotator.stats == {"sent": 5}


def test_runs_that_wait_share_requests_up_to_the_batch_size(backend, run, rename):
    gate = threading.Event()
    backend.answer = lambda request: 200 if gate.wait(30) else 500
    annotator = PhoenixAnnotator(backend.url)
    for number in range(101):
        annotator.export(rename(run, f"run-{number}", trace=number + 1))
    gate.set()
    assert annotator.flush(30)
    assert annotator.stats == {"sent": 505}
    assert max(len(request.body["data"]) for request in backend.requests) <= PhoenixAnnotator.batch
    assert len(backend.requests) <= 5


def test_sending_twice_says_the_same_and_scoring_again_says_the_new(backend, run, rescore):
    annotator = PhoenixAnnotator(backend.url)
    for each in (run, run, rescore(run, 0.5)):
        annotator.export(each)
        assert annotator.flush(30)
    first, second, third = backend.requests
    assert first.body == second.body
    assert scores(first).keys() == scores(third).keys()
    assert scores(third)[f"{6:016x}", "credit_reward"] == -0.0625
    assert {each["identifier"] for each in third.body["data"]} == {"credit-hooks"}


def test_export_returns_while_the_backend_hangs_and_a_rescored_run_replaces_the_waiting_one(
    backend, run, rename, rescore
):
    gate, inside = threading.Event(), threading.Event()

    def slow(request):
        inside.set()
        gate.wait(30)
        return 200

    backend.answer = slow
    annotator = PhoenixAnnotator(backend.url)
    annotator.export(rename(run, "first"))
    assert inside.wait(30)
    annotator.export(run)
    annotator.export(rescore(run, 0.5))
    gate.set()
    assert annotator.flush(30)
    assert [scores(request)[f"{6:016x}", "credit_reward"] for request in backend.requests] == [-0.125, -0.0625]


def test_a_full_queue_costs_annotations_and_says_so_once(backend, run, rename, caplog):
    gate, inside = threading.Event(), threading.Event()

    def slow(request):
        inside.set()
        gate.wait(30)
        return 200

    backend.answer = slow
    annotator = PhoenixAnnotator(backend.url, max_queue=12)
    annotator.export(rename(run, "being sent"))
    assert inside.wait(30)
    for number in range(5):
        annotator.export(rename(run, str(number)))
    gate.set()
    assert annotator.flush(30)
    assert annotator.stats == {"sent": 15, "given up: the queue is full": 15}
    assert [record.levelname for record in caplog.records if "queue is full" in record.message] == ["WARNING"]


def test_spans_that_are_not_there_yet_are_tried_again(backend, run):
    answers = iter([404, 404, 200])
    backend.answer = lambda request: (next(answers), {}, {"detail": "Spans with IDs 1 do not exist."})
    annotator = PhoenixAnnotator(backend.url)
    annotator.export(run)
    assert annotator.flush(30)
    assert annotator.stats == {"sent": 5}
    assert len(backend.requests) == 3


def test_a_run_whose_spans_never_come_holds_no_other_up_and_is_given_up(backend, run, rename):
    gate, inside = threading.Event(), threading.Event()

    def missing(request):
        inside.set()
        gate.wait(30)
        runs = {each["metadata"]["run"] for each in request.body["data"]}
        return (404 if "lost" in runs else 200, {}, {})

    backend.answer = missing
    annotator = PhoenixAnnotator(backend.url, patience=0.2)
    annotator.export(rename(run, "before"))
    assert inside.wait(30)
    for name in ("lost", "a", "b"):
        annotator.export(rename(run, name))
    gate.set()
    assert annotator.flush(30)
    assert annotator.stats == {"sent": 15, "given up: the backend does not know the span": 5}
    (failure,) = annotator.failures
    assert "404" in failure


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_overloads_and_limits_are_tried_again(backend, run, status):
    answers = iter([status, status, 200])
    backend.answer = lambda request: next(answers)
    annotator = PhoenixAnnotator(backend.url)
    annotator.export(run)
    assert annotator.flush(30)
    assert annotator.stats == {"sent": 5}
    assert len(backend.requests) == 3


@pytest.mark.parametrize("status", [301, 400, 401, 403, 405, 413, 422])
def test_a_refusal_is_not_repeated(backend, run, status):
    backend.answer = lambda request: (status, {"location": "/elsewhere"}, {"detail": "no"})
    annotator = PhoenixAnnotator(backend.url)
    annotator.export(run)
    assert annotator.flush(30)
    assert annotator.stats == {"given up: the backend did not take them": 5}
    assert len(backend.requests) == 1
    assert str(status) in annotator.failures[0]


def test_retry_after_is_waited_for_before_anything_else_is_sent(backend, monkeypatch):
    waits = []
    monkeypatch.setattr(http, "sleep_using_event", lambda event: waits.append)
    answers = iter([(429, {"retry-after": "7"}, {}), 200])
    backend.answer = lambda request: next(answers)
    with http.Connection(http.Address(backend.url, "X"), patience=60.0) as connection:
        now = [100.0]
        monkeypatch.setattr(http.time, "monotonic", lambda: now[0])
        with pytest.raises(StopIteration):  # waits, is still too early, waits what is left, for as long as time stands
            monkeypatch.setattr(http, "sleep_using_event", lambda event: _stop_after(waits, 2))
            connection.request("GET", "/")
        assert waits == [7.0, 7.0]
        assert len(backend.requests) == 1
        now[0] += 7.5
        connection.request("GET", "/")
        assert len(backend.requests) == 2


def _stop_after(waits, most):
    def sleep(seconds):
        waits.append(seconds)
        if len(waits) >= most:
            raise StopIteration

    return sleep


def test_a_wait_longer_than_patience_is_no_reason_to_come_back_earlier(backend):
    backend.answer = lambda request: (429, {"retry-after": "3600"}, {})
    with http.Connection(http.Address(backend.url, "X"), patience=5.0) as connection:
        for _ in range(3):
            with pytest.raises(BackendUnavailableError):
                connection.request("GET", "/")
    assert len(backend.requests) == 1


def test_retry_after_may_be_a_date_and_nonsense_is_ignored():
    assert http._retry_after({"retry-after": "2.5"}) == 2.5
    assert 50 < http._retry_after({"retry-after": formatdate(time.time() + 60, usegmt=True)}) <= 60
    assert http._retry_after({"retry-after": formatdate(0, usegmt=True)}) == 0
    assert http._retry_after({"retry-after": "soon"}) is None
    assert http._retry_after({}) is None


def test_answers_that_are_no_json_are_a_failure_and_the_next_run_is_sent(backend, run, rename):
    answers = iter([(200, {}, b"<html>"), (200, {}, {})])
    backend.answer = lambda request: next(answers)
    annotator = PhoenixAnnotator(backend.url)
    for name in ("a", "b"):
        annotator.export(rename(run, name))
        assert annotator.flush(30)
    assert annotator.stats == {"sent": 5, "given up: the backend did not take them": 5}
    assert "no JSON" in annotator.failures[0]


def unused_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_backend_that_is_down_is_reported_once_until_it_works_again(backend, run, rename, caplog):
    caplog.set_level(logging.INFO, "credit_hooks")
    down = True
    backend.answer = lambda request: 503 if down else 200
    annotator = PhoenixAnnotator(backend.url, patience=0.02)

    def send(*names):
        for name in names:
            annotator.export(rename(run, name))
            assert annotator.flush(30)

    send("a", "b", "c")
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    down = False
    send("d")
    down = True
    send("e", "f")
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    assert annotator.stats == {"sent": 5, "given up: the backend did not take them": 25}


def test_spans_are_flushed_before_their_annotations_are_sent(backend, run):
    order = []

    class Watch(SpanProcessor):
        def force_flush(self, timeout_millis=0):
            order.append("flush")
            return True

    provider = TracerProvider()
    provider.add_span_processor(Watch())
    backend.answer = lambda request: (order.append("send"), 200)[1]
    annotator = PhoenixAnnotator(backend.url, tracer_provider=provider)
    annotator.export(run)
    assert annotator.flush(30)
    assert order == ["flush", "send"]


# --- secrets ---

CANARY = "canary-7f3a9"


@pytest.mark.parametrize("status", [200, 401, 404, 500, None])
def test_a_key_is_in_no_log_failure_or_representation(backend, run, monkeypatch, caplog, status):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("PHOENIX_API_KEY", CANARY)
    said = {"detail": f"the key {CANARY} is wrong", "authorization": f"Bearer {CANARY}"}
    backend.answer = lambda request: (status, {}, said)
    host = backend.url.removeprefix("http://") if status is not None else f"127.0.0.1:{unused_port()}"
    annotator = PhoenixAnnotator(f"http://user:{CANARY}-password@{host}/", patience=0.02)
    annotator.export(run)
    assert annotator.flush(30)
    if status is not None:
        assert backend.requests[0].headers["authorization"] in (f"Bearer {CANARY}", basic("user", f"{CANARY}-password"))
    assert bool(annotator.failures) == (status != 200)
    told = [record.getMessage() for record in caplog.records] + list(annotator.failures)
    told += [repr(annotator), repr(annotator.address), str(annotator.address.url), str(annotator.stats)]
    assert not [text for text in told if CANARY in text]


def basic(user, password):
    import base64

    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize("value", [f"{CANARY}\nx: y", f"{CANARY}\x00", f"{CANARY}é"])
def test_a_key_that_http_cannot_carry_is_refused_without_quoting_it(monkeypatch, value):
    values = {"PHOENIX_API_KEY": value}
    monkeypatch.setattr(os, "environ", os.environ | values)  # the real one refuses a zero byte itself
    with pytest.raises(ConfigurationError) as caught:
        PhoenixAnnotator()
    assert CANARY not in str(caught.value)


def test_keys_are_stripped_of_what_files_leave_at_their_ends(backend, run, monkeypatch):
    monkeypatch.setenv("PHOENIX_API_KEY", f"{CANARY}\n")
    annotator = PhoenixAnnotator(backend.url)
    annotator.export(run)
    assert annotator.flush(30)
    assert backend.requests[0].headers["authorization"] == f"Bearer {CANARY}"


@pytest.mark.parametrize("endpoint", ["localhost:6006", "ftp://host", "http://", "http://host:port", "sqlite:///x.db"])
def test_an_endpoint_that_is_no_address_is_refused_by_the_name_of_its_variable(endpoint):
    with pytest.raises(ConfigurationError, match="PHOENIX_COLLECTOR_ENDPOINT"):
        PhoenixAnnotator(endpoint)


# --- processes ---

PROGRAM = """
import sys
from opentelemetry.sdk.trace import TracerProvider
from langchain_core.messages import AIMessage
from langgraph.graph import START, MessagesState, StateGraph
from credit_hooks.langgraph import CreditCallback
from credit_hooks_exporters.annotators import PhoenixAnnotator
graph = StateGraph(MessagesState)
graph.add_node("solver", lambda state: {"messages": [AIMessage("42")]})
graph.add_edge(START, "solver")
callback = CreditCallback(
    evaluate=lambda run: "42" in run.answer, tracer_provider=TracerProvider(), exporters=[PhoenixAnnotator(sys.argv[1])]
)
result = graph.compile().invoke({"messages": [("user", "6 * 7?")]}, config={"callbacks": [callback]})
print(result["messages"][-1].content)
"""


def test_a_program_that_ends_at_once_has_its_annotations_sent(backend):
    done = subprocess.run([sys.executable, "-c", PROGRAM, backend.url], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "42\n"), done.stderr
    assert {each["name"] for request in backend.requests for each in request.body["data"]} == {
        "credit_outcome", "credit_first_error", "credit_reward",
    }  # fmt: skip


def test_a_program_whose_backend_is_down_ends_as_without_it_and_is_told_once():
    url = f"http://127.0.0.1:{unused_port()}"
    done = subprocess.run([sys.executable, "-c", PROGRAM, url], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "42\n"), done.stderr
    assert done.stderr.count("cannot be reached") == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process")  # Python 3.12 warns of forks beside threads, which is the point
def test_a_forked_child_sends_its_own_runs(backend, run, rename):
    gate, inside = threading.Event(), threading.Event()

    def slow(request):
        inside.set()
        gate.wait(30)
        return 200

    backend.answer = slow
    annotator = PhoenixAnnotator(backend.url)
    annotator.export(rename(run, "parent"))
    assert inside.wait(30)
    child = os.fork()
    if child == 0:
        annotator.export(rename(run, "child"))
        os._exit(0 if annotator.flush(30) and annotator.stats["sent"] == 5 else 1)
    gate.set()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert annotator.flush(30)
    runs = [{each["metadata"]["run"] for each in request.body["data"]} for request in backend.requests]
    assert sorted(runs, key=str) == [{"child"}, {"parent"}]


def test_refusals_carry_their_status():
    assert BackendRefusedError("no", 409).status == 409
