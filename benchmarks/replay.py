"""Credit by replay on LangGraph teams: exact against brute force, model calls saved, unchanged replays, noisy models.

    python benchmarks/replay.py [exact] [identity] [noisy]    # needs credit-hooks[langgraph], langchain, and tests/

Teams are those of tests/replay/graphs.py, larger: their models are local and deterministic, and every reply is a digest
of all that was read, so that any wrong input shows in the answer. Brute force builds the team anew for every coalition,
with the missing messages silent from the start; it knows nothing of replay. Calls are those that reach a model.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "replay"), str(ROOT / "tests" / "langgraph")]

import graphs  # noqa: E402
from capture_cases.kit import MODES, TOPOLOGIES, ScriptedModel  # noqa: E402
from langchain_core.messages import AIMessage  # noqa: E402
from langgraph.graph import START, MessagesState, StateGraph  # noqa: E402
from replay_noise import NAMES, Noisy, coverage  # noqa: E402

from credit_hooks.credit import CreditConfig, shapley  # noqa: E402
from credit_hooks.langgraph import CreditCallback, Replay  # noqa: E402
from credit_hooks.replay import Intervention, Meter, ReplayLimits  # noqa: E402

LIMITS = ReplayLimits(max_calls=10**6, max_seconds=3600.0, parallel=4)

Turns = list[tuple[str, int]]


def teams() -> dict[str, tuple[Callable[[Any], Any], Turns]]:
    """Name to (what builds it, its turns in order)."""
    letters = "abcdefg"
    return {
        "chain of 7": (lambda cast: graphs.chain(cast, letters), [(name, 0) for name in letters]),
        "star of 6 and a reader": (lambda cast: graphs.star(cast, letters), [(name, 0) for name in letters]),
        "3 roles x 3 rounds": (
            lambda cast: graphs.rounds(cast, "abc", 3),
            [(name, turn) for turn in range(3) for name in "abc"],
        ),
        "debate of 2, 4 rounds": (
            lambda cast: graphs.debate(cast, "ab", 4),
            [(name, turn) for turn in range(4) for name in "ab"],
        ),
        "graph in a graph": graphs.TEAMS["nested"],
        "Send to 2 workers": graphs.TEAMS["sent"],
        "Command(goto)": graphs.TEAMS["routed"],
        "conditional edge": graphs.TEAMS["judged"],
        "create_agent as nodes": graphs.TEAMS["agents"],
    }


def inputs() -> dict[str, Any]:
    return {"messages": [("user", "task")], "round": 0, "last": []}


def exact() -> None:
    """Every coalition of messages, by replay and by brute force."""
    print("| team | messages | largest error | runs | calls: brute force | replay | saved | seconds |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    for name, (build, turns) in teams().items():
        table, brute = brute_force(build, turns)
        cast = graphs.Cast()
        graph = build(cast)
        config = CreditConfig(method="replay", level="shapley", budget=1 << len(turns))
        callback = CreditCallback(evaluate=graphs.score, credit=config, replay=Replay(graph, limits=LIMITS))
        started = time.perf_counter()
        graph.invoke(inputs(), {"callbacks": [callback]})
        observed = sum(cast.calls.values())
        assert callback.flush(3600.0)
        seconds = time.perf_counter() - started
        credit = callback.last.credit
        assert credit.replay is not None, credit.notes
        assert credit.replay.stopped == "exact", credit.notes
        error = np.abs(np.array([player.value for player in credit.replay.players]) - shapley(table)).max()
        calls = sum(cast.calls.values())  # the run's own calls included: brute force repeats it, too
        assert calls - observed == credit.replay.costs.model_calls
        saved = 1.0 - calls / brute
        runs = credit.replay.costs.system_runs
        print(f"| {name} | {len(turns)} | {error:.0e} | {runs} | {brute} | {calls} | {saved:.0%} | {seconds:.1f} |")


def brute_force(build: Callable[[Any], Any], turns: Turns) -> tuple[Any, int]:
    """(outcome of every coalition, model calls)."""
    values, calls = [], 0
    for kept in range(1 << len(turns)):
        cast = graphs.Cast(silent=[turn for i, turn in enumerate(turns) if not kept >> i & 1])
        output = build(cast).invoke(inputs())
        values.append(graphs.score(SimpleNamespace(answer=output["messages"][-1].text)))
        calls += sum(cast.calls.values())
    return np.array(values), calls


def identity() -> None:
    """Unchanged replays of every topology of tests/langgraph, in five ways of running it."""
    from capture_cases import agents, basic, control, nested, state  # noqa: F401 - they register their graphs

    runs = live = pinned = models = 0
    for topology in TOPOLOGIES.values():
        for mode in MODES.values():
            graph = topology.build(mode)
            callback = CreditCallback(replay=Replay(graph, config=topology.config))
            asyncio.run(topology.run(mode, callbacks=[callback], graph=graph))
            callback.flush(60.0)
            for run in callback.runs:
                system = callback._session.replayed(run)[0]._system(run.trajectory.id)
                meter = Meter(LIMITS).open()
                again = asyncio.run(system.run(Intervention(), meter))
                assert (again.status, again.answer) == (run.trajectory.status, run.trajectory.answer or "")
                runs, live, pinned, models = (
                    runs + 1,
                    live + meter.live,
                    pinned + meter.pinned,
                    models + meter.model_calls,
                )
    print(f"{len(TOPOLOGIES)} topologies x {len(MODES)} ways, {runs} runs: {pinned} nodes pinned, ", end="")
    print(f"{live} run again, {models} model calls")


def noisy(runs: int = 40, first_seed: int = 0) -> None:
    """Chains of models whose replies vary: in their words, or only in the verdict, which is one word of two."""
    coverage(_played, runs, first_seed)
    print("\ntwo words\n")
    coverage(_played, runs, first_seed, words=False, rows=((1, 60), (4, 60)))


def _played(team: Noisy, config: CreditConfig) -> Any:
    model = ScriptedModel(reply=lambda messages: AIMessage(team.draw([m.text for m in messages[1:]])))
    builder = StateGraph(MessagesState)
    for name in NAMES:
        builder.add_node(name, lambda state: {"messages": [model.invoke(state["messages"])]})
    builder.add_edge(START, NAMES[0])
    for one, other in itertools.pairwise(NAMES):
        builder.add_edge(one, other)
    graph = builder.compile()
    callback = CreditCallback(
        evaluate=lambda run: Noisy.is_right(run.answer), credit=config, replay=Replay(graph, limits=LIMITS)
    )
    graph.invoke({"messages": [("user", "task")]}, {"callbacks": [callback]})
    assert callback.flush(3600.0)
    return callback.last


if __name__ == "__main__":
    wanted = sys.argv[1:] or ["exact", "identity", "noisy"]
    for part in wanted:
        print(f"\n{part}\n")
        {"exact": exact, "identity": identity, "noisy": noisy}[part]()
