"""What was captured live is what a reader makes of the exported spans: a trace in a backend can be credited later."""

import pytest
from capture_cases.kit import MODES, captured
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from credit_hooks.credit import CreditConfig, assign_credit
from credit_hooks.langgraph import CreditCallback
from credit_hooks_adapters import read
from credit_hooks_exporters import OTLPFileSpanExporter


@pytest.fixture
def exported(tmp_path):
    """A callback whose spans go to a file, and a function that reads it back."""
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(OTLPFileSpanExporter(tmp_path / "trace.jsonl")))
    verdicts = (0.75, True, False)
    callback = CreditCallback(
        evaluate=lambda run: verdicts[len(run.messages) % 3], tracer_provider=provider, capture_content=True
    )

    def trajectories():
        assert callback.flush()
        provider.shutdown()
        return sorted(read(tmp_path / "trace.jsonl"), key=lambda run: run.steps[0].start_ns)

    return callback, trajectories


@pytest.mark.parametrize("name", ["invoke", "astream"])
async def test_trajectories_are_equal(topology, name, exported):
    callback, trajectories = exported
    await topology.run(MODES[name], callbacks=[callback])
    live = captured(callback)
    assert trajectories() == live
    assert len(live) == len(topology.turns)


async def test_credit_is_equal_to_the_byte(topology, exported):
    callback, trajectories = exported
    await topology.run(MODES["invoke"], callbacks=[callback])
    exported_runs = trajectories()
    live = {run.trajectory.id: run.credit for run in callback.runs}
    for run in exported_runs:
        again = assign_credit(run, CreditConfig())
        assert again.model_dump_json() == live[run.id].model_dump_json()
