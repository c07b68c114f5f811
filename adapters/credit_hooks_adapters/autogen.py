"""AutoGen's own spans (scope `autogen SingleThreadedAgentRuntime`) to trajectories, without our capture.

Its runtime shows every delivery of a message to a member or to the manager of a team, as a span with the message as
JSON. That is enough for who was given what before each turn; models and tools, stop reasons, and what a member's model
was shown of it are not on these spans. Each team is a trajectory of its own, also one inside another.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from credit_hooks.anyvalue import REDACTED, integer, json_value, parse_json, text
from credit_hooks.errors import TrajectoryError
from credit_hooks.spans import SpanData
from credit_hooks.trajectory import (
    Actor,
    DataPart,
    Message,
    Part,
    ReadSet,
    Step,
    TextPart,
    Trajectory,
    Usage,
    WithheldPart,
)

__all__ = ["ADAPTER", "AutoGenAdapter"]

_SCOPE: Final = "autogen SingleThreadedAgentRuntime"
_MEMBER: Final = "ChatAgentContainer"
_TYPE: Final = re.compile(r"(?P<name>.+)_(?P<team>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")


class _Delivery(NamedTuple):
    """A message handed to a member or the manager of a team."""

    span: SpanData
    team: str
    name: str
    sender: str | None
    is_member: bool
    is_call: bool
    """Whether the sender waits for an answer, as when a team is started or reset."""
    payload: Mapping[str, Any]


class AutoGenAdapter:
    """Reads the spans of autogen-core's runtime."""

    name = "autogen"

    def recognises(self, spans: Sequence[SpanData]) -> float:
        """0.9 if a team's delivery is among the spans, else 0.0."""
        return 0.9 if any(_delivery(span) is not None for span in spans) else 0.0

    def trajectories(self, spans: Iterable[SpanData]) -> Iterator[Trajectory]:
        """One trajectory per run of a team, by start; independent of the order of the spans.

        Raises:
            TrajectoryError: no span is a delivery to a member of a team.
        """
        deliveries = _deliveries(spans)
        if not deliveries:
            raise TrajectoryError(f"no span of scope {_SCOPE!r} hands a message to a member of a team")
        teams: dict[str, _Team] = {}
        runs: list[_Run] = []
        for delivery in deliveries:
            team = teams.setdefault(delivery.team, _Team())
            if team.run is None or (not delivery.is_member and delivery.is_call and "messages" in delivery.payload):
                team.start(delivery)
                runs.append(team.current)
            team.take(delivery)
        for run in runs:
            if run.messages:
                yield run.trajectory()


ADAPTER: Final = AutoGenAdapter()


def _deliveries(spans: Iterable[SpanData]) -> list[_Delivery]:
    found: dict[tuple[str, str], _Delivery] = {}
    for span in spans:
        delivery = _delivery(span)
        if delivery is None:
            continue
        key = (span.trace_id, span.span_id)
        twin = found.get(key)
        if twin is None or (len(span.attributes), repr(span)) > (len(twin.span.attributes), repr(twin.span)):
            found[key] = delivery
    return sorted(found.values(), key=_order)


def _order(delivery: _Delivery) -> tuple[float, str, str]:
    start = integer(delivery.span.start_ns)
    return float("inf") if start is None else start, delivery.span.trace_id, delivery.span.span_id


def _delivery(span: SpanData) -> _Delivery | None:
    if span.scope != _SCOPE:
        return None
    attributes = span.attributes
    recipient = _TYPE.fullmatch(text(attributes.get("recipient_agent_type")) or "")
    payload = parse_json(attributes.get("message"))
    if recipient is None or not isinstance(payload, Mapping):
        return None
    sender = _TYPE.fullmatch(text(attributes.get("sender_agent_type")) or "")
    context = parse_json(attributes.get("message_context"))
    return _Delivery(
        span,
        recipient["team"],
        recipient["name"],
        None if sender is None or sender["team"] != recipient["team"] else sender["name"],
        attributes.get("recipient_agent_class") == _MEMBER,
        isinstance(context, Mapping) and context.get("is_rpc") is True,
        payload,
    )


class _Team:
    """A team over all its runs: members' buffers outlast a run."""

    def __init__(self) -> None:
        self.run: _Run | None = None
        self.buffers: dict[str, list[Mapping[str, Any]]] = {}
        self.histories: dict[str, list[Mapping[str, Any]]] = {}
        """What a member was given and said since it was last reset."""

    @property
    def current(self) -> _Run:
        assert self.run is not None
        return self.run

    def start(self, delivery: _Delivery) -> None:
        self.run = _Run(delivery)

    def take(self, delivery: _Delivery) -> None:
        payload, run = delivery.payload, self.current
        given = _chat_messages(payload)
        said = _all_messages(payload)
        for message in said:
            run.add(message, delivery.sender)
        if not delivery.is_member:
            if said:
                return
        elif given:
            self.buffers.setdefault(delivery.name, []).extend(given)
        elif not payload and delivery.is_call:
            self.buffers.pop(delivery.name, None)
            self.histories.pop(delivery.name, None)
            run.last.pop(delivery.name, None)
        elif not payload:
            delivered = self.buffers.pop(delivery.name, [])
            history = self.histories.setdefault(delivery.name, [])
            history.extend(delivered)
            run.turn(delivery, delivered, history)


