"""GEPA (https://github.com/gepa-ai/gepa) with our credit: which component to rewrite, and teams as what it optimises.

Needs `pip install 'credit-hooks[gepa]'`. ::

    adapter = TeamAdapter(LangGraphTeam(graph, blocks), evaluate)
    gepa.optimize(adapter.candidate, trainset, valset, adapter=adapter, reflection_lm=model,
                  module_selector=CreditSelector(blocks), max_metric_calls=500)

GEPA calls it `module_selector`, DSPy's `dspy.GEPA` calls it `component_selector`; the protocol is the same.
"""

from __future__ import annotations

import uuid
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from credit_hooks.errors import ConfigurationError, MissingExtraError
from credit_hooks.prompts.blocks import PromptBlock, PromptSet
from credit_hooks.prompts.diagnosis import diagnose
from credit_hooks.prompts.evidence import evidence_of
from credit_hooks.prompts.tasks import Task
from credit_hooks.prompts.team import Job, TaskEvaluator, Team
from credit_hooks.rewards import CreditedRun

try:
    from gepa import EvaluationBatch
except ImportError as error:
    raise MissingExtraError("credit_hooks.prompts.interop.gepa", "gepa") from error

__all__ = ["CreditSelector", "Credited", "Rollout", "TeamAdapter"]

_MAX_CANDIDATES: Final = 64

Credited: TypeAlias = Callable[[Any, Mapping[str, str]], CreditedRun | None]
"""(what an adapter calls a trajectory, the candidate it was made with) to the credited run. None: it is none."""


class Rollout(NamedTuple):
    """What :class:`TeamAdapter` gives to GEPA as a trajectory."""

    task: Task
    """What was to be done."""
    run: CreditedRun
    """The run, credited."""


def _credited(trajectory: Any, candidate: Mapping[str, str]) -> CreditedRun | None:
    found = getattr(trajectory, "run", trajectory)
    return found if isinstance(found, CreditedRun) else None


class CreditSelector:
    """GEPA's `ReflectionComponentSelector`, by credit: the component that is blamed most goes first.

    A candidate's runs are remembered over its minibatches, as three runs say little. A component that was chosen for a
    candidate, which is still there to be chosen for, comes after all that were chosen less often: its rewrite was not
    accepted. Where nothing can be credited, components are taken in turn.

    Args:
        blocks: Which agents follow which component, and of which kind it is; a component is a block's role. None: each
            component is a role prompt of the agent of its name.
        width: Components chosen together.
        credited: How a trajectory of your adapter is a credited run. Default: it is one, or has one as `run`, as those
            of :class:`TeamAdapter`; for DSPy's, :func:`credit_hooks.prompts.interop.dspy.credited_rollouts`.
        memory: Runs remembered of a candidate, the newest.

    Raises:
        ConfigurationError: width or memory is below 1.
    """

    def __init__(
        self,
        blocks: Sequence[PromptBlock] | None = None,
        *,
        width: int = 1,
        credited: Credited = _credited,
        memory: int = 64,
    ) -> None:
        if width < 1 or memory < 1:
            raise ConfigurationError(f"width={width}, memory={memory}: at least 1 each")
        self._blocks = None if blocks is None else PromptSet(blocks)
        self._width, self._credited, self._memory = width, credited, memory
        self._known: OrderedDict[tuple[tuple[str, str], ...], _Known] = OrderedDict()
        self.chosen: list[tuple[str, ...]] = []
        """What was chosen, call by call."""

    def __call__(
        self,
        state: Any,
        trajectories: Sequence[Any],
        subsample_scores: Sequence[float],
        candidate_idx: int,
        candidate: Mapping[str, str],
    ) -> list[str]:
        """Names of the components to rewrite next; see GEPA's `ReflectionComponentSelector`.

        Raises:
            ConfigurationError: the candidate has a component that no block declares.
        """
        known = self._of(candidate)
        found = (self._credited(trajectory, candidate) for trajectory in trajectories or ())
        known.runs.extend(run for run in found if run is not None)
        priority = {one.role: one.priority for one in diagnose(self._declared(candidate), list(known.runs))}
        order = {name: place for place, name in enumerate(candidate)}
        ranked = sorted(candidate, key=lambda name: (known.chosen[name], -priority.get(name, 0.0), order[name]))
        chosen = ranked[: self._width]
        known.chosen.update(chosen)
        self.chosen.append(tuple(chosen))
        return chosen

    def _declared(self, candidate: Mapping[str, str]) -> tuple[PromptBlock, ...]:
        if self._blocks is None:
            return tuple(PromptBlock(role=name, text=text) for name, text in candidate.items())
        missing = [name for name in candidate if name not in self._blocks]
        if missing:
            raise ConfigurationError(f"component {missing[0]!r} is none of the blocks {', '.join(self._blocks)}")
        return tuple(block for block in self._blocks.blocks if block.role in candidate)

    def _of(self, candidate: Mapping[str, str]) -> _Known:
        key = tuple(sorted(candidate.items()))
        known = self._known.setdefault(key, _Known(deque(maxlen=self._memory), Counter()))
        self._known.move_to_end(key)
        while len(self._known) > _MAX_CANDIDATES:
            self._known.popitem(last=False)
        return known


