"""Prompts as players: what a changed prompt did to the outcomes, and the share of a run's credit that this makes.

A prompt is told by the digest of its text. Where an agent had several, the outcome is regressed on which one it had,
within tasks only (fixed effects) and with ridge 1: prompts that never met on a task are not compared, as tasks differ
by more than prompts. The game between prompts is then additive, so its Shapley values are the coefficients less their
mean over the store. Those of a run come from a fit without its task, so that its own outcome plays no part.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from credit_hooks.credit.siblings.facts import RunFacts, prompt_digests
from credit_hooks.trajectory import Actor, Message, TextPart, Trajectory

__all__ = ["PromptEffect", "PromptModel", "prompt_effects", "prompt_messages", "with_prompts"]

_RIDGE = 1.0
_MIN_TASKS = 5
_MIN_RUNS = 3  # runs of a version, below which nothing is said of it
_MAX_COLUMNS = 200
_MIN_Z = 2.0

Prompt = tuple[str, str]
Vector = NDArray[np.float64]


class PromptEffect(NamedTuple):
    """What one version of an agent's prompt did to the outcome, against the mean over the agent's versions."""

    actor_id: str
    digest: str
    """First 16 hex digits of the SHA-256 of its text."""
    runs: int
    """Runs that had it."""
    effect: float
    """Expected change of R."""
    std_err: float
    """Standard error, robust to any dependence within a task."""

    @property
    def told_apart(self) -> bool:
        """Whether the effect is more than two standard errors from 0."""
        return abs(self.effect) > _MIN_Z * self.std_err


class PromptModel:
    """Effects of the prompts of a store; `reason` says why there are none."""

    def __init__(self, runs: Sequence[RunFacts]) -> None:
        ordered = sorted(runs, key=lambda run: run.run_id)
        self.effects: tuple[PromptEffect, ...] = ()
        """By actor and digest; empty where no prompt was changed or too little is known."""
        self.reason: str | None = None
        self._shares: dict[str, dict[Prompt, float]] = {}
        names = sorted({_task(run) for run in ordered})
        met = _tasks_where_prompts_met(ordered)
        self._columns = _columns(ordered)
        if not self._columns:
            self.reason = "no agent had two prompts in enough runs"
        elif met < _MIN_TASKS:
            self.reason = f"prompts changed, but {met} tasks were run with two of them; {_MIN_TASKS} are needed"
        elif len(self._columns) > _MAX_COLUMNS:
            self.reason = f"{len(self._columns)} versions of prompts are too many to tell apart"
        else:
            self._fit(ordered, names)

    def shares(self, run: RunFacts) -> dict[Prompt, float]:
        """What each prompt of a run takes of its credit; only those told apart from chance, fitted without its task."""
        own = self._shares.get(_task(run), self._shares.get("", {}))
        known = {(effect.actor_id, effect.digest) for effect in self.effects if effect.told_apart}
        wanted = [prompt for prompt in run.prompts if prompt in known and prompt in own]
        return {prompt: min(max(own[prompt], -1.0), 1.0) for prompt in wanted}

    def _fit(self, runs: Sequence[RunFacts], names: Sequence[str]) -> None:
        number = {name: place for place, name in enumerate(names)}
        task = np.array([number[_task(run)] for run in runs], np.intp)
        held = np.array([[prompt in run.prompts for prompt in self._columns] for run in runs], np.float64)
        size = np.bincount(task).astype(np.float64)
        design = _demeaned(held, task, size)
        y = _demeaned(np.array([[run.score] for run in runs]), task, size)[:, 0]
        contrast = self._contrast(held)
        gram, moment = design.T @ design + _RIDGE * np.eye(len(self._columns)), design.T @ y
        inverse = np.linalg.inv(gram)
        residual = y - design @ (inverse @ moment)
        by_task = np.zeros((len(names), design.shape[1]))
        np.add.at(by_task, task, design * residual[:, None])
        clusters = len(names)
        covariance = inverse @ (by_task.T @ by_task) @ inverse * clusters / (clusters - 1)
        effect = contrast @ (inverse @ moment)
        error = np.sqrt(np.maximum(np.einsum("ij,jk,ik->i", contrast, covariance, contrast), 0.0))
        count = held.sum(axis=0)
        self.effects = tuple(
            PromptEffect(*prompt, int(count[k]), float(effect[k]), float(error[k]))
            for k, prompt in enumerate(self._columns)
        )
        self._shares[""] = dict(zip(self._columns, effect.tolist(), strict=True))
        for name, place in number.items():
            mine = design[task == place]
            left = np.linalg.solve(gram - mine.T @ mine, moment - mine.T @ y[task == place])
            self._shares[name] = dict(zip(self._columns, (contrast @ left).tolist(), strict=True))

    def _contrast(self, held: Vector) -> Vector:
        """Rows that take a version's coefficient less the mean over its agent's versions, weighted by their runs."""
        runs = held.sum(axis=0)
        result = np.zeros((len(self._columns), len(self._columns)))
        for k, (actor, _) in enumerate(self._columns):
            for other, (name, _) in enumerate(self._columns):
                if name == actor:
                    of_actor = sum(runs[j] for j, (each, _) in enumerate(self._columns) if each == actor)
                    result[k, other] = (k == other) - runs[other] / of_actor
        return result


def _columns(runs: Iterable[RunFacts]) -> tuple[Prompt, ...]:
    """Versions with enough runs, of agents that have two such versions."""
    count = Counter(prompt for run in runs for prompt in run.prompts)
    enough = sorted(prompt for prompt, number in count.items() if number >= _MIN_RUNS)
    versions = Counter(actor for actor, _ in enough)
    return tuple(prompt for prompt in enough if versions[prompt[0]] > 1)


def _task(run: RunFacts) -> str:
    return run.task if run.task is not None else f"run:{run.run_id}"


def _tasks_where_prompts_met(runs: Iterable[RunFacts]) -> int:
    """Tasks that some agent worked on with two different prompts."""
    seen: dict[tuple[str, str], set[str]] = {}
    for run in runs:
        for actor, digest in run.prompts:
            seen.setdefault((_task(run), actor), set()).add(digest)
    return len({task for (task, _), digests in seen.items() if len(digests) > 1})


def _demeaned(values: Vector, task: NDArray[np.intp], size: Vector) -> Vector:
    """Values less their mean within the task."""
    sums = np.zeros((size.size, values.shape[1]))
    np.add.at(sums, task, values)
    result: Vector = values - (sums / size[:, None])[task]
    return result


def prompt_effects(runs: Sequence[RunFacts]) -> tuple[PromptEffect, ...]:
    """Effects of all versions of prompts that agents of these runs had; empty where none can be told."""
    return PromptModel(runs).effects


def prompt_messages(trajectory: Trajectory) -> dict[str, str]:
    """Id of the message that is an actor's prompt, by actor: one that says the same text, else the one to be added."""
    said: dict[str, str] = {}
    for message in trajectory.messages:
        if message.role == "system":
            said.setdefault(" ".join(message.text.split()), message.id)
    return {
        actor.id: said.get(" ".join(actor.system_prompt.split())) or f"prompt:{actor.id}"
        for actor in trajectory.actors
        if actor.system_prompt is not None
    }


