"""Files, folders and spans are read alike, the surest adapter wins, and what cannot be read is named."""

import gzip
import json
from dataclasses import replace

import pytest

from credit_hooks import registry
from credit_hooks.errors import ConfigurationError, TrajectoryError, UnknownDialectError
from credit_hooks.native import ADAPTER, NativeAdapter
from credit_hooks.testing import sample_spans
from credit_hooks.trajectory import Trajectory
from credit_hooks_adapters import read

WHOWHEN = {
    "question": "?",
    "mistake_agent": "A",
    "mistake_step": "0",
    "history": [{"role": "A", "content": "hm"}],
}


def value_of(value):
    if isinstance(value, str):
        return {"stringValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    return {"arrayValue": {"values": [value_of(item) for item in value]}}


def otlp(spans):
    encoded = [
        {
            "traceId": span.trace_id,
            "spanId": span.span_id,
            "parentSpanId": span.parent_id,
            "name": span.name,
            "startTimeUnixNano": str(span.start_ns),
            "endTimeUnixNano": str(span.end_ns),
            "attributes": [{"key": key, "value": value_of(value)} for key, value in span.attributes.items()],
        }
        for span in spans
    ]
    return {"resourceSpans": [{"scopeSpans": [{"scope": {"name": "credit_hooks"}, "spans": encoded}]}]}


def other_trace():
    changed = [replace(span, trace_id=f"{9:032x}", start_ns=span.start_ns + 1) for span in sample_spans()]
    root = changed[0]
    return [replace(root, attributes={**root.attributes, "credit.run.id": "run-2"}), *changed[1:]]


EXPECTED = list(ADAPTER.trajectories(sample_spans()))


def test_spans_files_lines_and_archives_read_alike(tmp_path):
    whole, lines, packed = tmp_path / "whole.json", tmp_path / "lines.jsonl", tmp_path / "packed.json.gz"
    whole.write_text(json.dumps(otlp(sample_spans()), indent=2))
    lines.write_text("".join(json.dumps(otlp([span])) + "\n" for span in sample_spans()))
    packed.write_bytes(gzip.compress(b"\xef\xbb\xbf" + whole.read_bytes()))
    for source in (sample_spans(), iter(sample_spans()), whole, str(lines), packed, [lines]):
        assert list(read(source)) == EXPECTED


def test_one_trace_in_several_files_is_one_run(tmp_path):
    for i, span in enumerate(sample_spans()):
        (tmp_path / f"{i}.jsonl").write_text(json.dumps(otlp([span])))
    assert list(read(tmp_path)) == EXPECTED


def test_a_folder_is_read_by_name_logs_first_and_other_files_are_left_alone(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "a.json").write_text(json.dumps(otlp([*sample_spans(), *other_trace()])))
    (tmp_path / "deep" / "c.json").write_text(json.dumps(WHOWHEN))
    (tmp_path / "b.json").write_text(json.dumps({**WHOWHEN, "question": "??"}))
    (tmp_path / "README.md").write_text("not for us")
    (tmp_path / ".hidden.json").write_text("{")
    assert [run.task or run.id for run in read(tmp_path)] == ["??", "?", "run-1", "run-2"]


def test_a_last_line_that_was_cut_is_left_out_and_a_middle_one_is_named(tmp_path):
    path = tmp_path / "spans.jsonl"
    whole = [json.dumps(otlp([span])) for span in [*sample_spans(), *other_trace()[:1]]]
    path.write_text("\n".join([*whole[:-1], whole[-1][:40]]))
    assert list(read(path)) == EXPECTED
    path.write_text("\n".join([whole[0], whole[1][:40], *whole[2:]]))
    with pytest.raises(TrajectoryError, match=r"spans\.jsonl, line 2: not JSON: "):
        list(read(path))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b" \n ", "the file is empty"),
        (b"# Title\n{}", "not JSON: "),
        (b"\xff\xfe{}", "not UTF-8 text"),
        (b"\x1f\x8b broken", "cannot be read: "),
        (gzip.compress(b"{}" * 500, mtime=0)[:20], "cannot be read: "),
        (b"[" * 100_000, "nested too deep|not JSON"),
        (b"{}", "not recognised by any of the known dialects: .*whowhen"),
        (b'{"mistake_agent": "A", "mistake_step": "1", "history": []}', "no messages"),
        (json.dumps(otlp([])).encode(), "not recognised by any"),
    ],
)
def test_a_file_that_is_no_trajectory_is_named_with_the_reason_and_the_others_are_read(tmp_path, content, reason):
    (tmp_path / "bad.json").write_bytes(content)
    (tmp_path / "good.json").write_text(json.dumps(WHOWHEN))
    with pytest.raises(TrajectoryError, match=rf"bad\.json.*({reason})"):
        list(read([tmp_path / "bad.json"]))
    errors = []
    assert len(list(read(tmp_path, on_error=errors.append))) == 1
    assert [type(error) in (TrajectoryError, UnknownDialectError) for error in errors] == [True]


def test_a_missing_path_is_named(tmp_path):
    with pytest.raises(TrajectoryError, match=r"nowhere\.json: no such file or directory"):
        list(read(tmp_path / "nowhere.json"))


def test_an_unknown_dialect_is_refused_at_once_with_the_known_ones():
    with pytest.raises(UnknownDialectError, match=r"no dialect 'klingon'; known dialects: .*credit_hooks"):
        read(sample_spans(), dialect="klingon")


@pytest.mark.parametrize("source", [3, None, [3], [None]])
def test_sources_that_are_neither_paths_nor_spans_are_refused_at_once(source):
    with pytest.raises(ConfigurationError, match="paths"):
        read(source)


def test_a_dialect_that_is_named_is_not_asked_whether_it_recognises(tmp_path):
    path = tmp_path / "log.json"
    path.write_text(json.dumps({"history": [{"role": "A", "content": "hm"}]}))
    with pytest.raises(UnknownDialectError):
        list(read(path))
    assert [run.messages[0].text for run in read(path, dialect="whowhen")] == ["hm"]


class Claiming(NativeAdapter):
    def __init__(self, name, score):
        self.name = name
        self._score = score

    def recognises(self, spans):
        return self._score

    def trajectories(self, spans):
        yield Trajectory(id=f"{self.name}:{len(list(spans))}")


@pytest.mark.parametrize(
    ("scores", "winner"),
    [({"a": 0.2, "b": 0.9}, "b"), ({"b": 0.5, "a": 0.5}, "a"), ({"a": 0.0, "b": 0.01}, "b")],
)
def test_the_surest_adapter_reads_the_trace(monkeypatch, scores, winner):
    monkeypatch.setattr(registry, "adapters", lambda: {name: Claiming(name, score) for name, score in scores.items()})
    assert [run.id for run in read(sample_spans())] == [f"{winner}:6"]


def test_each_trace_is_read_by_its_own_dialect_and_noise_is_passed_over(monkeypatch):
    class ByTrace(Claiming):
        def recognises(self, spans):
            return float(spans[0].trace_id == self._score)

    first, second = sample_spans(), other_trace()
    noise = [replace(span, trace_id="f" * 32) for span in first]
    adapters = {"x": ByTrace("x", first[0].trace_id), "y": ByTrace("y", second[0].trace_id)}
    monkeypatch.setattr(registry, "adapters", lambda: adapters)
    assert [run.id for run in read([*noise, *second, *first])] == ["x:6", "y:6"]
    with pytest.raises(UnknownDialectError, match="spans: not recognised by any of the known dialects: x, y"):
        list(read(noise))
