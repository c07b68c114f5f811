"""Rows per second and memory of every training format, beside a plain `json.dumps` loop over the same rows.

    python benchmarks/export.py [MESSAGES] [FORMAT...]        default 1,000,000 messages, every format

Every format is given the same runs. Speed is per CPU second of this process, which neighbours on a busy machine change
less than wall time. "of json.dumps" is the CPU time of the loop divided by that of the export, which also builds the
rows; the loop dumps and writes the rows that the format wrote. "of messages" is the same against a loop over the
canonical rows of all messages read, as formats write fewer rows than they read messages: pairs need two runs.
Memory is the growth of the peak over a run of a tenth of the size: flat means about zero.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
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
    """Rows, CPU seconds, and growth of the peak in MB from a tenth of the size to the whole."""
    exporter = registry.exporter(name)
    options = {} if name == "messages" else {"deduplicate": False}
    exporter.write(several(max(1, runs // 10)), folder / f"small.{suffix}", **options)
    before, started = peak(), time.process_time()
    manifest = exporter.write(several(runs), folder / f"{name}.{suffix}", **options)
    return manifest.rows, time.process_time() - started, peak() - before


def loop(path: Path) -> float:
    """CPU seconds that `json.dumps` and writing take for the rows of a file, without building them."""
    seconds = 0.0
    with path.open() as source, path.with_suffix(".loop").open("w") as sink:
        for line in source:
            row = json.loads(line)
            started = time.process_time()
            sink.write(json.dumps(row) + "\n")
            seconds += time.process_time() - started
    return seconds


def plain(runs: int) -> float:
    """CPU seconds of the loop over the canonical rows of so many runs."""
    with tempfile.TemporaryDirectory() as where:
        measure("messages", runs, Path(where), "jsonl")
        return loop(Path(where) / "messages.jsonl")


def line(name: str, runs: int, per_run: float) -> str:
    """Measure one format; called in a process of its own, as a peak of memory never falls."""
    with tempfile.TemporaryDirectory() as where:
        folder = Path(where)
        rows, seconds, grown = measure(name, runs, folder, "jsonl")
        own, of_messages = loop(folder / f"{name}.jsonl") / seconds, per_run * runs / seconds
        in_table, spent, _ = measure(name, max(1, runs // 10), folder, "parquet")
    speed = f"{rows / seconds:>9,.0f}{own:>15.1%}{runs * MESSAGES / seconds:>12,.0f}{of_messages:>13.1%}"
    return f"{name:<15}{rows:>10,}{speed}{grown:>11.1f}{in_table / spent:>16,.0f}"


def main(messages: int, names: Sequence[str]) -> None:
    """Print one line per format."""
    runs = max(1, messages // MESSAGES)
    sample = min(runs, 5_000)
    per_run = plain(sample) / sample
    print(f"{runs:,} runs of {MESSAGES} messages; the loop dumps {MESSAGES / per_run:,.0f} canonical rows a second")
    heads = ("of json.dumps", "messages/s", "of messages", "MB growth", "Parquet rows/s")
    print(f"{'format':<15}{'rows':>10}{'rows/s':>9}" + "{:>15}{:>12}{:>13}{:>11}{:>16}".format(*heads), flush=True)
    for name in names or sorted(registry.exporters(), key=lambda name: name != "messages"):
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as alone:
            print(alone.submit(line, name, runs, per_run).result(), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000, sys.argv[2:])
