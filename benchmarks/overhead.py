"""What tracing a LangGraph run costs: extra CPU microseconds per step over no callback.

    python benchmarks/overhead.py            # the tables of README.md
    python benchmarks/overhead.py --quick    # a few minutes, noisier

All variants are measured in one process, in a new random order in every repetition, by `time.process_time`, which
counts worker threads too; `flush()` is inside the measured region. A sample's extra cost is its difference to the
sample without callback of the same repetition; shown are medians, and ratios of medians.

The graph is a ring of four agents that hand one growing message list around; every fourth step a conditional edge
decides whether to go on. Content capture is on for all. Every variant ends in an exporter that only counts spans,
behind a `SimpleSpanProcessor`. What is not installed is left out, and said so.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import contextvars
import gc
import importlib.metadata
import itertools
import logging
import platform
import random
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any, NamedTuple, Protocol, TypedDict

from langchain_core.callbacks import BaseCallbackHandler, BaseCallbackManager
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.pregel import Pregel
from langgraph.types import Command
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Span, set_span_in_context

from credit_hooks.langgraph import CreditCallback, nesting

STEPS = (50, 100, 200, 400)
STEPS_PER_SAMPLE = 400
"""A sample runs short graphs several times, so that all samples are of about the same size."""
AGENTS = ("planner", "solver", "critic", "writer")
SENTENCE = "Step {0} looked at the figures again and found that {0} crates weigh {1} kg, which the next one checks. "
BARE = "bare spans"
OURS = "credit-hooks"


# --- The graph ----------------------------------------------------------------------------------------------------


class State(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]


class RepeatingModel(BaseChatModel):
    """A chat model that costs next to nothing: what is left is LangChain's own work around a model call."""

    @property
    def _llm_type(self) -> str:
        return "repeating"

    def _generate(self, messages: list[Any], *args: Any, **kwargs: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=AIMessage(_said(messages)))])


