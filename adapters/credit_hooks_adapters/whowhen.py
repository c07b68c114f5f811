"""Who&When: logs of teams that failed, each labelled with who erred first and when.

Source: Zhang et al., "Which Agent Causes Task Failures and When?", arXiv 2505.00212. One JSON object per run:
`question, question_ID, ground_truth, history[{content, role, name?}], mistake_agent, mistake_step` (a 0-based string),
`mistake_reason, is_correct | is_corrected, level, system_prompt{agent: prompt}?`. Logs without `name` put the author,
the stream and the recipient into `role`: `Orchestrator (thought)`, `Orchestrator (-> WebSurfer)`.

The log is one shared conversation, so each message is read as one turn that had all earlier ones before it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from pydantic import JsonValue

from credit_hooks.anyvalue import integer, json_value, text
from credit_hooks.errors import TrajectoryError
from credit_hooks.genai import decode_parts
from credit_hooks.trajectory import Actor, ActorKind, Label, Message, Outcome, ReadSet, Step, Trajectory

__all__ = ["ADAPTER", "WhoWhenAdapter"]

_ROLE: Final = re.compile(r"(?P<author>.+?) \((?:-> (?P<recipient>.+)|(?P<channel>.+))\)", re.DOTALL)
_KINDS: Final[Mapping[str, ActorKind]] = {
    "human": "human",
    "Orchestrator": "orchestrator",
    "Computer_terminal": "tool",
    "ComputerTerminal": "tool",
    "unknown": "unknown",
}
"""The participants of these two systems that are no agents, by their exact names."""
_ROLES: Final[Mapping[str, str]] = {"human": "user", "tool": "tool"}
_READ: Final = frozenset(
    {
        "ground_truth",
        "history",
        "is_correct",
        "is_corrected",
        "mistake_agent",
        "mistake_reason",
        "mistake_step",
        "mistake_type",
        "question",
        "question_ID",
        "system_prompt",
    }
)


class WhoWhenAdapter:
    """Reads Who&When failure logs."""

    name = "whowhen"

    def recognises_document(self, document: Any) -> float:
        """1.0 for a history with a labelled mistake, 0.5 for one with a question and its true answer, else 0.0."""
        if not isinstance(document, Mapping) or "history" not in document:
            return 0.0
        if "mistake_agent" in document and "mistake_step" in document:
            return 1.0
        return 0.5 if "question" in document and "ground_truth" in document else 0.0

    def read_document(self, document: Any, source: str) -> Iterator[Trajectory]:
        """The one trajectory of a document; its id is a digest of the document.

        Raises:
            TrajectoryError: there is no history of messages.
        """
        if not isinstance(document, Mapping):
            raise TrajectoryError(f"{source}: a Who&When log is a JSON object, not {type(document).__name__}")
        history = document.get("history")
        if not isinstance(history, list) or not history:
            raise TrajectoryError(f"{source}: no messages: `history` is not a list, or is empty")
        yield _trajectory(document, [_entry(item) for item in history], source)


ADAPTER: Final = WhoWhenAdapter()


class _Entry(NamedTuple):
    """One item of the history: who, to whom, on which stream, and what."""

    author: str
    recipient: str | None
    channel: str | None
    role_raw: str | None
    content: Any

    @property
    def kind(self) -> ActorKind:
        return _KINDS.get(self.author, "agent")

    @property
    def role(self) -> str:
        return _ROLES.get(self.kind, "assistant")


def _entry(item: Any) -> _Entry:
    if not isinstance(item, Mapping):
        return _Entry("unknown", None, None, None, item)
    role, name, content = text(item.get("role")), text(item.get("name")), item.get("content")
    if name:
        return _Entry(name, None, None, role, content)
    parsed = _ROLE.fullmatch(role or "")
    if parsed is None:
        return _Entry(role or "unknown", None, None, role, content)
    return _Entry(parsed["author"], parsed["recipient"], parsed["channel"], role, content)


def _trajectory(document: Mapping[str, Any], entries: Sequence[_Entry], source: str) -> Trajectory:
    canonical = json.dumps(json_value(document), sort_keys=True)
    prompts = document.get("system_prompt")
    prompts = {key: text(prompt) for key, prompt in prompts.items()} if isinstance(prompts, Mapping) else {}
    steps = _steps(entries)
    written = {message_id: step.id for step in steps for message_id in step.output_message_ids}
    return Trajectory(
        id=f"whowhen-{hashlib.sha256(canonical.encode()).hexdigest()[:16]}",
        source=source,
        task_id=text(document.get("question_ID")),
        task=text(document.get("question")),
        actors=_actors(entries, prompts),
        messages=tuple(_message(i, entry, written.get(f"m{i}")) for i, entry in enumerate(entries)),
        steps=steps,
        outcome=_outcome(document),
        labels=_labels(document, entries),
        meta=_meta(document, entries, prompts),
    )


def _message(index: int, entry: _Entry, step_id: str | None) -> Message:
    return Message(
        id=f"m{index}",
        index=index,
        actor_id=entry.author,
        step_id=step_id,
        role=entry.role,
        role_raw=None if entry.role_raw == entry.role else entry.role_raw,
        channel=entry.channel,
        recipients=() if entry.recipient is None else (entry.recipient,),
        parts=decode_parts(entry.content),
    )


def _steps(entries: Sequence[_Entry]) -> tuple[Step, ...]:
    """A turn for each message, having read all before it; the human's opening message is the run's input, no turn."""
    steps: list[Step] = []
    for i, entry in enumerate(entries):
        if i == 0 and entry.kind == "human":
            continue
        reads = ReadSet(base=steps[-1].id if steps else None, new=(f"m{i - 1}",) if i else ())
        kind = "tool" if entry.kind == "tool" else "unknown" if entry.kind == "human" else "agent"
        steps.append(
            Step(
                id=f"s{i}",
                kind=kind,
                name=entry.role_raw if entry.channel or entry.recipient else entry.author,
                actor_id=entry.author,
                reads=reads,
                output_message_ids=(f"m{i}",),
            )
        )
    return tuple(steps)


def _actors(entries: Sequence[_Entry], prompts: Mapping[str, str | None]) -> tuple[Actor, ...]:
    kinds = {entry.author: entry.kind for entry in entries}
    return tuple(Actor(id=name, name=name, kind=kind, system_prompt=prompts.get(name)) for name, kind in kinds.items())


def _outcome(document: Mapping[str, Any]) -> Outcome:
    """A failure unless the log says that the answer was right: the data set holds failures only."""
    success = document.get("is_correct") is True or document.get("is_corrected") is True
    return Outcome(success=success, score=float(success), expected=text(document.get("ground_truth")))


def _labels(document: Mapping[str, Any], entries: Sequence[_Entry]) -> tuple[Label, ...]:
    agent, position = text(document.get("mistake_agent")), integer(document.get("mistake_step"))
    if agent is None and document.get("mistake_step") is None:
        return ()
    exists = position is not None and 0 <= position < len(entries)
    label = Label(
        target="message",
        target_id=f"m{position}" if exists else None,
        name="first_error",
        value={"agent": agent, "step": json_value(document.get("mistake_step"))},
        category=text(document.get("mistake_type")),
        reason=text(document.get("mistake_reason")),
        source=WhoWhenAdapter.name,
        inconsistent=position is None or not exists or entries[position].author != agent,
    )
    return (label,)


def _meta(
    document: Mapping[str, Any], entries: Sequence[_Entry], prompts: Mapping[str, str | None]
) -> dict[str, JsonValue]:
    """Whatever else the log says, and the prompts of members that never spoke."""
    other = {str(key): json_value(value) for key, value in document.items() if key not in _READ}
    spoke = {entry.author for entry in entries}
    silent: dict[str, JsonValue] = {name: prompt for name, prompt in prompts.items() if name not in spoke}
    return {**other, "silent_agents": silent} if silent else other
