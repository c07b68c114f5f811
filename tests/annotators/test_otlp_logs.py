"""Rewards as log events: parented, the same identity for the same reward, not twice from one process."""

from __future__ import annotations

import pytest
from opentelemetry.sdk._logs import LoggerProvider, export

from credit_hooks.ports import RunExporter
from credit_hooks_exporters.annotators import OTLPLogsAnnotator

_Memory = getattr(export, "InMemoryLogRecordExporter", None) or export.InMemoryLogExporter


@pytest.fixture
def logs():
    memory = _Memory()
    provider = LoggerProvider()
    provider.add_log_record_processor(export.SimpleLogRecordProcessor(memory))
    yield provider, lambda: [each.log_record for each in memory.get_finished_logs()]
    provider.shutdown()


def test_each_span_with_a_reward_has_an_event_in_its_place(logs, run):
    provider, events = logs
    annotator = OTLPLogsAnnotator(logger_provider=provider)
    assert isinstance(annotator, RunExporter)
    annotator.export(run)
    assert annotator.flush()
    found = {f"{event.span_id:016x}": event for event in events()}
    assert {event.event_name for event in events()} == {"gen_ai.evaluation.result"}
    checker = found[f"{6:016x}"]
    assert f"{checker.trace_id:032x}" == run.trajectory.steps[0].trace_id
    assert checker.attributes["gen_ai.evaluation.name"] == "credit.reward"
    assert checker.attributes["gen_ai.evaluation.score.value"] == -0.125
    assert checker.attributes["gen_ai.evaluation.target"] == "checker"
    assert "The answer" not in str([event.attributes for event in events()])


def test_the_same_reward_is_sent_once_by_an_object_and_under_one_identity_by_two(logs, run, rescore):
    provider, events = logs
    first = OTLPLogsAnnotator(logger_provider=provider)
    first.export(run)
    first.export(run)
    assert first.stats["runs sent before"] == 1
    sent = len(events())
    OTLPLogsAnnotator(logger_provider=provider).export(run)
    uids = [event.attributes["log.record.uid"] for event in events()]
    assert sorted(uids[:sent]) == sorted(uids[sent:])
    assert len(set(uids)) == sent
    first.export(rescore(run, 0.5))
    changed = {event.attributes["log.record.uid"] for event in events()} - set(uids)
    assert len(changed) == sent - 1  # the run's outcome is as it was


def test_events_arrive_at_an_otlp_receiver(run, otlp_receiver):
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http._log_exporter")
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

    annotator = OTLPLogsAnnotator(otlp_receiver.url)
    annotator.export(run)
    assert annotator.flush()
    annotator._provider.shutdown()
    ((path, body),) = otlp_receiver.received
    assert path == "/v1/logs"
    logs = [
        log
        for resource in ExportLogsServiceRequest.FromString(body).resource_logs
        for scope in resource.scope_logs
        for log in scope.log_records
    ]
    assert {log.event_name for log in logs} == {"gen_ai.evaluation.result"}
    assert {log.span_id.hex() for log in logs} >= {f"{2:016x}", f"{3:016x}", f"{6:016x}"}
