"""OpenInference spans (Phoenix, smolagents, many instrumentations): span data to trajectories.

Source: OpenInference `semantic_conventions.md`. Spans without `openinference.span.kind` are passed over, whoever is
below them. A model's reply and a tool's result are messages. So is what a model was given and nobody is known to have
written: instructions, questions, observations of executed code. Who read what follows from the prompts themselves: an
entry of a prompt *is* an earlier reply where it holds the same text, also where a framework wrapped it
(`[PLAN]: ...`, `Observation: ...`). Equal entries of one prompt stay apart, as a turn may truly be repeated. An agent
that has ended hands what it wrote last to its caller.

The conventions state no outcome: evaluate the trajectories, or read annotations beside them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from credit_hooks import semconv
from credit_hooks.anyvalue import integer, json_value, parse_json, text
from credit_hooks.errors import TrajectoryError
from credit_hooks.genai import decode_parts
from credit_hooks.spans import SpanData
from credit_hooks.trajectory import (
    Actor,
    ActorKind,
    Message,
    ReadSet,
    Step,
    StepKind,
    TextPart,
    ToolResultPart,
    Trajectory,
    Usage,
)
from credit_hooks_adapters.flattened import INPUT_MESSAGES, OUTPUT_MESSAGES, flattened_messages
from credit_hooks_adapters.prompts import Call, Conversation

__all__ = ["ADAPTER", "OpenInferenceAdapter"]

_STEP_KINDS: Final[Mapping[str, StepKind]] = {"AGENT": "agent", "LLM": "chat", "TOOL": "tool"}
_APPLICATION: Final = "application"
"""Author of replies to calls that no agent's span surrounds."""
_CONTENT: Final = (INPUT_MESSAGES, OUTPUT_MESSAGES)
_READ: Final = frozenset(
    {
        semconv.OPENINFERENCE_SPAN_KIND,
        semconv.INPUT_VALUE,
        semconv.INPUT_MIME_TYPE,
        semconv.OUTPUT_VALUE,
        semconv.OUTPUT_MIME_TYPE,
        semconv.SESSION_ID,
        semconv.AGENT_NAME,
        semconv.LLM_MODEL_NAME,
        semconv.LLM_TOKEN_COUNT_PROMPT,
        semconv.LLM_TOKEN_COUNT_COMPLETION,
        semconv.TOOL_NAME,
    }
)


class OpenInferenceAdapter:
    """Reads spans of OpenInference instrumentations."""

    name = "openinference"

    def recognises(self, spans: Sequence[SpanData]) -> float:
        """0.6 if a model call, agent or tool is among the spans, else 0.0: other dialects may say more."""
        return 0.6 if any(_kind(span) in _STEP_KINDS for span in spans) else 0.0

    def trajectories(self, spans: Iterable[SpanData]) -> Iterator[Trajectory]:
        """One trajectory per trace, by start; independent of the order of the spans.

        Raises:
            TrajectoryError: no span is a model call, an agent or a tool of OpenInference.
        """
        traces: dict[str, dict[str, SpanData]] = {}
        for span in sorted(spans, key=_canonical):
            traces.setdefault(span.trace_id, {}).setdefault(span.span_id, span)
        runs = [
            _Trace(spans_of) for spans_of in traces.values() if any(_kind(s) in _STEP_KINDS for s in spans_of.values())
        ]
        if not runs:
            raise TrajectoryError(
                f"no span has {semconv.OPENINFERENCE_SPAN_KIND} = {' or '.join(_STEP_KINDS)}: "
                "these are no OpenInference spans of a run"
            )
        for run in sorted(runs, key=lambda run: _canonical(run.spans[0])):
            yield run.trajectory()


ADAPTER: Final = OpenInferenceAdapter()


def _kind(span: SpanData) -> str:
    return text(span.attributes.get(semconv.OPENINFERENCE_SPAN_KIND)) or ""


def _canonical(span: SpanData) -> tuple[float, float, str, str]:
    return (*_times(span), span.trace_id, span.span_id)


def _times(span: SpanData) -> tuple[float, float]:
    """Start and end; unknown starts come first, and nothing ends before it starts."""
    start = -math.inf if span.start_ns is None else float(span.start_ns)
    return start, max(start, start if span.end_ns is None else float(span.end_ns))


