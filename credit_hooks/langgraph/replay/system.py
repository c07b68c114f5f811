"""A recorded run of a graph, to be run again: builds the gated copy, runs it aside, reads what came of it."""

from __future__ import annotations

import dataclasses
import os
import threading
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.errors import GraphRecursionError
from langgraph.pregel import Pregel
from langgraph.store.base import BaseStore
from langsmith.run_helpers import tracing_context
from opentelemetry.sdk.trace import TracerProvider

from credit_hooks.errors import ReplayStoppedError
from credit_hooks.langgraph import nesting
from credit_hooks.langgraph.callback import CreditCallback
from credit_hooks.langgraph.replay.course import ReplayCourse, StandIn
from credit_hooks.langgraph.replay.gates import gated
from credit_hooks.langgraph.replay.index import Index
from credit_hooks.langgraph.replay.recording import Recording
from credit_hooks.langgraph.replay.speakers import corrector
from credit_hooks.langgraph.replay.store import OverlayStore
from credit_hooks.langgraph.replay.tools import ReplayGuard, ToolRules
from credit_hooks.langgraph.replay.values import rebuilt
from credit_hooks.outcome import FinishedRun
from credit_hooks.replay import Intervention, Player, RunMeter
from credit_hooks.replay.aside import aside
from credit_hooks.rewards import CreditedRun
from credit_hooks.trajectory import Trajectory

__all__ = ["GraphSystem", "Watcher"]


class Watcher(CreditCallback):
    """Captures replays, which nobody else sees: its spans go nowhere, its runs to whoever waits for them."""

    hears_own_runs = True

    def __init__(self) -> None:
        self._waiting: dict[str, Trajectory | None] = {}
        self._arrived = threading.Condition()
        super().__init__(exporters=[self], tracer_provider=TracerProvider(shutdown_on_exit=False), max_runs=1)
        nesting.disable(self)

    def export(self, run: CreditedRun) -> None:
        """A replay was captured."""
        with self._arrived:
            if run.trajectory.id in self._waiting:
                self._waiting[run.trajectory.id] = run.trajectory
                self._arrived.notify_all()

    def expect(self, run_id: uuid.UUID) -> None:
        """A replay is about to start."""
        self._waiting[str(run_id)] = None

    def trajectory(self, run_id: uuid.UUID, timeout: float) -> Trajectory | None:
        """The replay as data. None: it did not arrive."""
        key = str(run_id)
        with self._arrived:
            self._arrived.wait_for(lambda: self._waiting.get(key) is not None, timeout)
            return self._waiting.pop(key, None)


