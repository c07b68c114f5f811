"""The trajectory schema: what a run of a team of agents was, whatever traced it.

A :class:`Trajectory` is frozen data. Its provenance graph is bipartite: a :class:`Step` *reads* messages and *writes*
messages, so the parents of a message are the read set of the step that wrote it. Read sets are delta-encoded
(:class:`ReadSet`), because in most teams every agent reads the whole history and plain parent lists would grow with
the square of the run: 10,000 messages would need 50 million edges.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Literal, TypeAlias

from pydantic import Field, JsonValue

from credit_hooks.parts import (
    BlobPart,
    DataPart,
    FrozenModel,
    Part,
    ReasoningPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    WithheldPart,
    part_text,
)

__all__ = [
    "SCHEMA_VERSION",
    "Actor",
    "ActorKind",
    "BlobPart",
    "DataPart",
    "Label",
    "Message",
    "Outcome",
    "Part",
    "ReadSet",
    "ReasoningPart",
    "Step",
    "StepKind",
    "TextPart",
    "Tool",
    "ToolCallPart",
    "ToolResultPart",
    "Trajectory",
    "Usage",
    "WithheldPart",
]

SCHEMA_VERSION = "1"

ActorKind: TypeAlias = Literal["agent", "human", "tool", "environment", "orchestrator", "system", "unknown"]
StepKind: TypeAlias = Literal["workflow", "agent", "chat", "tool", "unknown"]


class Usage(FrozenModel):
    """Tokens of one model call."""

    input_tokens: int | None = None
    """Prompt tokens. None: not stated."""
    output_tokens: int | None = None
    """Completion tokens. None: not stated."""


class Actor(FrozenModel):
    """Someone who writes messages: an agent, a human, a tool."""

    id: str
    """Unique in the trajectory, and stable between runs of the same team."""
    name: str
    """The name the user gave."""
    kind: ActorKind = "agent"
    """What it is. Humans, systems and tools are credited only where they can have contributed."""
    parent_id: str | None = None
    """The actor it belongs to, such as the team around a member. None: top level."""
    system_prompt: str | None = None
    """Its instructions. None: unknown, not empty."""
    model: str | None = None
    """Model name. None: unknown or not a model."""
    meta: dict[str, JsonValue] = {}
    """Whatever else the source says."""


class Message(FrozenModel):
    """One message, or one write of state: the unit that receives a reward."""

    id: str
    """Unique in the trajectory."""
    index: int = Field(ge=0)
    """0-based position in the source. Labels refer to it."""
    actor_id: str
    """Its author."""
    step_id: str | None = None
    """The turn that wrote it; its reads are what was *visible* to the author. None: written outside any step."""
    generated_by: str | None = None
    """The chat or tool step whose result this message is; its reads are what was *consumed*. None: written by code."""
    earlier_parents: tuple[str, ...] = ()
    """What was read for it in an earlier run of its thread, the newest of it, as far as it is in this trajectory: no
    step of this one says it. Empty: written in this run, or nothing is known."""
    role: str = "assistant"
    """Normalised role: user, assistant, tool, system, or data for writes of state."""
    role_raw: str | None = None
    """The source's own word for the role, where it differs. None: same as `role`."""
    channel: str | None = None
    """The state channel or stream it was written to. None: the framework has one only."""
    recipients: tuple[str, ...] = ()
    """Actors it was addressed to. Empty: broadcast, or not stated."""
    parts: tuple[Part, ...] = ()
    """Its content."""
    timestamp: int | None = None
    """Nanoseconds since the epoch. None: unknown."""
    usage: Usage | None = None
    """Tokens spent on it. None: unknown."""
    error: str | None = None
    """Why it is no proper message. None: no error."""
    meta: dict[str, JsonValue] = {}
    """Whatever else the source says."""

    @cached_property
    def text(self) -> str:
        """The message as text: its text parts, then tool results and data as compact JSON, one per line.

        Reasoning and tool calls are left out, as readers of the message do not act on them as statements.
        """
        return "\n".join(text for part in self.parts if (text := part_text(part)))


