"""Where in a run the current task is: one context variable, set only while the user's code is being run for us.

Never is a context left attached across a `yield`: whoever iterates a stream would go on inside it, and where the stream
is broken off it could not be detached again.
"""

from __future__ import annotations

from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Any

from opentelemetry import context as otel_context
from opentelemetry.context import Context

from credit_hooks.record import MessageRecord, StepRecord

if TYPE_CHECKING:
    from credit_hooks.autogen.run import TeamRun
    from credit_hooks.autogen.turns import TeamPart, Turn

__all__ = ["MUTED", "Entered", "Scope", "caller_path", "current"]


class Scope:
    """A part of a run that other parts start inside of: a team's run, an agent's turn, a tool call."""

    __slots__ = ("inside", "owner", "run", "shown", "step", "team", "turn")

    def __init__(
        self, run: TeamRun, step: StepRecord, owner: Any, *, team: TeamPart | None = None, turn: Turn | None = None
    ) -> None:
        self.run = run
        self.step = step
        self.owner = owner
        """The user's team or agent, or the workbench, that is running."""
        self.team = team
        """The team whose manager is at work, if no agent is."""
        self.turn = turn
        """The turn around it. None: no agent's turn."""
        self.shown = True
        """Whether its span is the current one while it is entered."""
        self.inside: list[MessageRecord] = []
        """What agents wrote right inside."""


class _Muted:
    """Inside of something that is not recorded: nothing that starts here is."""


MUTED = _Muted()

_current: ContextVar[Scope | _Muted | None] = ContextVar("credit_hooks_autogen_scope", default=None)


def current() -> Scope | _Muted | None:
    """The scope of the current task. None: no run is going on in it. A scope whose run is over counts as none."""
    scope = _current.get()
    return None if isinstance(scope, Scope) and not scope.run.is_open else scope


def caller_path(scope: Scope) -> str:
    """Who asks for something inside a scope: an agent's path, or that of a team followed by # for its manager."""
    if scope.turn is not None:
        return scope.turn.info.path
    return f"{scope.team.path if scope.team is not None else ''}#"


class Entered:
    """Enters a scope for the length of a `with` block, its span being the current one."""

    __slots__ = ("_otel", "_scope", "_token")

    def __init__(self, scope: Scope | _Muted) -> None:
        self._scope = scope

    def __enter__(self) -> None:
        self._token: Token[Scope | _Muted | None] = _current.set(self._scope)
        context = self._scope.step.context if isinstance(self._scope, Scope) and self._scope.shown else None
        self._otel: Token[Context] | None = None if context is None else otel_context.attach(context)

    def __exit__(self, *exception: object) -> None:
        if self._otel is not None:
            otel_context.detach(self._otel)
        _current.reset(self._token)
