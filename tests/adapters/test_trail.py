"""TRAIL's trees: spans at any depth, times, errors by span; damaged nodes are named and spoil no other."""

import json
import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from openinference_spans import TRACE, openinference_spans, trail_document  # noqa: E402

from credit_hooks.errors import TrajectoryError
from credit_hooks.trajectory import Label, Outcome
from credit_hooks_adapters import read
from credit_hooks_adapters.annotations import read_annotations, with_labels
from credit_hooks_adapters.openinference import ADAPTER as OPENINFERENCE
from credit_hooks_adapters.trail import ADAPTER, tree_spans

ROOT = Path(os.environ.get("CREDIT_HOOKS_TRAJECTORIES", Path(__file__).parents[3] / "shared" / "trajectories"))
needs_data = pytest.mark.skipif(not (ROOT / "trail").is_dir(), reason="TRAIL absent: set CREDIT_HOOKS_TRAJECTORIES")


def test_a_tree_reads_as_its_spans_do():
    (run,) = ADAPTER.read_document(trail_document(), "log.json")
    (flat,) = OPENINFERENCE.trajectories(openinference_spans())
    assert [message.text for message in run.messages] == [message.text for message in flat.messages]
    assert list(run.edges()) == list(flat.edges())
    assert run.source == "log.json"


def test_times_are_nanoseconds_since_the_epoch():
    spans, _ = tree_spans(trail_document())
    assert spans[0].start_ns == 1742402446 * 10**9
    assert spans[0].end_ns - spans[0].start_ns == 100_000


def test_errors_label_the_message_of_their_span_and_the_earliest_is_the_first():
    errors = [
        {"category": "B", "location": f"{7:016x}", "description": "late", "impact": "LOW"},
        {"category": "A", "location": f"{4:016x}", "description": "early", "impact": "HIGH"},
        {"category": "C", "location": f"{3:016x}"},
        {"category": "D", "location": "gone"},
    ]
    (run,) = ADAPTER.read_document(trail_document(errors=errors, scores=[{"overall": 3}]), "log.json")
    read_labels = [(label.name, label.target, label.target_id, label.inconsistent) for label in run.labels]
    assert read_labels == [
        ("error", "message", f"{7:016x}.out", False),
        ("error", "message", f"{4:016x}.out", False),
        ("error", "step", f"{3:016x}", False),
        ("error", "message", None, True),
        ("first_error", "message", f"{4:016x}.out", False),
        ("scores", "trajectory", TRACE, False),
    ]
    assert run.labels[4].reason == "early"


def test_labels_of_files_of_their_own_are_joined_by_trace_or_by_file_name(tmp_path):
    error = {"category": "A", "location": f"{4:016x}"}
    (tmp_path / "other.json").write_text(json.dumps({"trace_id": TRACE, "errors": [error]}))
    (tmp_path / f"{TRACE}.json").write_text(json.dumps({"errors": [error], "scores": []}))
    (run,) = with_labels(ADAPTER.read_document(trail_document(), "log.json"), read_annotations([tmp_path]))
    assert [label.name for label in run.labels] == ["error", "first_error"] * 2


def test_failures_of_agentrx_count_from_one_and_name_their_root_cause():
    failures = [
        {"failure_id": 4, "step_number": 6, "failed_agent": "Searcher", "failure_category": "x"},
        {"failure_id": 5, "step_number": 9, "failed_agent": "nobody"},
        {"failure_id": 6, "step_number": 99, "failed_agent": "manager"},
    ]
    found = {"t": [{"trajectory_id": "t", "failures": failures, "root_cause": {"failure_id": 4}}]}
    (run,) = OPENINFERENCE.trajectories(openinference_spans())
    (labelled,) = with_labels([run.model_copy(update={"task_id": "t"})], found)
    assert [(la.name, la.target_id, la.root_cause, la.inconsistent) for la in labelled.labels] == [
        ("error", f"{4:016x}.out", True, False),
        ("first_error", f"{4:016x}.out", True, False),
        ("error", f"{7:016x}.out", False, True),
        ("error", None, False, True),
    ]


def test_runs_keep_their_own_labels_and_their_outcome():
    (run,) = OPENINFERENCE.trajectories(openinference_spans())
    own = Label(target="trajectory", name="mine")
    given = run.model_copy(update={"labels": (own,), "outcome": Outcome(score=0.5)})
    (labelled,) = with_labels([given], {TRACE: [{"errors": [{"location": f"{4:016x}"}]}]})
    assert labelled.labels[0] == own
    assert labelled.outcome == given.outcome
    assert list(with_labels([given], {})) == [given]


def test_annotations_that_are_none_name_the_file(tmp_path):
    (tmp_path / "x.json").write_text('{"weather": "fine"}')
    with pytest.raises(TrajectoryError, match=r"x\.json: no annotations"):
        read_annotations([tmp_path])


def test_a_node_that_is_no_span_is_named_and_everything_else_is_read(tmp_path):
    document = trail_document()
    document["spans"][0]["child_spans"].insert(1, {"span_name": "lost", "child_spans": ["?"]})
    (tmp_path / "x.json").write_text(json.dumps(document))
    errors = []
    (run,) = read(tmp_path, on_error=errors.append)
    assert len(run.messages) == 9
    assert len(errors) == 1
    assert "x.json: left out: spans[0].child_spans[1], spans[0].child_spans[1].child_spans[0]" in str(errors[0])


@pytest.mark.parametrize(
    ("duration", "expected"), [("PT1.5S", 1.5), ("PT2M3S", 123), ("P1DT1H", 90000), ("1.5", None), (None, None)]
)
def test_durations(duration, expected):
    document = trail_document()
    document["spans"][0]["duration"] = duration
    first = tree_spans(document)[0][0]
    length = None if first.end_ns is None else (first.end_ns - first.start_ns) / 1e9
    assert length == expected


@needs_data
def test_real_trees_are_read_and_every_label_finds_its_span():
    for folder, count in (("gaia", 9), ("swe_bench", 2)):
        found = read_annotations([ROOT / "trail" / folder / "labels"])
        runs = list(with_labels(read(ROOT / "trail" / folder / "traces"), found))
        assert len(runs) == count
        for run in runs:
            errors = found[run.id][0]["errors"]
            labels = [label for label in run.labels if label.name == "error"]
            assert [label.value["location"] for label in labels] == [error["location"] for error in errors]
            assert not any(label.inconsistent for label in labels)
            replies = [step for step in run.steps if step.kind == "chat" and step.output_message_ids]
            assert all(run.parents(step.output_message_ids[0]) for step in replies)
