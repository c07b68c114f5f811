"""Spans of Microsoft Agent Framework, sorted into runs: which executor ran, what reached it, whom it asked.

An executor's spans are siblings below `workflow.run`; what one sent to another is a `message.send` span inside the
sender, which the receiver's `executor.process` span links to. These links are the graph of the run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Literal, TypeAlias

from credit_hooks.anyvalue import integer, text
from credit_hooks.spans import SpanData

__all__ = ["SCOPE", "Process", "Turn", "WorkflowRun", "kind_of", "workflow_runs"]

SCOPE: Final = "agent_framework"
Kind: TypeAlias = Literal["run", "process", "send", "turn", "chat", "tool"]
_OPERATIONS: Final[Mapping[str, Kind]] = {"invoke_agent": "turn", "chat": "chat", "execute_tool": "tool"}


def kind_of(span: SpanData) -> Kind | None:
    """What a span of the framework's stands for, by its scope and attributes. None: nothing that is read here."""
    if span.scope != SCOPE:
        return None
    attributes = span.attributes
    operation = text(attributes.get("gen_ai.operation.name"))
    if operation is not None:
        return _OPERATIONS.get(operation)
    if "executor.id" in attributes:
        return "process"
    if "edge_group.type" in attributes:
        return None
    if "message.type" in attributes:
        return "send"
    return "run" if "workflow.id" in attributes and "workflow_builder.name" not in attributes else None


class Turn:
    """An agent that was asked, and the model and tool calls of it."""

    def __init__(self, span: SpanData, process: Process, outer: Turn | None) -> None:
        self.span = span
        self.process = process
        self.outer = outer
        """The turn it runs inside of, as a tool does. None: none."""
        self.calls: list[SpanData] = []

    @property
    def agent(self) -> str:
        """The agent's name; its executor's where it states none."""
        attributes = self.span.attributes
        name = text(attributes.get("gen_ai.agent.name")) or text(attributes.get("gen_ai.agent.id"))
        return name or self.process.executor or "agent"


class Process:
    """An executor that handled a message."""

    def __init__(self, span: SpanData | None, place: int) -> None:
        self.span = span
        """None: an agent that runs in no workflow."""
        self.place = place
        """Its place in the run, by start."""
        self.sources: list[tuple[SpanData, Process]] = []
        """What was sent to it, and by whom."""
        self.before = 0
        """Places of all processes that something may have come from, as bits."""

    @property
    def executor(self) -> str | None:
        """Id of the executor."""
        return None if self.span is None else text(self.span.attributes.get("executor.id"))

    @property
    def is_answer(self) -> bool:
        """Whether it handled an answer to a request, such as a person's, and no message of another executor."""
        stated = None if self.span is None else text(self.span.attributes.get("message.type"))
        return (stated or "").rpartition(".")[2].upper() == "RESPONSE"

    def follows(self, place: int) -> bool:
        """Whether what the process at a place wrote can have reached this one; its own can."""
        return place == self.place or bool(self.before >> place & 1)


class WorkflowRun:
    """One run: its processes and turns by start."""

    def __init__(self, root: SpanData) -> None:
        self.root = root
        self.processes: list[Process] = []
        self.turns: list[Turn] = []


class _Tree:
    """The spans of the framework by id, and what is around each."""

    def __init__(self, spans: Iterable[SpanData]) -> None:
        self.spans: dict[tuple[str, str], SpanData] = {}
        for span in spans:
            key = (span.trace_id, span.span_id)
            twin = self.spans.get(key)
            if twin is None or _richness(span) > _richness(twin):
                self.spans[key] = span
        self.own = sorted((span for span in self.spans.values() if kind_of(span)), key=_order)

    def around(self, span: SpanData) -> Iterator[SpanData]:
        """The spans around a span, nearest first, foreign ones too."""
        seen = {span.span_id}
        while span.parent_id is not None and span.parent_id not in seen:
            seen.add(span.parent_id)
            found = self.spans.get((span.trace_id, span.parent_id))
            if found is None:
                return
            yield found
            span = found

    def nearest(self, span: SpanData, kind: Kind) -> SpanData | None:
        """The nearest span around of a kind."""
        return next((found for found in self.around(span) if kind_of(found) == kind), None)

    def root(self, span: SpanData) -> tuple[SpanData, tuple[str, str]]:
        """The outermost span of the run, and what tells the run from others; where the root is lost, its id does."""
        path = [span, *self.around(span)]
        outermost = next((found for found in reversed(path) if kind_of(found) == "run"), None)
        if outermost is not None:
            return outermost, (outermost.trace_id, outermost.span_id)
        outermost = next(found for found in reversed(path) if kind_of(found))
        lost = outermost.parent_id if kind_of(outermost) == "process" else None
        return outermost, (outermost.trace_id, lost or outermost.span_id)


