"""Time, memory and size of the page of all runs of a store.

    python benchmarks/report.py [RUNS]        default 100,000 runs of 6 messages and 5 agents

The store is made first, beside the measurement. Memory is the growth of the peak over a store of 1,000 runs.
"""

from __future__ import annotations

import random
import resource
import sys
import tempfile
import time
from pathlib import Path

from credit_hooks.report import render_all
from credit_hooks.rewards import Credit, CreditedRun, Reward
from credit_hooks.store import RunStore
from credit_hooks.trajectory import Actor, Message, Outcome, Step, TextPart, Trajectory

AGENTS = ("planner", "researcher", "solver", "critic", "writer")
HOUR = 3_600_000_000_000


def one_run(number: int, draw: random.Random) -> CreditedRun:
    """A run an hour; nine in ten are credited, half of them failed."""
    name, solved = f"run-{number:06d}", draw.random() < 0.5
    actors = tuple(Actor(id=agent, name=agent) for agent in AGENTS)
    messages = tuple(
        Message(id=f"m{index}", index=index, actor_id=agent, parts=(TextPart(text=f"{number}: thirty percent. " * 8),))
        for index, agent in enumerate(("user", *AGENTS))
    )
    steps = (Step(id="root", kind="workflow", start_ns=1_700_000_000_000_000_000 + number * HOUR),)
    trajectory = Trajectory(
        id=name, framework="made up", task=f"Question {number}", status="ok", actors=actors, messages=messages,
        steps=steps, outcome=Outcome(score=float(solved)),
    )  # fmt: skip
    if draw.random() < 0.1:
        return CreditedRun(trajectory=trajectory, credit=Credit(trajectory_id=name, status="no_outcome"))
    parts = [draw.random() for _ in AGENTS]
    shares = {agent: (1 if solved else -1) * 0.5 * part / sum(parts) for agent, part in zip(AGENTS, parts, strict=True)}
    rewards = tuple(Reward(message_id=f"m{n}", actor_id=a, reward=shares[a]) for n, a in enumerate(AGENTS, start=1))
    credit = Credit(
        trajectory_id=name, outcome=float(solved), baseline=0.5, total=0.5 if solved else -0.5, agents=shares,
        messages=rewards,
    )  # fmt: skip
    return CreditedRun(trajectory=trajectory, credit=credit)


def filled(path: Path, runs: int) -> Path:
    """A store of so many runs."""
    draw = random.Random(1)
    with RunStore(path) as store:
        for number in range(runs):
            store.put(one_run(number, draw))
    return path


def measured(path: Path) -> tuple[int, float, float]:
    """Bytes of the page, CPU seconds, peak memory of the process in MB."""
    started = time.process_time()
    with RunStore(path, read_only=True) as store:
        size = len(render_all(store).encode())
    return size, time.process_time() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(runs: int) -> None:
    """Print one line."""
    with tempfile.TemporaryDirectory() as where:
        small, large = filled(Path(where) / "small.db", 1_000), filled(Path(where) / "large.db", runs)
        before = measured(small)[2]
        size, seconds, peak = measured(large)
        print(f"{runs:,} runs: {size / 1000:,.0f} kB, {seconds:.1f} CPU s, {peak - before:.1f} MB growth")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