class Workload(NamedTuple):
    """A graph and how it is run."""

    nodes: str
    """`trivial`, or `llm`: each node calls a chat model with all messages."""
    mode: str
    """`sync` or `async`."""
    steps: int

    def runs(self) -> int:
        """Graph runs in one sample."""
        return max(1, STEPS_PER_SAMPLE // self.steps)


def _said(messages: Sequence[Any]) -> str:
    return SENTENCE.format(len(messages), 17 * len(messages))


def build_graph(nodes: str, mode: str, steps: int) -> Any:
    model = RepeatingModel()

    def trivial(state: State) -> dict[str, Any]:
        return {"messages": [AIMessage(_said(state["messages"]))]}

    def calling(state: State) -> dict[str, Any]:
        return {"messages": [model.invoke(state["messages"])]}

    async def atrivial(state: State) -> dict[str, Any]:
        return trivial(state)

    async def acalling(state: State) -> dict[str, Any]:
        return {"messages": [await model.ainvoke(state["messages"])]}

    node = {("trivial", "sync"): trivial, ("llm", "sync"): calling, ("trivial", "async"): atrivial}.get(
        (nodes, mode), acalling
    )
    builder = StateGraph(State)
    for agent in AGENTS:
        builder.add_node(agent, node)
    builder.add_edge(START, AGENTS[0])
    for agent, following in itertools.pairwise(AGENTS):
        builder.add_edge(agent, following)
    # One message from the user, then one per step.
    builder.add_conditional_edges(AGENTS[-1], lambda state: END if len(state["messages"]) > steps else AGENTS[0])
    return builder.compile()


# --- Variants -----------------------------------------------------------------------------------------------------


class CountingExporter(SpanExporter):
    def __init__(self) -> None:
        self.count = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.count += len(spans)
        return SpanExportResult.SUCCESS


class Recorder(CountingExporter):
    def __init__(self) -> None:
        super().__init__()
        self.spans: list[ReadableSpan] = []

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.spans.extend(spans)
        return super().export(spans)


def provider_of(exporter: SpanExporter) -> TracerProvider:
    """A provider of its own for each variant."""
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider


class Variant(Protocol):
    """A way of tracing; `None` from a factory means that nothing is attached."""

    def attached(self) -> contextlib.AbstractContextManager[list[Any]]:
        """Callbacks for the run's configuration; whatever is process-wide is undone at the end."""

    def flush(self) -> None:
        """Wait until all spans are exported."""

    @property
    def exported(self) -> int:
        """Spans exported so far."""


class Nothing:
    exported = 0

    def attached(self) -> contextlib.AbstractContextManager[list[Any]]:
        return contextlib.nullcontext([])

    def flush(self) -> None:
        return


class RecordedSpan(NamedTuple):
    name: str
    attributes: Mapping[str, Any]


class BareSpans(BaseCallbackHandler):
    """Starts and ends a span per run, task and model call, with attributes that were computed before: the floor.

    Names, attributes and their number are those that credit-hooks wrote for the same graph; all of them are given to
    `start_span`, the cheapest way there is.
    """

    run_inline = True

    def __init__(self, recorded: Sequence[RecordedSpan]) -> None:
        self.exporter = CountingExporter()
        self.provider = provider_of(self.exporter)
        self.tracer = self.provider.get_tracer("bare")
        self.recorded = recorded
        self.next = 0
        self.open: dict[Any, tuple[Span, Context, str | None]] = {}

    @property
    def exported(self) -> int:
        return self.exporter.count

    def attached(self) -> contextlib.AbstractContextManager[list[Any]]:
        return contextlib.nullcontext([self])

    def flush(self) -> None:
        self.provider.force_flush()

    def start(self, run_id: Any, parent: Context | None, ns: str | None) -> None:
        name, attributes = self.recorded[self.next]
        span = self.tracer.start_span(name, context=parent, attributes=attributes)
        self.open[run_id] = span, set_span_in_context(span, parent), ns
        self.next += 1

    def on_chain_start(self, serialized: Any, inputs: Any, *, run_id: Any, **kwargs: Any) -> None:
        ns = (kwargs.get("metadata") or {}).get("langgraph_checkpoint_ns")
        parent = self.open.get(kwargs.get("parent_run_id"))
        if parent is None:
            self.next = 0
            self.start(run_id, None, None)
        elif ns != parent[2]:
            self.start(run_id, parent[1], ns)

    def on_chat_model_start(self, serialized: Any, messages: Any, *, run_id: Any, **kwargs: Any) -> None:
        self.start(run_id, self.open[kwargs["parent_run_id"]][1], None)

    def on_chain_end(self, outputs: Any, *, run_id: Any, **kwargs: Any) -> None:
        entry = self.open.pop(run_id, None)
        if entry is not None:
            entry[0].end()

    on_llm_end = on_chain_end


def recorded_spans(workload: Workload) -> list[RecordedSpan]:
    """What credit-hooks writes for one run of a workload, in the order of the spans' starts."""
    recorder = Recorder()
    sample(workload, CreditHooks(recorder), runs=1)
    spans = sorted(recorder.spans, key=lambda span: span.start_time or 0)
    return [RecordedSpan(span.name, dict(span.attributes or {})) for span in spans]


class CreditHooks:
    def __init__(self, exporter: CountingExporter | None = None, **options: Any) -> None:
        self.exporter = exporter or CountingExporter()
        provider = provider_of(self.exporter)
        # Runs kept for `callback.runs` would grow the heap that the collector walks in every other variant.
        self.callback = CreditCallback(tracer_provider=provider, capture_content=True, max_runs=8, **options)

    @property
    def exported(self) -> int:
        return self.exporter.count

    @contextlib.contextmanager
    def attached(self) -> Iterator[list[Any]]:
        nesting.enable(self.callback)
        try:
            yield [self.callback]
        finally:
            nesting.disable(self.callback)  # else it would cost the other variants

    def flush(self) -> None:
        assert self.callback.flush()
        assert not self.callback.failures, self.callback.failures


PATCHED = ((BaseCallbackManager, "__init__"), (Pregel, "stream"), (Pregel, "astream"), (Command, "__init__"))
"""What peers patch. Put back by hand: Traceloop's `uninstrument()` (0.62.4) leaves all of it patched."""


class Instrumented:
    """A peer that patches LangChain."""

    def __init__(self, instrumentor: Any) -> None:
        self.exporter = CountingExporter()
        self.provider = provider_of(self.exporter)
        self.instrumentor = instrumentor

    @property
    def exported(self) -> int:
        return self.exporter.count

    @contextlib.contextmanager
    def attached(self) -> Iterator[list[Any]]:
        before = [vars(owner)[name] for owner, name in PATCHED]
        self.instrumentor.instrument(tracer_provider=self.provider)
        try:
            yield []
        finally:
            self.instrumentor.uninstrument()
            for (owner, name), function in zip(PATCHED, before, strict=True):
                setattr(owner, name, function)

    def flush(self) -> None:
        self.provider.force_flush()


def openinference() -> Variant:
    from openinference.instrumentation.langchain import LangChainInstrumentor

    return Instrumented(LangChainInstrumentor())


def traceloop() -> Variant:
    from opentelemetry.instrumentation.langchain import LangchainInstrumentor

    return Instrumented(LangchainInstrumentor())


class _Sealed(TracerProvider):
    """Takes no more processors: Langfuse would add a batch processor of its own beside the one that all others have."""

    def add_span_processor(self, span_processor: Any) -> None:
        if isinstance(span_processor, SimpleSpanProcessor):
            super().add_span_processor(span_processor)


class Langfuse:
    def __init__(self) -> None:
        import langfuse
        from langfuse.langchain import CallbackHandler

        self.exporter = CountingExporter()
        provider = _Sealed()
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.client = langfuse.Langfuse(
            public_key="pk", secret_key="sk", base_url="http://127.0.0.1:1", tracer_provider=provider
        )
        self.handler = CallbackHandler(public_key="pk")

    @property
    def exported(self) -> int:
        return self.exporter.count

    def attached(self) -> contextlib.AbstractContextManager[list[Any]]:
        return contextlib.nullcontext([self.handler])

    def flush(self) -> None:
        self.client.flush()


def always(run: Any) -> bool:
    return True


PEERS: dict[str, tuple[str, Callable[[], Variant]]] = {
    "OpenInference": ("openinference-instrumentation-langchain", openinference),
    "Langfuse": ("langfuse", Langfuse),
    "Traceloop": ("opentelemetry-instrumentation-langchain", traceloop),
}


def installed_variants() -> dict[str, Variant]:
    variants: dict[str, Variant] = {
        OURS: CreditHooks(),
        "credit-hooks, credited": CreditHooks(evaluate=always),
    }
    for name, (distribution, make) in PEERS.items():
        try:
            variants[name] = make()
        except ImportError as error:
            print(f"left out: {name} ({error}); pip install {distribution}")
    return variants


# --- Measuring ----------------------------------------------------------------------------------------------------

_graphs: dict[Workload, Any] = {}


def sample(workload: Workload, variant: Variant, *, runs: int | None = None) -> float:
    """CPU seconds per step of one sample, all threads together."""
    runs = workload.runs() if runs is None else runs
    if workload not in _graphs:
        _graphs[workload] = build_graph(*workload)
    # A context of its own: some peers leave spans attached.
    return contextvars.copy_context().run(_measure, workload, _graphs[workload], variant, runs)


def _measure(workload: Workload, graph: Any, variant: Variant, runs: int) -> float:
    before = variant.exported
    with variant.attached() as callbacks, asyncio.Runner() as runner:
        config = {"callbacks": callbacks, "recursion_limit": workload.steps + 5}
        inputs = [{"messages": [HumanMessage("How much do the crates weigh together?")]} for _ in range(runs)]
        runner.get_loop()
        gc.collect()
        start = time.process_time()
        for state in inputs:
            if workload.mode == "sync":
                graph.invoke(state, config)
            else:
                runner.run(graph.ainvoke(state, config))
        variant.flush()
        spent = time.process_time() - start
    if not isinstance(variant, Nothing):
        assert variant.exported - before >= runs * workload.steps, f"{variant} exported too few spans"
    return spent / (runs * workload.steps)


def measure(workload: Workload, variants: Mapping[str, Variant], repetitions: int) -> dict[str, float]:
    """Variant to the median of its extra CPU microseconds per step; under "" what a step costs without any."""
    candidates = {"": Nothing(), BARE: BareSpans(recorded_spans(workload)), **variants}
    extra: dict[str, list[float]] = {name: [] for name in candidates}
    order = list(candidates)
    for variant in candidates.values():
        sample(workload, variant, runs=1)
    for _ in range(repetitions):
        random.shuffle(order)
        spent = {name: sample(workload, candidates[name]) for name in order}
        for name in order:
            extra[name].append(1e6 * (spent[name] - (spent[""] if name else 0.0)))
    return {name: statistics.median(values) for name, values in extra.items()}


def return_latency(variants: Mapping[str, Variant], repetitions: int) -> dict[str, float]:
    """Variant to the median wall milliseconds until `invoke()` returns; nothing of earlier runs is going on then."""
    workload = Workload("trivial", "sync", 100)
    candidates = {BARE: BareSpans(recorded_spans(workload)), **variants}
    graph = build_graph(*workload)
    taken: dict[str, list[float]] = {name: [] for name in candidates}
    order = list(candidates)
    for _ in range(repetitions + 1):
        random.shuffle(order)
        for name in order:
            with candidates[name].attached() as callbacks:
                config = {"callbacks": callbacks, "recursion_limit": workload.steps + 5}
                gc.collect()
                start = time.perf_counter()
                graph.invoke({"messages": [HumanMessage("How much?")]}, config)
                taken[name].append(1e3 * (time.perf_counter() - start))
                candidates[name].flush()
    return {name: statistics.median(values[1:]) for name, values in taken.items()}


# --- Showing ------------------------------------------------------------------------------------------------------


def print_table(title: str, results: Mapping[int, Mapping[str, float]]) -> None:
    print(f"\n{title}\n")
    names = list(next(iter(results.values())))
    print("| | " + " | ".join(f"{steps} steps" for steps in results) + " |")
    print("|---|" + "---:|" * len(results))
    for name in names:
        cells = []
        for found in results.values():
            ratio = f" ({found[name] / found[BARE]:.2f}x)" if name not in ("", BARE) else ""
            cells.append(f"{found[name]:.0f}{ratio}")
        print(f"| {name or 'a step without callback'} | " + " | ".join(cells) + " |")


def print_environment() -> None:
    names = ["langgraph", "langchain-core", "opentelemetry-sdk", *(peer for peer, _ in PEERS.values())]
    for name in names:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            print(f"{name} {importlib.metadata.version(name)}")
    print(f"Python {platform.python_version()}, {platform.machine()}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer repetitions and sizes")
    parser.add_argument("--repetitions", type=int)
    parser.add_argument("--steps", type=int, nargs="+")
    parser.add_argument("--nodes", nargs="+", default=["trivial", "llm"], choices=["trivial", "llm"])
    parser.add_argument("--modes", nargs="+", default=["sync", "async"], choices=["sync", "async"])
    parser.add_argument("--only", nargs="+", help="variants to measure beside bare spans")
    options = parser.parse_args()
    repetitions = options.repetitions or (5 if options.quick else 15)
    steps = options.steps or ((50, 200) if options.quick else STEPS)
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # peers detach contexts where they cannot
    print_environment()
    variants = installed_variants()
    if options.only:
        variants = {name: variant for name, variant in variants.items() if name in options.only}
    for nodes in options.nodes:
        for mode in options.modes:
            results = {count: measure(Workload(nodes, mode, count), variants, repetitions) for count in steps}
            print_table(f"{nodes} nodes, {mode}: extra CPU microseconds per step", results)
    sleeper = CreditHooks(evaluate=lambda run: time.sleep(0.2) or True)
    ours = {"credit-hooks": CreditHooks(), "credit-hooks, evaluator sleeps 200 ms": sleeper}
    print("\nWall milliseconds until invoke() returns, 100 steps\n\n| | ms |\n|---|---:|")
    for name, taken in return_latency(ours, repetitions).items():
        print(f"| {name} | {taken:.2f} |")


if __name__ == "__main__":
    main()
