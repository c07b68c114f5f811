"""`AutoGenTeam`: an AutoGen team whose prompts are set per run; and AutoGen model clients as critics."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any

from autogen_agentchat.base import Team as AutoGen
from autogen_agentchat.messages import BaseChatMessage, TextMessage
from autogen_core.models import ChatCompletionClient, UserMessage

from credit_hooks.autogen import TeamCapture, names
from credit_hooks.credit import CreditConfig
from credit_hooks.errors import ConfigurationError
from credit_hooks.outcome import FinishedRun
from credit_hooks.ports import Verdict
from credit_hooks.prompts.blocks import PromptBlock, PromptSet
from credit_hooks.prompts.collect import INTERRUPTED_SECONDS, Collector
from credit_hooks.prompts.critique import CritiqueRequest
from credit_hooks.prompts.loop import run_async
from credit_hooks.prompts.tasks import Task
from credit_hooks.prompts.team import Job, OnRun, TaskEvaluator, verdict_of
from credit_hooks.rewards import CreditedRun

__all__ = ["AutoGenTeam", "client_critic"]

_MARK = "task_id"  # key of a message's metadata by which capture names the run's task; here: the job


class AutoGenTeam:
    """A team or agent of AutoGen, and how its prompts reach it.

    By a function that makes the team, anew for every run, so that no run remembers another::

        team = AutoGenTeam(lambda prompts: RoundRobinGroupChat([AssistantAgent("solver", client,
                           system_message=prompts["solver"]), ...]), [PromptBlock(role="solver", text=SOLVER)])

    Or a live team: its agents' system messages are set for the runs, and set back afterwards; it is reset before each
    run, and runs follow one another.

    Args:
        team: A function of the prompts (role to text) that makes a team or agent, or a live one.
        blocks: The prompts that may be rewritten.
        name: See :class:`credit_hooks.prompts.Team`. Default: the live team's name.
        inputs: The team's task for a task: text, a message, or several. Default: `str(task.input)`.
        credit: How runs are credited.
        concurrency: Runs going on at one time; 1 for a live team.
        evaluate_timeout: Seconds an evaluator may take.

    Raises:
        ConfigurationError: something that is no team, a live team without the agents that blocks instruct, or one that
            is to run several times at once.
    """

    def __init__(
        self,
        team: Any,
        blocks: Sequence[PromptBlock],
        *,
        name: str | None = None,
        inputs: Callable[[Task], str | BaseChatMessage | Sequence[BaseChatMessage]] | None = None,
        credit: CreditConfig | None = None,
        concurrency: int = 1,
        evaluate_timeout: float = 60.0,
    ) -> None:
        self.blocks = PromptSet(blocks).blocks
        self._live = hasattr(team, "run_stream")
        if not self._live and not callable(team):
            raise ConfigurationError(f"a team or a function that makes one is expected, not {type(team).__name__}")
        if concurrency < 1 or (self._live and concurrency > 1):
            raise ConfigurationError(f"concurrency={concurrency}: a live team runs once at a time, a factory 1 or more")
        self._team = team
        self._inputs = inputs or (lambda task: str(task.input))
        self._credit = credit or CreditConfig()
        self.concurrency = concurrency
        self._timeout = evaluate_timeout
        self.name = name or str(getattr(team, "name", None) or "team")
        if self._live:
            self._followers(self.blocks)

    def run(self, jobs: Sequence[Job], evaluate: TaskEvaluator, on_run: OnRun) -> list[CreditedRun]:
        """See :class:`credit_hooks.prompts.Team`."""
        found = Collector(jobs, on_run)
        by_id = {job.run_id: job for job in jobs}

        def judge(run: FinishedRun) -> Verdict | Awaitable[Verdict]:
            return verdict_of(evaluate, run, found.task(run.trajectory.task_id or ""))

        capture = TeamCapture(
            evaluate=judge,
            credit=self._credit,
            exporters=[_ByMark(found, by_id)],
            max_runs=1,
            max_queue=max(len(jobs), 1),
            evaluate_timeout=self._timeout,
        )
        patience = INTERRUPTED_SECONDS
        try:
            run_async(self._all(jobs, capture, found))
            patience = self._timeout * (len(jobs) + 1)
        finally:  # what has finished is kept, also where the rest was interrupted
            capture.detach()
            capture.flush(patience)
        return found.runs(capture.failures)

    async def _all(self, jobs: Sequence[Job], capture: TeamCapture, found: Collector) -> None:
        places = asyncio.Semaphore(self.concurrency)

        async def one(job: Job) -> None:
            async with places:
                await self._one(job, capture)
                found.over(job)

        if self._live:
            for job in jobs:
                await one(job)
        else:
            await asyncio.gather(*map(one, jobs))

    async def _one(self, job: Job, capture: TeamCapture) -> None:
        with self._instructed(job.prompts) as team:
            capture.attach(team)
            if self._live and isinstance(team, AutoGen):
                await team.reset()
            # A run that raises is data: the capture has recorded it, with what it raised.
            with contextlib.suppress(Exception):
                await team.run(task=self._task(job))

    def _task(self, job: Job) -> list[BaseChatMessage]:
        given = self._inputs(job.task)
        if isinstance(given, str):
            given = TextMessage(content=given, source="user")
        messages = [given] if isinstance(given, BaseChatMessage) else list(given)
        last = messages[-1]
        marked = last.model_copy(update={"metadata": {**last.metadata, _MARK: job.run_id}})
        return [*messages[:-1], marked]

    @contextlib.contextmanager
    def _instructed(self, prompts: PromptSet) -> Iterator[Any]:
        if not self._live:
            yield self._team(dict(prompts))
            return
        before = [(agent, names.system_messages(agent)) for agent, _ in self._followers(prompts.blocks)]
        try:
            for agent, text in self._followers(prompts.blocks):
                names.set_system_message(agent, text)
            yield self._team
        finally:
            for agent, messages in before:
                names.set_system_messages(agent, messages)

    def _followers(self, blocks: Sequence[PromptBlock]) -> list[tuple[Any, str]]:
        """Agents of the live team that follow a block, with its text."""
        agents = {agent.name: agent for agent in names.agents(self._team) if names.system_messages(agent) is not None}
        wanted = [(name, block) for block in blocks for name in block.instructs]
        for name, block in wanted:
            if name not in agents:
                raise ConfigurationError(
                    f"no agent {name!r} with a system message in the team, as block {block.role!r} needs; "
                    f"there are {', '.join(agents) or 'none'}"
                )
        return [(agents[name], block.text) for name, block in wanted]


class _ByMark:
    """Passes runs on under the job that their task's metadata names."""

    def __init__(self, found: Collector, jobs: Mapping[str, Job]) -> None:
        self._found = found
        self._jobs = jobs

    def export(self, run: CreditedRun) -> None:
        job = self._jobs.get(run.trajectory.task_id or "")
        if job is not None:
            self._found.take(job, run)


def client_critic(client: ChatCompletionClient) -> Callable[[CritiqueRequest], Awaitable[Any]]:
    """A critic that asks a model client; what is no text is refused where all answers are checked."""

    async def critic(request: CritiqueRequest) -> Any:
        answer = await client.create([UserMessage(content=request.prompt, source="credit_hooks")])
        return answer.content

    return critic
