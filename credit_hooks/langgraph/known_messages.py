"""Which message an object is, in one run of a graph: copies, deserialised checkpoints and new objects included."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from credit_hooks.langgraph.actors import Authors
from credit_hooks.langgraph.messages import (
    message_digest,
    message_id,
    message_role,
    same_content,
    snapshot,
    tool_call_ids,
)
from credit_hooks.langgraph.task import Task
from credit_hooks.record import MessageRecord, RunRecord, StepRecord

if TYPE_CHECKING:
    from credit_hooks.langgraph.threads import Earlier

__all__ = ["KnownMessages"]

_UNBOUND_WINDOW = 256
"""How far back a message without identity or id is looked for by content."""

_FRESH_WINDOW = 16
"""How far back a message is looked for that was given its id after it was written."""


class KnownMessages:
    """The messages of one run.

    Args:
        record: Where they are recorded.
        authors: Says who wrote them.
        earlier: Messages of the thread's earlier runs, by id and by digest.
        carried: Takes those of them that turn up in this run.
        calls: Takes the message that made a tool call, by call id.
    """

    def __init__(
        self,
        record: RunRecord,
        authors: Authors,
        earlier: dict[str, Earlier],
        carried: dict[MessageRecord, Earlier],
        calls: dict[str, MessageRecord],
    ) -> None:
        self._record = record
        self._authors = authors
        self._earlier = earlier
        self._carried = carried
        self._calls = calls
        self._unbound: list[MessageRecord] = []

    def given_to(self, task: Task, messages: list[Any], channel: str) -> list[MessageRecord]:
        """The records of messages that a task was given; a call's arguments may be made up, see `arguments`."""
        if task.is_call:
            return [record for message in messages if (record := self.find(message)) is not None]
        return [self.read(message, channel) for message in messages]

    def read(self, message: Any, channel: str | None = None) -> MessageRecord:
        """The record of a message that is read; one from before the run if nobody wrote it."""
        record = self.find(message)
        if record is not None:
            return record
        earlier = self._earlier.get(message_id(message) or "") or self._earlier.get(message_digest(message) or "")
        if earlier is None:
            return self.add(message, self._authors.outside(message), None, channel)
        author = self._record.actor(*earlier.actor)  # type: ignore[arg-type]
        record = self.add(message, author, None, channel, earlier_step_id=earlier.step_id)
        self._carried[record] = earlier
        return record

    def find(self, message: Any) -> MessageRecord | None:
        """The record of a message: by object, by id, then by role and content. None: nobody has written or read it."""
        record = self.by_identity(message)
        if record is not None:
            return record
        own_id = message_id(message)
        role = message_role(message)
        for record in reversed(self._unbound[-_UNBOUND_WINDOW:]):
            if record.snapshot.role == role and same_content(record.snapshot, message):
                self._unbound.remove(record)
                record.source = message
                self._record.bind(message, record, own_id)
                return record
        return None

    def by_identity(self, message: Any) -> MessageRecord | None:
        """The record of this object, or of the object it is a copy of."""
        own_id = message_id(message)
        record = self._record.by_object.get(id(message))
        if record is not None:
            if own_id is not None:  # the framework has given it one since it was written
                self._record.by_id.setdefault(own_id, record)
            return record
        if own_id is None:
            return None
        record = self._record.by_id.get(own_id)
        if record is None:  # a copy may turn up before anybody has read the original
            newest = reversed(self._unbound[-_FRESH_WINDOW:])
            record = next((known for known in newest if message_id(known.source) == own_id), None)
        if record is not None:
            self._record.bind(message, record, own_id)
        return record

    def add(
        self,
        message: Any,
        author: Any,
        step: StepRecord | None,
        channel: str | None,
        *,
        version: int = 1,
        earlier_step_id: str | None = None,
    ) -> MessageRecord:
        """A message turns up for the first time, or in a new version; `step` None: nobody in this run wrote it."""
        own_id = message_id(message)
        record = self._record.add_message(
            message,
            snapshot(message),
            author,
            step,
            source_id=own_id,
            channel=channel or None,
            version=version,
            earlier_step_id=earlier_step_id,
        )
        if own_id is None:
            self._unbound.append(record)
        for call_id in tool_call_ids(message):
            self._calls[call_id] = record
        return record
