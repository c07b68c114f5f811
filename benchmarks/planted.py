"""Messages whose worth is known, because the team can be run without any of them: who ranks helpful above harmful?

    python benchmarks/planted.py [--tasks 60] [--trials 6]            # about two minutes
    python benchmarks/planted.py --abstention                         # on the selection half; --report: the other one

A task asks for a sum of two products less a number. A team of four agents writes nine messages, each a small program
that reads what was written before it and writes English: some compute a part, some add up, some check and repair, one
guesses, one only chats, and each of them may make a mistake that was drawn for that run. The answer of the team is what
most of its messages state, of equally many the latest. v(S) is 1 if that is right after the team was run again with the
messages outside S left out; whoever comes later reads what is left, and may go wrong or right because of it. The exact
Shapley value of a message, from all 512 runs, says whether it helped (above .01) or harmed (below -.01).

AUC: probability within a run that a helpful message is rewarded more than a harmful one; runs with both kinds only.
*Replays* count runs of the team. Intervals: bootstrap by task. The texts were written with the method in view, so the
rows without replay show the order of methods on such talk, and are no evidence of how people's teams talk.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping, Sequence

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from numpy.typing import NDArray
from planted_team import SLOTS, Team, teams
from ranking import ABLATIONS, BASELINES, Method, Vector, auc, baseline, credited, is_selection, shown

from credit_hooks.credit import CreditConfig, estimate, shapley
from credit_hooks.credit.siblings import SiblingConfig, SiblingIndex

CLEAR = 0.01


# --- Methods that repeat the team ---------------------------------------------------------------------------------


def _counted(team: Team) -> Callable[[NDArray[np.bool_]], Vector]:
    bits = 1 << np.arange(SLOTS)
    return lambda coalitions: team.value[np.asarray(coalitions, bool) @ bits]


def estimated(budget: int, *, prior: bool = False) -> Callable[[Team], Vector]:
    default = credited(CreditConfig())

    def values(team: Team) -> Vector:
        guess = default(team.trajectory)[1:] if prior else None
        known = (0.0, team.trajectory.outcome.score) if team.trajectory.outcome else None
        return np.asarray(estimate(_counted(team), SLOTS, budget=budget, prior=guess, ends=known).values)

    return values


def left_out(team: Team) -> Vector:
    """v(N) - v(N without i): nine replays."""
    everyone = (1 << SLOTS) - 1
    return np.array([team.value[everyone] - team.value[everyone & ~(1 << i)] for i in range(SLOTS)])


def agent_shares(team: Team) -> Vector:
    """Exact Shapley values of the four agents, in equal parts to their messages: 16 replays."""
    agents = [message.actor_id for message in team.trajectory.messages[1:]]
    names = list(dict.fromkeys(agents))
    member = np.array([sum(1 << i for i, agent in enumerate(agents) if agent == name) for name in names])
    table = np.array(
        [team.value[sum(int(member[k]) for k in range(len(names)) if s >> k & 1)] for s in range(1 << len(names))]
    )
    worth = dict(zip(names, shapley(table), strict=True))
    return np.array([worth[agent] / agents.count(agent) for agent in agents])


def passive(method: Method) -> Callable[[Team], Vector]:
    return lambda team: method(team.trajectory)[1:]


def with_siblings(all_teams: Sequence[Team], trials: int) -> Callable[[Team], Vector]:
    """Evidence from the first `trials` runs of each task, R - b with the same b as all others."""
    index = SiblingIndex(siblings=SiblingConfig(expectation=False))
    for team in all_teams:
        if team.trial < trials:
            index.add(team.trajectory)
    gate = index.gate
    print(f"siblings, {trials} runs a task: gate {gate.strength:.2f}, slope {gate.slope:.2f}, z {gate.z:.1f}")
    return lambda team: np.array([r.reward or 0.0 for r in index.credit(team.trajectory).messages])[1:]


# --- Measures -----------------------------------------------------------------------------------------------------


def judged(method: Callable[[Team], Vector], chosen: Sequence[Team]) -> dict[str, tuple[list[float], list[str]]]:
    """AUC in successes and failures, and in successes the share of clear messages with the right sign."""
    found: dict[str, tuple[list[float], list[str]]] = {name: ([], []) for name in ("success", "failure", "sign")}
    for team in chosen:
        helpful, harmful = np.flatnonzero(team.worth > CLEAR), np.flatnonzero(team.worth < -CLEAR)
        if not (helpful.size and harmful.size):
            continue
        rewards = np.asarray(method(team)).round(12)
        good = team.outcome((1 << SLOTS) - 1) == 1.0
        kind = "success" if good else "failure"
        found[kind][0].append(auc(rewards[helpful].tolist(), rewards[harmful].tolist()))
        found[kind][1].append(team.task.name)
        if good:
            right = [*(rewards[helpful] > 0), *(rewards[harmful] < 0)]
            found["sign"][0].append(float(np.mean(right)))
            found["sign"][1].append(team.task.name)
    return found


def table(methods: Mapping[str, Callable[[Team], Vector]], chosen: Sequence[Team]) -> None:
    print(f"| method | AUC, successes | AUC, failures | sign right, successes |\n|---|{'---|' * 3}")
    for title, method in methods.items():
        found = judged(method, chosen)
        print(f"| {title} | {' | '.join(shown(*found[name]) for name in ('success', 'failure', 'sign'))} |")


def abstention(chosen: Sequence[Team], half: str) -> None:
    """Whether messages without a conclusion cue should abstain in successes, too."""
    print(f"\nabstention in successes of messages without a cue, {half}: {len(chosen)} runs")
    methods = {"default": passive(credited(CreditConfig()))}
    for name in ("cue needed in successes too", "cue needed to contradict in successes"):
        methods[name] = passive(ABLATIONS[name])
    table(methods, chosen)
    before = judged(methods.pop("default"), chosen)
    for title, method in methods.items():
        after = judged(method, chosen)
        for name in ("success", "sign"):
            gain = (np.array(after[name][0]) - np.array(before[name][0])).tolist()
            print(f"{title}: gain in {name} {shown(gain, before[name][1])}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", type=int, default=60)
    parser.add_argument("--trials", type=int, default=6)
    parser.add_argument("--abstention", action="store_true", help="only that question, on the selection half")
    parser.add_argument("--report", action="store_true", help="with --abstention: on the other half")
    options = parser.parse_args()
    everyone = teams(options.tasks, options.trials)
    if options.abstention:
        chosen = [team for team in everyone if is_selection(team.task.name) != options.report]
        abstention(chosen, "other half" if options.report else "selection half")
        return
    good = sum(team.outcome((1 << SLOTS) - 1) for team in everyone)
    print(f"{len(everyone)} runs of {options.tasks} tasks, {good:.0f} successful")
    methods: dict[str, Callable[[Team], Vector]] = {kind: passive(baseline(kind)) for kind in BASELINES}
    methods["default"] = passive(credited(CreditConfig()))
    methods["flow"] = passive(credited(CreditConfig(method="flow")))
    for trials in (2, 4, options.trials):
        methods[f"default with {trials - 1} siblings"] = with_siblings(everyone, trials)
    methods["leave-one-out, 9 replays"] = left_out
    methods["agent Shapley shares, 16 replays"] = agent_shares
    methods["GP-Shapley, 20 replays"] = estimated(20)
    methods["GP-Shapley with the default as prior, 20 replays"] = estimated(20, prior=True)
    methods["GP-Shapley, 100 replays"] = estimated(100)
    methods["GP-Shapley, 300 replays"] = estimated(300)
    table(methods, everyone)


if __name__ == "__main__":
    main()
