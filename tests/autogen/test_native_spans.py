"""AutoGen's own spans, read without our capture: the same deliveries as our capture sees, and one trace with ours."""

import pytest

pytest.importorskip("autogen_agentchat", reason="AutoGen is not installed: pip install 'credit-hooks[autogen]'")

from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core import SingleThreadedAgentRuntime
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from team_cases.kit import agent

from credit_hooks.autogen import capture_of, instrument
from credit_hooks.spans import SpanData
from credit_hooks.testing import check_adapter
from credit_hooks_adapters.autogen import ADAPTER


def span_data(span):
    return SpanData(
        name=span.name,
        trace_id=f"{span.context.trace_id:032x}",
        span_id=f"{span.context.span_id:016x}",
        parent_id=None if span.parent is None else f"{span.parent.span_id:016x}",
        start_ns=span.start_time,
        end_ns=span.end_time,
        attributes=dict(span.attributes),
        scope=span.instrumentation_scope.name,
    )


@pytest.fixture
def native():
    """(spans of AutoGen's runtime, its provider)."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield (lambda: [span_data(span) for span in exporter.get_finished_spans()]), provider
    provider.shutdown()


def deliveries(trajectory):
    """Member to the ids it was given before each of its turns."""
    found = {}
    for step in trajectory.steps:
        if step.kind == "agent" and "autogen.delivered" in step.attributes:
            name = trajectory.actor_by_id[step.actor_id].name
            found.setdefault(name, []).append(step.attributes["autogen.delivered"])
    return found


@pytest.fixture
def traced(native, monkeypatch):
    """Every team's own runtime shows its spans to the provider."""
    spans, provider = native
    original = SingleThreadedAgentRuntime.__init__

    def init(self, **options):
        original(self, **{"tracer_provider": provider, **options})

    monkeypatch.setattr(SingleThreadedAgentRuntime, "__init__", init)
    return spans, provider


async def test_deliveries_equal_those_of_our_capture(case, traced):
    if case.name in ("single_agent", "agent_as_tool", "message_filter"):
        pytest.skip("who runs inside of, or behind, a member is given nothing by the runtime")
    spans, _ = traced
    team = instrument(case.build(agent))
    await team.run(task=case.task)
    capture = capture_of(team)
    assert capture.flush()
    ours = deliveries(capture.last.trajectory)
    theirs = {}
    for trajectory in ADAPTER.trajectories(spans()):
        theirs.update(deliveries(trajectory))
    members = {name: given for name, given in ours.items() if name in theirs}
    assert members == {name: given for name, given in theirs.items() if name in members}
    assert set(theirs) - set(ours) <= {"inner"}
    assert members


async def test_native_spans_keep_the_laws(traced):
    spans, _ = traced
    await RoundRobinGroupChat([agent("a", "a1"), agent("b", "b1")], max_turns=2).run(task="task")
    check_adapter(ADAPTER, spans())


async def test_native_spans_and_ours_share_one_trace(traced):
    spans, provider = traced
    team = instrument(RoundRobinGroupChat([agent("a", "a1")], max_turns=1), tracer_provider=provider)
    await team.run(task="task")
    assert capture_of(team).flush()
    scopes = {span.scope for span in spans()}
    assert {"credit_hooks", "autogen SingleThreadedAgentRuntime"} <= scopes
    assert len({span.trace_id for span in spans()}) == 1
