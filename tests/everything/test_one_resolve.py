"""All extras and the clients of all backends in one environment (`make everything`): one resolve, and it works.

autogen-core pins protobuf 5.29, the OTLP exporters and the backends' clients need protobuf as well: each release of
any of them may end that this resolves. Elsewhere, where clients are missing, these tests are skipped.
"""

import importlib.metadata
import importlib.util
import json
import re
import subprocess
import sys

import pytest

CLIENTS = {"langfuse": "langfuse", "langsmith": "langsmith", "mlflow-skinny": "mlflow", "opik": "opik"}
CLIENTS["arize-phoenix-client"] = "phoenix.client"


def installed(distribution):
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


missing = [name for name in CLIENTS if not installed(name)]
pytestmark = pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}; see make everything")

USE = """
import asyncio, importlib, json, sys
for name in sys.argv[1:]:
    importlib.import_module(name)

from autogen_agentchat.agents import BaseChatAgent
from autogen_agentchat.base import Response
from autogen_agentchat.messages import TextMessage
from autogen_agentchat.teams import RoundRobinGroupChat
from langchain_core.messages import AIMessage
from langgraph.graph import START, MessagesState, StateGraph
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from credit_hooks.autogen import TeamCapture
from credit_hooks.langgraph import CreditCallback

exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
options = {"evaluate": lambda run: True, "tracer_provider": provider}

graph = StateGraph(MessagesState)
graph.add_node("solver", lambda state: {"messages": [AIMessage("42")]})
graph.add_edge(START, "solver")
callback = CreditCallback(**options)
graph.compile().invoke({"messages": [("user", "6 times 7?")]}, {"callbacks": [callback]})
callback.flush()

class Solver(BaseChatAgent):
    produced_message_types = (TextMessage,)
    async def on_messages(self, messages, cancellation_token):
        return Response(chat_message=TextMessage(content="42", source=self.name))
    async def on_reset(self, cancellation_token): pass

capture = TeamCapture(**options)
team = RoundRobinGroupChat([Solver("solver", "solves")], max_turns=1)
capture.attach(team)
asyncio.run(team.run(task="6 times 7?"))
capture.flush()

spans = exporter.get_finished_spans()
request = ExportTraceServiceRequest.FromString(encode_spans(spans).SerializeToString())
sent = [span.name for group in request.resource_spans for scope in group.scope_spans for span in scope.spans]
print(json.dumps([callback.last.credit.agents, capture.last.credit.agents, sorted(sent)]))
"""


def test_no_requirement_is_broken():
    said = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True)
    assert said.returncode == 0, said.stdout
    assert re.fullmatch(r"5\.29\.\d+", installed("protobuf"))


def test_everything_is_imported_and_used_in_one_process():
    rooms = ["autogen", "cli.app", "demo", "instrumentor", "langgraph", "report"]
    names = [f"credit_hooks.{room}" for room in rooms]
    names += ["credit_hooks_adapters", "credit_hooks_exporters", "pyarrow", "google.protobuf", *CLIENTS.values()]
    names += ["opentelemetry.exporter.otlp.proto.http.trace_exporter"]
    said = subprocess.run([sys.executable, "-c", USE, *names], capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    assert "Traceback" not in said.stderr
    graph, team, sent = json.loads(said.stdout.splitlines()[-1])
    assert graph == team == {"solver": 0.5, "user": 0.0}
    assert len(sent) == 4
