"""Every team and agent inside a runner, by the path that capture gives it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from autogen_agentchat.base import Team

from credit_hooks.autogen import names

__all__ = ["Member", "members", "parts"]

_OWN_TURNS = "autogen_agentchat.agents."
"""Where agents are defined whose turns are nothing but calls of models, tools, executors and agents inside."""

_HUMAN = "UserProxyAgent"


class Member(NamedTuple):
    """A team or agent."""

    path: str
    """Names from the outermost team's member on, joined by /. Empty: the outermost team itself."""
    runner: Any
    is_team: bool
    is_opaque: bool
    """Whether what it does in a turn cannot be seen: only whole turns can be pinned."""
    asks_people: bool = False
    """Whether somebody outside is asked in its turns."""


def members(runner: Any, path: str = "") -> Iterator[Member]:
    """A runner and all inside it, the outermost first. An agent behind a filter stands for both."""
    if isinstance(runner, Team):
        yield Member(path, runner, True, False)
        for participant in names.participants(runner):
            yield from members(participant, f"{path}/{participant.name}" if path else participant.name)
        return
    path = path or runner.name
    wrapped = names.wrapped_agent(runner)
    if wrapped is not None:
        yield from members(wrapped, path)
        return
    inside = list(_inside(runner, path))
    asks_people = type(runner).__name__ == _HUMAN or names.approves_code(runner)
    yield Member(path, runner, False, asks_people or (not inside and _is_opaque(runner)), asks_people)
    yield from inside


def parts(inside: Iterable[Member]) -> Iterator[Any]:
    """Teams and agents, and what they keep their state in."""
    for member in inside:
        yield member.runner
        state = names.termination_condition(member.runner) if member.is_team else names.model_context(member.runner)
        if state is not None:
            yield state
        if not member.is_team:
            yield from names.workbenches(member.runner)


def _inside(agent: Any, path: str) -> Iterator[Member]:
    team = names.inner_team(agent)
    if isinstance(team, Team):
        yield from members(team, f"{path}/{team.name}")
    for workbench in names.workbenches(agent):
        for runner in names.task_runners(workbench):
            yield from members(runner, f"{path}/{runner.name}")


def _is_opaque(agent: Any) -> bool:
    kind = type(agent)
    methods = [getattr(kind, name, None) for name in ("on_messages", "on_messages_stream")]
    known = all(str(getattr(method, "__module__", "")).startswith(_OWN_TURNS) for method in methods)
    return not known
