"""How close estimates of Shapley values come on a budget: ours beside shapiq's, on games whose values are known.

    python benchmarks/estimators.py            # 2 games of each family, n = 8 and 12: under two minutes
    python benchmarks/estimators.py --full     # 20 games of each family, n = 8, 12, 20
    python benchmarks/estimators.py --games 5 --players 20

Six families: airport, weighted voting, signed unanimity games of two to five players, sums of unanimity games of any
size, teams (logistic, with redundant members and saboteurs), and reachability in random provenance graphs. Errors are
relative, |estimate - truth| / |truth|, geometric mean over games; below .001 they count as .001, so that a game that is
solved does not outweigh all others. Noise is normal with a tenth of the game's range as standard deviation, on every
coalition but ∅ and N; gp is told no more than that there is noise. Every method gets the same budget, with v(∅) and
v(N) in it. shapiq's methods are all that accept the game; "shapiq's best" is the one with the lowest error at that
budget, chosen with hindsight.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import importlib.util
import io
import os
import platform
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # small matrices: threads only get into each other's way

import numpy as np
from numpy.typing import NDArray

from credit_hooks.credit import EstimateMethod, Surrogate, estimate, owen, reachability_table, shapley
from credit_hooks.credit.game import coalition_sizes

Vector = NDArray[np.float64]
FLOOR = 1e-3
BUDGETS = (20, 50, 100, 200, 300)
OURS: tuple[EstimateMethod, ...] = ("gp", "leverage", "permutation")


def inside(n: int, i: int) -> NDArray[np.bool_]:
    return (np.arange(1 << n) >> i & 1).astype(bool)


def airport(n: int, rng: np.random.Generator) -> Vector:
    table = np.zeros(1 << n)
    for i, cost in enumerate(rng.integers(1, 11, n)):
        table[inside(n, i)] = np.maximum(table[inside(n, i)], cost)
    return table / table.max()


def voting(n: int, rng: np.random.Generator) -> Vector:
    votes = rng.integers(1, 20, n)
    total = sum(weight * inside(n, i).astype(float) for i, weight in enumerate(votes))
    return np.asarray(total > votes.sum() / 2.0, float)


def unanimity(n: int, rng: np.random.Generator, *, terms: int = 30, largest: int = 5) -> Vector:
    table, index = np.zeros(1 << n), np.arange(1 << n)
    for _ in range(terms):
        needed = int((1 << rng.choice(n, rng.integers(2, largest + 1), replace=False)).sum())
        table += rng.normal() * (index & needed == needed)
    for i in range(n):
        table += 0.5 * rng.normal() * inside(n, i)
    return table / np.abs(table).max()


def any_unanimity(n: int, rng: np.random.Generator) -> Vector:
    return unanimity(n, rng, terms=50, largest=n)


def team(n: int, rng: np.random.Generator) -> Vector:
    group, skill, saboteur = rng.integers(0, max(2, n // 3), n), rng.random(n) * 2.0 + 0.5, rng.random(n) < 0.15
    strength = np.full(1 << n, -3.0)
    for g in np.unique(group):
        best = np.zeros(1 << n)
        for i in np.flatnonzero((group == g) & ~saboteur):
            best = np.maximum(best, skill[i] * inside(n, i))
        strength += best
    for i in np.flatnonzero(saboteur):
        strength -= skill[i] * inside(n, i)
    return 1.0 / (1.0 + np.exp(-strength))


def reach(n: int, rng: np.random.Generator, *, messages: int = 40) -> Vector:
    while True:
        sources = [
            sorted(set((k - 1 - rng.geometric(0.3, rng.integers(1, 4)) + 1).clip(0, k - 1).tolist())) if k > 2 else []
            for k in range(messages)
        ]
        player = rng.integers(0, n, messages).astype(np.intp)
        table = reachability_table(sources, player, [messages - 1, messages - 2, messages - 3], n)
        if table[-1] > 0.0 and np.abs(shapley(table)).max() < 0.9:  # not a dictator's game
            return table


FAMILIES: Mapping[str, Callable[[int, np.random.Generator], Vector]] = {
    "airport": airport,
    "voting": voting,
    "unanimity": unanimity,
    "any unanimity": any_unanimity,
    "team": team,
    "reachability": reach,
}


@dataclass(frozen=True)
class Game:
    family: str
    number: int
    n: int
    table: Vector
    values: Vector

    def value(self, noise: float) -> Callable[[NDArray[Any]], Vector]:
        """The value function for one estimation, with noise of its own."""
        rng = np.random.default_rng([self.number, self.n, sum(map(ord, self.family))])
        deviation = noise * float(np.ptp(self.table))

        def value(rows: NDArray[Any]) -> Vector:
            coalitions = np.atleast_2d(np.asarray(rows)).astype(bool) @ (1 << np.arange(self.n))
            inner = (coalitions > 0) & (coalitions < (1 << self.n) - 1)
            return self.table[coalitions] + deviation * inner * rng.normal(size=len(coalitions))

        return value

    def error(self, estimated: Vector) -> float:
        return max(float(np.linalg.norm(estimated - self.values) / np.linalg.norm(self.values)), FLOOR)


def games(n: int, count: int) -> Iterator[Game]:
    for family, make in FAMILIES.items():
        for number in range(count):
            table = make(n, np.random.default_rng([20, n, number, sum(map(ord, family))]))
            yield Game(family, number, n, table, shapley(table))


def shapiq_methods() -> Mapping[str, Callable[[int], Any]]:
    """All of shapiq's estimators of Shapley values, in the variants it recommends; none where it is not installed."""
    if importlib.util.find_spec("shapiq") is None:
        return {}
    from shapiq import approximator as a

    return {
        "KernelSHAP": lambda n: a.KernelSHAP(n, random_state=0),
        "KernelSHAP, paired": lambda n: a.KernelSHAP(n, pairing_trick=True, random_state=0),
        "UnbiasedKernelSHAP, paired": lambda n: a.UnbiasedKernelSHAP(n, pairing_trick=True, random_state=0),
        "KernelSHAPIQ, order 2, paired": lambda n: a.KernelSHAPIQ(
            n, max_order=2, index="SII", pairing_trick=True, random_state=0
        ),
        "SHAPIQ": lambda n: a.SHAPIQ(n, max_order=1, index="SV", random_state=0),
        "SVARM": lambda n: a.SVARM(n, random_state=0),
        "permutations": lambda n: a.PermutationSamplingSV(n, random_state=0),
        "StratifiedSampling": lambda n: a.StratifiedSamplingSV(n, random_state=0),
        "OwenSampling": lambda n: a.OwenSamplingSV(n, n_anchor_points=4, random_state=0),
        "ProxySPEX": lambda n: a.ProxySPEX(n=n, max_order=2, index="SV", random_state=0),
    }


