"""Accuracy gained per system run by the real GEPA, on the desk, tasks, critic and seeds of `prompts.py`.

    pip install -e '.[langgraph,demo]' --group optimizers       # in an environment of its own
    python benchmarks/prompts_peers.py                          # 20 seeds, 150 system runs each

**A simulation**, as `prompts.py` says. Each metric call of GEPA is one run of the LangGraph team and counts as one
system run, those on its validation set included. What is fair, and what is not:

- Proposals come from the same local critic, asked with the same evidence from the runs of GEPA's minibatch.
- The acceptance test is GEPA's own: the rewrite has to gain on a minibatch of 3, then is run on the whole validation
  set; the candidate with the best validation mean is its answer. Ours is an exact sequential test.
- GEPA starts with a run of the whole validation set. So that this does not decide alone, it has the 40 held-out tasks
  of `prompts.py` or the first 10 of them.
- GEPA looks at its budget between iterations and may exceed it; what it found after so many metric calls does not
  count. One run is read at all budgets: nothing else in it depends on its budget.

DSPy's MIPROv2 is in `prompts_mipro.py`.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prompts import REGIMES, ROLES, SLIP, Regime, RememberingTeam, Tally, show

from credit_hooks.demo.order_desk import LocalCritic, desk_team, evaluate, orders
from credit_hooks.prompts import CritiqueError, CritiqueRequest, Job, PromptSet
from credit_hooks.prompts.book import stable_id
from credit_hooks.prompts.critique import validated
from credit_hooks.prompts.evidence import evidence_of

try:
    import gepa

    from credit_hooks.prompts.interop.gepa import CreditSelector, Rollout, TeamAdapter
except ImportError as error:  # no failure: `make bench` runs every file here, without the optimisers' environment
    print(f"Not measured: {error}. It needs the real GEPA: pip install -e '.[langgraph,demo]' --group optimizers")
    raise SystemExit(0) from error

WAYS: Mapping[str, tuple[bool, int]] = {
    "GEPA, round-robin, 40 validation tasks": (False, 40),
    "GEPA, credit, 40 validation tasks": (True, 40),
    "GEPA, round-robin, 10 validation tasks": (False, 10),
    "GEPA, credit, 10 validation tasks": (True, 10),
}


class SameLuck:
    """A team whose run of a task with certain prompts is made once: the clerks' slips follow from both alone."""

    def __init__(self, inner: RememberingTeam) -> None:
        self._inner = inner
        self.name, self.blocks, self.concurrency = inner.name, inner.blocks, 1

    def run(self, jobs: Sequence[Job], evaluate: Any, on_run: Any) -> list[Any]:
        named = [Job(stable_id("peer", job.prompts.version, job.task.id), job.task, job.prompts) for job in jobs]
        distinct = list({job.run_id: job for job in named}.values())  # GEPA fills minibatches up with repeated tasks
        runs = dict(zip([job.run_id for job in distinct], self._inner.run(distinct, evaluate, on_run), strict=True))
        return [runs[job.run_id] for job in named]


class CriticAdapter(TeamAdapter):
    """Proposes by the critic of `prompts.py`; an answer that cannot be used leaves the component as it is."""

    def __init__(self, team: SameLuck, critic: LocalCritic) -> None:
        super().__init__(team, evaluate)
        self._critic, self._asked = critic, 0
        self._rollouts: list[Rollout] = []
        self.first: str | None = None
        self.propose_new_texts = self._propose

    def make_reflective_dataset(
        self, candidate: Mapping[str, str], eval_batch: Any, components_to_update: Sequence[str]
    ) -> dict[str, list[dict[str, Any]]]:
        self._rollouts = list(eval_batch.trajectories or [])
        return super().make_reflective_dataset(candidate, eval_batch, components_to_update)

    def _propose(
        self, candidate: Mapping[str, str], reflective_dataset: Any, components_to_update: Sequence[str]
    ) -> dict[str, str]:
        return {role: self._rewritten(candidate, role) for role in components_to_update}

    def _rewritten(self, candidate: Mapping[str, str], role: str) -> str:
        self._asked += 1
        self.first = self.first or role
        block = PromptSet(self._team.blocks).with_texts(dict(candidate)).block(role)
        tasks = [rollout.task for rollout in self._rollouts]
        evidence = evidence_of(block, [rollout.run for rollout in self._rollouts], tasks)
        request = CritiqueRequest(attempt=self._asked, block=block, evidence=evidence)
        try:
            text = validated(self._critic(request), block, [str(task.input) for task in tasks]).text
        except CritiqueError:
            text = None
        return block.text if text is None else text


