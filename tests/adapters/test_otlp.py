"""OTLP/JSON in every spelling that is about reads as the same spans, and damaged documents give what is left."""

import base64
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_hooks.spans import EventData, LinkData, SpanData
from credit_hooks_adapters.files import documents
from credit_hooks_adapters.otlp import is_otlp, spans_of

DATA = Path(os.environ.get("CREDIT_HOOKS_TRAJECTORIES", Path(__file__).parents[3] / "shared" / "trajectories"))
TRACE, SPAN, PARENT = "0123456789abcdef0123456789abcdef", "00000000000000a1", "00000000000000b2"

VALUES = [
    ({"stringValue": "x"}, "x"),
    ({"boolValue": False}, False),
    ({"intValue": "9007199254740993"}, 9007199254740993),
    ({"intValue": 3}, 3),
    ({"intValue": "-4"}, -4),
    ({"doubleValue": 0.5}, 0.5),
    ({"doubleValue": 2}, 2.0),
    ({"doubleValue": "-Infinity"}, float("-inf")),
    ({"bytesValue": "/w=="}, b"\xff"),
    ({"arrayValue": {"values": [{"intValue": "1"}, {}, {"stringValue": "a"}]}}, [1, None, "a"]),
    ({"kvlistValue": {"values": [{"key": "k", "value": {"boolValue": True}}]}}, {"k": True}),
    ({"arrayValue": {}}, []),
    ({}, None),
    ({"newValue": 1}, None),
    ({"intValue": "many"}, None),
    ({"string_value": "x"}, "x"),
    ("bare", "bare"),
]


def span(**changes):
    return {
        "traceId": TRACE,
        "spanId": SPAN,
        "parentSpanId": PARENT,
        "name": "work",
        "startTimeUnixNano": "1700000000000000001",
        "endTimeUnixNano": "1700000000000000002",
        "attributes": [{"key": "a", "value": {"intValue": "1"}}],
        "status": {"code": 2, "message": "broke"},
        "events": [{"name": "e", "timeUnixNano": "5", "attributes": [{"key": "n", "value": {"doubleValue": 1.5}}]}],
        "links": [{"traceId": TRACE, "spanId": PARENT, "attributes": []}],
        **changes,
    }


def document(*spans):
    scope_spans = [{"scope": {"name": "s"}, "spans": list(spans)}]
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "svc"}}]}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": scope_spans}]}


EXPECTED = SpanData(
    name="work",
    trace_id=TRACE,
    span_id=SPAN,
    parent_id=PARENT,
    start_ns=1700000000000000001,
    end_ns=1700000000000000002,
    status="error",
    status_message="broke",
    attributes={"a": 1},
    events=(EventData("e", 5, {"n": 1.5}),),
    links=(LinkData(TRACE, PARENT, {}),),
    scope="s",
    resource={"service.name": "svc"},
)


def as_base64(digits):
    return base64.b64encode(bytes.fromhex(digits)).decode()


def renamed(value, names):
    if isinstance(value, list):
        return [renamed(item, names) for item in value]
    if isinstance(value, dict):
        return {names.get(key, key): renamed(item, names) for key, item in value.items()}
    return value


SNAKE = {
    "resourceSpans": "resource_spans", "scopeSpans": "scope_spans", "traceId": "trace_id", "spanId": "span_id",
    "parentSpanId": "parent_span_id", "startTimeUnixNano": "start_time_unix_nano", "intValue": "int_value",
    "endTimeUnixNano": "end_time_unix_nano", "timeUnixNano": "time_unix_nano", "stringValue": "string_value",
    "doubleValue": "double_value",
}  # fmt: skip
TEMPO = {"resourceSpans": "batches", "scopeSpans": "instrumentationLibrarySpans", "scope": "instrumentationLibrary"}
BASE64 = document(
    span(
        traceId=as_base64(TRACE),
        spanId=as_base64(SPAN),
        parentSpanId=as_base64(PARENT),
        links=[{"traceId": as_base64(TRACE), "spanId": as_base64(PARENT)}],
    )
)
SPELLINGS = {
    "standard": document(span()),
    "base64 ids": BASE64,
    "upper-case ids": document(span(traceId=TRACE.upper(), spanId=SPAN.upper())),
    "shortened ids": document(span(spanId="a1", traceId=TRACE.lstrip("0"))),
    "tempo": renamed(document(span()), TEMPO),
    "tempo answer": {"trace": document(span())},
    "snake case": renamed(document(span()), SNAKE),
    "list": [document(span())],
    "enum names": document(span(status={"code": "STATUS_CODE_ERROR", "message": "broke"})),
    "numbers": document(span(startTimeUnixNano=1700000000000000001, endTimeUnixNano=1700000000000000002)),
    "object attributes": document(span(attributes={"a": 1})),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_reads_as_the_same_span(spelling):
    assert is_otlp(SPELLINGS[spelling])
    assert list(spans_of(SPELLINGS[spelling])) == [EXPECTED]


@pytest.mark.parametrize(("value", "expected"), VALUES)
def test_values_of_every_kind(value, expected):
    (read,) = spans_of(document(span(attributes=[{"key": "a", "value": value}])))
    assert read.attributes == {"a": expected}
    assert type(read.attributes["a"]) is type(expected)


@pytest.mark.parametrize("parent", [None, "", "0000000000000000", "AAAAAAAAAAA=", "not an id", 7, "é"])
def test_a_parent_that_is_no_id_is_no_parent(parent):
    (read,) = spans_of(document(span(parentSpanId=parent)))
    assert read.parent_id is None


def test_spans_without_an_id_are_left_out():
    broken = [span(spanId=None), span(traceId=""), "no span", None, span(spanId="0" * 16)]
    assert list(spans_of(document(*broken, span()))) == [EXPECTED]


@pytest.mark.parametrize("other", [None, [], {}, {"resourceSpans": []}, {"resourceSpans": "x"}, "text", 3, [1]])
def test_other_documents_are_not_otlp(other):
    assert not is_otlp(other)
    assert list(spans_of(other)) == []


junk = st.sampled_from([None, True, -1, 2**70, "", "x", "\ud800", [], [None, {}], {}, {"key": 1}, {"values": 3}])


@given(st.data())
def test_a_document_with_any_value_replaced_still_reads(data):
    broken = json.loads(json.dumps(document(span(), span(spanId="c3"))))
    place = broken
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(place[key], dict | list) or not place[key] or data.draw(st.booleans()):
            break
        place = place[key]
    place[key] = data.draw(junk)
    assert len(list(spans_of(broken))) <= 2


@pytest.mark.skipif(not DATA.is_dir(), reason="real traces absent: set CREDIT_HOOKS_TRAJECTORIES")
def test_a_real_tempo_export_is_read():
    (exported,) = documents(DATA / "jaeger_tempo" / "tempo_export_with_batches.json")
    spans = list(spans_of(exported))
    known = {span.span_id for span in spans}
    stated = sum(len(s["spans"]) for batch in exported["batches"] for s in batch["instrumentationLibrarySpans"])
    assert len(spans) == stated > 0
    assert {len(span.trace_id) for span in spans} == {32}
    assert sum(span.parent_id in known for span in spans) > len(spans) / 2
    assert all(span.start_ns <= span.end_ns and span.scope for span in spans)
