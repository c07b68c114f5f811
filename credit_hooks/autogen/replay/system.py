"""A recorded run of a team, to be run again: builds a fresh team, runs it aside, reads what came of it."""

from __future__ import annotations

import asyncio
import contextvars
import dataclasses
import logging
import threading
import uuid
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any, Literal

from autogen_agentchat.base import TaskResult
from autogen_agentchat.messages import BaseChatMessage
from opentelemetry.context import attach
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import NonRecordingSpan, SpanContext, set_span_in_context

from credit_hooks.autogen import names
from credit_hooks.autogen.capture import TeamCapture
from credit_hooks.autogen.replay.course import ReplayCourse
from credit_hooks.autogen.replay.index import Index
from credit_hooks.autogen.replay.places import members, parts
from credit_hooks.autogen.replay.recording import seats
from credit_hooks.autogen.replay.rules import ToolRules
from credit_hooks.autogen.replay.speaker import Speaker, corrector_of
from credit_hooks.errors import ReplayStoppedError
from credit_hooks.evaluation import inside_hook
from credit_hooks.outcome import FinishedRun
from credit_hooks.replay import Intervention, Player, RunMeter
from credit_hooks.replay.aside import aside
from credit_hooks.rewards import CreditedRun
from credit_hooks.trajectory import Trajectory

__all__ = ["TeamSystem", "Watcher"]

_replay_id: ContextVar[str | None] = ContextVar("credit_hooks_autogen_replay", default=None)

_UNSAMPLED = NonRecordingSpan(SpanContext(trace_id=1, span_id=1, is_remote=False))
"""The parent of all that AutoGen itself traces: what is not sampled shows no spans of replays among the user's."""


_is_apart: ContextVar[bool] = ContextVar("credit_hooks_autogen_apart", default=False)

_LOGGERS = (
    "autogen_core",
    "autogen_core.events",
    "autogen_core.trace",
    "autogen_agentchat",
    "autogen_agentchat.events",
)


