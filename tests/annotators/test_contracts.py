"""Contract tests: what we send has the shape of what the backends' own clients sent to a local server.

No Langfuse, LangSmith or Opik server runs here. `recorded/` holds the requests of the official clients, named in each
file with their version; the clients' own models check our payloads where they are installed.
"""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest

from credit_hooks.errors import ConfigurationError
from credit_hooks_exporters.annotators import (
    LangfuseAnnotator,
    LangSmithAnnotator,
    MLflowAnnotator,
    OpikAnnotator,
    annotations_of,
    http,
)
from credit_hooks_exporters.annotators.opik import opik_id

RECORDED = Path(__file__).parent / "recorded"
KEYS = {
    "LANGFUSE_PUBLIC_KEY": "public-key-canary",
    "LANGFUSE_SECRET_KEY": "secret-key-canary",
    "LANGSMITH_API_KEY": "langsmith-canary",
    "OPIK_API_KEY": "opik-canary",
    "OPIK_WORKSPACE": "space",
}


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    monkeypatch.setattr(http, "_backoff", lambda state: 0.001)
    monkeypatch.setattr("credit_hooks_exporters.annotators.outbox._FIRST_DELAY", 0.001)
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)


def recorded(name, method):
    requests = json.loads((RECORDED / f"{name}.json").read_text())["requests"]
    return next(request for request in requests if request["method"] == method)


def send(annotator, *runs):
    for run in runs:
        annotator.export(run)
        assert annotator.flush(30)
    return annotator


