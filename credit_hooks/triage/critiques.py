"""Critiques of turns, and who is told of them in a later run of the same thread or task."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

from credit_hooks.parts import FrozenModel
from credit_hooks.rewards import CreditedRun
from credit_hooks.trajectory import ToolCallPart, Trajectory
from credit_hooks.triage.policy import TriagedTurn

__all__ = ["Critique", "CritiqueBook", "critique_text", "places_of", "task_place", "thread_place"]

_LONGEST: Final = 4_000

_RULES: Final = {
    "traceback": "what it had run ended in a traceback",
    "exit_code": "what it had run ended with a non-zero exit code",
    "http_error": "a request it made ended in an HTTP error",
    "timeout": "what it asked for timed out",
    "nothing_to_run": "it gave nothing that could be run",
    "tool_error": "a tool it called failed",
    "empty_result": "a tool it called returned nothing",
    "failed_step": "its step ended in an error",
}
"""Error rules in words."""


class Critique(FrozenModel):
    """What an agent is told of its turn in an earlier run."""

    run_id: str
    """That run."""
    message_id: str
    """What it wrote in the turn."""
    actor_id: str
    """The agent."""
    actor: str
    """Its name."""
    text: str
    """The critique."""


def critique_text(run: CreditedRun, turn: TriagedTurn) -> str:
    """A critique from the evidence alone: no model is asked, and nothing that was said is quoted.

    What agents and tools said may hold instructions of others; a critique is read as an instruction.
    """
    written = run.trajectory.message_by_id.get(turn.message_id)
    tools = sorted({part.name for part in written.parts if isinstance(part, ToolCallPart)} if written else ())
    score = 0.0 if run.credit.outcome is None else run.credit.outcome
    said = [f"An earlier attempt at this ended badly (score {score:.2f} of 1)."]
    said += [f"Your turn carried {min(turn.blame, 1.0):.0%} of the blame."]
    if turn.rule in _RULES:
        said += [f"It is where the attempt first went wrong: {_RULES[turn.rule]}."]
    elif turn.rule is not None:
        said += ["It is where the attempt most likely first went wrong."]
    said += [f"You called {', '.join(tools)} there."] if tools else []
    return " ".join([*said, "Do this turn again from the beginning, check each step, and do not repeat what failed."])


def thread_place(thread_id: str) -> str:
    """Where critiques of a thread's runs are kept."""
    return f"thread:{thread_id}"


def task_place(text: str) -> str:
    """Where critiques of a task's runs are kept: by a digest of its text, white space aside."""
    return f"task:{hashlib.sha256(' '.join(text.split()).encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"


def places_of(trajectory: Trajectory) -> tuple[str, ...]:
    """The places of a run: its thread, and its task as far as it is known."""
    places = [thread_place(trajectory.session_id)] if trajectory.session_id else []
    return (*places, *([task_place(text)] if (text := _task_of(trajectory)) else ()))


def _task_of(trajectory: Trajectory) -> str:
    if trajectory.task:
        return trajectory.task
    return next((message.text for message in trajectory.messages if message.role == "user" and message.text), "")


class CritiqueBook:
    """Critiques by place and agent, the newest of each. Thread-safe and bounded.

    Args:
        max_critiques: Kept at most; the oldest are forgotten.
        uses: Times that one is told.
    """

    def __init__(self, max_critiques: int, uses: int) -> None:
        self._max, self._uses = max_critiques, uses
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, str], tuple[Critique, int]] = OrderedDict()

    def __len__(self) -> int:
        return len({id(critique) for critique, _ in self._kept.values()})

    def put(self, places: Iterable[str], critique: Critique) -> int:
        """Keep a critique; how many old ones were forgotten for it."""
        critique = critique.model_copy(update={"text": critique.text[:_LONGEST]})
        with self._lock:
            for place in places:
                self._kept[place, critique.actor] = critique, self._uses
                self._kept.move_to_end((place, critique.actor))
            forgotten = 0
            while len(self._kept) > self._max:
                self._kept.popitem(last=False)
                forgotten += 1
        return forgotten

    def take(self, places: Iterable[str], actor: str) -> Critique | None:
        """The critique an agent is told now; it counts as told. None: there is none."""
        with self._lock:
            for place in places:
                found = self._kept.get((place, actor))
                if found is not None:
                    self._use(found[0], found[1] - 1)
                    return found[0]
        return None

    def forget(self, places: Iterable[str], *, run_id: str | None = None) -> None:
        """Drop the critiques of these places, or of one run in them: it was done right since, or is credited anew."""
        wanted = set(places)
        with self._lock:
            for key, (critique, _) in list(self._kept.items()):
                if key[0] in wanted and run_id in (None, critique.run_id):
                    del self._kept[key]

    def _use(self, critique: Critique, left: int) -> None:
        for key, (kept, _) in list(self._kept.items()):
            if kept is critique:  # under its thread and under its task
                if left > 0:
                    self._kept[key] = critique, left
                else:
                    del self._kept[key]
