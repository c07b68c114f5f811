"""The messages that the spans of a run state: parallel lists under `credit.writes.*`, contents beside them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from credit_hooks import semconv
from credit_hooks.anyvalue import REDACTED, identifiers, integers, parse_json, text, texts
from credit_hooks.genai import DecodedMessage, decode_message
from credit_hooks.span_runs import SpanRun
from credit_hooks.spans import SpanData
from credit_hooks.trajectory import Message, Step, Usage, WithheldPart

__all__ = ["written_messages"]


class _Write(NamedTuple):
    place: int | None
    time: int | None
    position: int
    """Among all writes, by step and place in the step."""
    message: dict[str, Any]


def written_messages(run: SpanRun, steps: Sequence[Step]) -> tuple[Message, ...]:
    """Messages of a run by index, then time; of equal ids the first. `steps` are parallel to the run's spans."""
    writes: list[_Write] = []
    for span in run.spans:
        writes.extend(_writes(span, root=span is run.root, offset=len(writes)))
    writes.sort(key=_written_order)
    generated = _generators(run, steps)
    messages: dict[str, Message] = {}
    for write in writes:
        message_id = write.message["id"]
        if message_id in messages:
            continue
        index = len(messages) if write.place is None else write.place
        step_id, usage = generated.get(message_id, (None, None))
        messages[message_id] = Message(
            **write.message, index=index, timestamp=write.time, generated_by=step_id, usage=usage
        )
    return tuple(messages.values())


def _written_order(write: _Write) -> tuple[float, float, int]:
    unknown = math.inf
    index = unknown if write.place is None else write.place
    return index, unknown if write.time is None else write.time, write.position


def _writes(span: SpanData, *, root: bool, offset: int) -> Iterator[_Write]:
    """What a span wrote. Lists that are shorter than `credit.writes` say nothing of the rest."""
    attributes = span.attributes
    ids = texts(attributes.get(semconv.CREDIT_WRITES))
    indices = integers(attributes.get(semconv.CREDIT_WRITES_INDEX))
    times = integers(attributes.get(semconv.CREDIT_WRITES_TIME))
    roles = texts(attributes.get(semconv.CREDIT_WRITES_ROLE))
    authors = texts(attributes.get(semconv.CREDIT_WRITES_AUTHOR))
    channels = texts(attributes.get(semconv.CREDIT_WRITES_CHANNEL))
    earlier = texts(attributes.get(semconv.CREDIT_WRITES_STEP))
    parents = texts(attributes.get(semconv.CREDIT_WRITES_PARENTS)) if root else []
    contents = _contents(attributes.get(semconv.GEN_AI_INPUT_MESSAGES if root else semconv.GEN_AI_OUTPUT_MESSAGES), ids)
    digests = texts(attributes.get(semconv.CREDIT_WRITES_SHA256))
    lengths = integers(attributes.get(semconv.CREDIT_WRITES_LENGTH))
    actor_id = text(attributes.get(semconv.CREDIT_ACTOR_ID))
    for i, message_id in enumerate(ids):
        if not message_id:
            continue
        content = _at(contents, i)
        withheld = WithheldPart(sha256=_at(digests, i) or None, length=_at(lengths, i))
        index = _at(indices, i)
        message = {
            "id": message_id,
            "actor_id": _at(authors, i) or actor_id or "unknown",
            # A resumed run finds messages of the interrupted one in its state: their turn is in that run's trace.
            "step_id": (_at(earlier, i) or None) if root else span.span_id,
            "earlier_parents": identifiers(parse_json(_at(parents, i))),
            "role": _at(roles, i) or (content and content.role) or "assistant",
            "channel": _at(channels, i) or None,
            "parts": (withheld,) if content is None else content.parts,
        }
        yield _Write(None if index is None or index < 0 else index, _at(times, i), offset + i, message)


def _at(values: Sequence[Any], i: int) -> Any:
    return values[i] if i < len(values) else None


def _contents(value: Any, ids: Sequence[str | None]) -> list[DecodedMessage | None]:
    """Messages of a content attribute, parallel to `ids`; None where one is withheld, empty where all are.

    A message that states its id goes by that, as the attribute may show other messages besides.
    """
    messages = parse_json(value) if isinstance(value, str) else value
    if not isinstance(messages, list | tuple):
        return []
    by_id = {text(message["id"]): message for message in messages if isinstance(message, Mapping) and "id" in message}
    found = [by_id.get(message_id) for message_id in ids] if by_id else list(messages)
    return [None if message is None or message == REDACTED else decode_message(message) for message in found]


def _generators(run: SpanRun, steps: Sequence[Step]) -> dict[str, tuple[str, Usage | None]]:
    """Message id to the step that generated it, and its tokens where they are its alone."""
    generated: dict[str, tuple[str, Usage | None]] = {}
    for span, step in zip(run.spans, steps, strict=True):
        ids = identifiers(span.attributes.get(semconv.CREDIT_GENERATES))
        for message_id in ids:
            generated.setdefault(message_id, (step.id, step.usage if len(ids) == 1 else None))
    return generated
