"""How close estimates of Shapley values come on a budget: ours beside shapiq's, on games whose values are known.

    python benchmarks/estimators.py            # 2 games of each family, n = 8 and 12: under two minutes
    python benchmarks/estimators.py --full     # 20 games of each family, n = 8, 12, 20
    python benchmarks/estimators.py --games 5 --players 20

The games are those of estimators_games.py. Errors are relative, |estimate - truth| over |truth|, geometric means;
below .001 they count as .001, so that a game that is solved does not outweigh all others. Noise is normal with a tenth
of the game's range as standard deviation, on every coalition but ∅ and N; gp is told no more than that there is noise.
Every method gets the same budget, with v(∅) and v(N) in it. shapiq's methods are all that accept the game; "shapiq's
best" is the one with the lowest error at that budget, chosen with hindsight.
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
from collections.abc import Callable, Mapping
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # small matrices: threads only get into each other's way

import numpy as np
from estimators_games import FAMILIES, Game, Vector, games

from credit_hooks.credit import EstimateMethod, Surrogate, estimate, owen, shapley
from credit_hooks.credit.game import coalition_sizes

BUDGETS = (20, 50, 100, 200, 300)
OURS: tuple[EstimateMethod, ...] = ("gp", "leverage", "permutation")


def shapiq_methods(*, is_boosted: bool) -> Mapping[str, Callable[[int], Any]]:
    """shapiq's estimators of Shapley values, in the variants it recommends; none where it is not installed.

    Those that fit boosted trees cost up to a second each; they run only if asked for. ShaplEIG is left out: it is
    an abstract class in 1.8.0 unless torch and botorch are installed.
    """
    if importlib.util.find_spec("shapiq") is None:
        return {}
    from shapiq import approximator as a

    boosted: dict[str, Callable[[int], Any]] = {
        "ProxySPEX": lambda n: a.ProxySPEX(n=n, max_order=2, index="SV", random_state=0),
        "ProxySHAP": lambda n: a.ProxySHAP(n, max_order=2, index="SV", random_state=0),
        "RegressionMSR": lambda n: a.RegressionMSR(n, index="SV", random_state=0),
    }
    methods: dict[str, Callable[[int], Any]] = {
        "KernelSHAP": lambda n: a.KernelSHAP(n, random_state=0),
        "KernelSHAP, paired": lambda n: a.KernelSHAP(n, pairing_trick=True, random_state=0),
        "LeverageSHAP": lambda n: a.LeverageSHAP(n, random_state=0),
        "PolySHAP, order 2, paired": lambda n: a.PolySHAP(n, max_order=2, pairing_trick=True, random_state=0),
        "OddSHAP": lambda n: a.OddSHAP(n, random_state=0),
        "UnbiasedKernelSHAP, paired": lambda n: a.UnbiasedKernelSHAP(n, pairing_trick=True, random_state=0),
        "KernelSHAPIQ, order 2, paired": lambda n: a.KernelSHAPIQ(
            n, max_order=2, index="SII", pairing_trick=True, random_state=0
        ),
        "SHAPIQ": lambda n: a.SHAPIQ(n, max_order=1, index="SV", random_state=0),
        "SVARM": lambda n: a.SVARM(n, random_state=0),
        "permutations": lambda n: a.PermutationSamplingSV(n, random_state=0),
        "StratifiedSampling": lambda n: a.StratifiedSamplingSV(n, random_state=0),
        "OwenSampling": lambda n: a.OwenSamplingSV(n, n_anchor_points=4, random_state=0),
    }
    # Older versions lack some of them: their names are the classes' names.
    return {name: make for name, make in {**methods, **(boosted if is_boosted else {})}.items() if _has(a, name)}


def _has(approximators: Any, name: str) -> bool:
    return name[0].islower() or any(hasattr(approximators, name.split(",")[0] + end) for end in ("", "SV"))


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


def compare(n: int, count: int, noise: float, failures: dict[str, str], *, is_boosted: bool) -> None:
    """Error against budget, and how often our intervals cover."""
    errors: dict[tuple[str, int], list[float]] = defaultdict(list)
    by_family: dict[tuple[str, int, str], list[float]] = defaultdict(list)
    covered: dict[tuple[str, int], list[float]] = defaultdict(list)
    theirs = shapiq_methods(is_boosted=is_boosted)
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


def early_stopping(n: int, count: int, noise: float, tolerance: float) -> None:
    """How often all values are within the tolerance (of the range) when the rule says so, and what it saves."""
    kept, spent, total = [], [], 0
    for game in games(n, count):
        within = tolerance * float(np.ptp(game.table))
        found = estimate(
            game.value(noise), n, budget=300, noise=None if noise else 0.0, tolerance=within, seed=game.number
        )
        total += 1
        if found.stopped == "tolerance":
            kept.append(float(np.abs(found.values - game.values).max()) <= within)
            spent.append(found.evaluations)
    row = f"| {n} | {'noise .1' if noise else 'no noise'} | {tolerance:g} | {len(kept)} of {total} |"
    print(row + (f" {np.mean(kept):.3f} | {np.median(spent):.0f} |" if kept else " | |"))


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
    parts = ("error", "stopping", "prior", "unions")
    parser.add_argument("--parts", nargs="+", choices=parts, default=parts, help="what to measure (default: all)")
    parser.add_argument("--boosted", action="store_true", help="shapiq's methods that fit boosted trees too (slow)")
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
    if "error" in options.parts:
        for n in sizes:
            for noise in (0.0, 0.1):
                compare(n, count, noise, failures, is_boosted=options.boosted)
    if "stopping" in options.parts:
        print("\n### Early stopping: all values within a share of the range, 95%, at most 300 evaluations\n")
        print("| n | | within | stopped early | promise kept | median evaluations |\n|---:|---|---:|---:|---:|---:|")
        for n in sizes:
            for noise in (0.0, 0.1):
                for tolerance in (0.05, 0.1):
                    early_stopping(n, count, noise, tolerance)
    if "prior" in options.parts and 12 in sizes:
        priors(12, count)
    if "unions" in options.parts and 12 in sizes:
        unions(count)
    for where, problem in failures.items():
        print(f"\nFailed: {where}: {problem.splitlines()[0][:160]}")


if __name__ == "__main__":
    main()
