"""Accuracy with and without online retries, at the same tasks, with the calls that they cost.

    python benchmarks/triage.py                # 20 seeds, 20 orders each: some minutes
    python benchmarks/triage.py --seeds 2

**A simulation**: the clerks of `credit_hooks.demo.order_desk` as plain nodes of a graph, wrapped by `NodeRetries`, the
critique in their system prompt. A clerk can do what its system prompt names, and slips with 2 % by a hash of what it is
told: what a critique cannot name, a retry cannot mend, by construction. It is no evidence about real models.

One block, drawn by seed, lacks both of its skills; clerks say what they are unsure of (honest) or do not (silent).

    none            no retries
    rules           the default signals, which look at tool results; these clerks have no tools
    hedges          a signal on "assume", "probably", "suppose"; its critique says to check, and teaches nothing
    hedges, last    the same, and the retry is kept whatever it says
    teacher         the same signal, and the critique names the missing skill: a ceiling, as it knows the answer
    noise, last     a judge that objects to every fifth answer by chance; the retry is kept whatever it says
    next run        no retries; a second run of each task is told the critique of the first (`TriageQueue`, defaults)
    next run, 0.2   the same, with turns blamed from 20 % of the loss on; by default it takes half
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import math
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple, TypedDict

from langchain_core.messages import HumanMessage, SystemMessage
from langgraph.graph import START, StateGraph
from langgraph.graph.message import add_messages

from credit_hooks.credit import CreditConfig
from credit_hooks.demo.order_desk import ClerkModel, desk_blocks, orders
from credit_hooks.demo.order_desk.orders import to_pay
from credit_hooks.demo.order_desk.skills import SKILLS
from credit_hooks.langgraph import CreditCallback
from credit_hooks.langgraph.triage_nodes import NodeRetries
from credit_hooks.triage import RULES, Finding, RetryLimits, Signal, TriagePolicy, TriageQueue

ROLES = ("reader", "goods", "extras", "desk", "cashier")
SLIP = 0.02
HEDGE = re.compile(r"\b(assume|probably|suppose)\b", re.IGNORECASE)


class State(TypedDict):
    messages: Annotated[list[Any], add_messages]
    critique: str


def hedges(view: Any) -> Finding | None:
    return Finding("hedges", 0.5, "You are unsure. Check it.") if HEDGE.search(view.step.text) else None


def teacher(view: Any) -> Finding | None:
    missing = [skill.sentence for skill in SKILLS if skill.symptom in view.step.text]
    return Finding("teacher", 0.5, " ".join(missing)) if missing else None


def noise(view: Any) -> Finding | None:
    chance = int.from_bytes(hashlib.sha256(view.step.text.encode()).digest()[:6]) / 2**48
    return Finding("noise", 0.5, "Check it once more.") if chance < 0.2 else None


class Way(NamedTuple):
    signals: Sequence[Signal]
    limits: RetryLimits = RetryLimits(total=10**6)
    policy: TriagePolicy | None = None


OFF = RetryLimits(total=0)
LOW_BAR = TriagePolicy(below_probability=None, below_confidence=None, low_evidence=False, least_blame=0.2)
LAST = RetryLimits(total=10**6, keep="last")
WAYS: Mapping[str, Way] = {
    "none": Way((), OFF),
    "rules": Way(RULES),
    "hedges": Way((hedges,)),
    "hedges, last": Way((hedges,), LAST),
    "teacher": Way((teacher,)),
    "noise, last": Way((noise,), LAST),
    "next run": Way((), OFF, TriagePolicy()),
    "next run, 0.2": Way((), OFF, LOW_BAR),
}


@dataclass(frozen=True)
class Result:
    """Of one way at the tasks of one seed."""

    right: list[bool]
    extra: int
    kept: int
    told: int


def attempt(way: Way, seed: int, honest: bool, tasks: Sequence[Any]) -> Result:
    role = ROLES[seed % len(ROLES)]
    blocks = desk_blocks([skill.name for skill in SKILLS if skill.role == role])
    queue = None if way.policy is None else TriageQueue(way.policy)
    retries = NodeRetries(way.limits, signals=way.signals, queue=queue)
    calls = [0]
    expected: list[str] = [""]
    callback = CreditCallback(
        evaluate=lambda run: to_pay(run.answer) == expected[0],
        credit=CreditConfig(baseline=0.5),
        exporters=[] if queue is None else [queue],
        max_runs=1,
    )
    graph = StateGraph(State)
    for before, block in zip([START, *ROLES], blocks, strict=False):
        model = ClerkModel(role=block.role, slip=SLIP, honest=honest, seed=seed)
        graph.add_node(block.role, retries.wrap(clerk(model, block.text, calls), critique="critique"))
        graph.add_edge(before, block.role)
    made = graph.compile()
    right = []
    for task in tasks:
        expected[0] = task.expected
        for _ in range(2 if queue is not None else 1):
            out = made.invoke({"messages": [("user", task.input)]}, config={"callbacks": [callback]})
            assert callback.flush()
        right.append(to_pay(out["messages"][-1].text) == task.expected)
    assert callback.failures == []
    stats = retries.stats
    extra = calls[0] - len(tasks) * len(ROLES)
    assert extra == (len(tasks) * len(ROLES) if queue is not None else stats["begun"]), "every call is accounted for"
    return Result(right, extra, stats["kept"], stats["carried"])


def clerk(model: ClerkModel, prompt: str, calls: list[int]) -> Any:
    def work(state: State) -> dict[str, Any]:
        calls[0] += 1
        told = state.get("critique") or ""
        heard = [HumanMessage(message.text) for message in state["messages"]]
        return {"messages": [model.invoke([SystemMessage(f"{prompt} {told}".strip()), *heard])]}

    return work


def error(values: Sequence[float]) -> float:
    centre = sum(values) / len(values)
    return math.sqrt(sum((value - centre) ** 2 for value in values) / max(1, len(values) - 1) / len(values))


def show(honest: bool, seeds: int, count: int) -> None:
    print(f"\n### planted, {'honest' if honest else 'silent'}\n")
    print("| way | accuracy | gain | wrong to right | right to wrong | extra calls per task | kept | told |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    tasks = {seed: orders(count, seed=30_000 + seed) for seed in range(seeds)}
    without: dict[int, Result] = {}
    for name, way in WAYS.items():
        found = {seed: attempt(way, seed, honest, tasks[seed]) for seed in tasks}
        without = without or found
        print(f"| {name} | {row(found, without, count)} |", flush=True)


def row(found: Mapping[int, Result], without: Mapping[int, Result], count: int) -> str:
    total = count * len(found)
    gains = [100 * (sum(found[seed].right) - sum(without[seed].right)) / count for seed in found]
    pairs = [pair for seed in found for pair in zip(without[seed].right, found[seed].right, strict=True)]
    cells = [
        f"{100 * sum(sum(one.right) for one in found.values()) / total:.1f}%",
        f"{sum(gains) / len(gains):+.1f} ± {error(gains):.1f}",
        f"{100 * sum(new and not old for old, new in pairs) / total:.1f}%",
        f"{100 * sum(old and not new for old, new in pairs) / total:.1f}%",
        f"{sum(one.extra for one in found.values()) / total:.2f}",
        f"{sum(one.kept for one in found.values()) / total:.2f}",
        f"{sum(one.told for one in found.values()) / total:.2f}",
    ]
    return " | ".join(cells)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--tasks", type=int, default=20)
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    started = time.perf_counter()
    for honest in (True, False):
        show(honest, arguments.seeds, arguments.tasks)
    print(f"\n{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
