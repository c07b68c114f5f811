"""Spans written as OTLP/JSON lines: what the standard demands, what the reader gets back, and no lost or torn line."""

import json
import threading

import pytest
from google.protobuf.json_format import MessageToDict
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Link, SpanKind, Status, StatusCode

from credit_hooks.native import ADAPTER
from credit_hooks.testing import FixedIds, sample_spans, span_data
from credit_hooks_adapters import read
from credit_hooks_adapters.otlp import spans_of
from credit_hooks_exporters import OTLPFileSpanExporter
from credit_hooks_exporters.otlp_json import traces_data


@pytest.fixture
def provider():
    provider = TracerProvider(
        id_generator=FixedIds(), resource=Resource({"service.name": "test"}), shutdown_on_exit=False
    )
    yield provider
    provider.shutdown()


@pytest.fixture
def finished(provider):
    memory = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(memory))
    return memory.get_finished_spans


def rich_span(provider):
    tracer = provider.get_tracer("scope", "1.0", schema_url="https://example.com/s", attributes={"a": 1})
    with tracer.start_as_current_span("parent", kind=SpanKind.CLIENT) as parent:
        link = Link(parent.get_span_context(), {"why": "test"})
        attributes = {"s": "é\n", "b": True, "i": 2**53 + 1, "f": 0.1, "list": ["x", "y"], "ints": [1, 2], "none": []}
        with tracer.start_as_current_span("child", attributes=attributes, links=[link]) as child:
            child.add_event("happened", {"n": 1}, timestamp=5)
            child.set_status(Status(StatusCode.ERROR, "broke"))


def hex_ids(value):
    """The standard's JSON has ids in hex, where protobuf's own JSON has base64."""
    import base64

    if isinstance(value, list):
        return [hex_ids(item) for item in value]
    if isinstance(value, dict):
        names = {"traceId", "spanId", "parentSpanId"}
        return {k: base64.b64decode(v).hex() if k in names else hex_ids(v) for k, v in value.items()}
    return value


def plain(value):
    """Without flags and what protobuf leaves out, which both sides may state or not."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        kept = {k: plain(v) for k, v in value.items() if k != "flags"}
        return {
            k: v for k, v in kept.items() if v not in ([], {}, "", 0) or k in ("stringValue", "intValue", "boolValue")
        }
    return value


def test_documents_are_those_of_the_protobuf_encoder(provider, finished):
    rich_span(provider)
    spans = finished()
    reference = hex_ids(MessageToDict(encode_spans(spans), use_integers_for_enums=True))
    assert plain(json.loads(json.dumps(traces_data(spans)))) == plain(reference)


def test_spans_come_back_equal(provider, finished, tmp_path):
    provider.add_span_processor(SimpleSpanProcessor(OTLPFileSpanExporter(tmp_path / "spans.jsonl")))
    rich_span(provider)
    lines = (tmp_path / "spans.jsonl").read_text().splitlines()
    back = [span for line in lines for span in spans_of(json.loads(line))]
    expected = [span_data(span) for span in finished()]

    def comparable(span):
        return {**{name: getattr(span, name) for name in span.__slots__}, "attributes": tuples(span.attributes)}

    def tuples(attributes):
        return {key: tuple(value) if isinstance(value, list) else value for key, value in attributes.items()}

    assert [comparable(span) for span in back] == [comparable(span) for span in expected]


def replay(spans, provider):
    """The sample run through a real provider, with its attributes, ids and nesting."""
    from opentelemetry.trace import set_span_in_context

    tracer = provider.get_tracer("credit_hooks")
    contexts = {None: None}
    opened = []
    for span in spans:
        real = tracer.start_span(
            span.name, contexts[span.parent_id], attributes=span.attributes, start_time=span.start_ns
        )
        contexts[span.span_id] = set_span_in_context(real)
        opened.append((real, span.end_ns))
    for real, end_ns in reversed(opened):
        real.end(end_ns)


def test_the_trajectory_of_exported_spans_is_that_of_the_record(provider, tmp_path):
    provider.add_span_processor(SimpleSpanProcessor(OTLPFileSpanExporter(tmp_path / "spans.jsonl")))
    replay(sample_spans(), provider)
    assert list(read(tmp_path / "spans.jsonl")) == list(ADAPTER.trajectories(sample_spans()))


class Rude:
    def __repr__(self):
        raise RuntimeError("no")


def test_values_of_any_kind_are_written_and_never_raise(tmp_path):
    cycle = []
    cycle.append(cycle)
    values = {
        "none": None, "bytes": b"\xff", "nested": {"a": [1, {"b": None}]}, "mixed": [1, "a", None], "huge": 2**70,
        "enormous": 10**6000, "nan": float("nan"), "inf": float("inf"), "-inf": float("-inf"), "half": "\ud800",
        "object": object, "rude": Rude(), "cycle": cycle, "set": {1},
    }  # fmt: skip
    exporter = OTLPFileSpanExporter(tmp_path / "spans.jsonl")
    with_context = TracerProvider(id_generator=FixedIds(), shutdown_on_exit=False).get_tracer("t").start_span("x")
    span = ReadableSpan(name="odd \ud800", context=with_context.get_span_context(), attributes=values)
    assert exporter.export([span]) is SpanExportResult.SUCCESS
    exporter.shutdown()
    (back,) = spans_of(json.loads((tmp_path / "spans.jsonl").read_text()))
    assert back.attributes.keys() == values.keys()
    assert {key: back.attributes[key] for key in ("none", "bytes", "nested", "mixed", "huge", "inf")} == {
        **{key: values[key] for key in ("none", "bytes", "nested", "mixed", "inf")},
        "huge": hex(2**70),
    }


def test_many_threads_write_whole_lines(provider, tmp_path):
    path = tmp_path / "spans.jsonl"
    provider.add_span_processor(SimpleSpanProcessor(OTLPFileSpanExporter(path)))
    tracer = provider.get_tracer("scope")

    def work(name):
        for _ in range(25):
            tracer.start_span(name, attributes={"text": "x" * 20_000}).end()

    threads = [threading.Thread(target=work, args=(f"thread {i}",)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    names = [span.name for line in path.read_text().splitlines() for span in spans_of(json.loads(line))]
    assert sorted(names) == sorted(f"thread {i}" for i in range(8) for _ in range(25))


def test_after_shutdown_and_on_a_full_disk_export_fails_without_raising(provider, finished, tmp_path, caplog):
    provider.get_tracer("scope").start_span("x").end()
    exporter = OTLPFileSpanExporter(tmp_path / "spans.jsonl")
    assert exporter.export([]) is SpanExportResult.SUCCESS
    exporter.shutdown()
    exporter.shutdown()
    assert exporter.export(finished()) is SpanExportResult.FAILURE
    full = OTLPFileSpanExporter("/dev/full")
    assert full.export(finished()) is SpanExportResult.FAILURE
    assert "1 spans were not written to /dev/full" in caplog.text
    full.shutdown()


def test_the_file_is_the_owners_alone(tmp_path):
    OTLPFileSpanExporter(tmp_path / "spans.jsonl").shutdown()
    assert (tmp_path / "spans.jsonl").stat().st_mode & 0o077 == 0
