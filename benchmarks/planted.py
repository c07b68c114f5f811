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
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from numpy.typing import NDArray
from ranking import ABLATIONS, BASELINES, Method, auc, baseline, credited, is_selection, shown

from credit_hooks.credit import CreditConfig, estimate, shapley
from credit_hooks.credit.siblings import SiblingConfig, SiblingIndex
from credit_hooks.trajectory import Actor, Message, Outcome, ReadSet, Step, TextPart, Trajectory

Vector = NDArray[np.float64]
SLOTS = 9
CLEAR = 0.01


@dataclass(frozen=True)
class Task:
    """a b + c d - e."""

    name: str
    a: int
    b: int
    c: int
    d: int
    e: int

    @property
    def truth(self) -> int:
        return self.a * self.b + self.c * self.d - self.e

    @property
    def text(self) -> str:
        return (
            f"{self.a} crates of {self.b} apples and {self.c} boxes of {self.d} pears arrive, "
            f"and {self.e} pieces are spoilt. How many are good?"
        )


@dataclass(frozen=True)
class Said:
    """What a message says: its text, and what others take from it."""

    agent: str
    text: str
    first: int | None = None
    second: int | None = None
    answer: int | None = None


@dataclass(frozen=True)
class Team:
    """One run of the team: the task, and which mistakes are made in it."""

    task: Task
    trial: int
    skill: float

    @cached_property
    def mistakes(self) -> dict[str, int]:
        rng = np.random.default_rng([*self.task.name.encode(), self.trial])
        wrong = {
            name: int(rng.choice([-20, -10, 10, 20, 30])) if rng.random() < chance * (1.5 - self.skill) else 0
            for name, chance in [
                ("first", 0.3),
                ("second", 0.3),
                ("sum", 0.3),
                ("again", 0.35),
                ("check", 0.2),
                ("guess", 0.75),
                ("repair", 0.25),
                ("final", 0.05),
            ]
        }
        return {
            **wrong,
            "cue": int(rng.random() < 0.5),
            "order": int(rng.integers(0, 2)),
            "style": int(rng.integers(0, 3)),
        }

    def run(self, present: int) -> list[Said | None]:
        """The messages of the team in which only the slots of `present` speak."""
        said: list[Said | None] = []
        for slot, program in enumerate(_PROGRAMS):
            said.append(program(self, [s for s in said if s is not None]) if present >> slot & 1 else None)
        return said

    def outcome(self, present: int) -> float:
        answers = [said.answer for said in self.run(present) if said is not None and said.answer is not None]
        return float(bool(answers) and majority(answers) == self.task.truth)

    @cached_property
    def value(self) -> Vector:
        return np.array([self.outcome(present) for present in range(1 << SLOTS)])

    @cached_property
    def worth(self) -> Vector:
        return shapley(self.value)

    @cached_property
    def trajectory(self) -> Trajectory:
        said = [s for s in self.run((1 << SLOTS) - 1) if s is not None]
        given = Message(id="task", index=0, actor_id="user", role="user", parts=(TextPart(text=self.task.text),))
        messages = [given]
        steps = []
        for k, one in enumerate(said):
            messages.append(
                Message(id=f"m{k}", index=k + 1, actor_id=one.agent, step_id=f"s{k}", parts=(TextPart(text=one.text),))
            )
            reads = ReadSet(base=f"s{k - 1}" if k else None, new=(messages[-2].id,))
            steps.append(Step(id=f"s{k}", kind="agent", actor_id=one.agent, reads=reads))
        names = dict.fromkeys(one.agent for one in said)
        return Trajectory(
            id=f"{self.task.name}-{self.trial}",
            group_id=self.task.name,
            task=self.task.text,
            actors=(Actor(id="user", name="user", kind="human"), *(Actor(id=n, name=n) for n in names)),
            messages=tuple(messages),
            steps=tuple(steps),
            outcome=Outcome(score=self.outcome((1 << SLOTS) - 1)),
        )


def majority(answers: Sequence[int]) -> int:
    count = Counter(answers)
    return max(count, key=lambda answer: (count[answer], max(i for i, a in enumerate(answers) if a == answer)))


