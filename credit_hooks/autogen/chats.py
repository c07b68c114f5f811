"""Model and tool calls: which messages a model was shown, and what a tool call was made of.

A model is shown objects that carry no id. Those that went through the agent's model context are known by identity: what
is added there during a turn is, in order, what was delivered, what the model returned, what the tools returned. Others
(contexts of before `load_state`, prompts made by hand) are known by who said what, the newest of equals last.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from autogen_core.models import AssistantMessage, FunctionExecutionResultMessage, SystemMessage, UserMessage

from credit_hooks import semconv as sc
from credit_hooks.autogen import names
from credit_hooks.autogen.memory import Entry
from credit_hooks.autogen.messages import llm_key, llm_snapshot
from credit_hooks.autogen.run import TeamRun
from credit_hooks.autogen.scope import Scope
from credit_hooks.autogen.turns import Chat, Turn
from credit_hooks.record import ActorRecord, MessageRecord, StepRecord, StepStatus

__all__ = ["added", "end_chat", "end_tool", "start_chat", "start_tool"]

_SHOWN = 128
"""Newest messages of a prompt that are kept for its chat span; all of them are in its read set."""


def added(turn: Turn, item: Any) -> None:
    """Something was added to an agent's model context during its turn."""
    memory = turn.info.memory
    if id(item) in turn.handed_over:
        memory.note(item, Entry([turn.handed_over[id(item)]]))
    elif isinstance(item, UserMessage) and turn.cursor < len(turn.delivered):
        message = turn.delivered[turn.cursor]
        if message.source == item.source:
            turn.cursor += 1
            memory.note(item, Entry([message]))
    elif isinstance(item, AssistantMessage) and turn.chats and item.content == turn.chats[-1].result.content:
        memory.note(item, turn.chats[-1].entry)
    elif isinstance(item, FunctionExecutionResultMessage | SystemMessage):
        entry = Entry()
        waiting = turn.awaiting_memory if isinstance(item, SystemMessage) else turn.awaiting_results
        waiting.append(entry)
        memory.note(item, entry)


def start_chat(run: TeamRun, scope: Scope, client: Any, prompt: Sequence[Any]) -> StepRecord | None:
    """A model is called, by an agent or by a team's manager. None: nobody's, or the run has outgrown its limits."""
    turn = scope.turn
    if scope.step.kind == "chat":
        return None  # one method of a client calls another
    parent: StepRecord
    actor: ActorRecord | None
    if turn is not None:
        parent, actor = scope.step, turn.actor
    elif scope.team is not None:
        managing = run.managing(scope.team)
        if managing is None:
            return None
        parent, actor = managing.step, managing.step.actor
    else:
        return None
    model = names.model_name(client)
    attributes = {} if model is None else {sc.GEN_AI_REQUEST_MODEL: model, sc.LLM_MODEL_NAME: model}
    step = run.session.start_step(
        run.record, "chat", sc.OPERATION_CHAT, model or "", parent=parent, actor=actor, attributes=attributes
    )
    if step is None:
        return None
    if actor is not None and actor.model is None:
        actor.model = model
    if turn is None or parent is not turn.step:
        step.reads_base = parent if turn is None else turn.step
        step.prompt = tuple(llm_snapshot(item) for item in prompt[-_SHOWN:])
    else:
        _shown(run, turn, step, list(prompt))
    return step


def _shown(run: TeamRun, turn: Turn, step: StepRecord, prompt: list[Any]) -> None:
    """Note what an agent's model is shown, as a delta against what it was shown before."""
    memory = turn.info.memory
    before = len(memory.prompt)
    # Slice equality settles on identity first: this is the whole cost of showing a long history.
    goes_on = memory.chat is not None and before <= len(prompt) and prompt[:before] == memory.prompt
    tail = prompt[before:] if goes_on else prompt
    found = _known(run, turn, tail)
    body = [
        records for item, records in zip(tail, found, strict=True) if records or not isinstance(item, SystemMessage)
    ]
    read = dict.fromkeys(record for records in body for record in records)
    by_hand = turn.info.context is None and not all(body)
    if by_hand or not (read or goes_on):  # something was made for the prompt alone: of what the agent could see
        step.reads_base = turn.step
        step.reads_new = tuple(record for record in [*turn.scope.inside, *turn.step.writes] if record in read)
        memory.chat = None
    else:
        step.reads_base = memory.chat if goes_on else None
        step.reads_new = tuple(read)
        memory.prompt, memory.chat = prompt, step
    step.reads_count = len(prompt)
    shown = [part for item, records in zip(tail, found, strict=True) for part in records or (llm_snapshot(item),)]
    memory.shown = (*memory.shown, *shown) if goes_on else tuple(shown)
    if len(memory.shown) > 2 * _SHOWN:
        system = [part for part in memory.shown[:-_SHOWN] if not isinstance(part, MessageRecord)]
        memory.shown = (*[part for part in system if part.role == "system"], *memory.shown[-_SHOWN:])
    step.prompt = memory.shown