class ReadSet(FrozenModel):
    """Which messages a step had before it, in order: everything `base` had read, less `dropped`, then `new`.

    Two or more steps with the same history share one base, so the size is that of what is new.
    """

    base: str | None = None
    """Id of the step whose read set this one starts from. None: starts empty."""
    new: tuple[str, ...] = ()
    """Message ids read in addition, in order."""
    dropped: tuple[str, ...] = ()
    """Message ids of the base that are no longer visible."""


class Step(FrozenModel):
    """One unit of work: an agent's turn, a model call, a tool call."""

    id: str
    """Span id."""
    parent_id: str | None = None
    """The step around it. None: the run's root."""
    trace_id: str | None = None
    """Trace it belongs to. None: the source has no traces."""
    kind: StepKind = "unknown"
    """What it is."""
    name: str = ""
    """As the source names it."""
    actor_id: str | None = None
    """Who acted. None: nobody in particular, as for the root."""
    start_ns: int | None = None
    """Start, nanoseconds since the epoch. None: unknown."""
    end_ns: int | None = None
    """End, nanoseconds since the epoch. None: unknown."""
    status: Literal["ok", "error", "cancelled", "interrupted", "abandoned", "handoff", "unknown"] = "unknown"
    """How it ended. An interrupt and a handoff are not errors."""
    error: str | None = None
    """Error type or message. None: no error."""
    model: str | None = None
    """Model of a chat step. None: no model, or unknown."""
    usage: Usage | None = None
    """Tokens of a chat step. None: unknown."""
    reads: ReadSet = ReadSet()
    """What it read: the visible state for an agent's turn, the prompt for a chat step, the call for a tool."""
    output_message_ids: tuple[str, ...] = ()
    """Messages it wrote."""
    scheduled_by: tuple[str, ...] = ()
    """Steps that caused it to run without it reading anything of theirs, such as edges that only order."""
    links: tuple[str, ...] = ()
    """Span ids it links to, as the source states them."""
    attributes: dict[str, JsonValue] = {}
    """Attributes the schema has no field for, as the source states them."""


class Outcome(FrozenModel):
    """How the run ended, as an evaluator or the source says."""

    success: bool | None = None
    """True if it reached its goal. None: only a score is known."""
    score: float = Field(ge=0.0, le=1.0)
    """Degree of success R in [0, 1]."""
    answer: str | None = None
    """The run's answer. None: not stated."""
    expected: str | None = None
    """The right answer. None: unknown. Never shown to the credit methods."""
    baseline: float | None = Field(default=None, ge=0.0, le=1.0)
    """Expected score b before the run. None: the configuration decides."""
    explanation: str | None = None
    """Why. Counts as content: a judge's rationale quotes it."""


class Label(FrozenModel):
    """What an annotator said of a run, a message, a step or an actor."""

    target: Literal["trajectory", "message", "step", "actor"]
    """What kind of thing is labelled."""
    target_id: str | None = None
    """Which one. None: the label's target is missing from the source."""
    name: str
    """What is said, such as `first_error`."""
    value: JsonValue = None
    """The value. None: the name says it all."""
    category: str | None = None
    """Class of failure. None: not stated."""
    reason: str | None = None
    """The annotator's words. None: none."""
    annotator: str | None = None
    """Who labelled. None: unknown."""
    timestamp: int | None = None
    """When, nanoseconds since the epoch. None: unknown."""
    source: str | None = None
    """Data set or file. None: unknown."""
    root_cause: bool | None = None
    """True if this label is named as the root cause among several. None: not stated."""
    inconsistent: bool = False
    """True if the label contradicts the record, such as an agent who did not write the labelled step."""


class Tool(FrozenModel):
    """A tool that was offered to agents."""

    name: str
    """Tool name."""
    description: str | None = None
    """What it does. None: unknown."""
    parameters: JsonValue = None
    """JSON schema of its arguments. None: unknown."""