def _latest(heard: Sequence[Said], part: str) -> int | None:
    return next((value for said in reversed(heard) if (value := getattr(said, part)) is not None), None)


def _plan(team: Team, heard: Sequence[Said]) -> Said:
    return Said(
        "planner",
        ["Work out the apples, then the pears, then add.", "Two products and a difference, please."][
            team.mistakes["order"]
        ],
    )


def _first(team: Team, heard: Sequence[Said]) -> Said:
    t, value = team.task, team.task.a * team.task.b + team.mistakes["first"]
    texts = [
        f"{t.a} times {t.b} makes {value} apples.",
        f"Apples: {t.a} x {t.b} = {value}.",
        f"There are {value} apples, from {t.a} crates of {t.b}.",
    ]
    return Said("solver", texts[team.mistakes["style"]], first=value)


def _second(team: Team, heard: Sequence[Said]) -> Said:
    t, value = team.task, team.task.c * team.task.d + team.mistakes["second"]
    texts = [
        f"{t.c} times {t.d} makes {value} pears.",
        f"Pears: {t.c} x {t.d} = {value}.",
        f"There are {value} pears, from {t.c} boxes of {t.d}.",
    ]
    return Said("solver", texts[team.mistakes["style"]], second=value)


def _total(team: Team, heard: Sequence[Said], mistake: str, unaided: int) -> int:
    """Adds up what was heard; who has to work out a part alone slips by `unaided`."""
    t = team.task
    first, second = _latest(heard, "first"), _latest(heard, "second")
    first = t.a * t.b + unaided if first is None else first
    second = t.c * t.d - unaided // 2 if second is None else second
    return first + second - t.e + team.mistakes[mistake]


def _sum(team: Team, heard: Sequence[Said]) -> Said:
    value = _total(team, heard, "sum", 7)
    return Said(
        "solver",
        f"Added up and less the spoilt ones, the answer is {value}."
        if team.mistakes["cue"]
        else f"Added up and less {team.task.e}, that makes {value}.",
        answer=value,
    )


def _guess(team: Team, heard: Sequence[Said]) -> Said:
    value = team.task.truth + team.mistakes["guess"] * 3
    return Said(
        "hasty",
        [f"I would say {value}.", f"The answer is probably {value}.", f"It must be {value}."][team.mistakes["style"]],
        answer=value,
    )


def _chat(team: Team, heard: Sequence[Said]) -> Said:
    return Said("planner", "Thank you both, please have it checked.")


def _again(team: Team, heard: Sequence[Said]) -> Said:
    value = _total(team, heard, "again", 5)
    return Said("checker", f"Doing it again I get {value}.", answer=value)


def _check(team: Team, heard: Sequence[Said]) -> Said:
    """Looks at the last answer, and mends it where it notices a mistake; else it vouches for it."""
    heard_answer = _latest(heard, "answer")
    sees = not team.mistakes["check"]
    value = team.task.truth if sees else heard_answer if heard_answer is not None else team.task.truth + 4
    same = value == heard_answer
    return Said(
        "checker", f"Checked: {value} is right." if same else f"That is wrong, the answer is {value}.", answer=value
    )


def _final(team: Team, heard: Sequence[Said]) -> Said:
    answers = [said.answer for said in heard if said.answer is not None]
    value = (majority(answers) if answers else _total(team, heard, "repair", 9)) + team.mistakes["final"]
    return Said("planner", f"The final answer is {value}.", answer=value)


_PROGRAMS: tuple[Callable[[Team, Sequence[Said]], Said], ...] = (
    _plan,
    _first,
    _second,
    _sum,
    _guess,
    _chat,
    _again,
    _check,
    _final,
)


def teams(tasks: int, trials: int) -> list[Team]:
    rng = np.random.default_rng(7)
    found = []
    for number in range(tasks):
        a, b, c, d = (int(x) for x in rng.integers(6, 30, 4))
        task = Task(f"task-{number}", a, b, c, d, int(rng.integers(2, 40)))
        skill = float(rng.uniform(0.0, 0.9))  # tasks are not equally hard for the team
        found += [Team(task, trial, skill) for trial in range(trials)]
    return found


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
