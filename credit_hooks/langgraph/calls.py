"""Model and tool events."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from functools import partial
from typing import Any

from langgraph.errors import GraphBubbleUp, ParentCommand

from credit_hooks import semconv as sc
from credit_hooks.langgraph import nesting
from credit_hooks.langgraph.call_reads import note_prompt, note_tool_call, note_tool_result
from credit_hooks.langgraph.open_runs import OpenRuns, guarded, status_of, text
from credit_hooks.langgraph.tools import tool_definitions
from credit_hooks.session import CaptureSession

__all__ = ["CallEvents"]

_USAGE = {
    "input_tokens": (sc.GEN_AI_USAGE_INPUT_TOKENS, sc.LLM_TOKEN_COUNT_PROMPT),
    "output_tokens": (sc.GEN_AI_USAGE_OUTPUT_TOKENS, sc.LLM_TOKEN_COUNT_COMPLETION),
}


class CallEvents:
    """The part of the callback that hears of models and tools."""

    _session: CaptureSession
    _open: OpenRuns

    @guarded
    def on_chat_model_start(
        self,
        serialized: dict[str, Any],
        messages: list[list[Any]],
        *,
        run_id: uuid.UUID,
        parent_run_id: uuid.UUID | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """A chat model is called."""
        prompt = messages[0] if messages else []
        self._start_model(run_id, parent_run_id, prompt, metadata or {}, kwargs.get("invocation_params") or {})

    @guarded
    def on_llm_start(
        self,
        serialized: dict[str, Any],
        prompts: list[str],
        *,
        run_id: uuid.UUID,
        parent_run_id: uuid.UUID | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """A text-completion model is called."""
        self._start_model(
            run_id, parent_run_id, list(prompts[:1]), metadata or {}, kwargs.get("invocation_params") or {}
        )

    def _start_model(
        self,
        run_id: uuid.UUID,
        parent_run_id: uuid.UUID | None,
        prompt: list[Any],
        metadata: Mapping[str, Any],
        parameters: Mapping[str, Any],
    ) -> None:
        parent = self._open.around(run_id, parent_run_id)
        if parent is None:
            return
        task, around = parent
        model = text(metadata.get("ls_model_name") or parameters.get("model") or parameters.get("model_name"))
        attributes: dict[str, Any] = {}
        if model:
            attributes[sc.GEN_AI_REQUEST_MODEL] = attributes[sc.LLM_MODEL_NAME] = model
        if provider := text(metadata.get("ls_provider")):
            attributes[sc.GEN_AI_PROVIDER_NAME] = provider
        step = self._session.start_step(
            task.run.record,
            "chat",
            sc.OPERATION_CHAT,
            model or "",
            parent=around,
            actor=task.step.actor,
            attributes=attributes,
        )
        if step is None:
            return
        if offered := parameters.get("tools") or parameters.get("functions"):
            step.private = {sc.GEN_AI_TOOL_DEFINITIONS: partial(tool_definitions, tuple(offered))}
        step.outer = nesting.current()
        nesting.model_called(run_id)
        self._open.enter_call(run_id, task, step)
        with task.run.record.lock:
            if task.step.actor is not None and task.step.actor.model is None:
                task.step.actor.model = model
            note_prompt(task, step, prompt)

    @guarded
    def on_llm_end(self, response: Any, *, run_id: uuid.UUID, **kwargs: Any) -> None:
        """A model has answered."""
        entry = self._open.calls.pop(run_id, None)
        if entry is None:
            return
        task, step = entry
        generations = response.generations[0] if response.generations else []
        message = getattr(generations[0], "message", None) if generations else None
        usage = getattr(message, "usage_metadata", None) or {}
        for key, names in _USAGE.items():
            if isinstance(usage.get(key), int):
                step.attributes.update(dict.fromkeys(names, usage[key]))
        step.end("ok")
        if message is not None:
            with task.run.record.lock:
                task.run.generations.chat_ended(task, step, message)
        self._session.end_step(task.run.record, step)

    @guarded
    def on_llm_error(self, error: BaseException, *, run_id: uuid.UUID, **kwargs: Any) -> None:
        """A model call has failed."""
        self._end_failed(run_id, error)

    @guarded
    def on_tool_start(
        self,
        serialized: dict[str, Any] | None,
        input_str: str,
        *,
        run_id: uuid.UUID,
        parent_run_id: uuid.UUID | None = None,
        tool_call_id: str | None = None,
        inputs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """A tool starts. What it runs inside, agents included, counts as inside the task that called it."""
        parent = self._open.around(run_id, parent_run_id)
        if parent is None:
            return
        task, around = parent
        name = str((serialized or {}).get("name") or kwargs.get("name") or "tool")
        attributes: dict[str, Any] = {sc.GEN_AI_TOOL_NAME: name, sc.TOOL_NAME: name}
        if tool_call_id:
            attributes[sc.GEN_AI_TOOL_CALL_ID] = tool_call_id
        actor = task.run.record.actor(f"tool:{name}", name, "tool")
        step = self._session.start_step(
            task.run.record, "tool", sc.OPERATION_TOOL, name, parent=around, actor=actor, attributes=attributes
        )
        if step is None:
            return
        step.private = {sc.GEN_AI_TOOL_CALL_ARGUMENTS: input_str, sc.INPUT_VALUE: input_str}
        step.outer = nesting.current()
        self._open.enter_call(run_id, task, step)
        self._open.enter(run_id, task, step)
        with task.run.record.lock:
            note_tool_call(task, step, tool_call_id)

    @guarded
    def on_tool_end(self, output: Any, *, run_id: uuid.UUID, **kwargs: Any) -> None:
        """A tool has returned."""
        self._open.tasks.pop(run_id, None)
        self._open.inside.pop(run_id, None)
        entry = self._open.calls.pop(run_id, None)
        if entry is None:
            return
        task, step = entry
        step.end("ok")
        content = getattr(output, "content", output)
        if isinstance(content, str):
            step.private = {**(step.private or {}), sc.GEN_AI_TOOL_CALL_RESULT: content, sc.OUTPUT_VALUE: content}
        with task.run.record.lock:
            note_tool_result(task, step, output)
        self._session.end_step(task.run.record, step)

    @guarded
    def on_tool_error(self, error: BaseException, *, run_id: uuid.UUID, **kwargs: Any) -> None:
        """A tool has raised."""
        self._open.tasks.pop(run_id, None)
        self._open.inside.pop(run_id, None)
        self._end_failed(run_id, error)

    def _end_failed(self, run_id: uuid.UUID, error: BaseException) -> None:
        entry = self._open.calls.pop(run_id, None)
        if entry is None:
            return
        task, step = entry
        if isinstance(error, ParentCommand):
            step.end("handoff")
        elif isinstance(error, GraphBubbleUp):
            step.end("interrupted")
        else:
            step.end(status_of(error), error)
        self._session.end_step(task.run.record, step)
