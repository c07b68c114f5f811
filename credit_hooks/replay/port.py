"""The port of replay: what a framework provides so that a run of it can be run again with something changed.

Two protocols. A :class:`Replayer` is what the user passes as `replay=`: it knows how to build the team, and its capture
keeps what each run recorded. For one finished run it makes a :class:`System`: that run, to be run again under an
:class:`Intervention`, in which some messages are spoken by the baseline or say something else.

A system replays by *record and pin*: every unit of work that can be repeated (a node, a model call) is known by its
place and its exact inputs. Inputs that were seen before get the recorded output; only what the intervention changed is
run live, and recorded for the replays to come (:class:`credit_hooks.replay.tape.Tape`). So an unchanged replay makes no
live call at all, and the output of an agent is computed once per state of what it reads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from credit_hooks.outcome import FinishedRun
from credit_hooks.replay.meter import ReplayLimits, RunMeter

__all__ = ["Intervention", "Player", "Redo", "RedoSystem", "Replayer", "System"]


@dataclass(frozen=True)
class Player:
    """What is kept or masked as a whole: usually one message."""

    actor_id: str
    """The author, an actor of the trajectory. Players of one author form a union."""
    message_ids: tuple[str, ...]
    """Messages of the trajectory. More than one where the framework can only repeat the unit that wrote them all."""


@dataclass(frozen=True)
class Redo:
    """From one turn on the run is done anew, recorded outputs notwithstanding. What comes before is kept."""

    message_id: str
    """A message of the turn, as :meth:`RedoSystem.turn_from` names it."""
    only: bool = False
    """Whether that turn alone is done anew; what follows it is live where its inputs changed."""
    by: Any = None
    """Who speaks in place of the team's agents there, in terms of the framework, such as a stronger model. None: the
    agents themselves. Tools are never done anew: a call that the run made has the result that it had."""


@dataclass(frozen=True)
class Intervention:
    """What differs from the recorded run. Nothing by default: the identity."""

    masked: frozenset[str] = frozenset()
    """Message ids that the baseline speaks in place of their authors. In a replay that took another course, "message"
    is the place that it had in the recorded run: that agent's turn, and which of its messages there."""
    absent: frozenset[str] = frozenset()
    """Actor ids of which the baseline speaks everything, also in turns that the recorded run did not have. All their
    messages are in `masked` too."""
    replaced: Mapping[str, Any] = field(default_factory=dict)
    """Message id to what it says instead: text, or a message of the framework."""
    redo: Redo | None = None
    """What is done anew. Only a :class:`RedoSystem` is given any. None: nothing whose inputs are as recorded."""
    draw: int = 0
    """Live outputs are recorded per draw: a higher number asks stochastic agents for fresh ones."""


@runtime_checkable
class System(Protocol):
    """One recorded run that can be run again."""

    players: Sequence[Player]
    """What can be masked, in the order of the trajectory's messages. No message belongs to two players."""
    baseline: str
    """What speaks for those who are masked, in words, as in "silence" or "the text '...'"."""
    notes: Sequence[str]
    """What a reader of the result should know, such as messages that cannot be masked and why."""

    async def run(self, intervention: Intervention, meter: RunMeter) -> FinishedRun:
        """Run again, and return the run as an evaluator sees it.

        The identity reproduces the recorded run without a live call. Called concurrently, on an event loop of a thread
        of ours with an empty context; cancelled when it takes too long. It must not touch what belongs to the user:
        checkpointers, stores, callbacks, the objects of the recorded run. Every execution is told to `meter`.

        Raises:
            ReplayStoppedError: this replay cannot be carried on, as `meter` or the system itself decided.
            Exception: whatever the team raises where a `FinishedRun` with that `error` cannot be made.
        """
        ...


@runtime_checkable
class RedoSystem(System, Protocol):
    """A system that can also do a run anew from a turn on: :class:`Intervention` with `redo`."""

    def turn_from(self, message_id: str) -> str | None:
        """First message of the turn where doing the run anew from a message begins.

        The turn that wrote it; for what nobody of the team wrote, such as an input, the next turn. None: there is none.
        """
        ...

    def check_speaker(self, by: Any) -> None:
        """Look at who is to speak in place of the agents, before anything is run.

        Raises:
            ConfigurationError: it is nothing that can.
        """
        ...


@runtime_checkable
class Replayer(Protocol):
    """What the user passes as `replay=`: how runs of a team can be run again."""

    limits: ReplayLimits
    """What replays may cost."""

    def system(self, run: FinishedRun) -> System:
        """The system of a finished run.

        Raises:
            ReplayRefusedError: the run cannot be run again, and why: it was not recorded, or is another team's.
        """
        ...
