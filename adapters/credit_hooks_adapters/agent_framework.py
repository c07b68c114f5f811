"""Microsoft Agent Framework's own spans (scope `agent_framework`) to trajectories.

They carry no message ids: ids are made of span ids. What an agent was given is matched, in order, with what was said by
those whose messages can have reached it over the links of the run. Contents are on spans only if the program turned
that on (`enable_sensitive_data` and OTEL_SEMCONV_STABILITY_OPT_IN=gen_ai_latest_experimental); without them a turn is
taken to have read all that can have reached it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from credit_hooks.anyvalue import integer, text
from credit_hooks.errors import TrajectoryError
from credit_hooks.genai import DecodedMessage
from credit_hooks.spans import SpanData
from credit_hooks.trajectory import (
    Actor,
    ActorKind,
    Message,
    ReadSet,
    Step,
    StepKind,
    ToolCallPart,
    ToolResultPart,
    Trajectory,
    Usage,
    WithheldPart,
)
from credit_hooks_adapters.agent_framework_content import (
    answers,
    asks_for,
    content_key,
    instructions_of,
    model_of,
    stated_messages,
    usage_of,
)
from credit_hooks_adapters.agent_framework_runs import SCOPE, Process, Turn, WorkflowRun, kind_of, workflow_runs

__all__ = ["ADAPTER", "AgentFrameworkAdapter"]

_INPUT: Final = "gen_ai.input.messages"
_OUTPUT: Final = "gen_ai.output.messages"


class AgentFrameworkAdapter:
    """Reads the spans of Agent Framework's workflows and agents."""

    name = "agent_framework"

    def recognises(self, spans: Sequence[SpanData]) -> float:
        """0.95 if an agent's turn or an executor's work is among the spans, else 0.0."""
        return 0.95 if any(kind_of(span) in ("process", "turn") for span in spans) else 0.0

    def trajectories(self, spans: Iterable[SpanData]) -> Iterator[Trajectory]:
        """One trajectory per outermost workflow, and per agent that runs in none; by start.

        Raises:
            TrajectoryError: no span is an agent's turn.
        """
        runs = workflow_runs(spans)
        if not runs:
            raise TrajectoryError(f"no span of scope {SCOPE!r} is an agent's turn (invoke_agent)")
        for run in runs:
            yield _Reader(run).trajectory()


ADAPTER: Final = AgentFrameworkAdapter()


