"""What capture must not cost: memory that waits for the garbage collector, and spans passed on to nobody."""

import asyncio
import gc

import pytest

pytest.importorskip("autogen_agentchat", reason="AutoGen is not installed: pip install 'credit-hooks[autogen]'")

from autogen_agentchat.conditions import FunctionalTermination
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core import SingleThreadedAgentRuntime
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from team_cases.kit import agent

from credit_hooks.autogen import capture_of, instrument
from credit_hooks.autogen.run import TeamRun
from credit_hooks.deferred import DeferredSpan
from credit_hooks.record import StepRecord


def alive():
    return sum(isinstance(found, TeamRun | StepRecord | DeferredSpan) for found in gc.get_objects())


async def test_a_finished_run_is_freed_without_the_garbage_collector(case):
    provider = TracerProvider(shutdown_on_exit=False)
    team = instrument(case.build(agent), evaluate=lambda run: True, tracer_provider=provider)
    capture = capture_of(team)
    gc.collect()
    before = alive()
    gc.disable()
    try:
        await team.run(task=case.task)
        assert capture.flush()
        await asyncio.sleep(0.05)  # AutoGen's runtime lets go of it in tasks of its own
        left = alive() - before
    finally:
        gc.enable()
    assert left == 0
    provider.shutdown()


@pytest.mark.parametrize("traced", [True, False], ids=["runtime that shows spans", "runtime that shows none"])
async def test_the_root_span_is_current_in_the_runtime_only_if_the_runtime_shows_spans(traced, monkeypatch):
    monkeypatch.delenv("AUTOGEN_DISABLE_RUNTIME_TRACING", raising=False)
    provider = TracerProvider(shutdown_on_exit=False)
    own = provider if traced else trace.NoOpTracerProvider()
    original = SingleThreadedAgentRuntime.__init__
    monkeypatch.setattr(
        SingleThreadedAgentRuntime,
        "__init__",
        lambda self, **options: original(self, **{"tracer_provider": own, **options}),
    )
    seen = []

    def note(messages):
        seen.append(trace.get_current_span().get_span_context())
        return False

    team = RoundRobinGroupChat([agent("a", "a1")], max_turns=1, termination_condition=FunctionalTermination(note))
    team = instrument(team, tracer_provider=provider)
    await team.run(task="task")
    assert capture_of(team).flush()
    assert seen
    if traced:
        assert {f"{context.trace_id:032x}" for context in seen} == {capture_of(team).last.trajectory.steps[0].trace_id}
    else:
        assert not any(context.is_valid for context in seen)
    provider.shutdown()
