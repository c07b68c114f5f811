"""Rewards in MLflow: the demo's team solves word problems, and each agent's signed reward is feedback on its span.

Run it beside an MLflow server: see README.md in this folder.
"""

from __future__ import annotations

import argparse
import sys
import webbrowser

import httpx
from langchain_core.messages import HumanMessage
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from credit_hooks.demo.model import ArithmeticChatModel
from credit_hooks.demo.outcome import evaluate
from credit_hooks.demo.problems import PROBLEMS
from credit_hooks.demo.summary import most_instructive
from credit_hooks.demo.team import build_team
from credit_hooks.langgraph import CreditCallback
from credit_hooks_exporters.annotators import MLflowAnnotator

EXPERIMENT = "word problems"


def main(endpoint: str, problems: int, store: str | None) -> str:
    """Run the team, send spans and rewards to MLflow; the address of the experiment's traces back."""
    experiment_id = experiment(endpoint)
    # The two lines that matter: spans go to MLflow as with any application, and the callback gets an annotator.
    exporter = OTLPSpanExporter(f"{endpoint}/v1/traces", headers={"x-mlflow-experiment-id": experiment_id})
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(exporter))
    annotator = MLflowAnnotator(endpoint, tracer_provider=provider)
    callback = CreditCallback(
        evaluate=evaluate, tracer_provider=provider, exporters=[annotator], capture_content=True, store=store
    )

    team = build_team(ArithmeticChatModel())
    for problem in PROBLEMS[:problems]:
        config = {"callbacks": [callback], "metadata": {"task_id": problem.id}}
        team.invoke({"messages": [HumanMessage(problem.text)]}, config=config)
    callback.flush()
    annotator.flush(120)
    provider.shutdown()
    for failure in annotator.failures:
        print(failure, file=sys.stderr)

    print(f"{len(callback.runs)} runs, annotations: {dict(annotator.stats)}")
    traces = f"{endpoint}/#/experiments/{experiment_id}/traces"
    chosen = most_instructive(callback.runs)
    if chosen is not None:
        print(f"one run:   {traces}?selectedEvaluationId=tr-{chosen.trajectory.steps[0].trace_id}")
    print(f"all runs:  {traces}")
    print('blamed:    mlflow.search_traces(filter_string="feedback.`credit.reward` < 0")')
    return traces


def experiment(endpoint: str) -> str:
    """Id of the experiment that holds the traces, made where it is missing."""
    api = f"{endpoint}/api/2.0/mlflow/experiments"
    found = httpx.get(f"{api}/get-by-name", params={"experiment_name": EXPERIMENT})
    if found.status_code == httpx.codes.NOT_FOUND:
        made = httpx.post(f"{api}/create", json={"name": EXPERIMENT}).raise_for_status()
        return str(made.json()["experiment_id"])
    return str(found.raise_for_status().json()["experiment"]["experiment_id"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--endpoint", default="http://localhost:5000", help="address of the MLflow server")
    parser.add_argument("--problems", type=int, default=len(PROBLEMS), help="how many of the word problems")
    parser.add_argument("--store", help="SQLite file that keeps the runs, for `credit-hooks annotate`")
    parser.add_argument("--open", action="store_true", help="open the page in a browser")
    given = parser.parse_args()
    page = main(given.endpoint.rstrip("/"), given.problems, given.store)
    if given.open:
        webbrowser.open(page)
