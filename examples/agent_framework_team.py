"""A workflow of Microsoft Agent Framework: credit from the spans that it makes itself.

    pip install 'credit-hooks' agent-framework-core agent-framework-orchestrations
    python examples/agent_framework_team.py

The model here answers at once and needs no key; put a real client in its place.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

# Contents on spans; read when the framework is imported. Without it, credit follows from who was handed what.
os.environ.setdefault("OTEL_SEMCONV_STABILITY_OPT_IN", "gen_ai_latest_experimental")

from agent_framework import (
    Agent,
    BaseChatClient,
    ChatResponse,
    ChatResponseUpdate,
    Content,
    FunctionInvocationLayer,
    Message,
)
from agent_framework.observability import ChatTelemetryLayer, enable_instrumentation
from agent_framework.orchestrations import SequentialBuilder
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from credit_hooks import Outcome, assign_credit
from credit_hooks_adapters import read
from credit_hooks_exporters import OTLPFileSpanExporter


class Says(FunctionInvocationLayer, ChatTelemetryLayer, BaseChatClient):
    """A model that always says the same."""

    OTEL_PROVIDER_NAME = "example"

    def __init__(self, text: str) -> None:
        super().__init__()
        self.model = "says"
        self.text = text

    def _inner_get_response(
        self, *, messages: Sequence[Message], stream: bool, options: Mapping[str, Any], **kwargs: Any
    ) -> Any:
        if stream:

            async def updates():
                yield ChatResponseUpdate(role="assistant", contents=[Content.from_text(self.text)])

            return self._build_response_stream(updates())

        async def whole() -> ChatResponse:
            return ChatResponse(messages=[Message("assistant", [self.text])], model=self.model)

        return whole()


def agent(name: str, text: str) -> Agent:
    return Agent(Says(text), name=name, instructions=f"You are {name}.")


traces = Path(tempfile.mkdtemp()) / "traces.jsonl"
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(OTLPFileSpanExporter(traces)))
trace.set_tracer_provider(provider)
enable_instrumentation(enable_sensitive_data=True, enable_message_events=False)

team = SequentialBuilder(
    participants=[agent("planner", "Multiply 6 by 7."), agent("solver", "6 times 7: the answer is 42.")]
).build()
asyncio.run(team.run("How much is 6 times 7?"))
provider.shutdown()

for run in read(traces):
    credit = assign_credit(run.with_outcome(Outcome(success="42" in run.answer, score=float("42" in run.answer))))
    for name, earned in credit.agents.items():
        print(f"{name} {earned:+.3f}")
