"""What exact credit costs: Shapley values from a table, and per-message credit of 1,000-message runs.

    python benchmarks/exact.py            # the table
    python benchmarks/exact.py --quick    # fewer repetitions, shapiq up to n = 12

All variants of one row are timed in one process, in a new random order in every repetition; shown are medians, and
ratios of medians. shapiq has already asked for all values of the game when its clock starts, so that both sides begin
with the same table. The memory copy is measured twice: into one destination that stays in the cache, and between
tables in rotation, which together are larger than it. What is not installed is left out, and said so.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import platform
import random
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np
from numpy.typing import NDArray

from credit_hooks.credit import CreditConfig, assign_credit, shapley, shapley_batch
from credit_hooks.trajectory import DataPart, Message, Outcome, Part, ReadSet, Step, TextPart, Trajectory

Table = NDArray[np.float64]
Prepare = Callable[[], Callable[[], object]]
"""Sets one sample up outside the clock, and returns what the clock runs."""


def medians(variants: Mapping[str, Prepare], repetitions: int) -> dict[str, float]:
    """Median seconds of each variant, interleaved at random."""
    samples: dict[str, list[float]] = {name: [] for name in variants}
    order = random.Random(0)
    for repetition in range(repetitions + 1):
        for name in order.sample(list(variants), len(variants)):
            run = variants[name]()
            start = time.perf_counter()
            run()
            elapsed = time.perf_counter() - start
            if repetition:  # the first one warms up
                samples[name].append(elapsed)
    return {name: statistics.median(values) for name, values in samples.items()}


def row(name: str, seconds: float, remark: str = "") -> None:
    unit, scale = ("µs", 1e6) if seconds < 1e-3 else ("ms", 1e3) if seconds < 1 else ("s ", 1)
    print(f"  {name:<44}{seconds * scale:10.2f} {unit}  {remark}")


# --- Tables -------------------------------------------------------------------------------------------------------


def shapiq_variant(table: Table, n: int) -> Prepare:
    """shapiq's exact computer on a game that looks its values up; evaluated before the clock starts."""
    from shapiq import ExactComputer

    powers = 1 << np.arange(n)

    def value(coalitions: Any) -> Table:
        return table[np.asarray(coalitions, bool) @ powers]

    def prepare() -> Callable[[], object]:
        computer = ExactComputer(value, n_players=n, evaluate_game=True)
        return lambda: computer("SV", 1)

    computed = prepare()().get_n_order_values(1)  # type: ignore[attr-defined]
    error = float(np.abs(computed - shapley(table)).max())
    print(f"n = {n}: largest difference to shapiq {error:.0e}")
    return prepare


def copies(n: int) -> dict[str, Prepare]:
    """The table copied within the cache, and between tables that are too large for it together."""
    tables: Sequence[Table] = [np.random.default_rng(k).random(1 << n) for k in range(max(1, (256 << 20) >> (n + 3)))]
    target = np.empty(1 << n)
    sources, targets, ours = cycle(tables), cycle(reversed(tables)), cycle(tables)

    def rotate() -> Callable[[], object]:
        source, destination = next(sources), next(targets)
        return lambda: np.copyto(destination, source)

    def solve_cold() -> Callable[[], object]:
        cold = next(ours)
        return lambda: shapley(cold)

    return {
        "memcpy, cached": lambda: lambda: np.copyto(target, tables[0]),
        "credit-hooks, cached": lambda: lambda: shapley(tables[0]),
        "memcpy, rotating": rotate,
        "credit-hooks, rotating": solve_cold,
    }


