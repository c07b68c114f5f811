"""Who read what before writing what, in one run of a graph.

LangGraph hands a node the state it may read and takes what it returns; messages keep their identity on the way, other
values mostly do. So every object that appears in an input is looked up among those that appeared in an output before:

* a message by object, then by id (copies, deserialised checkpoints), then by role and content (messages given as dicts,
  pairs or strings, which LangGraph turns into new objects);
* any other value by the channel it is read from, by object, and, where the framework passes bare arguments, by value.

An object that nobody wrote in this run came from before it (an earlier turn, a cache, a checkpoint).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from langchain_core.messages import RemoveMessage
from langgraph.constants import START
from langgraph.types import Command

from credit_hooks.langgraph.actors import Authors
from credit_hooks.langgraph.answer import answer_of
from credit_hooks.langgraph.arguments import CallArguments
from credit_hooks.langgraph.data import DataFlow, Records
from credit_hooks.langgraph.earlier import EarlierState
from credit_hooks.langgraph.generation import Generations
from credit_hooks.langgraph.known_messages import KnownMessages
from credit_hooks.langgraph.messages import same_content
from credit_hooks.langgraph.order import in_plan_order, is_call, order_messages, plan_tools
from credit_hooks.langgraph.read_sets import Histories, read_afterwards, set_reads
from credit_hooks.langgraph.task import Task
from credit_hooks.langgraph.values import Channels, channels, data_snapshot, sends
from credit_hooks.record import MessageRecord, RunRecord

if TYPE_CHECKING:
    from credit_hooks.langgraph.threads import Earlier, EarlierWrite

__all__ = ["GraphRun"]

_NOTHING = Channels([], [])


class GraphRun:
    """The provenance tables of one run. All methods are called with the record's lock held."""

    def __init__(
        self,
        record: RunRecord,
        authors: Authors,
        earlier: dict[str, Earlier],
        earlier_writes: dict[str, list[EarlierWrite]],
        waiting: frozenset[str] = frozenset(),
    ) -> None:
        self.record = record
        self.authors = authors
        self.interrupted = False
        self.run_ids: list[Any] = []
        """Every callback run id of this run."""
        self._waiting = waiting
        self._resumed_with: tuple[MessageRecord, ...] = ()
        self.data = DataFlow()
        self._calls = CallArguments()
        self._earlier_state = EarlierState(record, self.data, earlier_writes)
        self.generations = Generations()
        self.messages = KnownMessages(record, authors, earlier, self._earlier_state.carried, self.data.calls)
        self._histories = Histories(self.messages)
        self._message_channels = {"messages"}
        self._sent: dict[int, Task] = {}
        self._handed_off: set[int] = set()
        """Updates that a task inside handed to the graph around it, seen again as the handoff passes outwards."""

    # --- reading ------------------------------------------------------------------------------------------------------

    def read(self, task: Task, value: Any) -> None:
        """Note what a task was given, as a delta against the last task that was given the same history."""
        step = task.step
        extras: dict[MessageRecord, None] = {}
        base: Task | None = None
        new: list[MessageRecord] = []
        rest = value
        if type(value) is dict:
            base, new, rest, step.reads_count = self._histories.read(task, value)
        split = channels(rest, self._message_channels) if rest else _NOTHING
        for channel, messages in split.messages:
            known = self.messages.given_to(task, messages, channel)
            if base is None and not new and isinstance(value, dict) and isinstance(value.get(channel), list):
                new = known
                self._histories.begin(task, channel, messages)
            else:
                extras.update(dict.fromkeys(known))
            step.reads_count += len(known)
        for channel, item in split.data:
            if task.is_call:
                extras.update(self.data.of_argument(task, item))
                continue
            found = dict.fromkeys(self._earlier_state.read(task, channel, item))
            found.update(dict.fromkeys(self.data.read(task, channel, item)))
            extras.update(found)
            if channel and not found:
                self.data.note_unwritten(channel, item)
        sender = self._sent.get(id(value))
        if sender is not None:
            step.scheduled_by = (sender.step,)
            if not new and not extras:
                extras.update(dict.fromkeys(sender.step.writes or self.record.resolved_reads(sender.step)))
        if task.ns in self._waiting:
            extras.update(dict.fromkeys(self._resumed_with))
        set_reads(task, base, new, extras)
        if task.is_call:
            self._calls.note_call(step, value)

    # --- writing ------------------------------------------------------------------------------------------------------

    def write(self, task: Task, value: Any, *, scope: str | None = None) -> None:
        """Note what a task returned: new messages, new versions of known ones, data; the rest is passed on."""
        if task.path and task.path[-1] == START:
            return  # LangGraph's own: it routes the input, and passes it on as it was
        scope = task.scope if scope is None else scope
        split = channels(value, self._message_channels)
        for channel, messages in split.messages:
            for message in messages:
                self._write_message(task, channel, message)
        update = value.update if isinstance(value, Command) else None
        if split.data and id(update) not in self._handed_off:
            self._write_data(task, scope, split.data, value)
        if update is not None and scope != task.scope:
            self.data.keep(update)
            self._handed_off.add(id(update))
        self.sent(task, value)
        if task.step.writes:
            self._read_from_inside(task)
        if task.is_call:
            self._calls.note_result(task.step, value)
        authors = {message.author for message in task.step.writes if message.author.kind == "agent"}
        if len(authors) == 1:
            (task.step.actor,) = authors

    def _read_from_inside(self, task: Task) -> None:
        """What a task writes itself, it wrote having seen the results of the tasks and graphs it ran."""
        inside = self.record.agents_inside(task.step)
        if not inside:
            return
        done = in_plan_order(step for step in inside if not is_call(step))  # of calls, `settle` takes care
        results = dict.fromkeys(message for step in done for message in step.writes)
        if results:
            task.extras = {**task.extras, **results}
            read_afterwards(self.record, task.step, results)

    def _write_message(self, task: Task, channel: str, message: Any) -> None:
        if type(message) is RemoveMessage:
            task.step.removes += (str(message.id),)
            return
        record = self.messages.by_identity(message)
        if record is not None and same_content(record.snapshot, message):
            self.record.bind(message, record)
            return
        version = 1 if record is None else record.version + 1
        author = self.authors.of_message(task, message)
        added = self.messages.add(message, author, task.step, channel, version=version)
        generator = self.generations.of_message(task, message)
        if generator is not None:
            generator.generates += (added,)

    def _write_data(self, task: Task, scope: str, data: list[tuple[str, Any]], source: Any) -> None:
        own: list[tuple[str, Any]] = []
        passed: list[tuple[str, Any, Records]] = []
        for channel, value in data:
            records = self.data.passed_on(task, channel, value)
            if records:
                passed.append((channel, value, records))
            elif not _empty(value) and not self.data.is_managed(channel, value):
                own.append((channel, value))
        if own:
            record = self.record.add_message(
                source,
                data_snapshot(own),
                self.authors.of_step(task),
                task.step,
                channel=own[0][0] if len(own) == 1 else None,
            )
            generator = self.generations.of_data(task, (value for _, value in own))
            if generator is not None:
                generator.generates += (record,)
            passed += [(channel, value, (record,)) for channel, value in own]
        for channel, value, records in passed:
            self.data.know(scope, channel, value, records, task.superstep, of_call=task.is_call)

    # --- the run, graphs inside its tasks, sends -------------------------------------------------------------

    def start(self, inputs: Any) -> None:
        """Note what the run was given."""
        split = channels(inputs, self._message_channels)
        for channel, messages in split.messages:
            for message in messages:
                self.messages.read(message, channel)
        if split.data:
            user = self.authors.user()
            record = self.record.add_message(inputs, data_snapshot(split.data), user, None)
            for channel, value in split.data:
                self.data.know("", channel, value, (record,), -1)
        if isinstance(inputs, Command) and inputs.resume is not None:
            answer = data_snapshot([("resume", inputs.resume)])
            self._resumed_with = (self.record.add_message(inputs, answer, self.authors.user(), None),)

    def enter_graph(self, task: Task, inputs: Any) -> None:
        """A graph starts inside a task: what it is given that nobody wrote, the task wrote."""
        if task.step is self.record.root:
            return
        split = channels(inputs, self._message_channels)
        for channel, messages in split.messages:
            for message in messages:
                if self.messages.find(message) is None:
                    self._write_message(task, channel, message)
        for channel, value in split.data:
            records = tuple(self.data.read(task, channel, value))
            if records:
                self.data.know(task.ns, channel, value, records, -1)
            elif not task.is_call and not _empty(value):
                self._write_data(task, task.ns, [(channel, value)], value)

    def leave_graph(self, task: Task, output: Any) -> None:
        """A graph ends inside a task: its final values were written by its own nodes."""
        split = channels(output, self._message_channels)
        for channel, value in split.data:
            records = self.data.leave_graph(task.ns, channel, value)
            if records:
                task.nested = {**task.nested, channel: (value, records)}

    def sent(self, task: Task, value: Any) -> None:
        """Note `Send`s, whose argument is another task's whole input."""
        for send in sends(value):
            self.data.keep(send)
            self._sent[id(send.arg)] = task

    @property
    def carried(self) -> Mapping[MessageRecord, Earlier]:
        """What was known before of the messages that the run found in its state."""
        return self._earlier_state.carried

    def settle(self) -> None:
        """Say what must not depend on who was faster, now that all is known. Off the user's path."""
        if all(not message.id for message in self.record.messages):  # else some have been shown where they are
            plan_tools(self.record, self.data.calls)
            order_messages(self.record)
        self._earlier_state.settle()
        self._calls.settle()
        for caller, results in self._calls.callers():
            if caller.writes and results:
                read_afterwards(self.record, caller, dict.fromkeys(results))
        output = self.record.output
        said = None if output is None else channels(output, self._message_channels)
        self.record.answer = answer_of(self.record, said)

    def close(self) -> None:
        """Cut what refers back, at the run's end: see :meth:`credit_hooks.record.RunRecord.dissolve`."""
        self._histories.clear()
        self._sent.clear()


def _empty(value: Any) -> bool:
    return isinstance(value, list | tuple | dict) and not value
