"""`CreditCallback`: the one line added to a LangGraph graph."""

from __future__ import annotations

import functools
import logging
import threading
import uuid
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, Unpack

from langchain_core.callbacks import BaseCallbackHandler
from langgraph.errors import GraphBubbleUp, ParentCommand
from langgraph.types import Command

from credit_hooks import semconv as sc
from credit_hooks.evaluation import inside_hook
from credit_hooks.langgraph import nesting
from credit_hooks.langgraph.actors import Authors
from credit_hooks.langgraph.messages import message_id
from credit_hooks.langgraph.provenance import GraphRun, Task
from credit_hooks.langgraph.threads import ThreadMemory
from credit_hooks.ports import Verdict
from credit_hooks.record import RunStatus, StepRecord, StepStatus
from credit_hooks.rewards import CreditedRun
from credit_hooks.session import CaptureOptions, CaptureSession

try:  # since langgraph 1.2: without it, static breakpoints end a run as if it were complete
    from langgraph.callbacks import GraphCallbackHandler as _Handler
except ImportError:
    _Handler = BaseCallbackHandler  # type: ignore[assignment,misc]

__all__ = ["CreditCallback"]

logger = logging.getLogger("credit_hooks")
P = ParamSpec("P")

_MAX_ENDED = 10_000
"""Ended run ids remembered, so that a straggler of a finished run is not taken for a new run."""