def shapiq_values(make: Callable[[int], Any], game: Game, budget: int, noise: float) -> Vector:
    value = game.value(noise)

    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        found = make(game.n).approximate(budget, value)
    return np.array([float(found[(i,)]) for i in range(game.n)])


def mean(errors: list[float]) -> float:
    return float(np.exp(np.mean(np.log(errors))))


def compare(n: int, count: int, noise: float, failures: dict[str, str]) -> None:
    """Error against budget, and how often our intervals cover."""
    errors: dict[tuple[str, int], list[float]] = defaultdict(list)
    by_family: dict[tuple[str, int, str], list[float]] = defaultdict(list)
    covered: dict[tuple[str, int], list[float]] = defaultdict(list)
    theirs = shapiq_methods()
    seconds = 0.0
    for game in games(n, count):
        for budget in BUDGETS:
            for method in OURS:
                start = time.perf_counter()
                found = estimate(
                    game.value(noise), n, budget=budget, method=method, noise=None if noise else 0.0, seed=game.number
                )
                seconds += (time.perf_counter() - start) * (method == "gp") * (budget == BUDGETS[-1])
                errors[method, budget].append(game.error(found.values))
                by_family[method, budget, game.family].append(errors[method, budget][-1])
                # What is exact covers always: it is left out.
                if found.stopped != "exact":
                    low, high = found.interval()
                    hit = (low - 1e-9 <= game.values) & (game.values <= high + 1e-9)
                    covered[method, budget].append(float(hit.mean()))
            for name, make in theirs.items():
                try:
                    error = game.error(shapiq_values(make, game, budget, noise))
                except Exception as problem:
                    failures.setdefault(
                        f"{name}, n = {n}, {budget} evaluations", f"{type(problem).__name__}: {problem}"
                    )
                    error = float("nan")
                errors[name, budget].append(error)
                by_family[name, budget, game.family].append(error)
    print(f"\n### n = {n}, {'noise .1' if noise else 'no noise'}, {len(FAMILIES)} x {count} games\n")
    print("| error (coverage of 95% intervals) |" + "".join(f" {budget} |" for budget in BUDGETS))
    print("|---|" + "---:|" * len(BUDGETS))
    for method in OURS:
        cells = [
            f"{mean(errors[method, b]):.3f} ({np.mean(covered[method, b]):.3f})"
            if covered[method, b]
            else f"{mean(errors[method, b]):.3f} (exact)"
            for b in BUDGETS
        ]
        print(f"| {method} | " + " | ".join(cells) + " |")
    for name in theirs:
        print(f"| shapiq {name} | " + " | ".join(f"{mean(errors[name, b]):.3f}" for b in BUDGETS) + " |")
    if theirs:
        best = [min(theirs, key=lambda name, b=b: np.nan_to_num(mean(errors[name, b]), nan=9e9)) for b in BUDGETS]
        ratios = [mean(errors["gp", b]) / mean(errors[name, b]) for name, b in zip(best, BUDGETS, strict=True)]
        print("| gp over shapiq's best | " + " | ".join(f"{ratio:.2f}x" for ratio in ratios) + " |")
        lost = [
            f"{family} at {b} ({mean(by_family['gp', b, family]):.3f}, {name} {mean(by_family[name, b, family]):.3f})"
            for b in BUDGETS
            for family in FAMILIES
            for name in [min(theirs, key=lambda m, b=b, f=family: np.nan_to_num(mean(by_family[m, b, f]), nan=9e9))]
            if mean(by_family["gp", b, family]) > 1.0005 * mean(by_family[name, b, family])
        ]
        print(f"\nFamilies where some method of shapiq's is better than gp: {'; '.join(lost) or 'none'}.")
    print(f"\ngp took {seconds / (count * len(FAMILIES)):.2f} s for {BUDGETS[-1]} evaluations.")


