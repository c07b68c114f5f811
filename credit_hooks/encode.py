"""A finished record as spans: the writing side of the span contract (docs/spans.md); `native` is the reading side.

Runs on the worker, after the run. Content is kept apart from everything else, because our own record always has it
while real spans carry it only as the user's content switch says.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from credit_hooks import semconv as sc
from credit_hooks.native import essentials
from credit_hooks.record import MessageRecord, RunRecord, Snapshot, StepRecord
from credit_hooks.spans import LinkData, SpanData, SpanFields
from credit_hooks.trajectory import SCHEMA_VERSION

__all__ = ["EncodedSpan", "EncodingLimits", "encode_steps"]

# One encoder for all: `json.dumps` with options makes a new one per call, a third of the cost of a short message.
_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=repr).encode
_quoted = json.encoder.encode_basestring

_WRITES = (
    sc.CREDIT_WRITES,
    sc.CREDIT_WRITES_INDEX,
    sc.CREDIT_WRITES_ROLE,
    sc.CREDIT_WRITES_AUTHOR,
    sc.CREDIT_WRITES_TIME,
    sc.CREDIT_WRITES_SHA256,
    sc.CREDIT_WRITES_LENGTH,
    sc.CREDIT_WRITES_CHANNEL,
)


@dataclass(frozen=True, slots=True)
class EncodingLimits:
    """How much content is kept."""

    max_message_chars: int = 200_000
    """Longest text kept of one message, in characters of its encoded parts. Longer ones are withheld, with digest."""
    max_prompt_chars: int = 16_384
    """Longest prompt shown on one chat span: the newest messages that fit. The whole prompt is in its read set."""


@dataclass(frozen=True, slots=True)
class EncodedSpan:
    """One step as attributes: those that are always shown, and those that are content."""

    step: StepRecord
    attributes: dict[str, Any]
    content: dict[str, Any]

    def span_data(self, run: RunRecord) -> SpanData:
        """The record's own span, with content."""
        return SpanData(*self._fields(run, self.content))

    def essential_fields(self, run: RunRecord) -> SpanFields:
        """The arguments of :meth:`span_data`, without what its reader never looks at."""
        return self._fields(run, essentials(self.content, of_root=self.step is run.root))

    def _fields(self, run: RunRecord, content: dict[str, Any]) -> SpanFields:
        step = self.step
        return (
            step.name,
            run.trace_id,
            step.span_id,
            None if step.parent is None else step.parent.span_id,
            step.start_ns,
            step.end_ns,
            "error" if step.status == "error" else "unset",
            step.error,
            {**self.attributes, **content},
            (),
            tuple(LinkData(*link) for link in run.links) if step is run.root else (),
            "credit_hooks",
        )


@dataclass(frozen=True, slots=True)
class _EncodedMessage:
    json: str
    text: str
    sha256: str
    length: int


def encode_steps(run: RunRecord, steps: Iterable[StepRecord], limits: EncodingLimits) -> list[EncodedSpan]:
    """Steps of a run whose messages have their ids, in the given order.

    Cost: each message's content is encoded once, whatever the number of its readers.
    """
    shared: dict[str, str] = {}
    return [_encode_step(run, step, limits, shared) for step in steps]


def _encoded(message: MessageRecord, limits: EncodingLimits) -> _EncodedMessage:
    if message.encoded is None:
        message.encoded = _encode_message(message, limits)
    return cast(_EncodedMessage, message.encoded)


def _encode_message(message: MessageRecord, limits: EncodingLimits) -> _EncodedMessage:
    parts = message.snapshot.encode(message.snapshot.content)
    encoded = _parts_json(parts)
    digest = hashlib.sha256(encoded.encode("utf-8", "surrogatepass")).hexdigest()
    length = len(encoded)
    if length > limits.max_message_chars:
        encoded = json.dumps([{"type": "withheld", "sha256": digest, "length": length}])
    return _EncodedMessage(_message_json(message, encoded), _preview(parts), digest, length)