class GraphSystem:
    """One recorded run of a graph. See :class:`credit_hooks.replay.System`."""

    def __init__(
        self,
        graph: Pregel[Any, Any, Any, Any],
        index: Index,
        recording: Recording,
        finished: FinishedRun,
        watcher: Watcher,
        *,
        baseline: str,
        stand_in: StandIn,
        rules: ToolRules,
        config: RunnableConfig,
        context: Any,
        errors: Literal["no_value", "score"],
        is_async: bool,
    ) -> None:
        self.baseline = baseline
        self.players: Sequence[Player] = index.players
        self.notes: Sequence[str] = index.notes
        self._graph = graph
        self._index = index
        self._recording = recording
        self._finished = finished
        self._watcher = watcher
        self._stand_in = stand_in
        self._rules = rules
        self._config = config
        self._context = context
        self._scores_errors = errors == "score" or finished.error is not None
        self._is_async = is_async
        self._inputs = [rebuilt(run.inputs, {}) for run in index.thread]

    async def run(self, intervention: Intervention, meter: RunMeter) -> FinishedRun:
        """Run the thread again up to this run, and this run under the intervention."""
        redo = intervention.redo
        if redo is not None:
            redo = dataclasses.replace(redo, by=corrector(redo.by) if redo.by is not None else None)
            intervention = dataclasses.replace(intervention, redo=redo)
        run_id = uuid.UUID(bytes=os.urandom(16), version=4)
        try:
            output, error = await self._run(intervention, meter, run_id)
        finally:
            self._index.tape.abandon(meter, ReplayStoppedError("the replay that executed this was given up"))
        if meter.stopped is not None:
            raise ReplayStoppedError(meter.stopped)
        if error is not None and not self._scores_errors:
            raise error
        trajectory = await aside(lambda: self._watcher.trajectory(run_id, 10.0))
        if trajectory is None:
            raise ReplayStoppedError("the replay could not be captured")
        if trajectory.status == "interrupted" and self._finished.status != "interrupted":
            raise ReplayStoppedError("the replay was interrupted: it asks for an answer that the run did not need")
        return FinishedRun(trajectory, output, self._inputs[-1], error, self._finished.metadata)

    def turn_from(self, message_id: str) -> str | None:
        """See :class:`credit_hooks.replay.RedoSystem`."""
        name = self._index.place_from(message_id)
        return None if name is None else self._index.places[name].written[0]

    def check_speaker(self, by: Any) -> None:
        """See :class:`credit_hooks.replay.RedoSystem`."""
        corrector(by)

    async def _run(
        self, intervention: Intervention, meter: RunMeter, run_id: uuid.UUID
    ) -> tuple[Any, BaseException | None]:
        saver = InMemorySaver() if self._graph.checkpointer else None
        store = OverlayStore(self._graph.store) if isinstance(self._graph.store, BaseStore) else None
        last = len(self._inputs) - 1
        self._watcher.expect(run_id)
        for turn, inputs in enumerate(self._inputs):
            is_last = turn == last
            course = ReplayCourse(
                self._index,
                intervention if is_last else Intervention(draw=intervention.draw),
                meter,
                self._rules,
                self._stand_in,
                f"{run_id} {turn}",
                turn,
            )
            changes = {"checkpointer": saver, "store": store, "config": self._without_callbacks()}
            graph = gated(self._graph, course).copy(changes)
            callbacks = [*([self._watcher] if is_last else []), ReplayGuard(self._rules, meter)]
            config = self._config_of(run_id, is_last, callbacks)
            output, error = await self._invoke(graph, rebuilt(inputs, {}), config)
            if error is not None or is_last:
                return output, error
        return None, None

    async def _invoke(self, graph: Any, inputs: Any, config: RunnableConfig) -> tuple[Any, BaseException | None]:
        options = {} if self._context is None else {"context": self._context}
        try:
            with tracing_context(enabled=False):
                if self._is_async:
                    return await graph.ainvoke(inputs, config, **options), None
                return await aside(lambda: self._invoke_here(graph, inputs, config, options)), None
        except Exception as error:  # noqa: BLE001 - whatever the user's graph raises is how this replay ended
            return None, error

    def _invoke_here(self, graph: Any, inputs: Any, config: RunnableConfig, options: dict[str, Any]) -> Any:
        with tracing_context(enabled=False):
            return graph.invoke(inputs, config, **options)

    def _config_of(self, run_id: uuid.UUID, is_last: bool, callbacks: list[Any]) -> RunnableConfig:
        given: dict[str, Any] = dict(self._config)
        known = {key: value for key, value in self._finished.metadata.items() if not key.startswith("langgraph_")}
        known.pop("thread_id", None)
        config: dict[str, Any] = {
            "recursion_limit": self._recursion_limit(),
            **given,
            "metadata": {**known, **given.get("metadata", {})},
            "configurable": {**given.get("configurable", {}), "thread_id": f"credit-hooks-replay-{run_id}"},
            "callbacks": callbacks,
        }
        if is_last:
            config["run_id"] = run_id
        return config  # type: ignore[return-value]

    def _recursion_limit(self) -> int:
        """Of a replay that the user set no limit for: enough for another course, not for an endless one."""
        if isinstance(self._finished.error, GraphRecursionError):
            return self._index.supersteps
        return 2 * self._index.supersteps + 20

    def _without_callbacks(self) -> Mapping[str, Any] | None:
        config = self._graph.config
        return None if config is None else {key: item for key, item in config.items() if key != "callbacks"}
