"""Chain events: runs, tasks, and whatever runs inside them."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Mapping
from typing import Any

from langgraph.errors import GraphBubbleUp, ParentCommand
from langgraph.types import Command

from credit_hooks import semconv as sc
from credit_hooks.evaluation import inside_hook
from credit_hooks.langgraph import nesting
from credit_hooks.langgraph.actors import Authors
from credit_hooks.langgraph.open_runs import OpenRuns, guarded, status_of, text
from credit_hooks.langgraph.provenance import GraphRun
from credit_hooks.langgraph.replay.recording import Recorder
from credit_hooks.langgraph.task import Task
from credit_hooks.langgraph.threads import ThreadMemory
from credit_hooks.record import StepRecord, StepStatus
from credit_hooks.session import CaptureSession

__all__ = ["ChainEvents"]


class ChainEvents:
    """The part of the callback that hears of chains. A run is the outermost one, a task is one in a new namespace."""

    hears_own_runs = False
    """Whether runs that we start ourselves, as in evaluators and replays, are captured."""

    _recorder: Recorder | None
    """Takes what replay needs. None: runs are not replayed."""
    _session: CaptureSession
    _open: OpenRuns
    _threads: ThreadMemory
    _guard: threading.Lock

    @guarded
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
        if run_id in self._open.tasks:
            return  # the handler is listed twice
        parent = self._open.tasks.get(parent_run_id) if parent_run_id is not None else None
        metadata = metadata or {}
        if parent is None:
            if (inside_hook.get() and not self.hears_own_runs) or parent_run_id in self._open.ended:
                return
            if self._session.has_room:
                self._start_run(run_id, inputs, name, metadata)
            else:
                self._open.refuse(run_id)
            return
        ns = metadata.get("langgraph_checkpoint_ns")
        around = self._open.inside.get(parent_run_id) if parent_run_id is not None else None
        if ns is None or ns == parent.ns:
            self._open.enter(run_id, parent, around)
            # A graph inside a task says so: the namespace it checkpoints under is the task's own.
            if ns is not None and metadata.get("checkpoint_ns") == ns:
                with parent.run.record.lock:
                    parent.graphs |= {run_id}
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
        record.task_id = text(metadata.get("task_id"))
        record.group_id = text(metadata.get("group_id"))
        record.root.outer = nesting.current()
        waiting = frozenset[str]() if resumed is None else resumed.waiting
        run = GraphRun(record, Authors(record), self._threads.messages(thread), self._threads.writes(thread), waiting)
        task = Task(run, run_id, record.root, ns="", path=(), superstep=-1, is_call=False)
        if self._recorder is not None:
            self._recorder.start_run(record.id, record.name, inputs, thread)
        with record.lock:
            run.start(inputs)
        self._open.enter(run_id, task)

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
        path = _path(ns)
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
            self._open.enter(run_id, parent)
            return
        path_of_task: tuple[Any, ...] = tuple(metadata.get("langgraph_path") or ())
        task = Task(
            run,
            run_id,
            step,
            ns=ns,
            path=path,
            superstep=superstep if isinstance(superstep, int) else 0,
            is_call=path_of_task[-1:] == (True,),
        )
        step.outer = nesting.current()
        step.plan = (task.scope, task.superstep, path_of_task)
        self._open.enter(run_id, task)
        if self._recorder is not None:
            self._recorder.start(run.record.id, ns, inputs, metadata)
        with run.record.lock:
            run.read(task, inputs)

    @guarded
    def on_chain_end(self, outputs: Any, *, run_id: uuid.UUID, **kwargs: Any) -> None:
        """A chain has returned."""
        task = self._open.tasks.get(run_id)
        if task is None:
            return
        if task.run_id != run_id:
            self._end_inner(run_id, task, outputs)
        elif task.step is task.run.record.root:
            self._end_run(task, outputs, None)
        else:
            if self._recorder is not None:
                self._recorder.end(task.run.record.id, task.ns, outputs, None)
            self._end_task(task, outputs, "ok", None)

    @guarded
    def on_chain_error(self, error: BaseException, *, run_id: uuid.UUID, **kwargs: Any) -> None:
        """A chain has raised: an error, an interrupt, or a handoff to the graph around it."""
        task = self._open.tasks.get(run_id)
        if task is None:
            return
        if self._recorder is not None and task.run_id == run_id and isinstance(error, Exception):
            self._recorder.end(task.run.record.id, task.ns, None, error)
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
            self._end_task(task, None, status_of(error), error)

    def _end_inner(self, run_id: uuid.UUID, task: Task, outputs: Any) -> None:
        self._open.tasks.pop(run_id, None)
        self._open.inside.pop(run_id, None)
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
            interrupted = run.interrupted if error is None else isinstance(error, GraphBubbleUp)
            status = "interrupted" if interrupted else status_of(error)
            if status == "error":
                record.error = error  # an exit's traceback would keep the abandoned stream alive
            task.step.end(status, record.error)
            self._open.forget(run)
        record.output = outputs
        record.settle = run.settle
        with record.lock:
            run.close()
            self._threads.remember(record, status, run.carried)
        abandoned = isinstance(error, GeneratorExit)
        self._session.end_run(record, "abandoned" if abandoned else status)

    @guarded
    def on_interrupt(self, event: Any) -> None:
        """A graph has paused; static breakpoints show nowhere else."""
        task = self._open.tasks.get(event.run_id)
        if task is not None:
            task.run.interrupted = True


def _path(ns: str) -> tuple[str, ...]:
    """The names of the nodes that a checkpoint namespace leads through, outermost first."""
    if "|" not in ns:
        return (ns.partition(":")[0],)
    return tuple(part.partition(":")[0] for part in ns.split("|"))
