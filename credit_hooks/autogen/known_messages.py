"""Which message an object is, in one run of a team: copies, and messages that AutoGen makes of texts, included."""

from __future__ import annotations

from typing import Any

from autogen_agentchat.messages import TextMessage

from credit_hooks.autogen.messages import llm_key, message_id, snapshot, text_parts
from credit_hooks.record import ActorRecord, MessageRecord, RunRecord, Snapshot, StepRecord

__all__ = ["KnownMessages"]


class KnownMessages:
    """The messages of one run, recorded in `record`."""

    def __init__(self, record: RunRecord) -> None:
        self._record = record
        self._text_tasks: list[tuple[str, MessageRecord]] = []
        """Tasks that are texts: AutoGen makes messages of them, which are seen later."""

    def find(self, message: Any) -> MessageRecord | None:
        """The record of a message: by object, then by id (copies of it). None: it was not seen before."""
        record = self._record.by_object.get(id(message))
        if record is not None:
            return record
        own_id = message_id(message)
        record = None if own_id is None else self._record.by_id.get(own_id)
        if record is None and self._text_tasks and getattr(message, "source", None) == "user":
            record = self._text_task(message)
        elif record is not None and type(record.source) is not type(message):
            return None
        if record is not None:
            self._record.bind(message, record, own_id)
        return record

    def _text_task(self, message: Any) -> MessageRecord | None:
        for number, (task, record) in enumerate(self._text_tasks):
            if message.content == task and type(message) is TextMessage:
                del self._text_tasks[number]
                record.source = message
                return record
        return None

    def add(self, message: Any, author: ActorRecord, step: StepRecord | None) -> MessageRecord:
        """A message turns up for the first time, or in a new version; `step` None: nobody in this run wrote it."""
        own_id = message_id(message)
        before = None if own_id is None else self._record.by_id.get(own_id)
        said = snapshot(message, by_human=author.kind == "human")
        version = 1 if before is None else before.version + 1
        return self._record.add_message(message, said, author, step, source_id=own_id, version=version)

    def from_before(self) -> dict[tuple[str, str], list[MessageRecord]]:
        """What was written before the run, by who said what, newest last."""
        found: dict[tuple[str, str], list[MessageRecord]] = {}
        for record in self._record.messages:
            key = llm_key(record.source)
            if record.step is None and key is not None:
                found.setdefault(key, []).append(record)
        return found

    def add_text(self, task: str, role: str, author: ActorRecord, step: StepRecord | None) -> MessageRecord:
        """A task that is a text; the message that AutoGen makes of it is known by what it says."""
        said = Snapshot(role, task, text_parts, "TextMessage")
        record = self._record.add_message(object(), said, author, step)
        self._text_tasks.append((task, record))
        return record
