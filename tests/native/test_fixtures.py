"""The fixtures are fixed, and a span tree is one literal whatever ids were drawn."""

import subprocess
import sys

from inline_snapshot import snapshot
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from credit_hooks.testing import FixedClock, FixedIds, sample_run, sample_spans, span_data, span_tree


def test_a_span_tree_is_one_literal():
    assert span_tree(sample_spans(), keep=lambda key: key in ("credit.reads.base", "credit.writes")) == snapshot(
        [
            {
                "name": "invoke_workflow team",
                "attributes": {"credit.writes": ["m0"]},
                "children": [
                    {"name": "invoke_agent planner", "attributes": {"credit.writes": ["m1"]}},
                    {
                        "name": "invoke_agent solver",
                        "attributes": {"credit.reads.base": "invoke_agent planner", "credit.writes": ["m2", "m3"]},
                        "children": [{"name": "chat toy-1"}, {"name": "execute_tool multiply"}],
                    },
                    {
                        "name": "invoke_agent checker",
                        "attributes": {"credit.reads.base": "invoke_agent solver", "credit.writes": ["m4"]},
                    },
                ],
            }
        ]
    )


def test_ids_and_times_of_real_spans_are_fixed():
    memory, clock = InMemorySpanExporter(), FixedClock(start_ns=10, step_ns=5)
    provider = TracerProvider(id_generator=FixedIds(), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(memory))
    tracer = provider.get_tracer("scope")
    with tracer.start_as_current_span("outer", start_time=clock(), end_on_exit=False) as outer:
        tracer.start_span("inner", start_time=clock()).end(clock())
    outer.end(clock())
    provider.shutdown()
    inner_data, outer_data = (span_data(span) for span in memory.get_finished_spans())
    assert (outer_data.trace_id, outer_data.span_id, outer_data.parent_id) == (f"{1:032x}", f"{1:016x}", None)
    assert (inner_data.trace_id, inner_data.span_id, inner_data.parent_id) == (f"{1:032x}", f"{2:016x}", f"{1:016x}")
    assert (outer_data.start_ns, inner_data.start_ns, inner_data.end_ns, outer_data.end_ns) == (10, 15, 20, 25)


def test_the_sample_run_is_conserved():
    run = sample_run()
    assert sum(run.credit.agents.values()) == run.credit.total == 1.0 - 0.25


def test_laws_and_fixtures_need_no_test_framework():
    code = "import sys, credit_hooks.testing; assert not {'pytest', 'hypothesis'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True)
