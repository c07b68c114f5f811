"""A team of pure functions that implements the port of replay: the smallest whole system."""

import itertools
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from credit_hooks.outcome import FinishedRun
from credit_hooks.replay import Player, Recorded, ReplayLimits, Tape
from credit_hooks.replay.aside import aside
from credit_hooks.trajectory import Actor, Message, Outcome, ReadSet, Step, TextPart, Trajectory

SILENCE = ""


@dataclass
class Agent:
    """Says a function of what it has read."""

    name: str
    says: Callable[[dict[str, str]], str]
    """Texts by turn, of the turns it reads, to its own."""
    reads: tuple[int, ...] = ()
    """Earlier turns."""


@dataclass
class Team:
    """Agents in the order of their turns; the last one's text is the answer. An agent may have several turns."""

    turns: list[Agent]
    calls: Counter = field(default_factory=Counter)
    """Live executions, by turn."""

    def speak(self, turn, texts):
        self.calls[turn] += 1
        return self.turns[turn].says({str(i): texts[i] for i in self.turns[turn].reads})


def trajectory_of(team, texts, run_id="run", outcome=None):
    """The run as data."""
    names = dict.fromkeys(agent.name for agent in team.turns)
    steps = tuple(
        Step(
            id=f"s{i}",
            kind="agent",
            actor_id=agent.name,
            start_ns=10 * i,
            end_ns=10 * i + 5,
            reads=ReadSet(new=tuple(f"m{j}" for j in agent.reads)),
            output_message_ids=(f"m{i}",),
        )
        for i, agent in enumerate(team.turns)
    )
    messages = tuple(
        Message(id=f"m{i}", index=i, actor_id=agent.name, step_id=f"s{i}", parts=(TextPart(text=texts[i]),))
        for i, agent in enumerate(team.turns)
    )
    return Trajectory(
        id=run_id,
        actors=tuple(Actor(id=name, name=name) for name in names),
        messages=messages,
        steps=steps,
        status="ok",
        outcome=outcome,
    )


class MadeUpSystem:
    """A recorded run of a team."""

    baseline = "silence"
    notes = ()

    def __init__(self, team):
        self.team = team
        self.tape = Tape()
        texts = self.record()
        self.players = [Player(agent.name, (f"m{i}",)) for i, agent in enumerate(team.turns)]
        self.trajectory = trajectory_of(team, texts)
        self.runs = 0

    def record(self):
        texts = []
        for turn in range(len(self.team.turns)):
            texts.append(self.team.speak(turn, texts))
            self.tape.record(self.key(turn, texts), Recorded(texts[turn], model_calls=1))
        self.team.calls.clear()
        return texts

    def key(self, turn, texts):
        return repr((turn, [texts[i] for i in self.team.turns[turn].reads]))

    async def run(self, intervention, meter):
        self.runs += 1
        try:
            return await aside(lambda: self.replay(intervention, meter))
        finally:
            self.tape.abandon(meter, TimeoutError("given up"))

    def replay(self, intervention, meter):
        texts = []
        for turn in range(len(self.team.turns)):
            texts.append(self.text(turn, texts, intervention, meter))
        return FinishedRun(trajectory_of(self.team, texts, run_id="replay"), output=texts)

    def text(self, turn, texts, intervention, meter):
        message_id = f"m{turn}"
        if message_id in intervention.replaced:
            return intervention.replaced[message_id]
        if message_id in intervention.masked:
            return SILENCE
        claim = self.tape.claim(self.key(turn, texts), meter, intervention.draw)
        if claim.state == "mine":
            try:
                meter.before_live()
                meter.count_model_call()
                meter.count_tokens(10, 1)
                said = self.team.speak(turn, texts)
            except BaseException as error:
                self.tape.fail(claim, error)
                raise
            self.tape.complete(claim, Recorded(said, 1))
            return said
        recorded = claim.flight.result()
        meter.count_pinned(recorded.model_calls)
        return recorded.output


class MadeUpReplay:
    """What a user would pass as `replay=`."""

    limits = ReplayLimits()

    def __init__(self, team):
        self.team = team

    def system(self, run):
        return MadeUpSystem(self.team)


def scored(system, evaluate):
    """The run's trajectory with the outcome that its evaluator gives."""
    run = FinishedRun(system.trajectory)
    return system.trajectory.with_outcome(Outcome(score=float(evaluate(run))))


def brute_force(team, evaluate):
    """Value of every coalition of turns, by running the whole team each time, shape 2^n, bit i for turn i."""
    n = len(team.turns)
    values = []
    for kept in itertools.product((False, True), repeat=n):
        kept = kept[::-1]
        texts = []
        for turn in range(n):
            texts.append(
                team.turns[turn].says({str(i): texts[i] for i in team.turns[turn].reads}) if kept[turn] else ""
            )
        values.append(float(evaluate(FinishedRun(trajectory_of(team, texts)))))
    return values


def counting(name, reads=(), weight=1):
    """An agent whose text counts what it has read: deterministic, and different for every set of texts."""

    def says(texts):
        return str(weight + sum(int(text or 0) for text in texts.values()))

    return Agent(name, says, tuple(reads))


def score(run):
    """A score in [0, 1] that depends on the answer in a way that is neither additive nor monotone."""
    number = int(run.answer or 0)
    return (number * 37 % 101) / 100 if number else 0.0
