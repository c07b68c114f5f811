"""Credit by replay on AutoGen teams: exact against brute force, model calls saved, unchanged replays, noisy models.

    python benchmarks/replay_autogen.py [exact] [courses] [identity] [noisy]    # needs credit-hooks[autogen] and tests/

As benchmarks/replay.py does for LangGraph, on the teams of tests/autogen/replay_cases: local deterministic models whose
reply is a digest of all that was read, so that any wrong input shows in the answer. Brute force builds the team anew
for every coalition, with the missing turns silent from the start; it knows nothing of replay. Calls are those that
reach a model; the calls of the run itself are counted on both sides.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "autogen")]

from autogen_agentchat.agents import AssistantAgent  # noqa: E402
from autogen_agentchat.teams import RoundRobinGroupChat  # noqa: E402
from replay_cases import casts  # noqa: E402
from replay_noise import NAMES, Noisy, coverage  # noqa: E402
from team_cases import teams as cases  # noqa: E402, F401 - it registers its teams
from team_cases.kit import CASES, ScriptedClient, agent  # noqa: E402

from credit_hooks.autogen import Replay, capture_of, instrument  # noqa: E402
from credit_hooks.credit import CreditConfig, shapley  # noqa: E402
from credit_hooks.replay import Intervention, Meter, ReplayLimits  # noqa: E402

LIMITS = ReplayLimits(max_calls=10**6, max_seconds=3600.0, parallel=4)

Turns = list[tuple[str, int]]
Build = Callable[[Any], Any]


def teams() -> dict[str, tuple[Build, Turns]]:
    """Name to (what builds it, its turns)."""
    letters = "abcdefg"
    return {
        "RoundRobin, chain of 7": (lambda cast: casts.chain(cast, letters), [(name, 0) for name in letters]),
        "RoundRobin, 3 roles x 3 rounds": (
            lambda cast: casts.rounds(cast, "abc", 3),
            [(name, turn) for turn in range(3) for name in "abc"],
        ),
        "RoundRobin, debate of 2, 4 rounds": (
            lambda cast: casts.rounds(cast, "ab", 4),
            [(name, turn) for turn in range(4) for name in "ab"],
        ),
        "GraphFlow, star of 6 and a reader": (lambda cast: casts.star(cast, letters), [(name, 0) for name in letters]),
        "GraphFlow, fan-out and join": casts.TEAMS["fan out and join"],
        "Swarm, chain of 5": (lambda cast: casts.swarm(cast, "abcde"), [(name, 0) for name in "abcde"]),
        "MagenticOne, 2 agents": (casts.magentic, [("a", 0), ("b", 0)]),
        "team in a team": casts.TEAMS["nested"],
        "an agent of another class": casts.TEAMS["custom"],
    }


def run(build: Build, **options: Any) -> tuple[Any, int, int]:
    """(the credited run, model calls of the run, of the replays)."""
    cast = casts.Cast()
    team = instrument(
        build(cast), evaluate=casts.score, replay=Replay(lambda: build(cast), limits=LIMITS, **options), credit=CREDIT
    )
    asyncio.run(team.run(task="task"))
    observed = sum(cast.calls.values())
    capture = capture_of(team)
    assert capture is not None
    assert capture.flush(3600.0)
    return capture.last, observed, sum(cast.calls.values()) - observed


CREDIT = CreditConfig(method="replay", level="shapley", budget=1 << 10)


def exact() -> None:
    """Every coalition of turns, by replay and by brute force."""
    print("| team | turns | largest error | runs | calls: brute force | replay | saved | seconds |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    for name, (build, turns) in teams().items():
        table, brute = brute_force(build, turns)
        started = time.perf_counter()
        credited, observed, live = run(build)
        seconds = time.perf_counter() - started
        replay = credited.credit.replay
        assert replay is not None, credited.credit.notes
        assert replay.stopped == "exact", credited.credit.notes
        assert live == replay.costs.model_calls
        error = np.abs(by_turn(replay, turns) - shapley(table)).max()
        calls = observed + live
        saved = 1.0 - calls / brute
        print(f"| {name} | {len(turns)} | {error:.0e} | {replay.costs.system_runs} | {brute} | {calls} | ", end="")
        print(f"{saved:.0%} | {seconds:.1f} |")


def brute_force(build: Build, turns: Turns) -> tuple[Any, int]:
    """(outcome of every coalition, model calls)."""
    values, calls = [], 0
    for kept in range(1 << len(turns)):
        cast = casts.Cast(silent=[turn for i, turn in enumerate(turns) if not kept >> i & 1])
        result = asyncio.run(build(cast).run(task="task"))
        values.append(casts.score(SimpleNamespace(answer=result.messages[-1].to_text())))
        calls += sum(cast.calls.values())
    return np.array(values), calls


def by_turn(replay: Any, turns: Turns) -> Any:
    """Values of the players in the order of `turns`."""
    values: dict[tuple[str, int], float] = {}
    number: Counter[str] = Counter()
    for player in replay.players:
        name = player.actor_id.rpartition("/")[2]
        values[name, number[name]] = player.value
        number[name] += 1
    return np.array([values[turn] for turn in turns])


def courses() -> None:
    """Teams without a brute force: what is said decides who speaks, or agents speak inside others' turns."""
    print("| team | players | runs | model calls | saved by the tape | saved |")
    print("|---|---:|---:|---:|---:|---:|")
    builds = {
        "Selector, 4 turns, another course after every change": casts.selector,
        "SocietyOfMind of 2, and a reader": casts.society,
        "AgentTool": casts.helped,
    }
    for name, build in builds.items():
        credited, _, _ = run(build, unmarked_tools="repeat")
        replay = credited.credit.replay
        costs = replay.costs
        saved = costs.model_calls_saved / (costs.model_calls + costs.model_calls_saved)
        print(f"| {name} | {len(replay.players)} | {costs.system_runs} | {costs.model_calls} | ", end="")
        print(f"{costs.model_calls_saved} | {saved:.0%} |")