class _Trace:
    """The spans of one trace, read once."""

    def __init__(self, spans: Mapping[str, SpanData]) -> None:
        self._by_id = spans
        self.spans = [span for span in spans.values() if _kind(span)]
        self._parents = {span.span_id: self._ancestors(span) for span in self.spans}
        self._steps: dict[str, Step] = {}
        self._actors: dict[str, Actor] = {}
        self._conversation = Conversation()

    def trajectory(self) -> Trajectory:
        for _, start, span in self._events():
            if start:
                self._begin(span)
            elif _kind(span) == "LLM":
                self._reply(span)
            elif _kind(span) == "TOOL":
                self._result(span)
            elif _kind(span) == "AGENT":
                self._conversation.hand_back(self._actor(span), self._agent_around(span))
        root = self.spans[0]
        messages = self._conversation.messages
        wrote: dict[str, list[str]] = {}
        for message in messages:
            if message.step_id is not None:
                wrote.setdefault(message.step_id, []).append(message.id)
        return Trajectory(
            id=root.trace_id,
            source=OpenInferenceAdapter.name,
            framework=text(root.resource.get("service.name")),
            name=root.name or None,
            status="error" if root.status == "error" else "ok" if root.status == "ok" else "unknown",
            session_id=next((s for span in self.spans if (s := text(span.attributes.get(semconv.SESSION_ID)))), None),
            task=self._task(),
            actors=tuple({**self._conversation.actors, **self._actors}.values()),
            messages=messages,
            steps=tuple(
                step.model_copy(update={"output_message_ids": tuple(wrote.get(step.id, ()))})
                for step in (*self._steps.values(), *self._conversation.steps)
            ),
        )

    def _events(self) -> list[tuple[tuple[float, float, bool, str], bool, SpanData]]:
        """Starts and ends in time; what ended at the moment another span began was there for it."""
        found = []
        for span in self.spans:
            start, end = _times(span)
            found.append(((start, start, False, span.span_id), True, span))
            found.append(((end, start, True, span.span_id), False, span))
        return sorted(found, key=lambda event: event[0])

    def _ancestors(self, span: SpanData) -> list[SpanData]:
        """The spans around it, innermost first; those of other instrumentations are passed over."""
        found: list[SpanData] = []
        seen = {span.span_id}
        current = self._by_id.get(span.parent_id or "")
        while current is not None and current.span_id not in seen:
            seen.add(current.span_id)
            if _kind(current):
                found.append(current)
            current = self._by_id.get(current.parent_id or "")
        return found

    def _begin(self, span: SpanData) -> None:
        attributes, around = span.attributes, self._parents[span.span_id]
        kind = _STEP_KINDS.get(_kind(span), "unknown")
        actor = None if kind == "unknown" else self._actor(span)
        reads = ReadSet()
        if kind == "chat":
            call = Call(span.span_id, self._actors[actor or _APPLICATION], span.start_ns)
            reads = self._conversation.prompt(call, flattened_messages(attributes, INPUT_MESSAGES))
        elif kind == "tool":
            reads = ReadSet(new=self._conversation.last_of(self._agent_around(span)))
        usage = Usage(
            input_tokens=integer(attributes.get(semconv.LLM_TOKEN_COUNT_PROMPT)),
            output_tokens=integer(attributes.get(semconv.LLM_TOKEN_COUNT_COMPLETION)),
        )
        self._steps[span.span_id] = Step(
            id=span.span_id,
            parent_id=around[0].span_id if around else None,
            trace_id=span.trace_id,
            kind=kind,
            name=span.name,
            actor_id=actor,
            start_ns=span.start_ns,
            end_ns=span.end_ns,
            status="error" if span.status == "error" else "ok" if span.status == "ok" else "unknown",
            error=span.status_message if span.status == "error" else None,
            model=text(attributes.get(semconv.LLM_MODEL_NAME)),
            usage=usage if usage != Usage() else None,
            reads=reads,
            links=tuple(link.span_id for link in span.links),
            attributes={
                key: json_value(value)
                for key, value in attributes.items()
                if key not in _READ and not key.startswith(_CONTENT)
            },
        )

    def _reply(self, span: SpanData) -> None:
        for reply in flattened_messages(span.attributes, OUTPUT_MESSAGES):
            if reply.parts:
                self._write(span, "assistant", reply.role, reply.parts, reply.text)

    def _result(self, span: SpanData) -> None:
        output = span.attributes.get(semconv.OUTPUT_VALUE)
        if output is None and span.status != "error":
            return
        shown = decode_parts(output)
        said = shown[0].text if len(shown) == 1 and isinstance(shown[0], TextPart) else None
        name = self._steps[span.span_id].actor_id
        failed = True if span.status == "error" else None
        part = ToolResultPart(name=name, result=said, is_error=failed)
        self._write(span, "tool", "tool", (part,) if said is not None or failed else shown, said or "")

    def _write(self, span: SpanData, role: str, raw: str, parts: tuple[Any, ...], said: str) -> None:
        self._conversation.write(
            Message(
                id=f"{span.span_id}.out",
                index=0,
                actor_id=self._steps[span.span_id].actor_id or _APPLICATION,
                step_id=span.span_id,
                generated_by=span.span_id,
                role=role,
                role_raw=raw if raw != role else None,
                parts=parts,
                timestamp=span.end_ns,
                usage=self._steps[span.span_id].usage if role == "assistant" else None,
                error=span.status_message if span.status == "error" else None,
            ),
            said,
        )

    def _agent_around(self, span: SpanData) -> str:
        around = next((other for other in self._parents[span.span_id] if _kind(other) == "AGENT"), None)
        if around is None:
            return _APPLICATION
        return self._actor(around)

    def _actor(self, span: SpanData) -> str:
        """The actor of an agent, model call or tool; an agent inside another is named by the way to it."""
        if _kind(span) == "TOOL":
            return self._known(text(span.attributes.get(semconv.TOOL_NAME)) or span.name or "tool", "tool")
        if _kind(span) == "LLM":
            return self._known(self._agent_around(span), "agent")
        outer = next((other for other in self._parents[span.span_id] if _kind(other) == "AGENT"), None)
        name = text(span.attributes.get(semconv.AGENT_NAME)) or span.name or "agent"
        if outer is None:
            return self._known(name, "agent")
        parent = self._actor(outer)
        return self._known(f"{parent}/{name}", "agent", name=name, parent=parent)

    def _known(self, actor_id: str, kind: ActorKind, *, name: str | None = None, parent: str | None = None) -> str:
        actor = Actor(id=actor_id, name=name or actor_id, kind=kind, parent_id=parent)
        return self._actors.setdefault(actor_id, actor).id

    def _task(self) -> str | None:
        """What the outermost agent was given as its task, where it says so."""
        for span in self.spans:
            if _kind(span) == "AGENT":
                given = parse_json(span.attributes.get(semconv.INPUT_VALUE))
                return text(given.get("task")) if isinstance(given, Mapping) else None
        return None
