"""Fixed ids, a fixed clock, span trees as one literal, and a small run: what tests of spans share."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.id_generator import IdGenerator

from credit_hooks import semconv
from credit_hooks.anyvalue import json_value
from credit_hooks.genai import encode_message
from credit_hooks.native import ADAPTER
from credit_hooks.rewards import Credit, CreditedRun, Reward
from credit_hooks.spans import EventData, LinkData, SpanData, SpanStatus
from credit_hooks.trajectory import Outcome, Part, TextPart, ToolCallPart, ToolResultPart

__all__ = ["FixedClock", "FixedIds", "sample_run", "sample_spans", "span_data", "span_tree"]


class FixedIds(IdGenerator):
    """Trace ids and span ids 1, 2, 3, ... in the order in which they are asked for."""

    def __init__(self) -> None:
        self._trace_ids = itertools.count(1)
        self._span_ids = itertools.count(1)

    def generate_trace_id(self) -> int:
        """The next trace id."""
        return next(self._trace_ids)

    def generate_span_id(self) -> int:
        """The next span id."""
        return next(self._span_ids)


class FixedClock:
    """A clock that advances by `step_ns` whenever it is read; safe to read from several threads."""

    def __init__(self, start_ns: int = 1_000_000_000, step_ns: int = 1_000_000) -> None:
        self._lock = threading.Lock()
        self._next = start_ns
        self._step = step_ns

    def __call__(self) -> int:
        """Nanoseconds since the epoch."""
        with self._lock:
            now = self._next
            self._next += self._step
        return now


_STATUSES: Final[Mapping[int, SpanStatus]] = {0: "unset", 1: "ok", 2: "error"}


def span_data(span: ReadableSpan) -> SpanData:
    """A finished OpenTelemetry span as span data, so that what a test exported can be read."""
    context, parent = span.get_span_context(), span.parent
    if context is None:
        raise ValueError("a span without a context has no id")
    return SpanData(
        name=span.name,
        trace_id=f"{context.trace_id:032x}",
        span_id=f"{context.span_id:016x}",
        parent_id=None if parent is None else f"{parent.span_id:016x}",
        start_ns=span.start_time,
        end_ns=span.end_time,
        status=_STATUSES[span.status.status_code.value],
        status_message=span.status.description,
        attributes=dict(span.attributes or {}),
        events=tuple(EventData(event.name, event.timestamp, dict(event.attributes or {})) for event in span.events),
        links=tuple(
            LinkData(f"{link.context.trace_id:032x}", f"{link.context.span_id:016x}", dict(link.attributes or {}))
            for link in span.links
        ),
        scope="" if span.instrumentation_scope is None else span.instrumentation_scope.name,
        resource=dict(span.resource.attributes),
    )


def span_tree(
    spans: Iterable[SpanData | ReadableSpan], *, keep: Callable[[str], bool] = lambda key: True
) -> list[dict[str, Any]]:
    """Spans as nested plain dicts, children by start, to compare with one literal in a test.

    `keep` chooses attribute keys. Span ids and times are left out; a span id inside an attribute value reads as the
    name of its span, so the literal stays the same whatever ids were drawn.
    """
    data = [span if isinstance(span, SpanData) else span_data(span) for span in spans]
    names = {span.span_id: span.name for span in data}
    children: dict[str | None, list[SpanData]] = {}
    for span in sorted(data, key=lambda span: (span.start_ns or 0, span.span_id)):
        children.setdefault(span.parent_id if span.parent_id in names else None, []).append(span)

    def literal(span: SpanData) -> dict[str, Any]:
        kept = {key: _named(span.attributes[key], names) for key in sorted(span.attributes) if keep(key)}
        optional = {
            "status": None if span.status == "unset" else span.status,
            "attributes": kept,
            "events": [event.name for event in span.events],
            "links": [names.get(link.span_id, link.span_id) for link in span.links],
            "children": [literal(child) for child in children.get(span.span_id, ())],
        }
        return {"name": span.name} | {key: value for key, value in optional.items() if value}

    return [literal(root) for root in children.get(None, ())]


def _named(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return names.get(value, value)
    if isinstance(value, list | tuple):
        return [_named(item, names) for item in value]
    return json_value(value)


# --- A small run --------------------------------------------------------------------------------------------------

_TRACE: Final = f"{1:032x}"
_AGENTS: Final = ("planner", "solver", "checker")


def sample_spans() -> list[SpanData]:
    """The spans of one run: a human asks, a planner plans, a solver calls a model and a tool, a checker answers."""
    clock = FixedClock()
    root = _span(1, None, "invoke_workflow team", semconv.OPERATION_WORKFLOW, clock, _root_attributes(clock))
    planner = _agent(2, "planner", clock, ["m0"], {**_writes(1, "planner", TextPart(text="Compute 6 * 7."), clock)})
    call = ToolCallPart(id="call-1", name="multiply", arguments={"a": 6, "b": 7})
    asked, returned = _writes(2, "solver", call, clock), _writes(3, "multiply", _RESULT, clock, role="tool")
    reads = {semconv.CREDIT_READS_BASE: f"{2:016x}", semconv.CREDIT_READS_NEW: ["m1"]}
    solver = _agent(3, "solver", clock, [], {**_joined(asked, returned), **reads})
    chat = _span(4, 3, "chat toy-1", semconv.OPERATION_CHAT, clock, _CHAT)
    tool = _span(5, 3, "execute_tool multiply", semconv.OPERATION_TOOL, clock, _TOOL)
    reads = {semconv.CREDIT_READS_BASE: f"{3:016x}", semconv.CREDIT_READS_NEW: ["m2", "m3"]}
    answer = _writes(4, "checker", TextPart(text="The answer is 42."), clock)
    return [root, planner, solver, chat, tool, _agent(6, "checker", clock, [], {**answer, **reads})]


_RESULT: Final = ToolResultPart(id="call-1", name="multiply", result=42, is_error=False)
_CHAT: Final[Mapping[str, Any]] = {
    semconv.CREDIT_ACTOR_ID: "solver",
    semconv.CREDIT_READS_NEW: ["m1"],
    semconv.CREDIT_GENERATES: ["m2"],
    semconv.GEN_AI_REQUEST_MODEL: "toy-1",
    semconv.GEN_AI_USAGE_INPUT_TOKENS: 12,
    semconv.GEN_AI_USAGE_OUTPUT_TOKENS: 5,
    semconv.GEN_AI_SYSTEM_INSTRUCTIONS: json.dumps([{"type": "text", "content": "You solve."}]),
}
_TOOL: Final[Mapping[str, Any]] = {
    semconv.CREDIT_ACTOR_ID: "solver",
    semconv.CREDIT_READS_NEW: ["m2"],
    semconv.CREDIT_GENERATES: ["m3"],
    semconv.GEN_AI_TOOL_NAME: "multiply",
    semconv.GEN_AI_TOOL_CALL_ID: "call-1",
}


def sample_run() -> CreditedRun:
    """The run of :func:`sample_spans`, succeeded and credited: the human unscored, everyone else signed."""
    (trajectory,) = ADAPTER.trajectories(sample_spans())
    trajectory = trajectory.with_outcome(Outcome(score=1.0, success=True, baseline=0.25))
    values = {"m0": None, "m1": 0.5, "m2": 0.25, "m3": 0.125, "m4": -0.125}
    rewards = [
        Reward(message_id=message.id, actor_id=message.actor_id, reward=values[message.id])
        for message in trajectory.messages
    ]
    agents: dict[str, float] = {}
    for reward in rewards:
        agents[reward.actor_id] = agents.get(reward.actor_id, 0.0) + (reward.reward or 0.0)
    credit = Credit(
        trajectory_id=trajectory.id,
        outcome=1.0,
        baseline=0.25,
        total=0.75,
        method="sample",
        agents=agents,
        messages=tuple(rewards),
    )
    return CreditedRun(trajectory=trajectory, credit=credit)


def _span(
    number: int, parent: int | None, name: str, operation: str, clock: FixedClock, attributes: Mapping[str, Any]
) -> SpanData:
    return SpanData(
        name=name,
        trace_id=_TRACE,
        span_id=f"{number:016x}",
        parent_id=None if parent is None else f"{parent:016x}",
        start_ns=clock(),
        end_ns=clock(),
        attributes={semconv.GEN_AI_OPERATION_NAME: operation, **attributes},
        scope="credit_hooks",
    )


def _agent(number: int, name: str, clock: FixedClock, reads: list[str], attributes: Mapping[str, Any]) -> SpanData:
    own = {
        semconv.GEN_AI_AGENT_NAME: name,
        semconv.CREDIT_ACTOR_ID: name,
        semconv.CREDIT_STEP_STATUS: "ok",
        semconv.CREDIT_READS_NEW: reads,
    }
    return _span(number, 1, f"invoke_agent {name}", semconv.OPERATION_AGENT, clock, {**own, **attributes})


def _root_attributes(clock: FixedClock) -> dict[str, Any]:
    actors = [
        {"id": "human", "name": "human", "kind": "human"},
        *({"id": name, "name": name, "kind": "agent"} for name in _AGENTS),
        {"id": "multiply", "name": "multiply", "kind": "tool"},
    ]
    written = _writes(0, "human", TextPart(text="What is 6 * 7?"), clock, role="user")
    written[semconv.GEN_AI_INPUT_MESSAGES] = written.pop(semconv.GEN_AI_OUTPUT_MESSAGES)
    return {
        semconv.GEN_AI_WORKFLOW_NAME: "team",
        semconv.CREDIT_RUN_ID: "run-1",
        semconv.CREDIT_SCHEMA_VERSION: "1",
        semconv.CREDIT_FRAMEWORK: "langgraph",
        semconv.CREDIT_RUN_STATUS: "ok",
        semconv.SESSION_ID: "thread-1",
        semconv.CREDIT_ANSWER_ID: "m4",
        semconv.CREDIT_ACTORS: json.dumps(actors),
        **written,
    }


def _writes(index: int, author: str, part: Part, clock: FixedClock, *, role: str = "assistant") -> dict[str, Any]:
    return {
        semconv.CREDIT_WRITES: [f"m{index}"],
        semconv.CREDIT_WRITES_INDEX: [index],
        semconv.CREDIT_WRITES_ROLE: [role],
        semconv.CREDIT_WRITES_AUTHOR: [author],
        semconv.CREDIT_WRITES_CHANNEL: ["messages"],
        semconv.CREDIT_WRITES_TIME: [clock()],
        semconv.GEN_AI_OUTPUT_MESSAGES: json.dumps([encode_message(role, [part])]),
    }


def _joined(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Two writes of one span."""
    contents = semconv.GEN_AI_OUTPUT_MESSAGES
    both = {key: [*first[key], *second[key]] for key in first if key != contents}
    return {**both, contents: json.dumps([*json.loads(first[contents]), *json.loads(second[contents])])}