def early_stopping(n: int, count: int, noise: float) -> None:
    """How often all values are within the tolerance when the rule says so, and what it saves."""
    tolerance, budget = 0.05, 300
    kept, spent, stopped, total = [], [], 0, 0
    for game in games(n, count):
        size = float(np.ptp(game.table))
        found = estimate(
            game.value(noise),
            n,
            budget=budget,
            noise=None if noise else 0.0,
            tolerance=tolerance * size,
            seed=game.number,
        )
        total += 1
        if found.stopped == "tolerance":
            stopped += 1
            kept.append(float(np.abs(found.values - game.values).max()) <= tolerance * size)
            spent.append(found.evaluations)
    kind = "noise .1" if noise else "no noise"
    if stopped:
        print(f"| {n} | {kind} | {stopped} of {total} | {np.mean(kept):.3f} | {np.median(spent):.0f} |")
    else:
        print(f"| {n} | {kind} | 0 of {total} | | |")


def priors(n: int, count: int) -> None:
    """What a surrogate as prior mean saves: here the game itself, distorted."""
    print(f"\n### Prior mean, n = {n}, no noise\n")
    budgets = (2, 14, 30, 60, 120, 200)
    print("| error |" + "".join(f" {budget} |" for budget in budgets) + "\n|---|" + "---:|" * len(budgets))
    rows: dict[str, list[float]] = {}
    for budget in budgets:
        for name in ("none", "game with noise of .3 sd", "its values only", "values of other players"):
            errors = []
            for game in games(n, count):
                rng = np.random.default_rng(game.number)
                near = game.table + 0.3 * game.table.std() * rng.normal(size=game.table.size)
                values = shapley(near)
                prior = {
                    "none": None,
                    "game with noise of .3 sd": Surrogate(lambda s, t=near: t[s @ (1 << np.arange(n))], values),
                    "its values only": Surrogate.additive(values),
                    "values of other players": Surrogate.additive(rng.permutation(values)),
                }[name]
                errors.append(game.error(estimate(game.value(0.0), n, budget=budget, prior=prior).values))
            rows.setdefault(name, []).append(mean(errors))
    for name, cells in rows.items():
        print(f"| {name} | " + " | ".join(f"{cell:.3f}" for cell in cells) + " |")