def with_prompts(trajectory: Trajectory) -> Trajectory:
    """The run with the prompt of every agent as a message before all others, written by an actor of its own.

    Unchanged where no agent states a prompt, or messages say them already. Indices of the others stay as they are.
    """
    digests = dict(prompt_digests(trajectory))
    known = trajectory.message_by_id.keys()
    prompts: list[Message] = []
    actors: list[Actor] = []
    for actor_id, message_id in prompt_messages(trajectory).items():
        if message_id in known:
            continue
        prompt = trajectory.actor_by_id[actor_id].system_prompt or ""
        prompts.append(
            Message(
                id=message_id,
                index=0,
                actor_id=message_id,
                role="system",
                recipients=(actor_id,),
                parts=(TextPart(text=prompt),),
                meta={"prompt_of": actor_id, "sha256": digests[actor_id]},
            )
        )
        name = f"prompt of {trajectory.actor_by_id[actor_id].name}"
        actors.append(Actor(id=message_id, name=name, kind="system", parent_id=actor_id))
    if not prompts:
        return trajectory
    fields = {name: getattr(trajectory, name) for name in Trajectory.model_fields}
    return Trajectory.model_validate(  # not a copy, which would keep what was cached of the messages before
        {
            **fields,
            "messages": (*sorted(prompts, key=lambda message: message.id), *trajectory.messages),
            "actors": (*trajectory.actors, *sorted(actors, key=lambda actor: actor.id)),
        }
    )