def shape(value):
    """Keys and types; numbers are numbers, and free dictionaries are not looked into."""
    if isinstance(value, dict):
        return {key: "free" if key == "metadata" else shape(each) for key, each in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__


def assert_like(ours, theirs, *, may_lack=(), may_add=()):
    ours, theirs = shape(ours), shape(theirs)
    assert ours.keys() - set(may_add) == theirs.keys() - set(may_lack)
    for key in ours.keys() & theirs.keys():
        if theirs[key] != "NoneType":
            assert ours[key] == theirs[key], key


# --- Langfuse ---


def test_langfuse_scores_are_those_of_its_client(backend, run):
    annotator = send(LangfuseAnnotator(backend.url), run)
    theirs = recorded("langfuse", "POST")
    (request,) = backend.requests
    assert (request.method, request.path) == (theirs["method"], theirs["path"])
    assert request.headers["authorization"].startswith("Basic ")
    assert len(request.body) == annotator.stats["sent"] == 5
    for score in request.body:
        assert_like(score, theirs["body"][0])


def test_langfuse_models_take_our_scores(backend, run):
    scores = pytest.importorskip("langfuse.api.scores", reason="langfuse is not installed")
    if not hasattr(scores, "CreateScoreRequest"):
        pytest.skip("this langfuse has no CreateScoreRequest")
    send(LangfuseAnnotator(backend.url), run)
    known = {field.alias or name for name, field in scores.CreateScoreRequest.model_fields.items()}
    for score in backend.requests[0].body:
        assert scores.CreateScoreRequest.model_validate(score).name == score["name"]
        assert {key.lower() for key in score} - {"timestamp"} <= {key.replace("_", "").lower() for key in known}


def test_langfuse_ids_and_days_stay_the_same_when_scored_again(backend, run, rescore):
    send(LangfuseAnnotator(backend.url), run, rescore(run, 0.5))
    first, second = ([(score["id"], score["timestamp"]) for score in request.body] for request in backend.requests)
    assert first == second
    assert len(set(first)) == 5


def test_langfuse_servers_that_take_single_scores_get_them_one_by_one(backend, run, rename):
    backend.answer = lambda request: (400, {}, {}) if isinstance(request.body, list) else 200
    annotator = send(LangfuseAnnotator(backend.url), run, rename(run, "next"))
    assert annotator.stats == {"sent": 10}
    assert [type(request.body).__name__ for request in backend.requests] == ["list"] + ["dict"] * 10


def test_langfuse_scores_refused_in_a_batch_are_not_sent_again(backend, run):
    backend.answer = lambda request: (207, {}, {"accepted": 4, "rejected": 1, "errors": [{"message": "no such trace"}]})
    annotator = send(LangfuseAnnotator(backend.url), run)
    assert len(backend.requests) == 1
    assert "no such trace" in annotator.failures[0]


# --- LangSmith ---


def test_langsmith_feedback_is_that_of_its_client(backend, run):
    send(LangSmithAnnotator(backend.url), run)
    theirs = recorded("langsmith", "POST")
    assert len(backend.requests) == 5
    for request in backend.requests:
        assert (request.method, request.path) == (theirs["method"], theirs["path"])
        assert request.headers["x-api-key"] == KEYS["LANGSMITH_API_KEY"]
        assert_like(request.body, theirs["body"], may_lack=("created_at", "modified_at", "extend_trace_retention"))


def test_langsmith_models_take_our_feedback_and_its_own_mapping_gives_our_run_ids(backend, run):
    schemas = pytest.importorskip("langsmith.schemas", reason="langsmith is not installed")
    otel = pytest.importorskip("langsmith.integrations.otel", reason="langsmith is not installed")
    if not hasattr(otel, "langsmith_run_id_from_otel_span_id"):
        pytest.skip("this langsmith has no public mapping of span ids")
    send(LangSmithAnnotator(backend.url), run)
    for request, annotation in zip(backend.requests, annotations_of(run), strict=True):
        unsent = {"trace_id": None, "created_at": "2026-01-01T00:00:00Z", "modified_at": "2026-01-01T00:00:00Z"}
        feedback = schemas.FeedbackCreate.model_validate(request.body | unsent)
        assert feedback.id == annotation.id
        assert feedback.run_id == otel.langsmith_run_id_from_otel_span_id(int(annotation.span_id, 16))


def test_langsmith_feedback_that_exists_is_updated(backend, run):
    backend.answer = lambda request: 409 if request.method == "POST" else 200
    annotator = send(LangSmithAnnotator(backend.url), run)
    theirs = recorded("langsmith", "PATCH")
    assert annotator.stats == {"sent": 5}
    posts, patches = backend.requests[::2], backend.requests[1::2]
    for post, patch in zip(posts, patches, strict=True):
        assert (patch.method, patch.path) == ("PATCH", f"/feedback/{post.body['id']}")
        assert_like(patch.body, theirs["body"], may_add=("value",))


def test_langsmith_gets_the_project_where_one_is_given(backend, run):
    project = str(uuid.uuid4())
    send(LangSmithAnnotator(backend.url, project_id=project), run)
    assert {request.body["session_id"] for request in backend.requests} == {project}


# --- Opik ---


def test_opik_scores_are_those_of_its_client(backend, run):
    annotator = send(OpikAnnotator(f"{backend.url}/api", project="proj"), run)
    look, theirs = recorded("opik", "GET"), recorded("opik", "PUT")
    asked, sent = backend.requests
    assert asked.method == "GET"
    assert Path(asked.path).parent == Path(look["path"]).parent
    assert (sent.method, sent.path) == (theirs["method"], theirs["path"])
    assert sent.headers["authorization"] == KEYS["OPIK_API_KEY"]
    assert sent.headers["comet-workspace"] == "space"
    assert len(sent.body["scores"]) == annotator.stats["sent"] == 5
    for score in sent.body["scores"]:
        assert_like(score, theirs["body"]["scores"][0])
        assert uuid.UUID(score["id"]).version == 7


def test_opik_models_take_our_scores(backend, run):
    types = pytest.importorskip("opik.rest_api.types", reason="opik is not installed")
    send(OpikAnnotator(backend.url), run)
    for score in backend.requests[-1].body["scores"]:
        assert score.keys() <= types.FeedbackScoreBatchItem.model_fields.keys()
        types.FeedbackScoreBatchItem.model_validate(score)


def test_opik_ids_hold_the_milliseconds_and_the_hash_of_the_otel_id():
    made = opik_id("b7ad6b7169203331", 1_700_000_000_123)
    assert made.int >> 80 == 1_700_000_000_123
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert made != opik_id("b7ad6b7169203332", 1_700_000_000_123)


def test_opik_traces_are_found_by_the_start_of_any_span(backend, run):
    starts = sorted({step.start_ns // 1_000_000 for step in run.trajectory.steps})
    known = f"/v1/private/traces/{opik_id(run.trajectory.steps[0].trace_id, starts[1])}"
    backend.answer = lambda request: 404 if request.method == "GET" and request.path != known else 200
    send(OpikAnnotator(backend.url), run)
    ids = {score["id"] for score in backend.requests[-1].body["scores"]}
    assert str(opik_id(f"{6:016x}", starts[1])) in ids


def test_an_opik_trace_that_is_nowhere_is_given_up(backend, run):
    backend.answer = lambda request: 404
    annotator = send(OpikAnnotator(backend.url, patience=0.05), run)
    assert annotator.stats == {"given up: the backend does not know the span": 5}


# --- MLflow, whose real server is tested elsewhere: what a real one cannot be made to do ---


def assessment(annotation_id, request):
    return {**request.body["assessment"], "assessment_id": annotation_id, "create_time": f"t{annotation_id}"}


def test_mlflow_leaves_equal_feedback_updates_other_and_never_touches_that_of_people(backend, run, rescore):
    stored = [{"assessment_name": "credit.reward", "span_id": f"{6:016x}", "source": {"source_id": "ann@example.org"}}]

    def answer(request):
        if request.method == "GET":
            return 200, {}, {"trace": {"trace_info": {"assessments": stored}}}
        if request.method == "POST":
            stored.append(assessment(f"a-{len(stored)}", request))
        return 200

    backend.answer = answer
    send(MLflowAnnotator(backend.url), run)
    assert [request.method for request in backend.requests] == ["GET"] + ["POST"] * 5
    backend.requests.clear()
    send(MLflowAnnotator(backend.url), run)
    assert [request.method for request in backend.requests] == ["GET"]
    backend.requests.clear()
    send(MLflowAnnotator(backend.url), rescore(run, 0.5))
    changed = [request for request in backend.requests if request.method == "PATCH"]
    assert {request.method for request in backend.requests} == {"GET", "PATCH"}
    assert {request.body["update_mask"] for request in changed} == {"feedback,rationale,metadata"}
    assert len({request.path for request in changed}) == len(changed)


# --- keys ---


@pytest.mark.parametrize(
    ("kind", "variable"),
    [
        (LangfuseAnnotator, "LANGFUSE_PUBLIC_KEY"),
        (LangfuseAnnotator, "LANGFUSE_SECRET_KEY"),
        (LangSmithAnnotator, "LANGSMITH_API_KEY"),
    ],
)
def test_a_missing_key_is_named_at_once(monkeypatch, kind, variable):
    monkeypatch.delenv(variable)
    with pytest.raises(ConfigurationError, match=f"{variable} is not set"):
        kind()


@pytest.mark.parametrize("kind", [LangfuseAnnotator, LangSmithAnnotator, OpikAnnotator])
def test_keys_that_a_backend_quotes_are_in_no_failure(backend, run, caplog, kind):
    own = [value for name, value in KEYS.items() if name.startswith(kind.name.upper())]
    backend.answer = lambda request: (403, {}, {"detail": [*own, request.headers]})
    annotator = send(kind(backend.url), run)
    assert annotator.failures
    told = [record.getMessage() for record in caplog.records] + [*annotator.failures]
    assert not [text for text in told if "canary" in text]
