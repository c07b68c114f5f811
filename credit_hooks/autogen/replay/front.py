"""`Replay`: what a user passes to `instrument(team, replay=...)` so that runs of a team can be run again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, Literal

from autogen_agentchat.base import ChatAgent, Team
from autogen_core import ComponentModel

from credit_hooks.autogen.replay.index import Index
from credit_hooks.autogen.replay.recording import Recorder
from credit_hooks.autogen.replay.rules import Repeat, ToolRules
from credit_hooks.autogen.replay.speaker import Baseline, MaskedTurn, speaker_of
from credit_hooks.autogen.replay.system import TeamSystem, Watcher
from credit_hooks.errors import ConfigurationError, ReplayRefusedError
from credit_hooks.outcome import FinishedRun
from credit_hooks.replay import ReplayLimits

__all__ = ["MaskedTurn", "Replay"]


class Replay:
    """Runs of one team or agent, to be run again with some of its messages masked or replaced.

    ::

        def build() -> RoundRobinGroupChat: ...

        team = instrument(
            build(),
            evaluate=lambda run: "42" in run.answer,
            credit=CreditConfig(method="replay", budget=64),
            replay=Replay(build, tools={"search": "repeat", "send_mail": "pin"}),
        )

    Every replay builds a fresh team, and runs it with a tape on its models, tools, memories and code executors: what
    was asked in the run, by the same agent with the same input, gets the recorded result, only what is new is live.
    Turns of agents of other classes are pinned as a whole; once their input has changed they live through their turns
    again, and repeat what they do beside calling models and tools. Replays run on threads of their own and show no
    spans. Model clients that live calls are made on should be made by the factory: some are bound to an event loop.

    Args:
        team: Makes the team anew: a function, a component as `dump_component()` returns it, or a team or agent that
            can be dumped (`dump_component` leaves API keys out, so clients have to find them in the environment).
        baseline: Who speaks for masked agents. A text, "" being silence; a chat message; a function of the
            :class:`MaskedTurn` to either; or a model client, which then answers in their turns in place of their own.
            Whoever handed over in the recorded run still does, unless a message says otherwise.
        agents: Names or paths of the agents that are credited, `tool:name` for tools. None: all of them.
        tools: By name, what to do when a tool would be called with arguments that the run did not have: "repeat" it,
            "pin" its recorded result, or "stop" that replay. `code_executor` is what runs an agent's code; an agent of
            a class of one's own, or a human, goes by its own name. Tools and functions may say so themselves, in an
            attribute `credit_hooks`.
        unmarked_tools: The same for tools of which nothing is said. Humans: "stop". Agents of other classes: "repeat".
        limits: What the replays of one run may cost.
        max_turns: Most turns of a team in a replay. None: as the team says, else as many as in the run and one more
            of each member.
        errors: What a replay that raises is worth. "no_value": nothing is known, the coalition is left out. "score":
            the evaluator is asked, with `run.error`. Runs that raised themselves are always scored.
        max_runs: Newest runs whose recordings are kept in memory.

    Raises:
        ConfigurationError: an argument cannot work.
    """

    def __init__(
        self,
        team: Callable[[], Any] | ComponentModel | Team | ChatAgent,
        *,
        baseline: Baseline = "",
        agents: Collection[str] | None = None,
        tools: Mapping[str, Repeat] | None = None,
        unmarked_tools: Repeat = "stop",
        limits: ReplayLimits | None = None,
        max_turns: int | None = None,
        errors: Literal["no_value", "score"] = "no_value",
        max_runs: int = 100,
    ) -> None:
        for name, rule in {**(tools or {}), "unmarked_tools": unmarked_tools}.items():
            if rule not in ("repeat", "pin", "stop"):
                raise ConfigurationError(f"{name} is 'repeat', 'pin' or 'stop', not {rule!r}")
        if errors not in ("no_value", "score"):
            raise ConfigurationError(f"errors is 'no_value' or 'score', not {errors!r}")
        if max_turns is not None and max_turns < 1:
            raise ConfigurationError(f"max_turns is at least 1, not {max_turns!r}")
        self.limits = limits or ReplayLimits()
        self.recorder = Recorder(max_runs)
        """What the capture tells of the runs that it sees."""
        self._build = _factory(team)
        self._speaker = speaker_of(baseline)
        self._agents = None if agents is None else frozenset(agents)
        self._rules = ToolRules(dict(tools or {}), unmarked_tools)
        self._max_turns = max_turns
        self._errors = errors
        self._max_runs = max_runs
        self._watcher = Watcher()  # made now: runs that are credited while the process ends could not

    def system(self, run: FinishedRun) -> TeamSystem:
        """A finished run as something that can be run again.

        Raises:
            ReplayRefusedError: it was not recorded, or cannot be repeated, and why.
        """
        recording = self.recorder.of(run.id)
        if recording is None:
            raise ReplayRefusedError(f"run {run.id} was not recorded, or is not among the newest {self._max_runs}")
        self.recorder.forget(run.id)
        for earlier in (*recording.earlier, recording):
            if earlier.refused is not None:
                which = "the run" if earlier is recording else "an earlier run of the team"
                raise ReplayRefusedError(f"{which} cannot be repeated: {earlier.refused}")
        if run.status not in ("ok", "error"):
            raise ReplayRefusedError(f"the run was {run.status}: when, no replay can know")
        return TeamSystem(
            self._build,
            Index(recording, run.trajectory, self._agents),
            run,
            self._watcher,
            speaker=self._speaker,
            rules=self._rules,
            max_turns=self._max_turns,
            errors=self._errors,
        )


def _factory(team: Any) -> Callable[[], Any]:
    """What makes a team anew.

    Raises:
        ConfigurationError: it cannot be made anew.
    """
    if isinstance(team, ComponentModel):
        return lambda: (Team if team.component_type == "team" else ChatAgent).load_component(team)
    if isinstance(team, (Team, ChatAgent)):
        try:
            model = team.dump_component()
        except Exception as error:  # any part of a team may be unable, in its own way
            raise ConfigurationError(
                f"this {type(team).__name__} cannot be dumped ({type(error).__name__}: {error}): "
                "pass a function that builds it"
            ) from error
        return _factory(model)
    if callable(team):
        return team  # type: ignore[no-any-return]
    raise ConfigurationError(f"Replay takes a function that builds a team, or a team, not {type(team).__name__}")
