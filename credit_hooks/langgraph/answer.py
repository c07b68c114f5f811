"""Which message of a run is its answer."""

from __future__ import annotations

from credit_hooks.langgraph.values import Channels
from credit_hooks.record import MessageRecord, RunRecord

__all__ = ["answer_of"]


def answer_of(run: RunRecord, output: Channels | None) -> MessageRecord | None:
    """The run's answer: the last message of its output, else the last data written, else the last message."""
    if output is not None:
        last = [run.by_object.get(id(messages[-1])) for _, messages in output.messages]
        found = [record for record in last if record is not None and record.step is not None]
        if found:
            return max(found, key=lambda record: record.index)
    written = [record for record in run.messages if record.step is not None]
    said = [record for record in written if record.snapshot.role != "data"]
    if output is not None and output.data and not output.messages:
        said = []
    last_said = said or written
    return last_said[-1] if last_said else None