class Trajectory(FrozenModel):
    """One run of a team: who said what, having read what, and how it ended."""

    schema_version: str = SCHEMA_VERSION
    """Version of this schema."""
    id: str
    """Unique among runs."""
    framework: str | None = None
    """What ran it: langgraph, autogen, ... None: unknown."""
    source: str | None = None
    """Dialect or file it was read from. None: built by hand."""
    name: str | None = None
    """Name of the graph or team. None: unknown."""
    status: Literal["ok", "error", "cancelled", "interrupted", "abandoned", "unknown"] = "unknown"
    """How the run itself ended, apart from whether its answer was right. Abandoned: its stream was broken off."""
    task_id: str | None = None
    """The task it worked on. None: unknown."""
    group_id: str | None = None
    """Runs of the same task share it. None: unknown."""
    session_id: str | None = None
    """Conversation or thread that several runs belong to. None: none."""
    task: str | None = None
    """The task's text. None: the first human message says it."""
    actors: tuple[Actor, ...] = ()
    """Everyone who wrote, in order of appearance."""
    messages: tuple[Message, ...] = ()
    """Everything that was written, by index."""
    steps: tuple[Step, ...] = ()
    """Everything that ran, by start."""
    answer_id: str | None = None
    """The message that carries the run's answer. None: the last message."""
    outcome: Outcome | None = None
    """How it ended. None: not known yet."""
    labels: tuple[Label, ...] = ()
    """What annotators said."""
    tools: tuple[Tool, ...] = ()
    """Tools offered."""
    meta: dict[str, JsonValue] = {}
    """Whatever else the source says."""

    @cached_property
    def message_by_id(self) -> Mapping[str, Message]:
        """Messages by id; the first of equal ids wins."""
        return {message.id: message for message in reversed(self.messages)}

    @cached_property
    def actor_by_id(self) -> Mapping[str, Actor]:
        """Actors by id."""
        return {actor.id: actor for actor in self.actors}

    @cached_property
    def step_by_id(self) -> Mapping[str, Step]:
        """Steps by id."""
        return {step.id: step for step in self.steps}

    @property
    def answer(self) -> str | None:
        """Text of the run's answer: the outcome's, else the answer message's, else the last message's."""
        if self.outcome is not None and self.outcome.answer is not None:
            return self.outcome.answer
        message = self.answer_message
        return None if message is None else message.text

    @property
    def answer_message(self) -> Message | None:
        """The message that carries the run's answer. None: nothing was written."""
        if self.answer_id is not None and self.answer_id in self.message_by_id:
            return self.message_by_id[self.answer_id]
        return self.messages[-1] if self.messages else None

    def reads(self, step_id: str) -> tuple[str, ...]:
        """Resolve a step's read set to message ids, in order.

        Unknown bases and cycles of foreign data end the chain. Cost: the length of the result plus that of the chain.
        """
        chain: list[ReadSet] = []
        seen: set[str] = set()
        current: str | None = step_id
        while current is not None and current not in seen:
            seen.add(current)
            step = self.step_by_id.get(current)
            if step is None:
                break
            chain.append(step.reads)
            current = step.reads.base
        read: dict[str, None] = {}
        for delta in reversed(chain):
            for message_id in delta.dropped:
                read.pop(message_id, None)
            read.update(dict.fromkeys(delta.new))
        return tuple(read)

    def parents(self, message_id: str) -> tuple[str, ...]:
        """Ids of the messages that were read when this one was written, in order; empty for inputs.

        What a model or tool consumed, where one generated the message; else everything visible to its author. A step
        that asks others and goes on with their answers reads those after it wrote the question: they are no parents.
        """
        message = self.message_by_id[message_id]
        if message.earlier_parents:
            return message.earlier_parents
        step_id = message.generated_by or message.step_id
        if step_id is None:
            return ()
        messages, latest = self.message_by_id, message.index
        return tuple(read for read in self.reads(step_id) if read not in messages or messages[read].index < latest)

    def edges(self) -> Iterator[tuple[str, str]]:
        """All (parent, child) pairs. Quadratic in the run's length for teams that read the whole history."""
        for message in self.messages:
            for parent in self.parents(message.id):
                yield parent, message.id

    def with_outcome(self, outcome: Outcome | None) -> Trajectory:
        """A copy that ended so."""
        return self.model_copy(update={"outcome": outcome})
