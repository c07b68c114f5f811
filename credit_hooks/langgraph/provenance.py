"""Who read what before writing what, in one run of a graph.

LangGraph hands a node the state it may read and takes what it returns; messages keep their identity on the way, other
values mostly do. So every object that appears in an input is looked up among those that appeared in an output before:

* a message by object, then by id (copies, deserialised checkpoints), then by role and content (messages given as dicts,
  pairs or strings, which LangGraph turns into new objects);
* any other value by the channel it is read from, by object, and, where the framework passes bare arguments, by value.

An object that nobody wrote in this run came from before it (an earlier turn, a cache, a checkpoint).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from langchain_core.messages import RemoveMessage
from langgraph.constants import START
from langgraph.types import Command

from credit_hooks import semconv as sc
from credit_hooks.langgraph.actors import Authors
from credit_hooks.langgraph.arguments import CallArguments
from credit_hooks.langgraph.data import DataFlow, Records
from credit_hooks.langgraph.earlier import EarlierState
from credit_hooks.langgraph.generation import Generations
from credit_hooks.langgraph.messages import (
    are_messages,
    message_digest,
    message_id,
    message_role,
    same_content,
    snapshot,
    tool_call_ids,
)
from credit_hooks.langgraph.order import in_plan_order, is_call, order_messages
from credit_hooks.langgraph.task import Task, enclosing_scopes
from credit_hooks.langgraph.values import Channels, channels, data_snapshot, sends
from credit_hooks.record import MessageRecord, RunRecord, StepRecord

if TYPE_CHECKING:
    from credit_hooks.langgraph.threads import Earlier, EarlierWrite

__all__ = ["GraphRun"]

_UNBOUND_WINDOW = 256
"""How far back a message without identity or id is looked for by content."""

_FRESH_WINDOW = 16
"""How far back a message is looked for that was given its id after it was written."""

_NOTHING = Channels([], [])

_SHOWN = 128
"""Newest messages of a prompt that are kept for its chat span; all of them are in its read set."""


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
        self._earlier = earlier
        self._waiting = waiting
        self._resumed_with: tuple[MessageRecord, ...] = ()
        self.data = DataFlow()
        self._calls = CallArguments()
        self._earlier_state = EarlierState(record, self.data, earlier_writes)
        self.generations = Generations()
        self._message_channels = {"messages"}
        self._histories: dict[tuple[str, str], tuple[list[Any], Task]] = {}
        self._unbound: list[MessageRecord] = []
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
            base, new, rest, step.reads_count = self._read_history(task, value)
        split = channels(rest, self._message_channels) if rest else _NOTHING
        for channel, messages in split.messages:
            known = self._known_to(task, messages, channel)
            if base is None and not new and isinstance(value, dict) and isinstance(value.get(channel), list):
                new = known
                task.seen = (channel, list(messages))
                self._histories[task.scope, channel] = (list(messages), task)
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
        self._set_reads(task, base, new, extras)
        if task.is_call:
            self._calls.note_call(step, value)

    def _read_history(self, task: Task, state: dict[str, Any]) -> tuple[Task | None, list[MessageRecord], Any, int]:
        """The longest message list of the state as (base task, what is new, the rest of the state, its length)."""
        for channel, messages in state.items():
            if type(messages) is not list or not messages:
                continue
            for scope in enclosing_scopes(task.scope):
                before = self._histories.get((scope, channel))
                # Slice equality settles on identity first: this is the whole cost of reading a long history.
                if before is None or messages[: len(before[0])] != before[0]:
                    continue
                tail = messages[len(before[0]) :]
                if not are_messages(tail):
                    break
                new = self._known_to(task, tail, channel)
                history = list(messages)
                self._histories[task.scope, channel] = (history, task)
                task.seen = (channel, history)
                rest = {key: item for key, item in state.items() if key != channel} if len(state) > 1 else None
                return before[1], new, rest, len(messages)
        return None, [], state, 0

    def _set_reads(
        self, task: Task, base: Task | None, new: list[MessageRecord], extras: dict[MessageRecord, None]
    ) -> None:
        step = task.step
        task.extras = extras
        if base is None:
            step.reads_new = tuple(dict.fromkeys([*extras, *new]))
            return
        step.reads_base = base.step
        if not extras and not base.extras:
            step.reads_new = tuple(new)
            return
        step.reads_dropped = tuple(record for record in base.extras if record not in extras)
        step.reads_new = (*(record for record in extras if record not in base.extras), *new)

    def _known_to(self, task: Task, messages: list[Any], channel: str) -> list[MessageRecord]:
        """The records of messages that a task was given; a call's arguments may be made up, see `arguments`."""
        if task.is_call:
            return [record for message in messages if (record := self._find(message)) is not None]
        return [self.known(message, channel) for message in messages]

    def known(self, message: Any, channel: str | None = None) -> MessageRecord:
        """The record of a message that is read; one from before the run if nobody wrote it."""
        record = self._find(message)
        if record is not None:
            return record
        earlier = self._earlier.get(message_id(message) or "") or self._earlier.get(message_digest(message) or "")
        if earlier is None:
            return self._add(message, self.authors.outside(message), None, channel)
        author = self.record.actor(*earlier.actor)  # type: ignore[arg-type]
        record = self._add(message, author, None, channel, earlier_step_id=earlier.step_id)
        self._earlier_state.carried[record] = earlier
        return record

    def _find(self, message: Any) -> MessageRecord | None:
        record = self._by_identity(message)
        if record is not None:
            return record
        own_id = message_id(message)
        role = message_role(message)
        for record in reversed(self._unbound[-_UNBOUND_WINDOW:]):
            if record.snapshot.role == role and same_content(record.snapshot, message):
                self._unbound.remove(record)
                record.source = message
                self.record.bind(message, record, own_id)
                return record
        return None

    def _by_identity(self, message: Any) -> MessageRecord | None:
        """The record of this object, or of the object it is a copy of."""
        own_id = message_id(message)
        record = self.record.by_object.get(id(message))
        if record is not None:
            if own_id is not None:  # the framework has given it one since it was written
                self.record.by_id.setdefault(own_id, record)
            return record
        if own_id is None:
            return None
        record = self.record.by_id.get(own_id)
        if record is None:  # a copy may turn up before anybody has read the original
            newest = reversed(self._unbound[-_FRESH_WINDOW:])
            record = next((known for known in newest if message_id(known.source) == own_id), None)
        if record is not None:
            self.record.bind(message, record, own_id)
        return record

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
            self._read_afterwards(task.step, results)

    def _read_afterwards(self, step: StepRecord, results: dict[MessageRecord, None]) -> None:
        """A step read these only after others had been given the same history as it."""
        for other in self.record.steps:
            if other.reads_base is step:
                other.reads_new = (*(m for m in step.reads_new if m not in other.reads_dropped), *other.reads_new)
                other.reads_dropped = (
                    *step.reads_dropped,
                    *(m for m in other.reads_dropped if m not in step.reads_new),
                )
                other.reads_base = step.reads_base
        step.reads_new = tuple(dict.fromkeys([*step.reads_new, *results]))

    def _write_message(self, task: Task, channel: str, message: Any) -> None:
        if type(message) is RemoveMessage:
            task.step.removes += (str(message.id),)
            return
        record = self._by_identity(message)
        if record is not None and same_content(record.snapshot, message):
            self.record.bind(message, record)
            return
        version = 1 if record is None else record.version + 1
        author = self.authors.of_message(task, message)
        added = self._add(message, author, task.step, channel, version=version)
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

    def _add(
        self,
        message: Any,
        author: Any,
        step: StepRecord | None,
        channel: str | None,
        *,
        version: int = 1,
        earlier_step_id: str | None = None,
    ) -> MessageRecord:
        own_id = message_id(message)
        record = self.record.add_message(
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
            self.data.calls[call_id] = record
        return record

    # --- graphs inside tasks, sends, model and tool calls -------------------------------------------------------------

    def start(self, inputs: Any) -> None:
        """Note what the run was given."""
        split = channels(inputs, self._message_channels)
        for channel, messages in split.messages:
            for message in messages:
                self.known(message, channel)
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
                if self._find(message) is None:
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

    def chat_started(self, task: Task, step: StepRecord, prompt: Sequence[Any]) -> None:
        """Note what a model is shown. What was made for the prompt alone was made from what the task could see."""
        visible = task.seen[1] if task.seen is not None else []
        instructions = _leading_instructions(prompt)
        # As in `_read_history`: almost every prompt is the history the task was given, and costs one comparison.
        if visible and not task.extras and prompt[instructions:] == visible:
            step.reads_base = task.step
            step.shown_reads = True
            shown = prompt[:instructions]
        else:
            self._read_prompt(task, step, prompt)
            shown = [*prompt[:instructions], *prompt[max(instructions, len(prompt) - _SHOWN) :]]
        step.prompt = tuple(self.record.by_object.get(id(message)) or snapshot(message) for message in shown)

    def _read_prompt(self, task: Task, step: StepRecord, prompt: Sequence[Any]) -> None:
        body = [message for message in prompt if message_role(message) != "system"]
        known = [self._find(message) for message in body]
        consumed = dict.fromkeys(record for record in known if record is not None)
        if len(consumed) == len(body):
            step.reads_new = tuple(consumed)
        else:
            step.reads_base = None if task.step is self.record.root else task.step
            before = self.record.resolved_reads(task.step)
            step.reads_new = tuple(record for record in consumed if record not in before)

    def tool_ended(self, task: Task, step: StepRecord, output: Any) -> None:
        """Note what a tool returned; agents that it ran were read for it."""
        inside = in_plan_order(self.record.agents_inside(step))
        results = dict.fromkeys(message for other in inside for message in other.writes)
        step.reads_new = tuple(dict.fromkeys([*step.reads_new, *results]))
        self.sent(task, output)

    def tool_started(self, step: StepRecord, call_id: str | None) -> None:
        """Note which message asked for a tool."""
        if call_id is not None:
            self.generations.tool_started(step, call_id)
            if call_id in self.data.calls:
                step.reads_new = (self.data.calls[call_id],)

    @property
    def carried(self) -> Mapping[MessageRecord, Earlier]:
        """What was known before of the messages that the run found in its state."""
        return self._earlier_state.carried

    def settle(self) -> None:
        """Say what must not depend on who was faster, now that all is known. Off the user's path."""
        if all(not message.id for message in self.record.messages):  # else some have been shown where they are
            self._plan_tools()
            order_messages(self.record)
        self._earlier_state.settle()
        self._calls.settle()
        for caller, results in self._calls.callers():
            if caller.writes and results:
                self._read_afterwards(caller, dict.fromkeys(results))
        self.record.answer = self.answer(self.record.output)

    def _plan_tools(self) -> None:
        """Tools that ran side by side in one task, in the order of the message that called them."""
        rank = {call_id: place for place, call_id in enumerate(self.data.calls)}
        for step in self.record.steps:
            place = rank.get(step.attributes.get(sc.GEN_AI_TOOL_CALL_ID, "")) if step.kind == "tool" else None
            if place is not None:
                step.plan = ("tools", -1, (place,))

    def close(self) -> None:
        """Cut what refers back, at the run's end: see :meth:`credit_hooks.record.RunRecord.dissolve`."""
        self._histories.clear()
        self._sent.clear()

    def answer(self, output: Any) -> MessageRecord | None:
        """The run's answer: the last message of its output, else the last data written, else the last message."""
        split = channels(output, self._message_channels) if output is not None else None
        if split is not None:
            last = [self.record.by_object.get(id(messages[-1])) for _, messages in split.messages]
            found = [record for record in last if record is not None and record.step is not None]
            if found:
                return max(found, key=lambda record: record.index)
        written = [record for record in self.record.messages if record.step is not None]
        said = [record for record in written if record.snapshot.role != "data"]
        if split is not None and split.data and not split.messages:
            said = []
        last_said = said or written
        return last_said[-1] if last_said else None


def _leading_instructions(prompt: Sequence[Any]) -> int:
    """How many system messages a prompt starts with."""
    for index, message in enumerate(prompt):
        if message_role(message) != "system":
            return index
    return len(prompt)


def _empty(value: Any) -> bool:
    return isinstance(value, list | tuple | dict) and not value
