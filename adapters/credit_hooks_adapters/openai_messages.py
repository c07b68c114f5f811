"""Logs of OpenAI chat messages: tau-bench's runs with several trials, fine-tuning lines, and plain conversations.

Read are a run `{messages | traj: [...], reward?, task_id?, trial?, info?}`, a list of such runs, and a bare list of
messages. A message is `{role, content, name?, tool_calls?, tool_call_id?}` as of the chat completions API; content may
be a string, blocks, or None. Sources: OpenAI API reference, "Chat"; Yao et al., "tau-bench", arXiv 2406.12045, whose
runs state `reward` and, in `info.task.instruction`, what the simulated user was told.

Runs of equal instructions share a group, whatever number their benchmark gives the task: numbers repeat between
domains. What was given before the first reply is the run's input. Agents read everything, users what agents say, tools
their call.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from pydantic import JsonValue

from credit_hooks.anyvalue import integer, json_value, number, text
from credit_hooks.errors import TrajectoryError
from credit_hooks.trajectory import (
    Actor,
    ActorKind,
    Message,
    Outcome,
    Part,
    ReadSet,
    Step,
    TextPart,
    Tool,
    ToolCallPart,
    Trajectory,
)
from credit_hooks_adapters.chat_parts import chat_parts

__all__ = ["ADAPTER", "OpenAIMessagesAdapter"]

_ROLES: Final[Mapping[str, str]] = {"developer": "system", "function": "tool"}
_KINDS: Final[Mapping[str, ActorKind]] = {"system": "system", "user": "human", "tool": "tool", "assistant": "agent"}
_READ: Final = frozenset({"messages", "traj", "reward", "success", "task_id", "tools"})


class OpenAIMessagesAdapter:
    """Reads OpenAI chat messages."""

    name = "openai_messages"

    def recognises_document(self, document: Any) -> float:
        """0.8 for runs that state an outcome, 0.6 for other conversations, else 0.0."""
        conversations = [found for item in _items(document) if (found := _conversation(item)) is not None]
        if not any(_role(message) for messages in conversations for message in messages):
            return 0.0
        return 0.8 if any(isinstance(item, Mapping) and "reward" in item for item in _items(document)) else 0.6

    def read_document(self, document: Any, source: str) -> Iterator[Trajectory]:
        """One trajectory per run, in order; ids are digests of the runs.

        Entries of a conversation that are no messages are left out and named in `Trajectory.meta["left_out"]`.

        Raises:
            TrajectoryError: no run is in the document, or some of its entries are none; these are named after all
                others were read.
        """
        items = _items(document)
        unreadable: list[str] = []
        ids: Counter[str] = Counter()
        for place, item in enumerate(items):
            messages = _conversation(item)
            run = None if messages is None else _trajectory(item, messages, source)
            if run is None:
                unreadable.append(f"entry {place}")
                continue
            ids[run.id] += 1
            yield run if ids[run.id] == 1 else run.model_copy(update={"id": f"{run.id}-{ids[run.id]}"})
        if not ids:
            raise TrajectoryError(f"{source}: no messages: no entry has `messages` or `traj` with a role in it")
        if unreadable:
            shown = ", ".join(unreadable[:10]) + (", ..." if len(unreadable) > 10 else "")
            raise TrajectoryError(f"{source}: left out {shown}: no `messages` or `traj` with a role in it")


ADAPTER: Final = OpenAIMessagesAdapter()


def _items(document: Any) -> list[Any]:
    if not isinstance(document, list):
        return [document]
    return [document] if any(_role(item) for item in document) else document


def _conversation(item: Any) -> Sequence[Any] | None:
    """The messages of a run. None: it has none."""
    found = item
    if isinstance(item, Mapping):
        found = item.get("messages") if isinstance(item.get("messages"), list) else item.get("traj")
    return found if isinstance(found, list) and any(_role(message) for message in found) else None


def _role(message: Any) -> str | None:
    return text(message.get("role")) or None if isinstance(message, Mapping) else None


class _Entry(NamedTuple):
    """One message of the conversation."""

    place: int
    """0-based index in the source."""
    role: str
    """system, user, assistant or tool; else what the source says."""
    role_raw: str
    """What the source says."""
    actor_id: str
    """Its author: a name where one is stated, else the role."""
    parts: tuple[Part, ...]
    call_id: str | None
    """The call that a tool's result answers."""


def _entries(messages: Sequence[Any]) -> tuple[list[_Entry], list[str]]:
    """What can be read of a conversation, and a word about what cannot."""
    found: list[_Entry] = []
    left_out: list[str] = []
    called: dict[str, str] = {}
    for index, message in enumerate(messages):
        raw = _role(message)
        if raw is None:
            left_out.append(f"message {index}: no role")
            continue
        role = _ROLES.get(raw, raw)
        parts = chat_parts(message, role)
        for part in parts:
            if isinstance(part, ToolCallPart) and part.id:
                called[part.id] = part.name
        call_id = text(message.get("tool_call_id")) or None
        name = text(message.get("name")) or (called.get(call_id or "") if role == "tool" else None)
        found.append(_Entry(index, role, raw, name or role, parts, call_id))
    return found, left_out


