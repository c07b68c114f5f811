"""Accuracy gained per system run: blocks chosen by credit beside all blocks, blocks in turn, and blocks by chance.

    python benchmarks/prompts.py               # 20 seeds, 150 system runs each: some 15 minutes
    python benchmarks/prompts.py --seeds 3

**A simulation**: the order desk of `credit_hooks.demo.order_desk`, a real LangGraph graph whose local chat model can do
what the instructions in its prompt name, with a local critic that knows which instructions there are. It compares ways
of choosing blocks under known conditions; it is no evidence about real models. All ways share team, tasks, critic, gate
and budget, and differ in the selector alone. Per seed: 20 training tasks (16 of them evidence), 40 held out, 60 fresh
tasks that took no part; each model call slips with 2 %.

Regimes: who is weak, whether clerks say so (honest) or fail without a sign (silent), and what the critic does.

    planted, honest     one block, drawn by seed, lacks both skills; rewriting a healthy block harms it
    planted, silent     the same, without any sign in what clerks say
    all weak, honest    every block lacks one skill; rewriting a healthy block does nothing
    poisoned critic     planted and honest; half of the critic's answers are plausible and wrong

Columns: wrong to right and right to wrong are shares of the fresh tasks at the largest budget; worse counts seeds that
ended below where they began; first those whose first attempt was at the planted block (of several blocks, the one named
first); only it those in which that block alone was changed.
"""

from __future__ import annotations

import argparse
import logging
import math
import random
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from credit_hooks.demo.order_desk import LocalCritic, desk_team, evaluate, orders
from credit_hooks.demo.order_desk.skills import SKILLS
from credit_hooks.prompts import (
    Budget,
    Job,
    Optimization,
    PromptSet,
    Selector,
    by_chance,
    by_credit,
    every_block,
    in_turn,
    optimize,
)
from credit_hooks.prompts.book import stable_id
from credit_hooks.rewards import CreditedRun

ROLES = ("reader", "goods", "extras", "desk", "cashier")
WAYS: Mapping[str, tuple[Selector, int | None]] = {
    "credit, one block": (by_credit, 1),
    "credit, adaptive": (by_credit, None),
    "update-all": (every_block, None),
    "round-robin": (in_turn, 1),
    "random": (by_chance, 1),
}
SLIP = 0.02
CALLS = 60


@dataclass(frozen=True)
class Regime:
    name: str
    critic: Mapping[str, Any]
    honest: bool = True
    planted: bool = True

    def weak(self, seed: int) -> tuple[str, ...]:
        """Skills that the prompts lack at first."""
        draw = random.Random(f"weak {seed}")
        if self.planted:
            role = ROLES[seed % len(ROLES)]
            return tuple(skill.name for skill in SKILLS if skill.role == role)
        return tuple(draw.choice([skill.name for skill in SKILLS if skill.role == role]) for role in ROLES)


REGIMES = (
    Regime("planted, honest", {"healthy": "harmful"}),
    Regime("planted, silent", {"healthy": "harmful"}, honest=False),
    Regime("all weak, honest", {"healthy": "neutral"}, planted=False),
    Regime("poisoned critic", {"healthy": "harmful", "poison": 0.5}),
)