def unions(count: int, n: int = 12) -> None:
    """Owen values under the same budgets, unions of one to four players."""
    partition = [[0, 1, 2], [3, 4], [5, 6, 7, 8], [9], [10, 11]]
    print(f"\n### Owen values, n = {n}, unions of {', '.join(str(len(u)) for u in partition)}, no noise\n")
    budgets = (30, 60, 100, 200, 300)
    print("| error (coverage) |" + "".join(f" {budget} |" for budget in budgets) + "\n|---|" + "---:|" * len(budgets))
    for method in ("gp", "permutation"):
        cells = []
        for budget in budgets:
            errors, covered = [], []
            for game in games(n, count):
                truth = Game(game.family, game.number, n, game.table, owen(game.table, partition))
                found = estimate(game.value(0.0), n, budget=budget, method=method, unions=partition)
                low, high = found.interval()
                errors.append(truth.error(found.values))
                covered.append(float(((low - 1e-9 <= truth.values) & (truth.values <= high + 1e-9)).mean()))
            cells.append(f"{mean(errors):.3f} ({np.mean(covered):.3f})")
        print(f"| {method} | " + " | ".join(cells) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="2 games of each family, n = 8 and 12 (default)")
    size.add_argument("--full", action="store_true", help="20 games of each family, n = 8, 12, 20")
    parser.add_argument("--games", type=int, help="games of each family instead")
    parser.add_argument("--players", type=int, nargs="+", help="numbers of players instead")
    options = parser.parse_args()
    count = options.games or (20 if options.full else 2)
    sizes = options.players or ([8, 12, 20] if options.full else [8, 12])
    for n in sizes:
        coalition_sizes(n)  # its cache is filled outside all clocks
    installed = {
        name: importlib.metadata.version(name) if importlib.util.find_spec(name) else "not installed"
        for name in ("numpy", "shapiq", "lightgbm")
    }
    print(f"Python {platform.python_version()}, " + ", ".join(f"{name} {v}" for name, v in installed.items()))
    failures: dict[str, str] = {}
    for n in sizes:
        for noise in (0.0, 0.1):
            compare(n, count, noise, failures)
    print("\n### Early stopping: all values within .05 of the range, 95%, at most 300 evaluations\n")
    print("| n | | stopped early | promise kept | median evaluations |\n|---:|---|---:|---:|---:|")
    for n in sizes:
        for noise in (0.0, 0.1):
            early_stopping(n, count, noise)
    if 12 in sizes:
        priors(12, count)
        unions(count)
    for where, problem in failures.items():
        print(f"\nFailed: {where}: {problem.splitlines()[0][:160]}")


if __name__ == "__main__":
    main()