def bench_tables(sizes: Sequence[int], shapiq_up_to: int, repetitions: int) -> None:
    print("Exact Shapley values from a table of 2^n values")
    for n in sizes:
        table = np.random.default_rng(n).random(1 << n)
        variants: dict[str, Prepare] = {"credit-hooks": lambda table=table: lambda: shapley(table)}  # type: ignore[misc]
        if n <= shapiq_up_to:
            variants["shapiq"] = shapiq_variant(table, n)
        found = medians(variants, repetitions if n <= 12 else max(3, repetitions // 10))
        row(f"n = {n}  credit-hooks", found["credit-hooks"])
        if "shapiq" in found:
            row(f"n = {n}  shapiq", found["shapiq"], f"{found['shapiq'] / found['credit-hooks']:,.0f}x ours")
    for n in (20, 24):
        found = medians(copies(n), max(9, repetitions // 2) if n == 20 else 5)
        print(f"\nAgainst a copy of the table, n = {n} ({8 << n >> 20} MiB)")
        for state in ("cached", "rotating"):
            ours, copy = found[f"credit-hooks, {state}"], found[f"memcpy, {state}"]
            row(f"memcpy, {state}", copy)
            row(f"credit-hooks, {state}", ours, f"{ours / copy:.2f}x the copy")
    print("\nBatches of small games, per game")
    for n in (3, 8):
        batch = np.random.default_rng(n).random((10_000, 1 << n))
        found = medians({"batch": lambda batch=batch: lambda: shapley_batch(batch)}, repetitions)  # type: ignore[misc]
        print(f"  n = {n}{'':<39}{found['batch'] / len(batch) * 1e9:10.1f} ns")


# --- Runs ---------------------------------------------------------------------------------------------------------


def long_run(count: int, *, talks: bool, complete: bool, score: float, agents: int = 5) -> Trajectory:
    """A run of five agents: about 270 characters a message, or writes of state; all is read, or two recent messages."""
    rng = random.Random(count)
    words = ["".join(rng.choice("abcdefghij") for _ in range(rng.randint(3, 9))) for _ in range(500)]
    messages, steps = [], []
    for i in range(count):
        text = f"{' '.join(rng.choices(words, k=38))}, so the answer is {rng.choice([42, 42, 41, 7])}."
        part: Part = TextPart(text=text) if talks else DataPart(name="x", value=i)
        recent = tuple(f"m{k}" for k in sorted({max(0, i - 1 - rng.randrange(30)) for _ in range(2)})) if i else ()
        delta = ReadSet(base=f"s{i - 1}" if i else None, new=(f"m{i - 1}",) if i else ())
        reads = delta if complete else ReadSet(new=recent)
        steps.append(Step(id=f"s{i}", actor_id=f"a{i % agents}", reads=reads, start_ns=i, end_ns=i + 1))
        messages.append(Message(id=f"m{i}", index=i, actor_id=f"a{i % agents}", step_id=f"s{i}", parts=(part,)))
    return Trajectory(id="run", messages=tuple(messages), steps=tuple(steps), outcome=Outcome(score=score))


def bench_runs(count: int, repetitions: int) -> None:
    print(f"\nassign_credit of {count:,} messages by 5 agents, end to end")
    for name, config, kinds in cases():
        run = long_run(count, **kinds)

        def prepare(run: Trajectory = run, config: CreditConfig = config) -> Callable[[], object]:
            # Validated anew, so that no text or index that a run caches is reused.
            fresh = Trajectory.model_validate(run.model_dump())
            return lambda: assign_credit(fresh, config)

        credit = assign_credit(run, config)
        error = abs(sum(reward.reward or 0.0 for reward in credit.messages) - credit.total)
        found = medians({"ours": prepare}, repetitions)
        row(name, found["ours"], f"{credit.method}, sum off by {error:.0e}")


def cases() -> Iterator[tuple[str, CreditConfig, dict[str, Any]]]:
    for complete in (True, False):
        graph = "complete graph" if complete else "sparse graph"
        for talks, score in ((True, 1.0), (True, 0.0), (False, 1.0)):
            kind = ("text, success" if score else "text, failure") if talks else "state only"
            yield f"{graph}, {kind}", CreditConfig(), {"talks": talks, "complete": complete, "score": score}
    path = {"talks": False, "complete": True, "score": 1.0}
    yield "complete graph, messages as players", CreditConfig(method="provenance", level="shapley"), path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer repetitions, shapiq up to n = 12")
    parser.add_argument(
        "--shapiq-up-to", type=int, default=None, help="largest n for shapiq (16; n = 20 takes minutes)"
    )
    quick = parser.parse_args().quick
    up_to = parser.parse_args().shapiq_up_to or (12 if quick else 16)
    try:
        print(f"shapiq {importlib.metadata.version('shapiq')}, ", end="")
    except importlib.metadata.PackageNotFoundError:
        print("shapiq is not installed (pip install shapiq), and left out, ", end="")
        up_to = 0
    print(f"numpy {np.__version__}, Python {platform.python_version()}, {platform.machine()}\n")
    repetitions = 20 if quick else 100
    bench_tables((8, 12, 16, 20), up_to, repetitions)
    bench_runs(1_000, 5 if quick else 15)
    bench_runs(10_000, 1 if quick else 3)


if __name__ == "__main__":
    main()