def identity() -> None:
    """Unchanged replays of every team of tests/autogen, run at once and streamed."""
    runs = live = pinned = models = 0
    for case in CASES.values():
        for streams in (False, True):

            def build(case: Any = case, streams: bool = streams) -> Any:
                return case.build(lambda name, *said, **more: agent(name, *said, model_client_stream=streams, **more))

            capture, system = asyncio.run(_recorded(build, case.task, streams))
            meter = Meter(LIMITS).open()
            again = asyncio.run(system.run(Intervention(), meter))
            trajectory = capture.last.trajectory
            assert [message.text for message in again.messages] == [message.text for message in trajectory.messages]
            runs, live, pinned = runs + 1, live + meter.live, pinned + meter.pinned
            models += meter.model_calls
    print(f"{len(CASES)} teams x 2 ways, {runs} runs: {pinned} calls pinned, {live} live, {models} model calls")


async def _recorded(build: Callable[[], Any], task: Any, streams: bool) -> tuple[Any, Any]:
    team = instrument(build(), replay=Replay(build))
    if streams:
        async for _ in team.run_stream(task=task):
            pass
    else:
        await team.run(task=task)
    capture: Any = capture_of(team)
    await asyncio.to_thread(capture.flush, 60.0)
    return capture, capture._session.replayed(capture.last)[0]._system(capture.last.trajectory.id)


def noisy(runs: int = 24, first_seed: int = 0) -> None:
    """A chain of models whose replies vary."""
    coverage(_played, runs, first_seed, rows=((1, 60), (4, 60)))


def _played(team: Noisy, config: CreditConfig) -> Any:
    def say(messages: Any) -> str:
        return team.draw([message.content for message in messages[1:]])

    def build() -> Any:
        members = [AssistantAgent(name, ScriptedClient(say), system_message=None) for name in NAMES]
        return RoundRobinGroupChat(members, max_turns=len(NAMES))

    chat = instrument(
        build(), evaluate=lambda run: Noisy.is_right(run.answer), credit=config, replay=Replay(build, limits=LIMITS)
    )
    asyncio.run(chat.run(task="task"))
    capture = capture_of(chat)
    assert capture is not None
    assert capture.flush(3600.0)
    return capture.last


if __name__ == "__main__":
    logging.getLogger("autogen_core").setLevel(logging.CRITICAL)
    for part in sys.argv[1:] or ["exact", "courses", "identity", "noisy"]:
        print(f"\n{part}\n")
        {"exact": exact, "courses": courses, "identity": identity, "noisy": noisy}[part]()
