"""What capture of AutoGen costs: CPU per turn over an untraced run, beside autogen-core's own spans and OpenInference.

    python benchmarks/overhead_autogen.py    # needs credit-hooks[autogen]

Three AssistantAgents with a model that answers at once take turns. Measured is the CPU time of the whole process, our
worker included, until every run is processed. Each way is run in a process of its own, in turn; shown are medians, and
medians of the ratios to the untraced run of the same round. Spans go to a batch processor that drops them.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Sequence
from typing import Any

TURNS = (30, 120)
WAYS = ("untraced", "ours", "ours_untraced", "native", "openinference")


def provider() -> Any:
    """A tracer provider whose spans are made, batched and dropped."""
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

    class Drop(SpanExporter):
        def export(self, spans: Any) -> Any:
            return SpanExportResult.SUCCESS

    made = TracerProvider()
    made.add_span_processor(BatchSpanProcessor(Drop()))
    return made


def client() -> Any:
    """A model that answers at once."""
    from autogen_core.models import ChatCompletionClient, CreateResult, ModelInfo, RequestUsage

    info = ModelInfo(vision=True, function_calling=True, json_output=True, family="unknown", structured_output=False)

    class Instant(ChatCompletionClient):
        async def create(self, messages: Sequence[Any], **kwargs: Any) -> CreateResult:
            usage = RequestUsage(prompt_tokens=len(messages), completion_tokens=1)
            said = f"Having read {len(messages)} messages, I say that the answer is {len(messages) * 7}."
            return CreateResult(finish_reason="stop", content=said, usage=usage, cached=False)

        async def create_stream(self, messages: Sequence[Any], **kwargs: Any) -> AsyncGenerator[Any, None]:
            yield await self.create(messages)

        async def close(self) -> None:
            pass

        def actual_usage(self) -> RequestUsage:
            return RequestUsage(prompt_tokens=0, completion_tokens=0)

        def total_usage(self) -> RequestUsage:
            return self.actual_usage()

        def count_tokens(self, messages: Any, **kwargs: Any) -> int:
            return 0

        def remaining_tokens(self, messages: Any, **kwargs: Any) -> int:
            return 0

        @property
        def capabilities(self) -> Any:
            return info

        @property
        def model_info(self) -> Any:
            return info

    return Instant()


def team(turns: int) -> Any:
    from autogen_agentchat.agents import AssistantAgent
    from autogen_agentchat.teams import RoundRobinGroupChat

    members = [AssistantAgent(name, model_client=client()) for name in ("reader", "planner", "solver")]
    return RoundRobinGroupChat(members, max_turns=turns)


async def runs(number: int, turns: int, capture: Any) -> None:
    for _ in range(number):
        made = team(turns)
        if capture is not None:
            capture.attach(made)
        await made.run(task="How many wagons are there?")
    if capture is not None:
        assert capture.flush()


def measure(way: str, turns: int, number: int) -> float:
    """Microseconds of CPU per turn."""
    capture = None
    if way != "native":
        os.environ["AUTOGEN_DISABLE_RUNTIME_TRACING"] = "true"
    if way in ("native", "openinference"):
        from opentelemetry import trace

        trace.set_tracer_provider(provider())
    if way == "openinference":
        from openinference.instrumentation.autogen_agentchat import AutogenAgentChatInstrumentor

        AutogenAgentChatInstrumentor().instrument()
    if way.startswith("ours"):
        from credit_hooks.autogen import TeamCapture

        shown = provider() if way == "ours" else None
        capture = TeamCapture(tracer_provider=shown, capture_content=True)
    asyncio.run(runs(2, turns, capture))
    gc.collect()
    before = time.process_time()
    asyncio.run(runs(number, turns, capture))
    spent = time.process_time() - before
    if capture is not None:
        assert not [key for key in capture.stats if key.startswith("failed")], capture.stats
    return spent / (number * turns) * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--turns-per-round", type=int, default=1_200)
    parser.add_argument("--one", nargs=2, metavar=("WAY", "TURNS"))
    options = parser.parse_args()
    if importlib.util.find_spec("autogen_agentchat") is None:
        print("skipped: AutoGen is not installed in this environment")
        return
    if options.one:
        turns = int(options.one[1])
        print(json.dumps(measure(options.one[0], turns, max(1, options.turns_per_round // turns))))
        return
    ways = [way for way in WAYS if way != "openinference" or importlib.util.find_spec("openinference")]
    for turns in TURNS:
        spent: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(options.rounds):
            for way in ways:
                command = [sys.executable, __file__, "--one", way, str(turns)]
                command += ["--turns-per-round", str(options.turns_per_round)]
                spent[way].append(float(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
        for way, values in spent.items():
            ratio = statistics.median(value / plain for value, plain in zip(values, spent["untraced"], strict=True))
            print(f"{turns:4} turns  {way:14} {statistics.median(values):7.0f} us a turn  {ratio:5.2f}x")


if __name__ == "__main__":
    main()
