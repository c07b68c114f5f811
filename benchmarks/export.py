"""Rows per second and memory of every training format, beside a plain `json.dumps` loop over the same rows.

    python benchmarks/export.py [ROWS]        default 1,000,000 message rows for the canonical table, 100,000 for others

Relative speed is wall time of the loop divided by that of the export, which also builds the rows; both in one process,
in turns. Memory is the growth of the peak over a run of a tenth of the size: flat means about zero.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from credit_hooks import registry
from credit_hooks.rewards import Credit, CreditedRun, Reward
from credit_hooks.trajectory import (
    Actor,
    Message,
    Outcome,
    Part,
    ReadSet,
    Step,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    Trajectory,
)

MESSAGES = 20
"""Messages of one run, all read by whoever comes later: a short team run, where a prompt has 10 messages on average."""
ACTORS = (
    Actor(id="human", name="human", kind="human"),
    *(Actor(id=name, name=name, system_prompt=f"You are {name}. " * 10) for name in ("planner", "solver", "checker")),
    Actor(id="search", name="search", kind="tool"),
)
TEXT = "The share of the second supplier is 12 of 40 boxes, so 30 percent of them are late. " * 4


def one_run(number: int) -> CreditedRun:
    """A run of its own: texts carry its number, so that nothing is a duplicate."""
    messages, steps = [], []
    for index in range(MESSAGES):
        parts: tuple[Part, ...] = (TextPart(text=f"{number if index else 'question'}.{index} {TEXT}"),)
        author = "human" if index == 0 else ("planner", "solver", "checker")[index % 3]
        if index % 6 == 4:
            author = "solver"
            call = ToolCallPart(id=f"c{index}", name="search", arguments={"query": f"boxes {index}", "limit": index})
            parts = (*parts, call)
        if index % 6 == 5:
            author, parts = "search", (ToolResultPart(id=f"c{index - 1}", name="search", result={"found": [1, 2, 3]}),)
        role = "user" if author == "human" else "tool" if author == "search" else "assistant"
        messages.append(
            Message(id=f"m{index}", index=index, actor_id=author, role=role, step_id=f"s{index}", parts=parts)
        )
        base = f"s{index - 1}" if index else None
        new = (f"m{index - 1}",) if index else ()
        steps.append(Step(id=f"s{index}", actor_id=author, reads=ReadSet(base=base, new=new)))
    trajectory = Trajectory(
        id=f"run-{number}", group_id=f"g{number // 4}", actors=ACTORS, messages=tuple(messages), steps=tuple(steps),
        outcome=Outcome(score=1.0),
    )  # fmt: skip
    rewards = tuple(
        Reward(message_id=message.id, actor_id=message.actor_id, reward=(-1) ** (message.index + number) * 0.02 + 0.005)
        for message in messages
    )
    total = sum(reward.reward or 0.0 for reward in rewards)
    credit = Credit(trajectory_id=trajectory.id, outcome=1.0, baseline=0.9, total=total, messages=rewards)
    return CreditedRun(trajectory=trajectory, credit=credit)


def several(count: int) -> Iterator[CreditedRun]:
    """Runs over a fixed set of texts, so that making them costs next to nothing."""
    made = [one_run(number) for number in range(50)]
    for number in range(count):
        run = made[number % 50]
        name = f"run-{number}"
        trajectory = run.trajectory.model_copy(update={"id": name, "group_id": f"g{number // 4}"})
        yield CreditedRun.model_construct(
            trajectory=trajectory, credit=run.credit.model_copy(update={"trajectory_id": name})
        )


def peak() -> float:
    """Peak resident memory in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(name: str, runs: int, folder: Path, suffix: str) -> tuple[int, float, float]:
    """Rows, seconds, and growth of the peak in MB from a tenth of the size to the whole."""
    exporter = registry.exporter(name)
    options = {} if name == "messages" else {"deduplicate": False}
    exporter.write(several(max(1, runs // 10)), folder / f"small.{suffix}", **options)
    before, started = peak(), time.perf_counter()
    manifest = exporter.write(several(runs), folder / f"{name}.{suffix}", **options)
    return manifest.rows, time.perf_counter() - started, peak() - before


def loop(path: Path) -> float:
    """Seconds that `json.dumps` and writing take for the rows of a file, without building them."""
    seconds = 0.0
    with path.open() as source, path.with_suffix(".loop").open("w") as sink:
        for line in source:
            row = json.loads(line)
            started = time.perf_counter()
            sink.write(json.dumps(row) + "\n")
            seconds += time.perf_counter() - started
    return seconds


def main(rows: int) -> None:
    """Print one line per format."""
    print(f"{'format':<16}{'rows':>10}{'rows/s':>10}{'of json.dumps':>15}{'MB growth':>11}{'Parquet rows/s':>16}")
    for name in sorted(registry.exporters(), key=lambda name: name != "messages"):
        runs = max(1, (rows if name == "messages" else rows // 10) // MESSAGES)
        with tempfile.TemporaryDirectory() as where:
            folder = Path(where)
            written, seconds, grown = measure(name, runs, folder, "jsonl")
            plain = loop(folder / f"{name}.jsonl")
            relative = f"{plain / seconds:.0%}"
            per_second = ""
            if name != "messages":
                in_table, spent, _ = measure(name, max(1, runs // 4), folder, "parquet")
                per_second = f"{in_table / spent:,.0f}"
            print(f"{name:<16}{written:>10,}{written / seconds:>10,.0f}{relative:>15}{grown:>11.1f}{per_second:>16}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
