"""State that a run finds and did not write: a thread's earlier turn did, or the part of it before an interrupt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from credit_hooks.langgraph.data import DataFlow, Records
from credit_hooks.langgraph.task import Task
from credit_hooks.langgraph.values import data_snapshot, same_data
from credit_hooks.record import MessageRecord, RunRecord

if TYPE_CHECKING:
    from credit_hooks.langgraph.threads import Earlier, EarlierWrite

__all__ = ["EarlierState"]


class EarlierState:
    """Channels of a thread's state by who wrote them in earlier runs; each is taken over when it is first read."""

    def __init__(self, record: RunRecord, data: DataFlow, writes: dict[str, list[EarlierWrite]]) -> None:
        self._record = record
        self._data = data
        self._writes = writes
        self._taken_over: dict[int, MessageRecord] = {}
        self.carried: dict[MessageRecord, Earlier] = {}
        """What is known of messages of earlier runs that this one has found in its state."""

    def read(self, task: Task, channel: str, value: Any) -> Records:
        """Who wrote a channel's value in an earlier run. From now on this run knows it as theirs."""
        if task.scope or channel not in self._writes:
            return ()
        writes = self._writes.pop(channel)
        if self._data.is_overwritten(task, channel, value):
            return ()
        if merged := self._data.is_written(channel):  # by a reducer, of what was there and what this run has written
            value = None
        newest = writes[-1]
        if newest.snapshot is not None and same_data(newest.snapshot, channel, value):
            writes = [newest]
        records = tuple(self._take_over(write, channel, value) for write in writes)
        if merged:
            self._data.know_before(channel, records)
        else:
            self._data.know("", channel, value, records, -1)
        return records

    def settle(self) -> None:
        """The run is over: say what was read for its earlier messages, of what is in this run."""
        by_token = {earlier.token: record for record, earlier in self.carried.items()}
        for record, earlier in self.carried.items():
            record.earlier_parents = tuple(by_token[token] for token in earlier.parents if token in by_token)

    def _take_over(self, write: EarlierWrite, channel: str, value: Any) -> MessageRecord:
        known = None if write.snapshot is None else self._taken_over.get(id(write.snapshot))
        if known is not None:
            return known
        actor_id, name, kind = write.author.actor
        record = self._record.add_message(
            write,
            write.snapshot or data_snapshot([(channel, value)]),
            self._record.actor(actor_id, name, kind),  # type: ignore[arg-type]
            None,
            channel=channel,
            earlier_step_id=write.author.step_id,
        )
        self.carried[record] = write.author
        if write.snapshot is not None:
            self._taken_over[id(write.snapshot)] = record
        return record