def _known(run: TeamRun, turn: Turn, prompt: Sequence[Any]) -> list[Sequence[MessageRecord]]:
    """What each item of a prompt stands for; nothing where it was made for the prompt."""
    found: list[Sequence[MessageRecord]] = []
    unknown: list[int] = []
    for item in prompt:
        entry = turn.info.memory.entry(item)
        if entry is None and not isinstance(item, SystemMessage):
            unknown.append(len(found))
        found.append(() if entry is None else [run.known(message, turn.outer) for message in entry.messages])
    if unknown:
        _by_text(run, turn, prompt, unknown, found)
    return found


def _by_text(
    run: TeamRun, turn: Turn, prompt: Sequence[Any], unknown: Sequence[int], found: list[Sequence[MessageRecord]]
) -> None:
    said: dict[tuple[str, str], list[MessageRecord]] = {}
    known = {record for records in found for record in records}
    for record in dict.fromkeys([*turn.info.memory.visible, *turn.scope.inside, *turn.step.writes]):
        key = llm_key(record.source)
        if key is not None and record not in known:
            said.setdefault(key, []).append(record)
    restored: list[int] = []
    held = {id(item) for item in names.context_messages(turn.info.context)}
    before = run.messages.from_before() if held else {}
    for place in reversed(unknown):
        key = llm_key(prompt[place])
        is_held = id(prompt[place]) in held
        same = (said.get(key) or (before.get(key) if is_held else None)) if key is not None else None
        if same:
            _stands_for(turn, prompt[place], same.pop() if is_held or len(same) > 1 else same[0], found, place)
        elif is_held:
            restored.append(place)
    for place in reversed(restored):  # of before the run: restored state, or given to the context by the user
        _stands_for(turn, prompt[place], run.known(prompt[place], turn.outer), found, place)


def _stands_for(turn: Turn, item: Any, record: MessageRecord, found: list[Sequence[MessageRecord]], place: int) -> None:
    turn.info.memory.note(item, Entry([record.source]))
    found[place] = (record,)


def end_chat(scope: Scope, step: StepRecord, result: Any) -> None:
    """A model has answered."""
    usage = result.usage
    step.attributes.update(
        dict.fromkeys((sc.GEN_AI_USAGE_INPUT_TOKENS, sc.LLM_TOKEN_COUNT_PROMPT), usage.prompt_tokens)
    )
    step.attributes.update(
        dict.fromkeys((sc.GEN_AI_USAGE_OUTPUT_TOKENS, sc.LLM_TOKEN_COUNT_COMPLETION), usage.completion_tokens)
    )
    if scope.turn is not None and scope.step is scope.turn.step:
        scope.turn.chats.append(Chat(step, result, Entry()))
    elif scope.turn is None and scope.team is not None:
        scope.team.chats.append(Chat(step, result, Entry()))
    scope.run.end_step(step, "ok")


def start_tool(
    run: TeamRun, turn: Turn, workbench: Any, name: str, arguments: Mapping[str, Any] | None, call_id: str | None
) -> Scope | None:
    """A tool is called in an agent's turn. None: the run has outgrown its limits."""
    attributes: dict[str, Any] = {sc.GEN_AI_TOOL_NAME: name, sc.TOOL_NAME: name}
    if call_id:
        attributes[sc.GEN_AI_TOOL_CALL_ID] = call_id
    actor = run.record.actor(f"tool:{name}", name, "tool")
    step = run.session.start_step(
        run.record, "tool", sc.OPERATION_TOOL, name, parent=turn.step, actor=actor, attributes=attributes
    )
    if step is None:
        return None
    asked = json.dumps(dict(arguments or {}), default=repr)
    step.private = {sc.GEN_AI_TOOL_CALL_ARGUMENTS: asked, sc.INPUT_VALUE: asked}
    if call_id is not None:
        turn.tools[call_id] = step
        if call_id in turn.calls:
            step.reads_new = (turn.calls[call_id],)
    return Scope(run, step, workbench, turn=turn)


def end_tool(scope: Scope, result: Any, status: StepStatus, error: BaseException | None = None) -> None:
    """A tool has returned; what agents wrote that it ran, it has read."""
    step = scope.step
    step.reads_new = tuple(dict.fromkeys([*step.reads_new, *scope.inside]))
    to_text = getattr(result, "to_text", None)
    said = to_text() if callable(to_text) else result
    if isinstance(said, str):
        step.private = {**(step.private or {}), sc.GEN_AI_TOOL_CALL_RESULT: said, sc.OUTPUT_VALUE: said}
    scope.run.end_step(step, status, error)