def workflow_runs(spans: Iterable[SpanData]) -> list[WorkflowRun]:
    """Runs by start: each outermost workflow, and each agent that runs in none."""
    tree = _Tree(spans)
    runs: dict[tuple[str, str], WorkflowRun] = {}
    builders: dict[tuple[str, str], _Builder] = {}
    for span in tree.own:
        root, key = tree.root(span)
        if key not in runs:
            runs[key] = WorkflowRun(root)
            builders[key] = _Builder(runs[key], tree)
        builders[key].take(span)
    for builder in builders.values():
        builder.connect()
    return [run for run in runs.values() if run.turns]


class _Builder:
    def __init__(self, run: WorkflowRun, tree: _Tree) -> None:
        self.run = run
        self.tree = tree
        self.processes: dict[str, Process] = {}
        self.turns: dict[str, Turn] = {}
        self.spans: dict[Kind, list[SpanData]] = {
            kind: [] for kind in ("run", "process", "send", "turn", "chat", "tool")
        }

    def take(self, span: SpanData) -> None:
        """Spans come by start, but clocks are coarse: nothing is looked up before all are there."""
        kind = kind_of(span)
        assert kind is not None
        self.spans[kind].append(span)

    def connect(self) -> None:
        for span in self.spans["process"]:
            process = self.processes[span.span_id] = Process(span, len(self.run.processes))
            self.run.processes.append(process)
        for span in self.spans["turn"]:
            self.turns[span.span_id] = Turn(span, self._process(span), None)
            self.run.turns.append(self.turns[span.span_id])
        for turn in self.run.turns:
            outer = self.tree.nearest(turn.span, "turn")
            turn.outer = None if outer is None else self.turns.get(outer.span_id)
        for span in sorted([*self.spans["chat"], *self.spans["tool"]], key=_order):
            inside = self.tree.nearest(span, "turn")
            if inside is not None and inside.span_id in self.turns:
                self.turns[inside.span_id].calls.append(span)
        self._link()

    def _process(self, span: SpanData) -> Process:
        around = self.tree.nearest(span, "process")
        known = None if around is None else self.processes.get(around.span_id)
        if known is None:
            known = Process(None, len(self.run.processes))
            self.run.processes.append(known)
        return known

    def _link(self) -> None:
        sent = {(span.trace_id, span.span_id): span for span in self.spans["send"]}
        latest: dict[str, Process] = {}
        for process in self.run.processes:
            reached: dict[int, Process] = {}
            for link in () if process.span is None else process.span.links:
                send = sent.get((link.trace_id, link.span_id))
                around = None if send is None else self.tree.nearest(send, "process")
                source = None if around is None else self.processes.get(around.span_id)
                if send is not None and source is not None and source.place < process.place:
                    process.sources.append((send, source))
                    reached[source.place] = source
            if process.executor is not None:
                own = latest.get(process.executor)
                if own is not None:
                    reached[own.place] = own
                latest[process.executor] = process
            for place, source in reached.items():
                process.before |= source.before | 1 << place


def _richness(span: SpanData) -> tuple[int, str]:
    return len(span.attributes), repr(span)


def _order(span: SpanData) -> tuple[float, str, str]:
    start = integer(span.start_ns)
    return float("inf") if start is None else start, span.trace_id, span.span_id