class _OfRunsOnly(logging.Filter):
    """Keeps AutoGen's logs of replays out of the user's: a replay that is stopped would be shown as an error."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not _is_apart.get()


_OF_RUNS_ONLY = _OfRunsOnly()


class Watcher(TeamCapture):
    """Captures replays, which nobody else sees: it makes no spans, its runs go to whoever waits for them."""

    hears_own_runs = True

    def __init__(self) -> None:
        self._waiting: dict[str, Trajectory | None] = {}
        self._arrived = threading.Condition()
        provider = TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False)
        for name in _LOGGERS:
            logging.getLogger(name).addFilter(_OF_RUNS_ONLY)
        super().__init__(exporters=[self], tracer_provider=provider, max_runs=1)

    def _new_run_id(self) -> str:
        return _replay_id.get() or super()._new_run_id()

    def export(self, run: CreditedRun) -> None:
        """A replay was captured."""
        with self._arrived:
            if run.trajectory.id in self._waiting:
                self._waiting[run.trajectory.id] = run.trajectory
                self._arrived.notify_all()

    def expect(self, run_id: str) -> None:
        """A replay is about to start."""
        self._waiting[run_id] = None

    def forget(self, run_id: str) -> None:
        """Nobody waits for a replay any more."""
        self._waiting.pop(run_id, None)

    def trajectory(self, run_id: str, timeout: float) -> Trajectory | None:
        """The replay as data. None: it did not arrive."""
        with self._arrived:
            self._arrived.wait_for(lambda: self._waiting.get(run_id) is not None, timeout)
            return self._waiting.get(run_id)


class TeamSystem:
    """One recorded run of a team or agent. See :class:`credit_hooks.replay.System`."""

    def __init__(
        self,
        build: Callable[[], Any],
        index: Index,
        finished: FinishedRun,
        watcher: Watcher,
        *,
        speaker: Speaker,
        rules: ToolRules,
        max_turns: int | None,
        errors: Literal["no_value", "score"],
    ) -> None:
        self.baseline = speaker.described
        self.players: Sequence[Player] = index.players
        self.notes: Sequence[str] = index.notes
        self._build = build
        self._index = index
        self._finished = finished
        self._watcher = watcher
        self._speaker = speaker
        self._rules = rules
        self._max_turns = max_turns
        self._scores_errors = errors == "score" or finished.error is not None

    async def run(self, intervention: Intervention, meter: RunMeter) -> FinishedRun:
        """Run a fresh team through all that the recorded one did before, and this run under the intervention."""
        redo = intervention.redo
        if redo is not None and redo.by is not None:
            redo = dataclasses.replace(redo, by=corrector_of(redo.by))
            intervention = dataclasses.replace(intervention, redo=redo)
        run_id = str(uuid.uuid4())
        course = ReplayCourse(self._index, intervention, meter, self._rules, self._speaker, self._max_turns)
        self._watcher.expect(run_id)
        try:
            output, error = await self._apart(self._played(course, run_id), course)
            if meter.stopped is not None:
                raise ReplayStoppedError(meter.stopped)
            if error is not None and not self._scores_errors:
                raise error
            trajectory = await aside(lambda: self._watcher.trajectory(run_id, 10.0))
        finally:
            self._index.tape.abandon(meter, ReplayStoppedError("the replay that executed this was given up"))
            self._watcher.forget(run_id)
        if trajectory is None:
            raise ReplayStoppedError("the replay could not be captured")
        return FinishedRun(trajectory, output, self._finished.inputs, error, self._finished.metadata)

    def turn_from(self, message_id: str) -> str | None:
        """See :class:`credit_hooks.replay.RedoSystem`."""
        return self._index.turn_from(message_id)

    def check_speaker(self, by: Any) -> None:
        """See :class:`credit_hooks.replay.RedoSystem`."""
        corrector_of(by)

    async def _apart(self, play: Any, course: ReplayCourse) -> tuple[Any, Exception | None]:
        """Run in a context of its own, where nobody's tracing or capture is current; given up when cancelled."""
        context = contextvars.Context()
        context.run(_enter)
        task = asyncio.get_running_loop().create_task(play, context=context)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            course.give_up()
            task.cancel()
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
            raise

    async def _played(self, course: ReplayCourse, run_id: str) -> tuple[Any, Exception | None]:
        try:
            return await self._play(course, run_id)
        finally:
            own = {id(reference()) for run in self._index.thread for reference in run.parts}
            for key, workbench in course.started.items():
                if key not in own:
                    await workbench.stop()

    async def _play(self, course: ReplayCourse, run_id: str) -> tuple[Any, Exception | None]:
        runner = self._build()
        self._check(runner)
        course.take_over(runner)
        self._watcher.attach(runner)
        thread = self._index.thread
        output: Any = None
        for number, run in enumerate(thread):
            is_last = number == len(thread) - 1
            course.begin(is_last)
            token = _replay_id.set(run_id if is_last else None)
            try:
                output = await _result(runner.run_stream(task=_copied(run.task), cancellation_token=course.token))
            except Exception as error:  # noqa: BLE001 - whatever the user's team raises is how this replay ended
                if is_last or course.meter.stopped is not None:
                    return None, error
            finally:
                _replay_id.reset(token)
        return output, None

    def _check(self, runner: Any) -> None:
        """Whether a team was built that nobody else has, and that is alike.

        Raises:
            ReplayStoppedError: it is not, and what to do.
        """
        recorded = self._index.recording
        inside = tuple(members(runner))
        own = {id(part) for part in parts(inside)}
        for reference in (part for run in self._index.thread for part in run.parts):
            part = reference()
            if part is not None and id(part) in own and not names.is_workbench(part):
                raise ReplayStoppedError(
                    f"the factory of Replay returns a team with the very {type(part).__name__} of the team that ran: "
                    "it has to make everything anew, termination conditions and model contexts too"
                )
        found = seats(inside)
        if found != recorded.seats:
            raise ReplayStoppedError(
                f"the factory of Replay makes a team of {sorted(found) or 'nobody'}, the run is of a team of "
                f"{sorted(recorded.seats)}"
            )


def _enter() -> None:
    inside_hook.set(True)
    _is_apart.set(True)
    attach(set_span_in_context(_UNSAMPLED))  # never detached: the context ends with the replay


async def _result(stream: Any) -> TaskResult | None:
    result = None
    async for item in stream:
        if isinstance(item, TaskResult):
            result = item
    return result


def _copied(task: Any) -> Any:
    """A task that no team shares with another."""
    if isinstance(task, BaseChatMessage):
        return task.model_copy()
    return [_copied(message) for message in task] if isinstance(task, (list, tuple)) else task