class RememberingTeam:
    """Makes each run once per seed and regime: all ways see the same luck. The optimiser counts it each time."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.name, self.blocks, self.concurrency = inner.name, inner.blocks, 1
        self._known: dict[str, CreditedRun] = {}

    def run(self, jobs: Sequence[Job], evaluate: Any, on_run: Any) -> list[CreditedRun]:
        missing = [job for job in jobs if job.run_id not in self._known]
        for job, run in zip(missing, self._inner.run(missing, evaluate, lambda run: None), strict=True):
            self._known[job.run_id] = run
        runs = [self._known[job.run_id] for job in jobs]
        for run in runs:
            on_run(run)
        return runs

    def solved(self, prompts: PromptSet, tasks: Sequence[Any]) -> list[bool]:
        jobs = [Job(stable_id("fresh", prompts.version, task.id), task, prompts) for task in tasks]
        return [run.credit.outcome == 1.0 for run in self.run(jobs, evaluate, lambda run: None)]


@dataclass
class Tally:
    """Of one way in one regime, over the seeds."""

    gains: dict[int, list[float]] = field(default_factory=dict)
    gained: int = 0
    lost: int = 0
    first: int = 0
    only: int = 0
    worse: int = 0
    runs: int = 0
    seeds: int = 0


def versions(found: Optimization) -> list[tuple[int, PromptSet]]:
    """Prompts by the system runs after which they were had."""
    prompts = PromptSet(found.before)
    had = [(0, prompts)]
    for attempt in found.kept:
        prompts = prompts.with_texts({edit.role: edit.after for edit in attempt.edits if edit.after is not None})
        had.append((attempt.spent.system_runs, prompts))
    return had


def measure(regime: Regime, seeds: int, budgets: Sequence[int]) -> dict[str, Tally]:
    tallies = {way: Tally({budget: [] for budget in budgets}) for way in WAYS}
    for seed in range(seeds):
        weak = regime.weak(seed)
        team = RememberingTeam(desk_team(weak, slip=SLIP, honest=regime.honest, seed=seed, parallel=False))
        tasks, fresh = orders(60, seed=seed), orders(60, seed=10_000 + seed)
        before = team.solved(PromptSet(team.blocks), fresh)
        for way, (select, width) in WAYS.items():
            found = optimize(
                team,
                tasks[:20],
                evaluate,
                LocalCritic(seed=seed, **regime.critic),
                Budget(system_runs=max(budgets), model_calls=CALLS),
                held_out=tasks[20:],
                select=select,
                width=width,
                seed=seed,
                patience=1_000,
            )
            note(tallies[way], regime, seed, found, team, fresh, before)
        print(".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return tallies


def note(
    tally: Tally,
    regime: Regime,
    seed: int,
    found: Optimization,
    team: RememberingTeam,
    fresh: Sequence[Any],
    before: Sequence[bool],
) -> None:
    had = versions(found)
    for budget, gains in tally.gains.items():
        prompts = [prompts for spent, prompts in had if spent <= budget][-1]
        gains.append((sum(team.solved(prompts, fresh)) - sum(before)) / len(fresh))
    after = team.solved(found.prompts, fresh)
    tally.gained += sum(new and not old for old, new in zip(before, after, strict=True))
    tally.lost += sum(old and not new for old, new in zip(before, after, strict=True))
    tally.worse += sum(after) < sum(before)
    tally.runs += found.spent.system_runs
    tally.seeds += 1
    if regime.planted:
        weak = ROLES[seed % len(ROLES)]
        tally.first += bool(found.attempts) and found.attempts[0].roles[0] == weak
        tally.only += found.changed == (weak,)


def show(regime: Regime, tallies: Mapping[str, Tally], budgets: Sequence[int]) -> None:
    print(f"\n### {regime.name}\n")
    heads = [f"gain at {budget}" for budget in budgets]
    print("| way | " + " | ".join(heads) + " | wrong to right | right to wrong | worse | first | only it |")
    print("|---|" + "---:|" * (len(budgets) + 5))
    for way, tally in tallies.items():
        cells = [f"{100 * mean(gains):+.1f} ± {100 * error(gains):.1f}" for gains in tally.gains.values()]
        tasks = 60 * tally.seeds
        cells += [
            f"{100 * tally.gained / tasks:.1f}%",
            f"{100 * tally.lost / tasks:.1f}%",
            f"{tally.worse}/{tally.seeds}",
        ]
        first = "" if way.startswith(("update-all", "MIPROv2")) else f"{tally.first}/{tally.seeds}"
        planted = [first, f"{tally.only}/{tally.seeds}"] if regime.planted else ["", ""]
        print(f"| {way} | " + " | ".join([*cells, *planted]) + " |")


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def error(values: Sequence[float]) -> float:
    centre = mean(values)
    return math.sqrt(sum((value - centre) ** 2 for value in values) / max(1, len(values) - 1) / len(values))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--budgets", type=int, nargs="+", default=[50, 100, 150])
    parser.add_argument("--regime", choices=[regime.name for regime in REGIMES], action="append")
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    started = time.perf_counter()
    print("Points of accuracy gained on 60 fresh tasks after so many system runs, mean ± standard error,")
    print(f"{arguments.seeds} seeds; at most {CALLS} calls of the critic.")
    for regime in REGIMES:
        if arguments.regime is None or regime.name in arguments.regime:
            show(regime, measure(regime, arguments.seeds, sorted(arguments.budgets)), sorted(arguments.budgets))
    print(f"\n{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