def _chat_messages(payload: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What a member's buffer takes in: chat messages, no events."""
    if "messages" in payload:
        return _messages(payload["messages"])
    response = payload.get("response")
    if isinstance(response, Mapping):
        return _messages([response.get("chat_message")])
    result = payload.get("result")
    if isinstance(result, Mapping):
        return [m for m in _messages(result.get("messages")) if not (text(m.get("type")) or "").endswith("Event")]
    return []


def _all_messages(payload: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Every message in a payload, events included."""
    response = payload.get("response")
    inner = _messages(response.get("inner_messages")) if isinstance(response, Mapping) else []
    result = payload.get("result")
    events = _messages(result.get("messages")) if isinstance(result, Mapping) else []
    found = [*_messages([payload.get("message")]), *inner, *events, *_chat_messages(payload)]
    return [message for message in found if message.get("type") != "ModelClientStreamingChunkEvent"]


def _messages(value: Any) -> list[Mapping[str, Any]]:
    items = value if isinstance(value, list) else []
    return [item for item in items if isinstance(item, Mapping) and text(item.get("id"))]


class _Run:
    """One run of a team while it is read."""

    def __init__(self, delivery: _Delivery) -> None:
        self.root = delivery
        self.messages: dict[str, Message] = {}
        self.actors: dict[str, Actor] = {}
        self.steps: list[Step] = []
        self.last: dict[str, int] = {}
        """Member to the place of its last turn among the steps."""
        self.writes: dict[str, list[str]] = {}

    def add(self, message: Mapping[str, Any], sender: str | None) -> None:
        """A message that is seen for the first time was written in its sender's last turn, else before the run."""
        own_id = text(message.get("id")) or ""
        if own_id in self.messages:
            return
        source = text(message.get("source")) or "unknown"
        is_user = source == "user" or source == REDACTED
        self.actors.setdefault(source, Actor(id=source, name=source, kind="human" if is_user else "agent"))
        place = self.last.get(sender or "")
        step_id = None if place is None or is_user else self.steps[place].id
        if step_id is not None:
            self.writes.setdefault(step_id, []).append(own_id)
        self.messages[own_id] = Message(
            id=own_id,
            index=len(self.messages),
            actor_id=source,
            step_id=step_id,
            role="user" if is_user else "assistant",
            role_raw=text(message.get("type")),
            parts=_parts(message.get("content")),
            usage=_usage(message.get("models_usage")),
        )

    def turn(
        self, delivery: _Delivery, delivered: Sequence[Mapping[str, Any]], history: Sequence[Mapping[str, Any]]
    ) -> None:
        """A member's turn: it reads what its buffer holds, and what it was given and said before."""
        span, name = delivery.span, delivery.name
        for message in history:
            self.add(message, None)
        place = self.last.get(name)
        before = None if place is None else self.steps[place].id
        seen = history if before is None else delivered
        own = self.writes.get(before, []) if before is not None else []
        new = dict.fromkeys([*own, *(text(message.get("id")) or "" for message in seen)])
        self.actors.setdefault(name, Actor(id=name, name=name))
        self.last[name] = len(self.steps)
        self.steps.append(
            Step(
                id=span.span_id,
                trace_id=span.trace_id,
                kind="agent",
                name=f"process {name}",
                actor_id=name,
                start_ns=integer(span.start_ns),
                end_ns=integer(span.end_ns),
                status="error" if span.status == "error" else "ok",
                reads=ReadSet(base=before, new=tuple(new)),
                attributes={"autogen.delivered": [text(message.get("id")) or "" for message in delivered]},
            )
        )

    def trajectory(self) -> Trajectory:
        """The run."""
        steps = [
            step.model_copy(update={"output_message_ids": tuple(self.writes.get(step.id, ()))}) for step in self.steps
        ]
        span = self.root.span
        failed = any(step.status == "error" for step in steps)
        return Trajectory(
            id=f"{span.trace_id}:{span.span_id}",
            framework="autogen",
            source=AutoGenAdapter.name,
            name=None if self.root.is_member else self.root.name,
            status="error" if failed else "unknown",
            actors=tuple(self.actors.values()),
            messages=tuple(self.messages.values()),
            steps=tuple(steps),
        )


def _parts(content: Any) -> tuple[Part, ...]:
    if content == REDACTED:
        return (WithheldPart(),)
    if isinstance(content, str):
        said = text(content)
        return (TextPart(text=said),) if said else ()
    return () if content is None else (DataPart(value=json_value(content)),)


def _usage(value: Any) -> Usage | None:
    if not isinstance(value, Mapping):
        return None
    read, made = integer(value.get("prompt_tokens")), integer(value.get("completion_tokens"))
    return None if read is None and made is None else Usage(input_tokens=read, output_tokens=made)
