"""`Replay`: what a user passes to `CreditCallback(replay=...)` so that runs of a graph can be run again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from typing import Any, Literal

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import RunnableConfig
from langgraph.pregel import Pregel

from credit_hooks.errors import ConfigurationError, ReplayRefusedError
from credit_hooks.langgraph.replay.course import MaskedTurn
from credit_hooks.langgraph.replay.gates import Outcome, Path
from credit_hooks.langgraph.replay.index import Index
from credit_hooks.langgraph.replay.recording import Recorder
from credit_hooks.langgraph.replay.running import is_same_graph
from credit_hooks.langgraph.replay.speakers import speaker
from credit_hooks.langgraph.replay.system import GraphSystem, Watcher
from credit_hooks.langgraph.replay.tools import Repeat, ToolRules, unused_rules
from credit_hooks.outcome import FinishedRun
from credit_hooks.replay import Recorded, ReplayLimits

__all__ = ["MaskedTurn", "Replay"]

_MAX_CACHED = 1_000


class Replay:
    """Runs of one graph, to be run again with some of its messages masked or replaced.

    ::

        graph = builder.compile()
        callback = CreditCallback(
            evaluate=lambda run: "42" in run.answer,
            credit=CreditConfig(method="replay", budget=64),
            replay=Replay(graph, tools={"search": "repeat", "send_mail": "pin"}),
        )
        graph.invoke(inputs, config={"callbacks": [callback]})

    Only what a change reaches is executed again; nodes whose input is known answer from the recording. Replays run on
    threads of their own, on a copy of the graph with a checkpointer in memory, a store whose writes stay with them, no
    cache and none of the callbacks of the graph or the run. They do repeat what live nodes do beside returning: name
    tools that must not be called again.

    Args:
        graph: The compiled graph that the callback is attached to.
        baseline: Who speaks for masked agents. A text, "" being silence; a function of the :class:`MaskedTurn` to the
            node's output; a chat model, which is given the state's messages; or another compiled graph with nodes of
            the same names, such as the same graph with a weaker model.
        agents: Names or paths of the nodes that are credited; all others stay as they are. None: all that say
            something, and those that write data if they call a model or no node is seen to call one.
        tools: By name, what to do when a tool would be called with arguments that the run did not have: "repeat" it,
            "pin" its recorded result, or "stop" that replay. Tools may say so themselves, in
            `metadata={"credit_hooks": "repeat"}` or by the hints of an MCP server.
        unmarked_tools: The same for tools of which nothing is said.
        limits: What the replays of one run may cost.
        config: Configuration of replays, as far as nodes need it (`configurable`, `recursion_limit`, `metadata`). Or a
            function of the finished run to it.
        context: Runtime context of replays. Or a function of the finished run to it, if it is callable.
        errors: What a replay that raises is worth. "no_value": nothing is known, the coalition is left out. "score":
            the evaluator is asked, with `run.error`. Runs that raised themselves are always scored.
        max_runs: Newest runs whose recordings are kept in memory.

    Raises:
        ConfigurationError: an argument cannot work.
    """

    def __init__(
        self,
        graph: Pregel[Any, Any, Any, Any],
        *,
        baseline: str | Callable[[MaskedTurn], Any] | BaseChatModel | Pregel[Any, Any, Any, Any] = "",
        agents: Collection[str] | None = None,
        tools: Mapping[str, Repeat] | None = None,
        unmarked_tools: Repeat = "stop",
        limits: ReplayLimits | None = None,
        config: RunnableConfig | Callable[[FinishedRun], RunnableConfig] | None = None,
        context: Any = None,
        errors: Literal["no_value", "score"] = "no_value",
        max_runs: int = 100,
    ) -> None:
        if not isinstance(graph, Pregel):
            raise ConfigurationError(f"Replay takes a compiled graph, not {type(graph).__name__}: call compile() first")
        _check_tools({**(tools or {}), "unmarked_tools": unmarked_tools})
        if errors not in ("no_value", "score"):
            raise ConfigurationError(f"errors is 'no_value' or 'score', not {errors!r}")
        self.limits = limits or ReplayLimits()
        self.recorder = Recorder(max_runs, lambda running: is_same_graph(running, graph))
        """What the callback tells of the runs that it sees."""
        self._graph = graph
        self._baseline = baseline
        self._text, self._stand_in, self._described = speaker(baseline)
        self._agents = None if agents is None else frozenset(agents)
        self._tools = dict(tools or {})
        self._unmarked = unmarked_tools
        self._config = config
        self._context = context
        self._errors = errors
        self._max_runs = max_runs
        self._cached: OrderedDict[tuple[Path, str], Recorded[Outcome]] = OrderedDict()
        self._watcher = Watcher()  # made now: runs that are credited while the process ends could not

    def system(self, run: FinishedRun) -> GraphSystem:
        """A finished run as something that can be run again.

        Raises:
            ReplayRefusedError: it was not recorded, or not of this graph.
        """
        recording = self.recorder.of(run.id)
        if recording is None:
            raise ReplayRefusedError(f"run {run.id} was not recorded, or is not among the newest {self._max_runs}")
        named = self._graph.get_name()
        if not recording.is_own and recording.name != named:
            raise ReplayRefusedError(f"the run is of graph {recording.name!r}, replay= has a graph named {named!r}")
        if recording.is_own is False:
            raise ReplayRefusedError(
                f"the run is of another graph {named!r} than that of replay=: give Replay the very graph that runs, "
                "not one that was built anew"
            )
        index = Index(self._graph, recording, run.trajectory, self._text, self._cached, self._agents)
        index.notes += unused_rules(self._tools, index.leaves.values(), run.trajectory)
        self.recorder.forget(run.id)
        while len(self._cached) > _MAX_CACHED:
            self._cached.popitem(last=False)
        return GraphSystem(
            self._graph,
            index,
            recording,
            run,
            self._watcher,
            baseline=self._described,
            stand_in=self._stand_in,
            rules=ToolRules(self._tools, self._unmarked, index.masks.steering_tools),
            config=(self._config(run) if callable(self._config) else self._config) or {},
            context=self._context(run) if callable(self._context) else self._context,
            errors=self._errors,
            is_async=recording.is_async,
        )


def _check_tools(rules: Mapping[str, str]) -> None:
    for name, rule in rules.items():
        if rule not in ("repeat", "pin", "stop"):
            raise ConfigurationError(f"{name} is 'repeat', 'pin' or 'stop', not {rule!r}")
