"""User code: never run, only type-checked by `make check`. What stops checking here breaks somebody's build."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, assert_type

from langchain_core.messages import HumanMessage
from langgraph.graph import MessagesState
from langgraph.graph.state import CompiledStateGraph
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider

from credit_hooks.credit import CreditConfig, assign_credit
from credit_hooks.errors import CreditHooksError
from credit_hooks.langgraph import CreditCallback
from credit_hooks.outcome import FinishedRun
from credit_hooks.ports import Adapter, Evaluator, Exporter, Manifest, RunExporter
from credit_hooks.report import render
from credit_hooks.rewards import Credit, CreditedRun, FirstError
from credit_hooks.spans import SpanData
from credit_hooks.store import RunStore, RunSummary
from credit_hooks.trajectory import Outcome, Trajectory
from credit_hooks_adapters import read
from credit_hooks_exporters import OTLPFileSpanExporter

Graph = CompiledStateGraph[MessagesState, None, MessagesState, MessagesState]


def one_line(graph: Graph) -> None:
    callback = CreditCallback(evaluate=lambda run: "42" in run.answer, store="runs.db")
    graph.invoke({"messages": [HumanMessage("6 * 7?")]}, config={"callbacks": [callback]})
    assert_type(callback.flush(), bool)
    if callback.last is not None:
        assert_type(callback.last, CreditedRun)
        assert_type(callback.last.credit.agents, dict[str, float])
        assert_type(callback.last.credit.first_error, FirstError | None)
    assert_type([reward.reward for run in callback.runs for reward in run.credit.messages], list[float | None])


async def every_option(graph: Graph, provider: TracerProvider) -> None:
    callback = CreditCallback(
        evaluate=judge,
        credit=CreditConfig(method="provenance", level="shapley"),
        baseline="running",
        store=Path("runs.db"),
        tracer_provider=provider,
        meter_provider=MeterProvider(),
        exporters=[Collector()],
        on_credit=lambda run: print(run.credit.total),
        capture_content=True,
        reward_delivery="event",
        evaluate_timeout=5.0,
    )
    await graph.ainvoke({"messages": []}, config={"callbacks": [callback]})
    assert_type(callback.score("run id", 0.5), CreditedRun | None)


async def judge(run: FinishedRun) -> Outcome | None:
    if not run.messages:
        return None
    return Outcome(score=0.5, answer=run.answer, expected="42")


class Collector:
    """A third party's receiver of runs."""

    def __init__(self) -> None:
        self.runs: list[CreditedRun] = []

    def export(self, run: CreditedRun) -> None:
        self.runs.append(run)


class Dialect:
    """A third party's adapter."""

    name = "mine"

    def recognises(self, spans: Sequence[SpanData]) -> float:
        return float(any("mine" in span.attributes for span in spans))

    def trajectories(self, spans: Iterable[SpanData]) -> Iterator[Trajectory]:
        yield from (Trajectory(id=span.trace_id) for span in spans)


class Lines:
    """A third party's exporter."""

    name = "lines"

    def write(self, runs: Iterable[CreditedRun], path: Path, **options: Any) -> Manifest:
        rows = [run.trajectory.id for run in runs]
        path.write_text("\n".join(rows))
        return Manifest(format=self.name, path=path, runs=len(rows), rows=len(rows), sha256="")


ports: tuple[Adapter, Exporter, RunExporter, Evaluator] = (Dialect(), Lines(), Collector(), judge)


def later(store: RunStore, path: Path) -> str:
    for trajectory in read(path, dialect="auto"):
        credit = assign_credit(trajectory.with_outcome(Outcome(success=True, score=1.0)))
        assert_type(credit, Credit)
        store.put(CreditedRun(trajectory=trajectory, credit=credit))
        assert_type([trajectory.parents(message.id) for message in trajectory.messages], list[tuple[str, ...]])
    assert_type(next(store.list(limit=1)), RunSummary)
    try:
        return render(store.get("id"))
    except CreditHooksError as error:
        return str(error)


def spans_to_a_file() -> OTLPFileSpanExporter:
    return OTLPFileSpanExporter("spans.jsonl")
