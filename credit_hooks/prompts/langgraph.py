"""`LangGraphTeam`: a LangGraph graph whose prompts are set per run, without an edit of its source."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

from langchain_core.callbacks import BaseCallbackHandler, Callbacks
from langchain_core.runnables import Runnable, RunnableConfig

from credit_hooks.credit import CreditConfig
from credit_hooks.errors import ConfigurationError
from credit_hooks.langgraph import CreditCallback
from credit_hooks.prompts.blocks import PromptBlock, PromptSet
from credit_hooks.prompts.collect import INTERRUPTED_SECONDS, Collector
from credit_hooks.prompts.loop import run_async
from credit_hooks.prompts.tasks import Task
from credit_hooks.prompts.team import Job, OnRun, TaskEvaluator, verdict_of
from credit_hooks.rewards import CreditedRun

__all__ = ["LangGraphTeam"]

_Graph: TypeAlias = Runnable[Any, Any]


class LangGraphTeam:
    """A graph, and how its prompts reach it.

    By configuration: the graph reads `config["configurable"]["prompts"][role]`, or wherever `arguments` puts them::

        def solver(state, config):
            prompt = config["configurable"].get("prompts", {}).get("solver", SOLVER)

        team = LangGraphTeam(graph, [PromptBlock(role="solver", text=SOLVER)])

    By a function that builds the graph, for graphs that take prompts when they are made::

        team = LangGraphTeam(lambda prompts: create_agent(model, system_prompt=prompts["solver"]), blocks)

    Args:
        graph: The compiled graph, or a function of the prompts (role to text) that makes it; a graph that is made is
            kept for the next run with the same prompts.
        blocks: The prompts that may be rewritten.
        name: See :class:`credit_hooks.prompts.Team`. Default: the graph's.
        inputs: The graph's input for a task. Default: `{"messages": [("user", task.input)]}`.
        arguments: The keyword arguments of `invoke` that carry the prompts, such as
            `lambda prompts: {"context": {"solver_prompt": prompts["solver"]}}`. None: as above.
        config: Configuration of every run, such as `{"recursion_limit": 50}`.
        credit: How runs are credited.
        concurrency: Runs going on at one time.
        use_async: Whether to call `ainvoke`, as graphs with async nodes need.
        evaluate_timeout: Seconds an evaluator may take.

    Raises:
        ConfigurationError: a graph without blocks, or something that is no graph.
    """

    def __init__(
        self,
        graph: _Graph | Callable[[Mapping[str, str]], _Graph],
        blocks: Sequence[PromptBlock],
        *,
        name: str | None = None,
        inputs: Callable[[Task], Any] | None = None,
        arguments: Callable[[Mapping[str, str]], Mapping[str, Any]] | None = None,
        config: RunnableConfig | None = None,
        credit: CreditConfig | None = None,
        concurrency: int = 1,
        use_async: bool = False,
        evaluate_timeout: float = 60.0,
    ) -> None:
        if not callable(graph) and not isinstance(graph, Runnable):
            raise ConfigurationError(f"a graph or a function that makes one is expected, not {type(graph).__name__}")
        if concurrency < 1:
            raise ConfigurationError(f"concurrency={concurrency}: at least one run at a time")
        self.blocks = PromptSet(blocks).blocks
        self._graph = graph
        self._inputs = inputs or _as_message
        self._arguments = arguments or _as_configurable
        self._config: RunnableConfig = {} if config is None else config
        self._credit = credit or CreditConfig()
        self.concurrency = concurrency
        self._use_async = use_async
        self._timeout = evaluate_timeout
        self._made: tuple[str, _Graph] | None = None
        self.name = name or (graph.get_name() if isinstance(graph, Runnable) else "team")

    def run(self, jobs: Sequence[Job], evaluate: TaskEvaluator, on_run: OnRun) -> list[CreditedRun]:
        """See :class:`credit_hooks.prompts.Team`."""
        found = Collector(jobs, on_run)
        callback = CreditCallback(
            evaluate=lambda run: verdict_of(evaluate, run, found.task(run.id)),
            credit=self._credit,
            exporters=[found],
            max_runs=1,
            max_queue=max(len(jobs), 1),
            evaluate_timeout=self._timeout,
        )
        graphs = [self._graph_for(job.prompts) for job in jobs]
        patience = INTERRUPTED_SECONDS
        try:
            self._make(graphs, jobs, callback, found)
            patience = self._timeout * (len(jobs) + 1)
        finally:  # what has finished is kept, also where the rest was interrupted
            callback.flush(patience)
        return found.runs(callback.failures)

    def _make(self, graphs: Sequence[_Graph], jobs: Sequence[Job], callback: CreditCallback, found: Collector) -> None:
        def one(graph: _Graph, job: Job) -> None:
            self._one(graph, job, callback)
            found.over(job)

        if self._use_async:
            run_async(self._all(graphs, jobs, callback, found))
        elif self.concurrency == 1:
            for graph, job in zip(graphs, jobs, strict=True):
                one(graph, job)
        else:
            pool = ThreadPoolExecutor(self.concurrency, "credit-hooks-team")
            try:
                list(pool.map(one, graphs, jobs))
            finally:
                pool.shutdown(cancel_futures=True)  # an interruption begins no further run

    async def _all(
        self, graphs: Sequence[_Graph], jobs: Sequence[Job], callback: CreditCallback, found: Collector
    ) -> None:
        places = asyncio.Semaphore(self.concurrency)

        async def one(graph: _Graph, job: Job) -> None:
            config, arguments = self._call(job, callback)
            async with places:
                with contextlib.suppress(Exception):  # as in _one
                    await graph.ainvoke(self._inputs(job.task), config, **arguments)
                found.over(job)

        await asyncio.gather(*map(one, graphs, jobs))

    def _one(self, graph: _Graph, job: Job, callback: CreditCallback) -> None:
        config, arguments = self._call(job, callback)
        # A run that raises is data: the callback has recorded it, with what it raised.
        with contextlib.suppress(Exception):
            graph.invoke(self._inputs(job.task), config, **arguments)

    def _call(self, job: Job, callback: CreditCallback) -> tuple[RunnableConfig, dict[str, Any]]:
        arguments = dict(self._arguments(job.prompts))
        config: RunnableConfig = {**self._config, **arguments.pop("config", {})}
        config["configurable"] = {
            "thread_id": str(uuid.uuid4()),  # for checkpointers: no run goes on with another's, nor with its own
            **self._config.get("configurable", {}),
            **config.get("configurable", {}),
        }
        config["callbacks"] = [*_listed(config.get("callbacks")), callback]
        config["run_id"] = uuid.UUID(job.run_id)
        config["metadata"] = {**config.get("metadata", {}), "task_id": job.task.id, "group_id": job.task.digest}
        return config, arguments

    def _graph_for(self, prompts: PromptSet) -> _Graph:
        if isinstance(self._graph, Runnable):
            return self._graph
        if self._made is None or self._made[0] != prompts.version:
            made = self._graph(prompts)
            if not isinstance(made, Runnable):
                raise ConfigurationError(f"the function that makes the graph returned {type(made).__name__}, no graph")
            self._made = prompts.version, made
        return self._made[1]


def _listed(callbacks: Callbacks) -> list[BaseCallbackHandler]:
    if callbacks is None:
        return []
    return callbacks if isinstance(callbacks, list) else list(callbacks.handlers)


def _as_message(task: Task) -> Any:
    return {"messages": [("user", task.input if isinstance(task.input, str) else str(task.input))]}


def _as_configurable(prompts: Mapping[str, str]) -> Mapping[str, Any]:
    return {"config": {"configurable": {"prompts": dict(prompts)}}}
