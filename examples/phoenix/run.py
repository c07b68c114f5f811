"""Rewards in Phoenix: the demo's team solves word problems, and each agent's signed reward stands beside its span.

Run it beside a Phoenix server: see README.md in this folder.
"""

from __future__ import annotations

import argparse
import sys
import webbrowser
from urllib.parse import quote, urlencode

import httpx
from langchain_core.messages import HumanMessage
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from credit_hooks.demo.model import ArithmeticChatModel
from credit_hooks.demo.outcome import evaluate
from credit_hooks.demo.problems import PROBLEMS
from credit_hooks.demo.summary import most_instructive
from credit_hooks.demo.team import build_team
from credit_hooks.langgraph import CreditCallback
from credit_hooks_exporters.annotators import PhoenixAnnotator

PROJECT = "word problems"
WORST = "annotations['credit_reward'].score < 0"


def main(endpoint: str, problems: int, store: str | None) -> str:
    """Run the team, send spans and rewards to Phoenix; the address of the list of blamed messages back."""
    # The two lines that matter: spans go to Phoenix as with any application, and the callback gets an annotator.
    provider = TracerProvider(resource=Resource.create({"openinference.project.name": PROJECT}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{endpoint}/v1/traces")))
    annotator = PhoenixAnnotator(endpoint, tracer_provider=provider)
    callback = CreditCallback(
        evaluate=evaluate, tracer_provider=provider, exporters=[annotator], capture_content=True, store=store
    )

    team = build_team(ArithmeticChatModel())
    for problem in PROBLEMS[:problems]:
        config = {"callbacks": [callback], "metadata": {"task_id": problem.id}}
        team.invoke({"messages": [HumanMessage(problem.text)]}, config=config)
    callback.flush()
    annotator.flush(60)
    provider.shutdown()
    for failure in annotator.failures:
        print(failure, file=sys.stderr)

    print(f"{len(callback.runs)} runs, annotations: {dict(annotator.stats)}")
    project_id = httpx.get(f"{endpoint}/v1/projects/{quote(PROJECT)}").raise_for_status().json()["data"]["id"]
    worst = f"{endpoint}/projects/{project_id}/spans?" + urlencode({"spanFilterCondition": WORST})
    chosen = most_instructive(callback.runs)
    if chosen is not None:
        print(f"one run:            {endpoint}/redirects/traces/{chosen.trajectory.steps[0].trace_id}")
    print(f"all runs:           {endpoint}/projects/{project_id}/spans")
    print(f"blamed messages:    {worst}")
    print("worst first:        there, under Columns, tick credit_reward and click on its heading")
    return worst


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--endpoint", default="http://localhost:6006", help="address of the Phoenix server")
    parser.add_argument("--problems", type=int, default=len(PROBLEMS), help="how many of the word problems")
    parser.add_argument("--store", help="SQLite file that keeps the runs, for `credit-hooks annotate`")
    parser.add_argument("--open", action="store_true", help="open the page in a browser")
    given = parser.parse_args()
    page = main(given.endpoint.rstrip("/"), given.problems, given.store)
    if given.open:
        webbrowser.open(page)
