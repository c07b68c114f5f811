"""Ends of spans wait for the credit, as long as there is room and time, whatever the provider is like."""

import asyncio
import threading

import pytest
from capture_cases.basic import say
from capture_cases.kit import MODES, THREAD, TOPOLOGIES, captured, dag, user
from capture_cases.state import pipeline
from capture_cases.traced import Traced
from langchain_core.messages import AIMessage
from langgraph.graph import MessagesState
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from credit_hooks.langgraph import CreditCallback

INVOKE = MODES["invoke"]
SEQUENTIAL, TOOLS = TOPOLOGIES["sequential"], TOPOLOGIES["agent_with_a_tool"]


# --- Held ends ------------------------------------------------------------------------------------------------------


def test_ends_wait_for_the_credit_and_state_the_recorded_end():
    evaluating, judged = threading.Event(), threading.Event()

    def evaluate(run):
        evaluating.set()
        judged.wait(10)
        return True

    traced = Traced(evaluate=evaluate)
    asyncio.run(SEQUENTIAL.run(INVOKE, callbacks=[traced.callback]))
    assert evaluating.wait(10)
    assert traced.memory.get_finished_spans() == ()
    assert traced.callback.open_entries == 4
    judged.set()
    spans = traced.finished()
    (root,) = [span for span in spans if span.parent is None]
    assert all(span.end_time <= root.end_time for span in spans)
    assert root.end_time == traced.callback.last.trajectory.steps[0].end_ns
    assert traced.callback.open_entries == 0


def test_children_end_before_their_parents():
    traced = Traced()
    asyncio.run(TOOLS.run(INVOKE, callbacks=[traced.callback]))
    order = [span.context.span_id for span in traced.finished()]
    parents = {span.context.span_id: span.parent.span_id for span in traced.finished() if span.parent}
    assert all(order.index(child) < order.index(parent) for child, parent in parents.items())


def test_too_many_held_spans_are_released_uncredited():
    traced = Traced(max_held_spans=2)
    asyncio.run(SEQUENTIAL.run(INVOKE, callbacks=[traced.callback]))
    spans = traced.finished()
    (root,) = [span for span in spans if span.parent is None]
    assert len(spans) == 4
    assert root.attributes["credit.status"] == "overflow"
    assert not any("credit.reward" in span.attributes for span in spans)
    assert traced.callback.stats["released: overflow"] == 1
    assert traced.callback.last.credit.status == "credited"  # the run itself is kept, with its credit
    assert traced.callback.open_entries == 0


def test_spans_held_too_long_are_released_uncredited():
    traced = Traced(max_hold_seconds=0.0)
    released = threading.Event()

    def waits(state):
        for _ in range(500):
            if traced.callback.stats["released: timeout"]:
                break
            threading.Event().wait(0.02)
        traced.callback.flush()
        released.set()
        return {"messages": [AIMessage("late")]}

    graph = pipeline(MessagesState, ("early", say("early")), ("waits", waits))
    graph.invoke(user()(), {"callbacks": [traced.callback]})
    assert released.is_set()
    spans = traced.finished()
    (root,) = [span for span in spans if span.parent is None]
    assert root.attributes["credit.status"] == "timeout"
    assert traced.by_name()["invoke_agent early"].attributes["credit.writes"]
    assert traced.callback.open_entries == 0


def test_rewards_as_events(monkeypatch):
    """Spans end at once; what they would have carried follows as log events parented to them."""
    logs = InMemoryLogRecordExporter()
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(logs))
    monkeypatch.setattr("opentelemetry._logs._internal._LOGGER_PROVIDER", provider)  # the public setter works once
    traced = Traced(reward_delivery="event")
    asyncio.run(SEQUENTIAL.run(INVOKE, callbacks=[traced.callback]))
    spans = {span.context.span_id: span for span in traced.finished()}
    assert not any("credit.reward" in span.attributes for span in spans.values())
    events = [item.log_record for item in logs.get_finished_logs()]
    assert {event.event_name for event in events} == {"gen_ai.evaluation.result"}
    assert {spans[event.span_id].name for event in events} == {
        "invoke_workflow LangGraph",
        "invoke_agent draft",
        "invoke_agent review",
        "invoke_agent publish",
    }
    rewards = [event.attributes["credit.reward"] for event in events if "credit.reward" in event.attributes]
    assert sum(rewards) == pytest.approx(traced.callback.last.credit.total)


# --- Providers ------------------------------------------------------------------------------------------------------

EXPECTED = SEQUENTIAL.turns[0].dag


def test_a_sampler_that_drops_everything_costs_no_credit():
    traced = Traced(TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False))
    asyncio.run(SEQUENTIAL.run(INVOKE, callbacks=[traced.callback]))
    assert traced.finished() == []
    assert dag(traced.callback.last.trajectory) == EXPECTED
    assert traced.callback.last.credit.status == "credited"
    assert traced.callback.open_entries == 0


def test_credit_survives_attribute_limits():
    traced = Traced(
        TracerProvider(span_limits=SpanLimits(max_attributes=20), shutdown_on_exit=False), capture_content=True
    )
    asyncio.run(SEQUENTIAL.run(INVOKE, callbacks=[traced.callback]))
    spans = traced.by_name()
    root = spans["invoke_workflow LangGraph"]
    assert max(len(span.attributes) for span in spans.values()) <= 20
    assert root.attributes["credit.total"] == 0.5
    assert root.attributes["credit.status"] == "credited"
    assert all("credit.reward" in spans[f"invoke_agent {name}"].attributes for name in ("draft", "review", "publish"))


def test_no_provider_at_all(mode):
    callback = CreditCallback(evaluate=lambda run: True)
    asyncio.run(SEQUENTIAL.run(mode, callbacks=[callback]))
    (run,) = captured(callback)
    assert dag(run) == EXPECTED
    assert len({step.id for step in run.steps}) == 4
    assert callback.open_entries == 0


def test_a_provider_that_was_shut_down(caplog):
    traced = Traced()
    traced.provider.shutdown()
    outcomes = asyncio.run(SEQUENTIAL.run(INVOKE, callbacks=[traced.callback]))
    assert outcomes[0][0] == "returned"
    assert traced.callback.flush()
    assert dag(traced.callback.last.trajectory) == EXPECTED
    assert traced.callback.open_entries == 0


def test_a_processor_that_raises_costs_the_other_spans_nothing(caplog):
    class Raising(SimpleSpanProcessor):
        def on_end(self, span):
            if span.name == "invoke_agent review":
                raise RuntimeError("processor broke")
            super().on_end(span)

    memory = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(Raising(memory))
    callback = CreditCallback(evaluate=lambda run: True, tracer_provider=provider)
    asyncio.run(SEQUENTIAL.run(INVOKE, callbacks=[callback]))
    assert callback.flush()
    assert len(memory.get_finished_spans()) == 3
    assert callback.last.credit.status == "credited"
    assert any("processor broke" in failure for failure in callback.failures)
    assert callback.open_entries == 0


def test_the_thread_is_the_session():
    traced = Traced()
    asyncio.run(TOPOLOGIES["two_turns_of_a_conversation"].run(INVOKE, callbacks=[traced.callback]))
    roots = [span for span in traced.finished() if span.parent is None]
    assert [root.attributes["session.id"] for root in roots] == [THREAD["thread_id"]] * 2