@dataclass(frozen=True)
class Found:
    """What GEPA had after so many metric calls."""

    first: str | None
    had: tuple[tuple[int, float, PromptSet], ...]
    runs: int

    def at(self, budget: int, start: PromptSet) -> PromptSet:
        within = [(score, -number) for number, (spent, score, _) in enumerate(self.had) if spent <= budget]
        return self.had[-max(within)[1]][2] if within else start


def by_gepa(team: SameLuck, tasks: Sequence[Any], critic: LocalCritic, way: str, budget: int, seed: int) -> Found:
    by_credit, validation = WAYS[way]
    adapter = CriticAdapter(team, critic)
    result = gepa.optimize(
        seed_candidate=adapter.candidate,
        trainset=list(tasks[:20]),
        valset=list(tasks[20 : 20 + validation]),
        adapter=adapter,
        module_selector=CreditSelector(team.blocks) if by_credit else "round_robin",
        max_metric_calls=budget,
        seed=seed,
        display_progress_bar=False,
        logger=Quiet(),
    )
    start = PromptSet(team.blocks)
    rows = zip(result.discovery_eval_counts, result.val_aggregate_scores, result.candidates, strict=True)
    had = tuple(  # a candidate is counted where it is discovered: it is known to be better after its validation
        (known + validation if number else known, score, start.with_texts(dict(texts)))
        for number, (known, score, texts) in enumerate(rows)
    )
    return Found(adapter.first, had, adapter.system_runs)


class Quiet:
    def log(self, message: str) -> None:
        """GEPA's own progress is not shown."""


def measure(regime: Regime, seeds: int, budgets: Sequence[int]) -> dict[str, Tally]:
    tallies = {way: Tally({budget: [] for budget in budgets}) for way in WAYS}
    for seed in range(seeds):
        team = RememberingTeam(desk_team(regime.weak(seed), slip=SLIP, honest=regime.honest, seed=seed, parallel=False))
        tasks, fresh = orders(60, seed=seed), orders(60, seed=10_000 + seed)
        before = team.solved(PromptSet(team.blocks), fresh)
        for way in WAYS:
            critic = LocalCritic(seed=seed, **regime.critic)
            found = by_gepa(SameLuck(team), tasks, critic, way, max(budgets), seed)
            note(tallies[way], regime, seed, found, team, fresh, before)
        print(".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return tallies


def note(
    tally: Tally,
    regime: Regime,
    seed: int,
    found: Found,
    team: RememberingTeam,
    fresh: Sequence[Any],
    before: Sequence[bool],
) -> None:
    start = PromptSet(team.blocks)
    for budget, gains in tally.gains.items():
        gains.append((sum(team.solved(found.at(budget, start), fresh)) - sum(before)) / len(fresh))
    prompts = found.at(max(tally.gains), start)
    after = team.solved(prompts, fresh)
    tally.gained += sum(new and not old for old, new in zip(before, after, strict=True))
    tally.lost += sum(old and not new for old, new in zip(before, after, strict=True))
    tally.worse += sum(after) < sum(before)
    tally.runs += found.runs
    tally.seeds += 1
    if regime.planted:
        weak = ROLES[seed % len(ROLES)]
        tally.first += found.first == weak
        tally.only += [role for role in start if prompts[role] != start[role]] == [weak]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--budgets", type=int, nargs="+", default=[50, 100, 150])
    parser.add_argument("--regime", choices=[regime.name for regime in REGIMES], action="append")
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    started, budgets = time.perf_counter(), sorted(arguments.budgets)
    print(f"Points of accuracy gained on 60 fresh tasks after so many system runs, {arguments.seeds} seeds.")
    for regime in REGIMES:
        if arguments.regime is None or regime.name in arguments.regime:
            show(regime, measure(regime, arguments.seeds, budgets), budgets)
            print(flush=True)
    print(f"{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