def _parts_json(parts: list[dict[str, Any]]) -> str:
    if len(parts) == 1 and len(parts[0]) == 2 and parts[0]["type"] == "text":  # nearly all: a fifth of the time
        return f'[{{"type":"text","content":{_quoted(parts[0]["content"])}}}]'
    return _json(parts)


def _message_json(message: MessageRecord, parts: str) -> str:
    head = f'{{"id":{_quoted(message.id)},"role":{_quoted(message.snapshot.role)},"name":{_quoted(message.author.name)}'
    return f'{head},"parts":{parts}}}'


def _preview(parts: Sequence[dict[str, Any]]) -> str:
    """The text a person sees first in a tracing backend."""
    if len(parts) == 1 and parts[0].get("type") == "text":
        return str(parts[0].get("content") or "") or _json(parts)
    texts = [str(part.get("content") or "") for part in parts if part.get("type") == "text"]
    if any(texts):
        return "\n".join(texts)
    return _json(parts) if parts else ""


def _encode_step(run: RunRecord, step: StepRecord, limits: EncodingLimits, shared: dict[str, str]) -> EncodedSpan:
    written = [_encoded(message, limits) for message in step.writes]
    attributes: dict[str, Any] = {**step.attributes, sc.CREDIT_STEP_STATUS: step.status}
    if step.actor is not None:
        attributes[sc.CREDIT_ACTOR_ID] = step.actor.id
    if step.scheduled_by:
        attributes[sc.CREDIT_SCHEDULED_BY] = [other.span_id for other in step.scheduled_by]
    _add_reads(step, attributes)
    if step.generates:
        attributes[sc.CREDIT_GENERATES] = [message.id for message in step.generates]
    if step.removes:
        attributes[sc.CREDIT_REMOVES] = list(step.removes)
    if written:
        _add_writes(step.writes, written, attributes)
    if step is run.root:
        attributes.update(_run_attributes(run))
    if step.error is not None:
        attributes[sc.ERROR_TYPE] = step.error
    return EncodedSpan(step, attributes, _content(run, step, written, limits, shared))


def _add_reads(step: StepRecord, attributes: dict[str, Any]) -> None:
    if step.reads_base is not None:
        attributes[sc.CREDIT_READS_BASE] = step.reads_base.span_id
    if step.reads_new:
        attributes[sc.CREDIT_READS_NEW] = [message.id for message in step.reads_new]
    if step.reads_dropped:
        attributes[sc.CREDIT_READS_DROPPED] = [message.id for message in step.reads_dropped]
    if step.reads_count:
        attributes[sc.CREDIT_READS_COUNT] = step.reads_count


def _add_writes(
    writes: Sequence[MessageRecord], encoded: Sequence[_EncodedMessage], attributes: dict[str, Any]
) -> None:
    """Parallel lists, as attributes have no nesting."""
    rows = [
        (m.id, m.index, m.snapshot.role, m.author.id, m.time_ns, content.sha256, content.length, m.channel or "")
        for m, content in zip(writes, encoded, strict=True)
    ]
    columns = [[value] for value in rows[0]] if len(rows) == 1 else [list(column) for column in zip(*rows, strict=True)]
    attributes.update(zip(_WRITES, columns, strict=True))
    if not any(attributes[sc.CREDIT_WRITES_CHANNEL]):
        del attributes[sc.CREDIT_WRITES_CHANNEL]
    if any(message.earlier_step_id for message in writes):
        attributes[sc.CREDIT_WRITES_STEP] = [message.earlier_step_id or "" for message in writes]
    if any(message.earlier_parents for message in writes):
        parents = ([parent.id for parent in message.earlier_parents] for message in writes)
        attributes[sc.CREDIT_WRITES_PARENTS] = [_json(ids) if ids else "" for ids in parents]


