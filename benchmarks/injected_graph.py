"""Faults injected into a LangGraph team of 32 turns, found by really running the graph again. Used by failures.py.

Four agents take turns in working on a number, as in injected.py, but here they are nodes of a compiled graph, the run
is captured by the callback, and every probe is a replay of that graph: turns before it are pinned, the rest is run.

Two teams. One repeats itself: one of its turns always says something wrong, and somebody else takes over in probes
(here one who never errs, which is the best that a stronger model can be). The other is noisy: any turn may slip, or
notice that the number is wrong and put it right; it does turns anew itself. The recorded run has the injected fault
alone.

    python benchmarks/injected_graph.py [FAULTS]    # this part alone; 60 faults by default
"""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
from langchain_core.messages import AIMessage
from langgraph.graph import END, START, MessagesState, StateGraph

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "langgraph")]

from capture_cases.kit import ScriptedModel  # noqa: E402

from credit_hooks.credit import CreditConfig  # noqa: E402
from credit_hooks.failure import STEP_SCORE, ProbeNoise  # noqa: E402
from credit_hooks.langgraph import CreditCallback, Replay  # noqa: E402
from credit_hooks.trajectory import Label  # noqa: E402

__all__ = ["measure_on_langgraph"]

STEPS = 32
_AGENTS = ("ann", "bob", "cyn", "dan")


class Sum:
    """One task: operands, and who says what at step t."""

    def __init__(self, seed: int, slip: float, notice: float) -> None:
        rng = np.random.default_rng([11, seed])
        self.operands: list[int] = rng.integers(1, 50, STEPS).tolist()
        self.truth: list[int] = np.cumsum(self.operands).tolist()
        self.step = int(rng.integers(STEPS))
        self._off = int(rng.integers(1, 20))
        self._slip, self._notice = slip, notice
        self._replies = random.Random(seed)
        self.live = False
        """Whether the run itself is over: then a noisy team slips and notices, the injected fault being recorded."""

    def says(self, heard: int, step: int) -> int:
        value = heard + self.operands[step]
        if self._slip and self.live:
            if value != self.truth[step] and self._replies.random() < self._notice:
                return self.truth[step]
            return value + (self._replies.randint(1, 19) if self._replies.random() < self._slip else 0)
        return value + (self._off if step == self.step else 0)

    def right(self, turn: Any) -> dict[str, Any]:
        """Who never errs, and believes what was said."""
        messages = turn.state["messages"]
        value = int(messages[-1].text.rpartition(" ")[2])
        return {"messages": [AIMessage(f"So far {value + self.operands[len(messages) - 1]}")]}

    def graph(self) -> Any:
        builder = StateGraph(MessagesState)

        def reply(messages: Any) -> AIMessage:
            heard = int(messages[-1].text.rpartition(" ")[2])
            return AIMessage(f"So far {self.says(heard, len(messages) - 1)}")

        for place, name in enumerate(_AGENTS):
            model = ScriptedModel(reply=reply)
            builder.add_node(name, lambda state, model=model: {"messages": [model.invoke(state["messages"])]})
            if place:
                builder.add_edge(_AGENTS[place - 1], name)
        builder.add_edge(START, _AGENTS[0])
        builder.add_conditional_edges(
            _AGENTS[-1], lambda state: _AGENTS[0] if len(state["messages"]) <= STEPS else END, [_AGENTS[0], END]
        )
        return builder.compile()


def scores(run: Any, task: Sum, seed: int) -> list[Label]:
    """The reward model of injected.py: around .75 while the number is right, .4 once it is wrong, deviation .2."""
    rng = np.random.default_rng([13, seed])
    found = []
    for message, truth in zip(run.trajectory.messages[1:], task.truth, strict=True):
        level = 0.75 if message.text.endswith(f" {truth}") else 0.4
        score = float(np.clip(level + rng.normal(0, 0.2), 0, 1))
        found.append(Label(target="message", target_id=message.id, name=STEP_SCORE, value=score, annotator="prm"))
    return found


def one(seed: int, *, noise: ProbeNoise, slip: float, scored: bool, budget: int, confidence: float) -> list[float]:
    """(right, probes, system runs, model calls, turns pinned in replays) of one fault."""
    task = Sum(seed, slip, slip)
    graph = task.graph()
    callback = CreditCallback(
        evaluate=lambda run: run.answer.endswith(f" {task.truth[-1]}"),
        credit=CreditConfig(probe_noise=noise),
        replay=Replay(graph),
    )
    graph.invoke({"messages": [("user", "Start at 0")]}, {"callbacks": [callback], "recursion_limit": 99})
    assert callback.flush(60.0)
    task.live = True
    run = callback.last
    assert run is not None
    if scored:
        run = callback.annotate(run, *scores(run, task, seed))
    found = callback.first_error(
        run, budget=budget, confidence=confidence, correction=None if slip else task.right, corrections=1
    )
    right = found.first_error.index == run.trajectory.messages[task.step + 1].index
    costs = found.costs
    return [right, found.bisection.calls, costs.system_runs, costs.model_calls, costs.pinned_calls]


def measure_on_langgraph(runs: int) -> None:
    """Accuracy and costs, on the same faults for all ways."""
    teams: list[tuple[str, float, ProbeNoise]] = [
        ("repeats itself; corrected by who never errs", 0.0, ProbeNoise(1.0, 0.0)),
        ("noisy (slip and notice .0065 a turn); done anew by itself", 0.0065, ProbeNoise(0.9, 0.1)),
    ]
    ways: list[tuple[str, dict[str, Any]]] = [
        ("rules as prior, until .9 sure", {"scored": False, "budget": 40, "confidence": 0.9}),
        ("step scores as prior, at most 4 probes", {"scored": True, "budget": 4, "confidence": 0.98}),
        ("step scores as prior, until .9 sure", {"scored": True, "budget": 40, "confidence": 0.9}),
    ]
    print(f"\nLangGraph team, T = {STEPS}, real replays ({runs} faults)\n")
    print("| team | way | exact step | mean probes | runs of the team | model calls | turns pinned |")
    print("|---|---|---:|---:|---:|---:|---:|")
    for name, slip, noise in teams:
        for way, options in ways:
            table = np.array([one(seed, noise=noise, slip=slip, **options) for seed in range(runs)])
            error = 1.96 * table[:, 0].std() / np.sqrt(runs)
            means = " | ".join(f"{mean:.1f}" for mean in table[:, 1:].mean(axis=0))
            print(f"| {name} | {way} | {table[:, 0].mean():.3f} ± {error:.3f} | {means} |", flush=True)


if __name__ == "__main__":
    measure_on_langgraph(int(sys.argv[1]) if len(sys.argv) > 1 else 60)