def _trajectory(item: Any, messages: Sequence[Any], source: str) -> Trajectory | None:
    entries, left_out = _entries(messages)
    stated: Mapping[str, Any] = item if isinstance(item, Mapping) else {}
    task = _task(stated)
    steps = _steps(entries)
    written = {message_id: step.id for step in steps for message_id in step.output_message_ids}
    prompt = next((_text_of(entry) for entry in entries if entry.role == "system"), None)
    group = None if task is None else hashlib.sha256(f"{prompt or ''}\n{task}".encode()).hexdigest()[:16]
    kinds: dict[str, ActorKind] = {}
    for entry in entries:
        kinds.setdefault(entry.actor_id, _KINDS.get(entry.role, "unknown"))
    meta: dict[str, JsonValue] = {str(k): json_value(value) for k, value in stated.items() if k not in _READ}
    return Trajectory(
        id=f"{OpenAIMessagesAdapter.name}-{_digest(item)[:16]}",
        source=source,
        task_id=_identifier(stated.get("task_id")),
        group_id=group,
        task=task,
        actors=tuple(
            Actor(id=name, name=name, kind=kind, system_prompt=prompt if kind == "agent" else None)
            for name, kind in kinds.items()
        ),
        messages=tuple(_message(entry, written.get(f"m{entry.place}")) for entry in entries),
        steps=steps,
        answer_id=_answer(entries),
        outcome=_outcome(stated),
        tools=_tools(stated.get("tools")),
        meta={**meta, "left_out": list(left_out)} if left_out else meta,
    )


def _digest(item: Any) -> str:
    return hashlib.sha256(json.dumps(json_value(item), sort_keys=True).encode()).hexdigest()


def _identifier(value: Any) -> str | None:
    as_number = integer(value)
    return text(value) or (None if as_number is None else str(as_number))


def _task(stated: Mapping[str, Any]) -> str | None:
    """tau-bench: what the simulated user was told."""
    info = stated.get("info")
    task = info.get("task") if isinstance(info, Mapping) else None
    return text(task.get("instruction")) or None if isinstance(task, Mapping) else None


def _outcome(stated: Mapping[str, Any]) -> Outcome | None:
    reward, success = number(stated.get("reward")), stated.get("success")
    if isinstance(success, bool):
        return Outcome(success=success, score=float(success) if reward is None or not 0 <= reward <= 1 else reward)
    if reward is None or not 0.0 <= reward <= 1.0:
        return None
    return Outcome(success=reward == 1.0 if reward in (0.0, 1.0) else None, score=reward)


def _tools(given: Any) -> tuple[Tool, ...]:
    functions = [tool.get("function") for tool in given if isinstance(tool, Mapping)] if isinstance(given, list) else []
    return tuple(
        Tool(name=name, description=text(f.get("description")), parameters=json_value(f.get("parameters")))
        for f in functions
        if isinstance(f, Mapping) and (name := text(f.get("name")))
    )


def _text_of(entry: _Entry) -> str:
    return "\n".join(part.text for part in entry.parts if isinstance(part, TextPart))


def _message(entry: _Entry, step_id: str | None) -> Message:
    return Message(
        id=f"m{entry.place}",
        index=entry.place,
        actor_id=entry.actor_id,
        step_id=step_id,
        role=entry.role,
        role_raw=None if entry.role_raw == entry.role else entry.role_raw,
        parts=entry.parts,
    )


def _answer(entries: Sequence[_Entry]) -> str | None:
    """What the agents said last, where only users speak after it: they end the conversation, they do not answer."""
    last = next((entry for entry in reversed(entries) if entry.role not in ("user", "system")), None)
    return None if last is None or last is entries[-1] else f"m{last.place}"


def _steps(entries: Sequence[_Entry]) -> tuple[Step, ...]:
    """A turn for each message after the opening ones; agents and users have a chain of reads each."""
    steps: list[Step] = []
    base: dict[bool, str] = {}
    pending: dict[bool, list[str]] = {True: [], False: []}  # new to users; new to agents
    caller: dict[str, str] = {}
    opened = last_agent = ""
    for entry in entries:
        message_id = f"m{entry.place}"
        is_user = entry.role == "user"
        opened = opened or ("yes" if entry.role not in ("system", "user") else "")
        if opened:
            if entry.role == "tool":
                call = caller.get(entry.call_id or "", last_agent)
                reads = ReadSet(new=(call,) if call else ())
            else:
                reads = ReadSet(base=base.get(is_user), new=tuple(pending[is_user]))
                base[is_user], pending[is_user] = f"s{entry.place}", []
            kind = {"tool": "tool", "user": "unknown"}.get(entry.role, "agent")
            steps.append(
                Step.model_validate(
                    {
                        "id": f"s{entry.place}",
                        "kind": kind,
                        "name": entry.actor_id,
                        "actor_id": entry.actor_id,
                        "reads": reads,
                        "output_message_ids": (message_id,),
                    }
                )
            )
        pending[False].append(message_id)
        if is_user or (entry.role != "system" and entry.role != "tool" and _text_of(entry)):
            pending[True].append(message_id)
        if entry.role not in ("system", "user", "tool"):
            last_agent = message_id
        caller.update({part.id: message_id for part in entry.parts if isinstance(part, ToolCallPart) and part.id})
    return tuple(steps)