def _run_attributes(run: RunRecord) -> dict[str, Any]:
    writers = {message.author.id for message in run.messages}
    writers.update(step.actor.id for step in run.steps if step.actor is not None)
    actors = [
        {"id": actor.id, "name": actor.name, "kind": actor.kind, "parent_id": actor.parent_id, "model": actor.model}
        for actor in run.actors.values()
        if actor.id in writers
    ]
    optional = {
        sc.SESSION_ID: run.session_id,
        sc.GEN_AI_CONVERSATION_ID: run.session_id,
        sc.CREDIT_TASK_ID: run.task_id,
        sc.CREDIT_GROUP_ID: run.group_id,
        sc.CREDIT_ANSWER_ID: None if run.answer is None else run.answer.id,
        sc.CREDIT_RESUMES: run.resumes,
        sc.CREDIT_TRUNCATED: run.truncated or None,
    }
    return {
        sc.CREDIT_SCHEMA_VERSION: SCHEMA_VERSION,
        sc.CREDIT_RUN_STATUS: run.status,
        sc.CREDIT_ACTORS: _json(actors),
        **{key: value for key, value in optional.items() if value is not None},
    }


def _content(
    run: RunRecord,
    step: StepRecord,
    written: Sequence[_EncodedMessage],
    limits: EncodingLimits,
    shared: dict[str, str],
) -> dict[str, Any]:
    """`shared` keeps one copy of what many steps show alike, such as the tools that each call of a model is offered."""
    content: dict[str, Any] = {}
    for key, value in (step.private or {}).items():
        if callable(value):
            shown = value()
            content[key] = shared.setdefault(shown, shown)
        elif value is not None:
            content[key] = value
    if written:
        key = sc.GEN_AI_INPUT_MESSAGES if step.kind == "workflow" else sc.GEN_AI_OUTPUT_MESSAGES
        content[key] = _json_list(message.json for message in written)
        content[sc.INPUT_VALUE if step.kind == "workflow" else sc.OUTPUT_VALUE] = written[-1].text
    if step is run.root and run.answer is not None:
        content[sc.OUTPUT_VALUE] = _encoded(run.answer, limits).text
    if step.kind == "agent" and step.reads_new:
        content[sc.INPUT_VALUE] = _encoded(step.reads_new[-1], limits).text
    if step.generates:
        content[sc.GEN_AI_OUTPUT_MESSAGES] = _json_list(_encoded(message, limits).json for message in step.generates)
        content[sc.OUTPUT_VALUE] = _encoded(step.generates[-1], limits).text
    if step.kind == "chat":
        content.update(_prompt(step, limits))
    return content


def _prompt(step: StepRecord, limits: EncodingLimits) -> dict[str, Any]:
    """The newest messages of a prompt that fit, oldest first, and the system instructions."""
    shown: list[str] = []
    system: list[dict[str, Any]] = []
    room = limits.max_prompt_chars
    for item in reversed(step.prompt):
        snapshot = item.snapshot if isinstance(item, MessageRecord) else item
        if snapshot.role == "system":
            system[:0] = snapshot.encode(snapshot.content)
        elif room > 0:
            message = _encoded(item, limits).json if isinstance(item, MessageRecord) else _snapshot_json(snapshot)
            room -= len(message)
            if room >= 0:
                shown.append(message)
    if step.shown_reads:
        for item in step.newest_reads():
            message = _encoded(item, limits).json
            room -= len(message)
            if room < 0:
                break
            shown.append(message)
    content: dict[str, Any] = {}
    if shown:
        content[sc.GEN_AI_INPUT_MESSAGES] = content[sc.INPUT_VALUE] = _json_list(reversed(shown))
    if system:
        content[sc.GEN_AI_SYSTEM_INSTRUCTIONS] = json.dumps(system, ensure_ascii=False, default=repr)
    return content


def _snapshot_json(snapshot: Snapshot) -> str:
    message = {"role": snapshot.role, "parts": snapshot.encode(snapshot.content)}
    return _json(message)


def _json_list(items: Iterable[str]) -> str:
    return "[" + ",".join(items) + "]"
