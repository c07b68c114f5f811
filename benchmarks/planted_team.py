"""The synthetic team of `planted.py`: nine small programs that read what was written before them and write English.

The team can be run with any of its messages left out; whoever comes later reads what is left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from credit_hooks.credit import shapley
from credit_hooks.trajectory import Actor, Message, Outcome, ReadSet, Step, TextPart, Trajectory

Vector = NDArray[np.float64]
SLOTS = 9


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