class _Known(NamedTuple):
    runs: deque[CreditedRun]
    chosen: Counter[str]


class TeamAdapter:
    """GEPA's `GEPAAdapter` for a team of ours: components are prompt blocks, examples are tasks.

    The reflective dataset of a component is what credit knows of its agents: what they said that was worst, their share
    of credit or blame, the first error, who repaired it.

    Args:
        team: Runs tasks with given prompts, as :class:`credit_hooks.prompts.langgraph.LangGraphTeam`.
        evaluate: How a run of a task ended.
        on_run: Told of each run, such as `store.put`.
    """

    propose_new_texts = None
    """GEPA's own reflection proposes the texts."""

    def __init__(
        self, team: Team, evaluate: TaskEvaluator, *, on_run: Callable[[CreditedRun], None] = lambda run: None
    ) -> None:
        self._team, self._evaluate, self._on_run = team, evaluate, on_run
        self._prompts = PromptSet(team.blocks)
        self.system_runs = 0
        """Runs of the team so far."""

    @property
    def candidate(self) -> dict[str, str]:
        """The prompts as the user wrote them, to begin with."""
        return dict(self._prompts)

    def evaluate(
        self, batch: Sequence[Task], candidate: Mapping[str, str], capture_traces: bool = False
    ) -> EvaluationBatch:
        """One run per task with the candidate's prompts. A run without a verdict scores 0."""
        prompts = self._prompts.with_texts(dict(candidate))
        jobs = [Job(str(uuid.uuid4()), task, prompts) for task in batch]
        self.system_runs += len(jobs)
        runs = self._team.run(jobs, self._evaluate, self._on_run)
        return EvaluationBatch(
            outputs=[run.trajectory.answer for run in runs],
            scores=[run.credit.outcome or 0.0 for run in runs],
            trajectories=list(map(Rollout, batch, runs)) if capture_traces else None,
        )

    def make_reflective_dataset(
        self, candidate: Mapping[str, str], eval_batch: EvaluationBatch, components_to_update: Sequence[str]
    ) -> dict[str, list[dict[str, Any]]]:
        """Per component, what its agents were given, said, and are credited with; the most blamed run first."""
        prompts = self._prompts.with_texts(dict(candidate))
        rollouts: list[Rollout] = eval_batch.trajectories or []
        return {name: _records(prompts.block(name), rollouts) for name in components_to_update}


def _records(block: PromptBlock, rollouts: Sequence[Rollout]) -> list[dict[str, Any]]:
    found: list[tuple[float, dict[str, Any]]] = []
    for task, run in rollouts:
        evidence = evidence_of(block, [run], [task])
        for one in (*evidence.failures, *evidence.successes):
            record = {"Inputs": one.task, "Generated Outputs": "\n\n".join(one.said), "Feedback": one.text}
            found.append((one.credit, record))
    return [record for _, record in sorted(found, key=lambda pair: pair[0])]
