"""Kept runs come back as they were, however they were kept, and the oldest make room."""

import dataclasses
import json

from credit_hooks import semconv
from credit_hooks.archive import RunArchive
from credit_hooks.credit import CreditConfig
from credit_hooks.native import ADAPTER, essentials
from credit_hooks.spans import SpanData
from credit_hooks.testing import sample_run, sample_spans


def archive(max_runs=10):
    return RunArchive(max_runs, CreditConfig())


def renamed(run, run_id):
    return run.model_copy(update={"trajectory": run.trajectory.model_copy(update={"id": run_id})})


def test_a_credited_run_comes_back_equal():
    kept = archive()
    kept.keep(sample_run())
    assert kept.get(sample_run().trajectory.id) == kept.last() == sample_run()


def fields(span):
    return tuple(getattr(span, field.name) for field in dataclasses.fields(span))


def test_a_run_kept_as_spans_is_read_as_its_spans_are():
    (trajectory,) = ADAPTER.trajectories(sample_spans())
    kept = archive()
    kept.keep_spans(trajectory.id, 1, [fields(span) for span in sample_spans()])
    assert kept.last().trajectory == trajectory


def test_what_essentials_leave_out_is_never_read():
    prompt = json.dumps([{"role": "user", "parts": [{"type": "text", "content": "a prompt"}]}])
    shown = {semconv.INPUT_VALUE: "shown", semconv.OUTPUT_VALUE: "shown"}

    def with_content(span):
        own = shown if semconv.CREDIT_RUN_ID in span.attributes else {**shown, semconv.GEN_AI_INPUT_MESSAGES: prompt}
        return {**span.attributes, **own}

    def read(attributes_of):
        spans = [
            SpanData(s.name, s.trace_id, s.span_id, s.parent_id, s.start_ns, s.end_ns, attributes=attributes_of(s))
            for s in sample_spans()
        ]
        return list(ADAPTER.trajectories(spans))

    def kept(span):
        return essentials(with_content(span), of_root=semconv.CREDIT_RUN_ID in span.attributes)

    assert read(with_content) == read(kept)
    assert not any(prompt in kept(span).values() for span in sample_spans())


def test_the_oldest_runs_make_room():
    kept = archive(max_runs=2)
    for run_id in ("a", "b", "c"):
        kept.keep(renamed(sample_run(), run_id))
    assert kept.get("a") is None
    assert [run.trajectory.id for run in kept.all()] == ["b", "c"]


def test_a_run_kept_again_replaces_itself_in_its_place():
    kept = archive()
    for run_id in ("a", "b", "a"):
        kept.keep(renamed(sample_run(), run_id))
    assert [run.trajectory.id for run in kept.all()] == ["a", "b"]


def test_runs_are_in_the_order_in_which_they_finished():
    kept = archive()
    for run_id, ended in (("late", 30), ("early", 10), ("middle", 20)):
        kept.keep_spans(run_id, ended, [("x", "0" * 32, "1" * 16)])
    assert list(kept._kept) == ["early", "middle", "late"]


def test_a_run_somebody_holds_is_the_same_object():
    kept = archive()
    kept.keep(sample_run())
    held = kept.last()
    assert kept.last() is held


def test_an_empty_archive_has_no_last_run():
    assert archive().last() is None
    assert archive().all() == []