class _Reader:
    """One run while it is read, turn by turn in the order of their starts."""

    def __init__(self, run: WorkflowRun) -> None:
        self.run = run
        self.messages: list[Message] = []
        self.places: dict[str, int | None] = {}
        """Message to the process that wrote it. None: it was given to the run."""
        self.actors: dict[str, Actor] = {}
        self.steps: list[Step] = []
        self.by_key: dict[str, list[Message]] = {}
        self.turns: dict[int, str] = {}
        """Process to the newest turn in it."""
        self.last: dict[str, tuple[str, tuple[str, ...]]] = {}
        """Agent to its last turn and what that had read."""

    def trajectory(self) -> Trajectory:
        """The run."""
        for turn in self.run.turns:
            self._turn(turn)
        root = self.run.root
        failed = root.status == "error"
        return Trajectory(
            id=f"{root.trace_id}:{root.span_id}",
            framework="agent_framework",
            source=AgentFrameworkAdapter.name,
            name=text(root.attributes.get("workflow.name")) or text(root.attributes.get("gen_ai.agent.name")),
            status="error" if failed else "unknown",
            session_id=text(root.attributes.get("gen_ai.conversation.id")),
            actors=tuple(self.actors.values()),
            messages=tuple(self.messages),
            steps=tuple(self.steps),
        )

    # --- turns --------------------------------------------------------------------------------------------------------

    def _turn(self, turn: Turn) -> None:
        span = turn.span
        self._actor(turn.agent, "agent", instructions_of(span), text(span.attributes.get("gen_ai.request.model")))
        read = self._inputs(turn)
        step_id = span.span_id
        written = self._outputs(turn)
        base, before = self.last.get(turn.agent, (None, ()))
        if base is not None and set(before) <= set(read):
            known = set(before)
            reads = ReadSet(base=base, new=tuple(one for one in read if one not in known))
        else:
            reads = ReadSet(new=tuple(read))
        self.last[turn.agent] = (step_id, tuple(read))
        outer = None if turn.outer is None else turn.outer.span.span_id
        self._step(span, "agent", turn.agent, outer, reads, written)
        process = turn.process
        woken_by = {self.turns[source.place] for _, source in process.sources if source.place in self.turns}
        sent = () if process.span is None else process.span.links
        caused = {"scheduled_by": tuple(sorted(woken_by)), "links": tuple(link.span_id for link in sent)}
        self.steps[-1] = self.steps[-1].model_copy(update=caused)
        self.turns[process.place] = step_id
        self._calls(turn, written)

    def _inputs(self, turn: Turn) -> list[str]:
        """Ids of what the turn was given; what nobody is known to have said is added."""
        within_reach = [m for m in self.messages if self._reaches(m, turn.process)]
        given = stated_messages(turn.span.attributes.get(_INPUT))
        if given is None:
            if not within_reach:
                withheld = DecodedMessage("user", None, (WithheldPart(),))
                within_reach = [self._given(turn, 0, withheld, fresh=True)]
            return [message.id for message in within_reach]
        fresh = all(self.places[message.id] is None for message in within_reach)
        used: set[str] = set()
        for number, said in enumerate(given):
            if said.role == "system":
                continue
            same = self.by_key.get(content_key(said.parts), ())
            found = next((m for m in same if m.id not in used and self._reaches(m, turn.process)), None)
            used.add((found or self._given(turn, number, said, fresh=fresh)).id)
        return [message.id for message in self.messages if message.id in used]

    def _reaches(self, message: Message, process: Process) -> bool:
        place = self.places[message.id]
        return place is None or process.follows(place)

    def _given(self, turn: Turn, number: int, said: DecodedMessage, *, fresh: bool) -> Message:
        """Something the turn was given that nobody said: the run's input, or made by an executor for this agent."""
        process = turn.process
        own_prompt = process.executor not in (None, turn.agent)
        message_id = f"{turn.span.span_id}:given:{number}"
        by_user = process.executor is None or process.is_answer or (fresh and (number == 0 or not own_prompt))
        if by_user or (not own_prompt and not process.sources):
            self._actor("user", "human")
            return self._add(message_id, "user", None, said, None, turn.span.start_ns)
        if own_prompt:
            writer, step_id, span = process, f"{turn.span.span_id}:prompt", turn.span
        else:
            send, writer = process.sources[-1]
            step_id, span = send.span_id, send
        name = writer.executor or "orchestrator"
        self._actor(name, "orchestrator")
        if not any(step.id == step_id for step in self.steps):
            read = tuple(m.id for m in self.messages if self._reaches(m, writer))
            self._step(span, "agent", name, None, ReadSet(new=read), (), step_id=step_id)
        message = self._add(message_id, name, step_id, said, writer.place, turn.span.start_ns)
        self._wrote(step_id, message.id)
        return message

    def _outputs(self, turn: Turn) -> list[Message]:
        span = turn.span
        said = stated_messages(span.attributes.get(_OUTPUT))
        if said is None:
            said = [] if span.status == "error" else [DecodedMessage("assistant", None, (WithheldPart(),))]
        names = {part.id: part.name for one in said for part in one.parts if isinstance(part, ToolCallPart)}
        written = []
        for number, one in enumerate(said):
            author = turn.agent
            if one.role == "tool":
                called = [names.get(part.id) for part in one.parts if isinstance(part, ToolResultPart)]
                author = f"tool:{'+'.join(sorted({name for name in called if name})) or 'tool'}"
                self._actor(author, "tool")
            message_id = f"{span.span_id}:{number}"
            written.append(self._add(message_id, author, span.span_id, one, turn.process.place, span.end_ns))
        return written

    # --- model and tool calls -----------------------------------------------------------------------------------------

    def _calls(self, turn: Turn, written: Sequence[Message]) -> None:
        """Which call made which message; a model was shown what the turn had read, and what the turn wrote before."""
        open_ = [message.id for message in written]
        by_id = {message.id: message for message in written}
        done: list[str] = []
        for span in turn.calls:
            is_chat = kind_of(span) == "chat"
            if not is_chat:
                call_id = text(span.attributes.get("gen_ai.tool.call.id"))
                made = next((one for one in open_ if answers(by_id[one], call_id)), None)
                asked = tuple(one for one in by_id if asks_for(by_id[one], call_id))
                name = f"tool:{text(span.attributes.get('gen_ai.tool.name')) or 'tool'}"
                self._actor(name, "tool")
                self._step(span, "tool", name, turn.span.span_id, ReadSet(new=asked), ())
            else:
                made = self._made_by_model(span, open_, by_id)
                reads = ReadSet(base=turn.span.span_id, new=tuple(done))
                self._step(span, "chat", turn.agent, turn.span.span_id, reads, ())
            if made is None:
                continue
            place = open_.index(made)
            done.extend(open_[: place + 1])
            del open_[: place + 1]
            self._generated(by_id[made], span, usage_of(span) if is_chat else None)

    @staticmethod
    def _made_by_model(span: SpanData, open_: Sequence[str], by_id: dict[str, Message]) -> str | None:
        said = stated_messages(span.attributes.get(_OUTPUT))
        if said is None:
            return next((one for one in open_ if by_id[one].role != "tool"), None)
        keys = {content_key(one.parts) for one in said}
        return next((one for one in open_ if content_key(by_id[one].parts) in keys), None)

    def _generated(self, message: Message, span: SpanData, usage: Usage | None) -> None:
        changed = message.model_copy(update={"generated_by": span.span_id, "usage": usage})
        self.messages[message.index] = changed
        same = self.by_key[content_key(message.parts)]
        same[:] = [changed if one.id == message.id else one for one in same]

    # --- parts --------------------------------------------------------------------------------------------------------

    def _actor(self, name: str, kind: ActorKind, instructions: str | None = None, model: str | None = None) -> None:
        label = name.removeprefix("tool:")
        self.actors.setdefault(name, Actor(id=name, name=label, kind=kind, system_prompt=instructions, model=model))

    def _add(
        self, message_id: str, actor: str, step_id: str | None, said: DecodedMessage, place: int | None, time: Any
    ) -> Message:
        message = Message(
            id=message_id,
            index=len(self.messages),
            actor_id=actor,
            step_id=step_id,
            role=said.role or ("user" if actor == "user" else "assistant"),
            parts=said.parts,
            timestamp=integer(time),
        )
        self.messages.append(message)
        self.places[message_id] = place
        self.by_key.setdefault(content_key(said.parts), []).append(message)
        return message

    def _step(
        self,
        span: SpanData,
        kind: StepKind,
        actor: str,
        parent: str | None,
        reads: ReadSet,
        written: Sequence[Message],
        *,
        step_id: str | None = None,
    ) -> None:
        failed = span.status == "error"
        self.steps.append(
            Step(
                id=step_id or span.span_id,
                parent_id=parent,
                trace_id=span.trace_id,
                kind=kind,
                name=span.name if step_id in (None, span.span_id) else f"prompt {actor}",
                actor_id=actor,
                start_ns=integer(span.start_ns),
                end_ns=integer(span.end_ns),
                status="error" if failed else "ok",
                error=text(span.attributes.get("error.type")) if failed else None,
                model=model_of(span) if kind == "chat" else None,
                usage=usage_of(span) if kind == "chat" else None,
                reads=reads,
                output_message_ids=tuple(message.id for message in written),
            )
        )

    def _wrote(self, step_id: str, message_id: str) -> None:
        place = next(place for place, step in enumerate(self.steps) if step.id == step_id)
        ids = (*self.steps[place].output_message_ids, message_id)
        self.steps[place] = self.steps[place].model_copy(update={"output_message_ids": ids})
