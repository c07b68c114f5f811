"""The reader of our own spans (docs/spans.md): span data to trajectories, live or from a stored trace.

Rewards on the spans are not part of a trajectory, so a run reads the same before and after it was credited; only a
stated outcome is. Every value is read leniently: what is missing, cut or of the wrong type is left out, never raised.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, get_args

from pydantic import JsonValue

from credit_hooks import semconv
from credit_hooks.anyvalue import identifiers, integer, json_value, number, parse_json, text
from credit_hooks.errors import TrajectoryError
from credit_hooks.genai import decode_parts, decode_tools
from credit_hooks.native_messages import written_messages
from credit_hooks.span_runs import SpanRun, is_run, span_runs
from credit_hooks.spans import SpanData
from credit_hooks.trajectory import (
    SCHEMA_VERSION,
    Actor,
    ActorKind,
    Message,
    Outcome,
    ReadSet,
    Step,
    StepKind,
    TextPart,
    Tool,
    Trajectory,
    Usage,
)

__all__ = ["ADAPTER", "NativeAdapter", "essentials"]

_KINDS: Final[Mapping[str, StepKind]] = {
    semconv.OPERATION_WORKFLOW: "workflow",
    semconv.OPERATION_AGENT: "agent",
    semconv.OPERATION_CHAT: "chat",
    semconv.OPERATION_TOOL: "tool",
}
_STATUSES: Final = frozenset(get_args(Step.model_fields["status"].annotation))
_RUN_STATUSES: Final = frozenset(get_args(Trajectory.model_fields["status"].annotation))
_ACTOR_KINDS: Final = frozenset(get_args(ActorKind))

# Attributes that do not go into Step.attributes: the schema has a field for them, they are content, or they mirror
# another attribute for the sake of a backend. Of `credit.*` only _KEPT does: all else has a field or is a result.
_KEPT: Final = frozenset({semconv.CREDIT_REMOVES})
_READ: Final = frozenset(
    {
        semconv.GEN_AI_OPERATION_NAME,
        semconv.GEN_AI_WORKFLOW_NAME,
        semconv.GEN_AI_AGENT_NAME,
        semconv.GEN_AI_REQUEST_MODEL,
        semconv.GEN_AI_USAGE_INPUT_TOKENS,
        semconv.GEN_AI_USAGE_OUTPUT_TOKENS,
        semconv.GEN_AI_INPUT_MESSAGES,
        semconv.GEN_AI_OUTPUT_MESSAGES,
        semconv.GEN_AI_SYSTEM_INSTRUCTIONS,
        semconv.GEN_AI_TOOL_CALL_ARGUMENTS,
        semconv.GEN_AI_TOOL_CALL_RESULT,
        semconv.GEN_AI_TOOL_DEFINITIONS,
        semconv.ERROR_TYPE,
        semconv.OPENINFERENCE_SPAN_KIND,
        semconv.INPUT_VALUE,
        semconv.INPUT_MIME_TYPE,
        semconv.OUTPUT_VALUE,
        semconv.OUTPUT_MIME_TYPE,
        semconv.SESSION_ID,
        semconv.AGENT_NAME,
        semconv.GRAPH_NODE_ID,
        semconv.GRAPH_NODE_PARENT_ID,
        semconv.LLM_MODEL_NAME,
        semconv.LLM_TOKEN_COUNT_PROMPT,
        semconv.LLM_TOKEN_COUNT_COMPLETION,
        semconv.TOOL_NAME,
    }
)


_REPEATED: Final = frozenset({semconv.INPUT_VALUE, semconv.OUTPUT_VALUE})
_REPEATED_IN_STEPS: Final = _REPEATED | {semconv.GEN_AI_INPUT_MESSAGES}
"""Content that backends show and that the messages say as well."""


def essentials(content: Mapping[str, Any], *, of_root: bool) -> dict[str, Any]:
    """A span's content without what the reader never looks at: mirrored values, and prompts, which repeat messages.

    With a model that is given a growing history, prompts are nearly all of a run's bytes.
    """
    left_out = _REPEATED if of_root else _REPEATED_IN_STEPS
    return {key: value for key, value in content.items() if key not in left_out}


class NativeAdapter:
    """Reads the spans that credit-hooks writes."""

    name = "credit_hooks"

    def recognises(self, spans: Sequence[SpanData]) -> float:
        """1.0 if a run of ours starts among the spans, else 0.0."""
        return 1.0 if any(is_run(span) for span in spans) else 0.0

    def trajectories(self, spans: Iterable[SpanData]) -> Iterator[Trajectory]:
        """One trajectory per run, by start; independent of the order of the spans.

        Raises:
            TrajectoryError: no span starts a run.
        """
        runs = span_runs(spans)
        if not runs:
            raise TrajectoryError(
                f"no span has {semconv.GEN_AI_OPERATION_NAME} = {semconv.OPERATION_WORKFLOW} and a "
                f"{semconv.CREDIT_RUN_ID}: these spans were not written by credit-hooks, or the root span is missing"
            )
        for run in runs:
            yield _trajectory(run)


ADAPTER: Final = NativeAdapter()


# --- From a run to its trajectory ---------------------------------------------------------------------------------


def _trajectory(run: SpanRun) -> Trajectory:
    attributes = run.root.attributes
    steps = tuple(_step(span, run) for span in run.spans)
    messages = written_messages(run, steps)
    return Trajectory(
        id=text(attributes.get(semconv.CREDIT_RUN_ID)) or run.root.span_id,
        framework=text(attributes.get(semconv.CREDIT_FRAMEWORK)),
        source=NativeAdapter.name,
        name=text(attributes.get(semconv.GEN_AI_WORKFLOW_NAME)),
        status=_one_of(_RUN_STATUSES, attributes.get(semconv.CREDIT_RUN_STATUS)) or "unknown",
        task_id=text(attributes.get(semconv.CREDIT_TASK_ID)),
        group_id=text(attributes.get(semconv.CREDIT_GROUP_ID)),
        session_id=text(attributes.get(semconv.SESSION_ID)),
        actors=_actors(run, messages),
        messages=messages,
        steps=steps,
        answer_id=text(attributes.get(semconv.CREDIT_ANSWER_ID)),
        outcome=_outcome(attributes),
        tools=_tools(run),
        meta=_run_meta(attributes),
    )


def _run_meta(attributes: Mapping[str, Any]) -> dict[str, JsonValue]:
    """What the root says that the schema has no field for."""
    version = text(attributes.get(semconv.CREDIT_SCHEMA_VERSION))
    other_version = None if version == SCHEMA_VERSION else version
    resumes = text(attributes.get(semconv.CREDIT_RESUMES))
    truncated = True if attributes.get(semconv.CREDIT_TRUNCATED) is True else None
    meta: dict[str, JsonValue] = {
        semconv.CREDIT_SCHEMA_VERSION: other_version,
        semconv.CREDIT_RESUMES: resumes,
        semconv.CREDIT_TRUNCATED: truncated,
    }
    return {key: value for key, value in meta.items() if value is not None}


def _outcome(attributes: Mapping[str, Any]) -> Outcome | None:
    score = _unit(attributes.get(semconv.CREDIT_OUTCOME))
    if score is None:
        return None
    stated = attributes.get(semconv.CREDIT_SUCCESS)
    success = stated if isinstance(stated, bool) else None
    return Outcome(success=success, score=score, baseline=_unit(attributes.get(semconv.CREDIT_BASELINE)))


def _unit(value: Any) -> float | None:
    result = number(value)
    return result if result is not None and 0.0 <= result <= 1.0 else None


def _step(span: SpanData, run: SpanRun) -> Step:
    attributes = span.attributes
    kind = _KINDS.get(text(attributes.get(semconv.GEN_AI_OPERATION_NAME)) or "", "unknown")
    base = text(attributes.get(semconv.CREDIT_READS_BASE))
    reads = ReadSet(
        base=base or None,
        new=identifiers(attributes.get(semconv.CREDIT_READS_NEW)),
        dropped=identifiers(attributes.get(semconv.CREDIT_READS_DROPPED)),
    )
    return Step(
        id=span.span_id,
        parent_id=run.parents[span.span_id],
        trace_id=span.trace_id,
        kind=kind,
        name=text(span.name) or "",
        actor_id=text(attributes.get(semconv.CREDIT_ACTOR_ID)),
        start_ns=integer(span.start_ns),
        end_ns=integer(span.end_ns),
        status=_status(span),
        error=_error(span),
        model=text(attributes.get(semconv.GEN_AI_REQUEST_MODEL)),
        usage=_usage(attributes),
        reads=reads,
        output_message_ids=identifiers(attributes.get(semconv.CREDIT_WRITES)),
        scheduled_by=identifiers(attributes.get(semconv.CREDIT_SCHEDULED_BY)),
        links=identifiers([link.span_id for link in span.links]),
        attributes={
            key: json_value(value)
            for key, value in attributes.items()
            if key not in _READ and (not key.startswith("credit.") or key in _KEPT)
        },
    )


def _status(span: SpanData) -> Any:
    for key in (semconv.CREDIT_STEP_STATUS, semconv.CREDIT_RUN_STATUS):
        stated = _one_of(_STATUSES, span.attributes.get(key))
        if stated is not None:
            return stated
    if span.status == "error":
        return "error"
    return "unknown" if span.end_ns is None else "ok"


def _one_of(values: frozenset[str], value: Any) -> Any:
    """The value where the schema knows it. Typed loosely: a Literal cannot be narrowed by membership."""
    stated = text(value)
    return stated if stated in values else None


def _error(span: SpanData) -> str | None:
    stated = text(span.attributes.get(semconv.ERROR_TYPE))
    return stated or (text(span.status_message) or None if span.status == "error" else None)


def _usage(attributes: Mapping[str, Any]) -> Usage | None:
    spent = integer(attributes.get(semconv.GEN_AI_USAGE_INPUT_TOKENS))
    made = integer(attributes.get(semconv.GEN_AI_USAGE_OUTPUT_TOKENS))
    return None if spent is None and made is None else Usage(input_tokens=spent, output_tokens=made)


# --- Actors -------------------------------------------------------------------------------------------------------


def _actors(run: SpanRun, messages: Sequence[Message]) -> tuple[Actor, ...]:
    """Those listed on the root, then those that only spans or messages name."""
    actors: dict[str, dict[str, Any]] = {}
    for actor in _listed_actors(run.root.attributes.get(semconv.CREDIT_ACTORS)):
        actors.setdefault(actor["id"], actor)
    for span in run.spans:
        actor_id = text(span.attributes.get(semconv.CREDIT_ACTOR_ID))
        if actor_id:
            name = text(span.attributes.get(semconv.GEN_AI_AGENT_NAME))
            kind = _one_of(_ACTOR_KINDS, span.attributes.get(semconv.CREDIT_ACTOR_KIND)) or "agent"
            actors.setdefault(actor_id, {"id": actor_id, "name": name or actor_id, "kind": kind})
    for message in messages:
        actors.setdefault(message.actor_id, {"id": message.actor_id, "name": message.actor_id, "kind": "unknown"})
    prompts = _system_prompts(run)
    return tuple(Actor(**actor, system_prompt=prompts.get(actor_id)) for actor_id, actor in actors.items())


def _listed_actors(value: Any) -> Iterator[dict[str, Any]]:
    listed = parse_json(value) if isinstance(value, str) else value
    for item in listed if isinstance(listed, list | tuple) else ():
        actor_id = text(item.get("id")) if isinstance(item, Mapping) else None
        if actor_id:
            yield {
                "id": actor_id,
                "name": text(item.get("name")) or actor_id,
                "kind": _one_of(_ACTOR_KINDS, item.get("kind")) or "unknown",
                "parent_id": text(item.get("parent_id")),
                "model": text(item.get("model")),
            }


def _tools(run: SpanRun) -> tuple[Tool, ...]:
    """Every tool that a model was offered, by first offer. One of the same name and another schema is another tool."""
    offered: list[Tool] = []
    before: Any = None
    for span in run.spans:
        stated = span.attributes.get(semconv.GEN_AI_TOOL_DEFINITIONS)
        if stated is None or stated == before:
            continue
        before = stated
        tools = decode_tools(parse_json(stated) if isinstance(stated, str) else stated)
        offered += [tool for tool in tools if tool not in offered]
    return tuple(offered)


def _system_prompts(run: SpanRun) -> dict[str, str]:
    """Actor id to the instructions of its first chat span that shows any."""
    prompts: dict[str, str] = {}
    for span in run.spans:
        actor_id = text(span.attributes.get(semconv.CREDIT_ACTOR_ID))
        stated = span.attributes.get(semconv.GEN_AI_SYSTEM_INSTRUCTIONS)
        if actor_id is None or actor_id in prompts or stated is None:
            continue
        parts = decode_parts(parse_json(stated) if isinstance(stated, str) else stated)
        written = [part.text for part in parts if isinstance(part, TextPart)]
        if written:
            prompts[actor_id] = "\n".join(written)
    return prompts