def _guarded(method: Callable[P, None]) -> Callable[P, None]:
    """The one guard at the edge: a failure of ours is counted and logged, and the user's run goes on."""

    @functools.wraps(method)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            method(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 - nothing of ours may reach the user's run
            callback: CreditCallback = args[0]  # type: ignore[assignment]
            callback._note_failure(method.__name__, error)

    return guarded


class CreditCallback(_Handler):
    """Captures LangGraph runs as spans with provenance, credits them, and puts the rewards on those spans.

    One object serves any number of concurrent runs, sync and async. Attach it per call, for a graph, or globally::

        callback = CreditCallback(evaluate=lambda run: "42" in run.answer, store="runs.db")
        graph.invoke(inputs, config={"callbacks": [callback]})
        callback.flush()
        print(callback.last.credit)

    The run behaves as without it: no message or input is written to, no exception of ours escapes.

    Args:
        options: See :class:`credit_hooks.session.CaptureOptions`.

    Raises:
        ConfigurationError: an option is unknown or cannot work.
    """

    raise_error = False
    run_inline = True
    ignore_retriever = True
    ignore_retry = True
    ignore_custom_event = True

    def __init__(self, **options: Unpack[CaptureOptions]) -> None:
        super().__init__()
        self._session = CaptureSession(options, framework="langgraph", source_id=message_id)
        self._threads = ThreadMemory()
        self._tasks: dict[uuid.UUID, Task] = {}
        self._steps: dict[uuid.UUID, tuple[Task, StepRecord]] = {}
        self._inside: dict[uuid.UUID, StepRecord] = {}
        self._ended: OrderedDict[uuid.UUID, None] = OrderedDict()
        self._guard = threading.Lock()
        nesting.enable(self)

    # --- what users look at -------------------------------------------------------------------------------------------

    @property
    def last(self) -> CreditedRun | None:
        """The newest finished run. None: none has finished, or none was processed yet; call :meth:`flush` first."""
        return self._session.last

    @property
    def runs(self) -> list[CreditedRun]:
        """The newest finished runs, oldest first, at most `max_runs`."""
        return self._session.runs

    @property
    def stats(self) -> Counter[str]:
        """Counts of credited and uncredited runs and of everything that was given up or failed."""
        return self._session.stats

    @property
    def failures(self) -> list[str]:
        """The last failures of evaluators, stores, exporters and of ours, in sentences."""
        return self._session.failures

    @property
    def open_entries(self) -> int:
        """Callbacks started and not ended, and spans held: 0 when no run is going on."""
        return (
            len(self._tasks)
            + len(self._steps)
            + len(self._inside)
            + self._session.active_runs
            + self._session.held_spans
        )

    def flush(self, timeout: float = 30.0) -> bool:
        """Wait until every finished run is credited; False if it took longer than `timeout` seconds."""
        return self._session.flush(timeout)

    def score(self, run_id: str | uuid.UUID, value: Verdict) -> CreditedRun | None:
        """Credit a run whose outcome arrives later; its spans have ended, so rewards are sent as log events.

        Args:
            run_id: The run's id: LangChain's root run id, `run.id` in an evaluator, or `callback.last.trajectory.id`.
            value: True, False, a score in [0, 1] or an `Outcome`.

        Returns:
            The credited run. None: the run has not finished yet; it is scored when it does.

        Raises:
            EvaluationError: the value is none of these.
        """
        return self._session.score(str(run_id), value)

    # --- chains: runs, tasks, and what runs inside them ---------------------------------------------------------------

    @_guarded
    def on_chain_start(
        self,
        serialized: dict[str, Any] | None,
        inputs: Any,
        *,
        run_id: uuid.UUID,
        parent_run_id: uuid.UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        """A chain starts: the run itself, a task, or something inside one."""
        if run_id in self._tasks:
            return  # the handler is listed twice
        parent = self._tasks.get(parent_run_id) if parent_run_id is not None else None
        metadata = metadata or {}
        if parent is None:
            if not inside_hook.get() and parent_run_id not in self._ended:
                self._start_run(run_id, inputs, name, metadata)
            return
        ns = metadata.get("langgraph_checkpoint_ns")
        around = self._inside.get(parent_run_id) if parent_run_id is not None else None
        if ns is None or ns == parent.ns:
            self._enter(run_id, parent, around)
            # A graph inside a task says so: the namespace it checkpoints under is the task's own.
            if ns is not None and metadata.get("checkpoint_ns") == ns:
                with parent.run.record.lock:
                    parent.graphs.add(run_id)
                    parent.run.enter_graph(parent, inputs)
            return
        self._start_task(run_id, parent, around or parent.step, ns, inputs, name, metadata)

    def _start_run(self, run_id: uuid.UUID, inputs: Any, name: str | None, metadata: Mapping[str, Any]) -> None:
        thread_id = metadata.get("thread_id")
        thread = None if thread_id is None else str(thread_id)
        goes_on = inputs is None or isinstance(inputs, Command)  # anything else starts the thread's graph afresh
        resumed = self._threads.interrupted(thread) if goes_on else None
        attributes: dict[str, Any] = {}
        if thread is not None:
            attributes = {sc.SESSION_ID: thread, sc.GEN_AI_CONVERSATION_ID: thread, sc.LANGGRAPH_THREAD_ID: thread}
        links = () if resumed is None else ((resumed.trace_id, resumed.span_id),)
        record = self._session.start_run(str(run_id), name or "graph", attributes=attributes, links=links)
        record.session_id = thread
        record.resumes = None if resumed is None else resumed.run_id
        record.inputs = inputs
        record.metadata = metadata
        record.task_id = _text(metadata.get("task_id"))
        record.group_id = _text(metadata.get("group_id"))
        record.root.outer = nesting.current()
        waiting = frozenset[str]() if resumed is None else resumed.waiting
        run = GraphRun(record, Authors(record), self._threads.messages(thread), waiting)
        task = Task(run, run_id, record.root, ns="", superstep=-1, is_call=False)
        with record.lock:
            run.start(inputs)
        self._enter(run_id, task)

    def _start_task(
        self,
        run_id: uuid.UUID,
        parent: Task,
        around: StepRecord,
        ns: str,
        inputs: Any,
        name: str | None,
        metadata: Mapping[str, Any],
    ) -> None:
        run = parent.run
        path = tuple(part.partition(":")[0] for part in ns.split("|"))
        actor = run.authors.of_task(ns, path, metadata)
        node = str(metadata.get("langgraph_node") or name or path[-1])
        superstep = metadata.get("langgraph_step")
        attributes: dict[str, Any] = {
            sc.GEN_AI_AGENT_NAME: actor.name,
            sc.AGENT_NAME: actor.name,
            sc.GRAPH_NODE_ID: node,
            sc.LANGGRAPH_NODE: node,
            sc.LANGGRAPH_CHECKPOINT_NS: ns,
        }
        if len(path) > 1:
            attributes[sc.GRAPH_NODE_PARENT_ID] = path[-2]
        if isinstance(superstep, int):
            attributes[sc.LANGGRAPH_STEP] = superstep
        if triggers := metadata.get("langgraph_triggers"):
            attributes[sc.LANGGRAPH_TRIGGERS] = [str(trigger) for trigger in triggers]
        step = self._session.start_step(
            run.record, "agent", sc.OPERATION_AGENT, actor.name, parent=around, actor=actor, attributes=attributes
        )
        if step is None:
            self._enter(run_id, parent)
            return
        path_of_task: tuple[Any, ...] = tuple(metadata.get("langgraph_path") or ())
        task = Task(
            run,
            run_id,
            step,
            ns=ns,
            superstep=superstep if isinstance(superstep, int) else 0,
            is_call=path_of_task[-1:] == (True,),
        )
        step.outer = nesting.current()
        self._enter(run_id, task)
        with run.record.lock:
            run.read(task, inputs)

    @_guarded
    def on_chain_end(self, outputs: Any, *, run_id: uuid.UUID, **kwargs: Any) -> None:
        """A chain has returned."""
        task = self._tasks.get(run_id)
        if task is None:
            return
        if task.run_id != run_id:
            self._end_inner(run_id, task, outputs)
        elif task.step is task.run.record.root:
            self._end_run(task, outputs, None)
        else:
            self._end_task(task, outputs, "ok", None)

    @_guarded
    def on_chain_error(self, error: BaseException, *, run_id: uuid.UUID, **kwargs: Any) -> None:
        """A chain has raised: an error, an interrupt, or a handoff to the graph around it."""
        task = self._tasks.get(run_id)
        if task is None:
            return
        if task.run_id != run_id:
            self._end_inner(run_id, task, None)
        elif task.step is task.run.record.root:
            self._end_run(task, None, error)
        elif isinstance(error, ParentCommand):
            self._end_task(task, error.args[0] if error.args else None, "handoff", None)
        elif isinstance(error, GraphBubbleUp):
            task.run.interrupted = True
            self._end_task(task, None, "interrupted", None)
        else:
            self._end_task(task, None, _status_of(error), error)

    def _end_inner(self, run_id: uuid.UUID, task: Task, outputs: Any) -> None:
        self._tasks.pop(run_id, None)
        self._inside.pop(run_id, None)
        if outputs is None:
            return
        with task.run.record.lock:
            if run_id in task.graphs:
                task.run.leave_graph(task, outputs)
            else:
                task.run.sent(task, outputs)

    def _end_task(self, task: Task, outputs: Any, status: StepStatus, error: BaseException | None) -> None:
        record = task.run.record
        if task.step.ended:
            return
        task.step.end(status, error)
        if outputs is not None:
            scope = task.scope.rpartition("|")[0] if status == "handoff" else None
            with record.lock:
                task.run.write(task, outputs, scope=scope)
        task.seen = None  # else every task of a long run keeps a list of its whole history
        self._session.end_step(record, task.step)

    def _end_run(self, task: Task, outputs: Any, error: BaseException | None) -> None:
        run, record = task.run, task.run.record
        with self._guard:
            if task.step.ended:
                return
            status: RunStatus
            if error is None:
                status = "interrupted" if run.interrupted else "ok"
            else:
                status = "interrupted" if isinstance(error, GraphBubbleUp) else _run_status_of(error)
            if status == "error":
                record.error = error  # an exit's traceback would keep the abandoned stream alive
            task.step.end(status, record.error)
            self._forget(run)
        record.output = outputs
        with record.lock:
            record.answer = run.answer(outputs)
            run.close()
            self._threads.remember(record, status)
        self._session.end_run(record, status)

    def _enter(self, run_id: uuid.UUID, task: Task, inside: StepRecord | None = None) -> None:
        self._tasks[run_id] = task
        task.run.run_ids.append(run_id)
        if inside is not None:
            self._inside[run_id] = inside

    def _forget(self, run: GraphRun) -> None:
        """Drop every entry of a run, and remember its ids for stragglers."""
        for run_id in run.run_ids:
            self._tasks.pop(run_id, None)
            self._steps.pop(run_id, None)
            self._inside.pop(run_id, None)
            self._ended[run_id] = None
        while len(self._ended) > _MAX_ENDED:
            self._ended.popitem(last=False)

    # --- models and tools ---------------------------------------------------------------------------------------------

    @_guarded
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

    @_guarded
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
        parent = self._parent(run_id, parent_run_id)
        if parent is None:
            return
        task, around = parent
        model = _text(metadata.get("ls_model_name") or parameters.get("model") or parameters.get("model_name"))
        attributes: dict[str, Any] = {}
        if model:
            attributes[sc.GEN_AI_REQUEST_MODEL] = attributes[sc.LLM_MODEL_NAME] = model
        if provider := _text(metadata.get("ls_provider")):
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
        self._steps[run_id] = (task, step)
        task.run.run_ids.append(run_id)
        with task.run.record.lock:
            if task.step.actor is not None and task.step.actor.model is None:
                task.step.actor.model = model
            task.run.chat_started(task, step, prompt)

    @_guarded
    def on_llm_end(self, response: Any, *, run_id: uuid.UUID, **kwargs: Any) -> None:
        """A model has answered."""
        entry = self._steps.pop(run_id, None)
        if entry is None:
            return
        task, step = entry
        generations = response.generations[0] if response.generations else []
        message = getattr(generations[0], "message", None) if generations else None
        usage = getattr(message, "usage_metadata", None) or {}
        for key, names in _USAGE.items():
            if isinstance(usage.get(key), int):
                step.late.update(dict.fromkeys(names, usage[key]))
        step.end("ok")
        if message is not None:
            with task.run.record.lock:
                task.run.chat_ended(task, step, message)
        self._session.end_step(task.run.record, step)

    @_guarded
    def on_llm_error(self, error: BaseException, *, run_id: uuid.UUID, **kwargs: Any) -> None:
        """A model call has failed."""
        self._end_failed(run_id, error)

    @_guarded
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
        parent = self._parent(run_id, parent_run_id)
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
        step.private[sc.GEN_AI_TOOL_CALL_ARGUMENTS] = step.private[sc.INPUT_VALUE] = input_str
        step.outer = nesting.current()
        self._steps[run_id] = (task, step)
        self._enter(run_id, task, step)
        with task.run.record.lock:
            task.run.tool_started(step, tool_call_id)

    @_guarded
    def on_tool_end(self, output: Any, *, run_id: uuid.UUID, **kwargs: Any) -> None:
        """A tool has returned."""
        self._tasks.pop(run_id, None)
        self._inside.pop(run_id, None)
        entry = self._steps.pop(run_id, None)
        if entry is None:
            return
        task, step = entry
        step.end("ok")
        content = getattr(output, "content", output)
        if isinstance(content, str):
            step.private[sc.GEN_AI_TOOL_CALL_RESULT] = step.private[sc.OUTPUT_VALUE] = content
        with task.run.record.lock:
            task.run.tool_ended(task, step, output)
        self._session.end_step(task.run.record, step)

    @_guarded
    def on_tool_error(self, error: BaseException, *, run_id: uuid.UUID, **kwargs: Any) -> None:
        """A tool has raised."""
        self._tasks.pop(run_id, None)
        self._inside.pop(run_id, None)
        self._end_failed(run_id, error)

    def _end_failed(self, run_id: uuid.UUID, error: BaseException) -> None:
        entry = self._steps.pop(run_id, None)
        if entry is None:
            return
        task, step = entry
        if isinstance(error, ParentCommand):
            step.end("handoff")
        elif isinstance(error, GraphBubbleUp):
            step.end("interrupted")
        else:
            step.end(_status_of(error), error)
        self._session.end_step(task.run.record, step)

    def _parent(self, run_id: uuid.UUID, parent_run_id: uuid.UUID | None) -> tuple[Task, StepRecord] | None:
        """The task around a model or tool call, and the step it is shown under."""
        if run_id in self._steps or parent_run_id is None:
            return None
        task = self._tasks.get(parent_run_id)
        if task is None:
            return None
        return task, self._inside.get(parent_run_id, task.step)

    # --- graph lifecycle ----------------------------------------------------------------------------------------------

    @_guarded
    def on_interrupt(self, event: Any) -> None:
        """A graph has paused; static breakpoints show nowhere else."""
        task = self._tasks.get(event.run_id)
        if task is not None:
            task.run.interrupted = True

    # --- ours ---------------------------------------------------------------------------------------------------------

    def step_of(self, run_id: uuid.UUID) -> StepRecord | None:
        """The step that a callback run id is inside of."""
        entry = self._steps.get(run_id)
        if entry is not None:
            return entry[1]
        task = self._tasks.get(run_id)
        return None if task is None else task.step

    def _note_failure(self, where: str, error: Exception) -> None:
        self._session.stats["failed: capture"] += 1
        logger.warning("credit-hooks: capture failed in %s; the run is not affected", where, exc_info=error)

    def __deepcopy__(self, memo: dict[int, Any]) -> CreditCallback:
        return self  # configurations are copied; the callback they list stays the same one

    def __copy__(self) -> CreditCallback:
        return self


_USAGE = {
    "input_tokens": (sc.GEN_AI_USAGE_INPUT_TOKENS, sc.LLM_TOKEN_COUNT_PROMPT),
    "output_tokens": (sc.GEN_AI_USAGE_OUTPUT_TOKENS, sc.LLM_TOKEN_COUNT_COMPLETION),
}


def _status_of(error: BaseException) -> StepStatus:
    return "error" if isinstance(error, Exception) else "cancelled"


def _run_status_of(error: BaseException) -> RunStatus:
    return "error" if isinstance(error, Exception) else "cancelled"


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
