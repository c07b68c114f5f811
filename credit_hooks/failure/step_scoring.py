"""Scores of single steps by a process reward model or a judge: what one is asked, and the port it implements."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from credit_hooks.errors import ConfigurationError
from credit_hooks.trajectory import Message, Trajectory

__all__ = ["StepScore", "StepScorer", "StepScoring", "StepView", "step_views"]


class StepScore(NamedTuple):
    """What a scorer says of a step."""

    value: float
    """P(the run is still on a good way after this step), in [0, 1]."""
    reason: str | None = None
    """Why. Counts as content: it is kept in the store and never put on spans. None: not stated."""


@dataclass(frozen=True, slots=True)
class StepView:
    """One step of a finished run, as a scorer sees it. Never shown: how the run ended, and what the right answer is."""

    trajectory: Trajectory
    """The run, without its outcome and labels."""
    position: int
    """The step: place of its message in `trajectory.messages`."""
    history: tuple[Message, ...]
    """What came before it."""
    step: Message
    """The message to be scored."""
    ahead: tuple[Message, ...]
    """The next few messages: what the step led to, as many as were asked for."""


StepScorer: TypeAlias = Callable[[StepView], "float | StepScore | Awaitable[float | StepScore | None] | None"]
"""Scores a step; may be async. None: it cannot say. Raising costs this score alone, and is reported."""


@dataclass(frozen=True)
class StepScoring:
    """How the steps of failed runs are scored. Always off the user's path, after the run, and bounded.

    With a judge of ours (:class:`credit_hooks.langgraph.LangChainJudge`, :class:`credit_hooks.autogen.AutoGenJudge`),
    whose `name` and `model` are taken over; with any other callable, give a name.
    """

    scorer: StepScorer
    """The process reward model or judge."""
    name: str | None = None
    """What its labels call it. None: what the scorer itself says (`scorer.name`), else its type."""
    lookahead: int = 2
    """Messages after the step that the scorer sees. 0: it judges the step by itself."""
    max_steps: int = 32
    """Steps scored of a run, evenly spaced if it has more."""
    timeout: float = 30.0
    """Seconds for one score."""
    max_seconds: float = 120.0
    """Seconds for one run; what is not scored by then stays without."""
    workers: int = 4
    """Scores asked for at a time."""

    def __post_init__(self) -> None:
        if not callable(self.scorer):
            raise ConfigurationError(f"a step scorer is called with a StepView; {type(self.scorer).__name__} cannot be")
        if self.lookahead < 0 or min(self.max_steps, self.workers) < 1 or min(self.timeout, self.max_seconds) <= 0:
            raise ConfigurationError(
                "step scoring needs lookahead >= 0, max_steps and workers >= 1, timeout and max_seconds > 0"
            )

    @property
    def annotator(self) -> str:
        """Who the labels say it was."""
        own = getattr(self.scorer, "name", None)
        return self.name or (own if isinstance(own, str) else type(self.scorer).__name__)


def step_views(trajectory: Trajectory, *, lookahead: int, max_steps: int) -> list[StepView]:
    """The steps to score: messages of agents, orchestrators and unknowns, evenly spaced if more than `max_steps`.

    The outcome, the expected answer and all labels are taken off the run first: a judge that knows the end would
    judge by it.
    """
    blind = trajectory.model_copy(update={"outcome": None, "labels": (), "meta": {}})
    messages = tuple(sorted(trajectory.messages, key=lambda message: (message.index, message.id)))
    kinds = {actor.id: actor.kind for actor in trajectory.actors}
    own = [
        place
        for place, message in enumerate(messages)
        if kinds.get(message.actor_id, "unknown") in ("agent", "orchestrator", "unknown")
        and message.role not in ("user", "system", "tool")
    ]
    if len(own) > max_steps:
        own = [own[round(k * (len(own) - 1) / max(max_steps - 1, 1))] for k in range(max_steps)]
    return [
        StepView(blind, place, messages[:place], messages[place], messages[place + 1 : place + 1 + lookahead])
        for place in own
    ]
