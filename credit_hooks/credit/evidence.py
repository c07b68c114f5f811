"""What the messages say: units, conclusions, the run's own conclusion, stances, and the two base shares.

Found on real runs of teams that solve problems by talking. Nothing here looks at the expected answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from credit_hooks.credit.config import CreditConfig
from credit_hooks.credit.provenance import Provenance
from credit_hooks.credit.transcript import Transcript
from credit_hooks.failure.symptoms import FAILED_STEP, results_of, symptom_of
from credit_hooks.language import WORD, Unit
from credit_hooks.trajectory import DataPart, ToolCallPart

__all__ = ["Evidence"]

_FIRM = (0.0, 1.0, 3.0)  # weights of word, entity, number in what a message concludes
_FULL = (1.0, 2.0, 3.0)  # the same where the flow of the answer's units is traced
_UNIT_DECAY = 0.5  # per rank from the end of the message
_MAX_RANK = 48  # .5^48 is below the last bit
_ANCHOR_MESSAGES = 6
_ANCHOR_DECAY = 0.3
_STANCE_LOW, _STANCE_SPAN = 0.3, 0.3
_REPEATED = 0.1  # of a unit that the same agent held before, in the damped flow
_TASK_DAMPING = 0.1  # of units that the task already names, in the flow

Bag = Mapping[str, float]
Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Evidence:
    """The content of one run, as far as its players go."""

    transcript: Transcript
    provenance: Provenance
    config: CreditConfig

    @cached_property
    def players(self) -> list[int]:
        """Positions of the players, ascending."""
        return np.flatnonzero(self.provenance.players).tolist()

    @cached_property
    def texts(self) -> list[str]:
        """Text of every message, long ones at both ends only; "" for messages that are neither players nor inputs."""
        relevant = self.provenance.players | self.provenance.inputs
        half = self.config.max_characters // 2
        texts = (message.text if relevant[m] else "" for m, message in enumerate(self.transcript.messages))
        return [text if len(text) <= 2 * half else f"{text[:half]}\n{text[-half:]}" for text in texts]

    @cached_property
    def units(self) -> list[list[str]]:
        """Units of every message, in order."""
        return [[unit for unit, _ in units] for units in self._classified]

    @cached_property
    def rank(self) -> Mapping[str, int]:
        """Class of every unit: the firmest it has anywhere, so that a name at the start of a sentence stays a name."""
        rank: dict[str, int] = {}
        for units in self._classified:
            for unit, kind in units:
                if kind > rank.get(unit, -1):
                    rank[unit] = kind
        return rank

    @cached_property
    def _classified(self) -> list[list[Unit]]:
        return [self.config.language.units(text) for text in self.texts]

    @cached_property
    def task_units(self) -> frozenset[str]:
        """Units that the task or the run's other inputs name."""
        given = {unit for unit, _ in self.config.language.units(self.transcript.trajectory.task or "")}
        for position in np.flatnonzero(self.provenance.inputs):
            given.update(self.units[position])
        return frozenset(given)

    @cached_property
    def states(self) -> NDArray[np.bool_]:
        """Messages that state something: players, less terminators, shape (M,)."""
        states = self.provenance.players.copy()
        for m in self.players:
            text = self.texts[m].strip()
            states[m] = not (len(text) < 200 and self.config.language.terminator.search(text))
        return states

    def conclusion(self, position: int, weights: Sequence[float] = _FIRM) -> Bag:
        """C_m(u): units weighted by class and by .5 to the rank from the end of the message within the class."""
        bag: dict[str, float] = {}
        ranks = [0, 0, 0]
        for unit in reversed(self.units[position]):
            kind = self.rank[unit]
            if weights[kind] and ranks[kind] < _MAX_RANK:
                bag.setdefault(unit, weights[kind] * _UNIT_DECAY ** ranks[kind])
            ranks[kind] += 1
        return bag

    def anchor(self, weights: Sequence[float] = _FIRM, *, most: int = _ANCHOR_MESSAGES) -> Bag:
        """A: the run's conclusion, from the last six stating messages, newest first; sums to 1, or is empty.

        At most `most` of them count. Messages of words alone, such as thanks, count only where no message has a number
        or an entity.
        """
        anchor: dict[str, float] = {}
        newest = [m for m in reversed(self.players) if self.states[m] and self.units[m]][:_ANCHOR_MESSAGES]
        bags = [self.conclusion(m, weights) for m in newest if self.conclusion(m)]
        weight = 1.0
        for bag in (bags or [bag for m in newest if (bag := self.conclusion(m, weights))])[:most]:
            scale = weight / sum(bag.values())
            for unit, value in bag.items():
                anchor[unit] = anchor.get(unit, 0.0) + scale * value
            weight *= _ANCHOR_DECAY
        total = sum(anchor.values())
        return {unit: value / total for unit, value in anchor.items()} if total else {}

    @cached_property
    def stances(self) -> tuple[Vector, NDArray[np.bool_]]:
        """Support s_m in [0, 1] for the run's conclusion, and who votes at all; both of shape (M,).

        A message abstains without a unit of the class of the conclusion's top unit, and so does a write of state. Code
        and tool calls take the stance of their result.
        """
        anchor = self.anchor()
        stance, votes = np.zeros(len(self.texts)), np.zeros(len(self.texts), bool)
        if not anchor:
            return stance, votes
        top = max(anchor.values())
        kind = self.rank[next(unit for unit, value in anchor.items() if value == top)]
        for m in self.players:
            bag = self.conclusion(m)
            if not bag or not self.states[m] or self._is_data(m):
                continue
            z = sum(value * anchor.get(unit, 0.0) for unit, value in bag.items()) / top / sum(bag.values())
            stance[m] = min(max((z - _STANCE_LOW) / _STANCE_SPAN, 0.0), 1.0)
            votes[m] = any(self.rank[unit] == kind for unit in self.units[m])
        for m in self.players:
            if not self.calls[m]:
                continue
            result = self.clean_result(m)
            if result is not None:
                stance[m], votes[m] = stance[result], votes[result]
            elif not self.cues[m]:
                votes[m] = False
        return stance, votes

    @cached_property
    def cues(self) -> NDArray[np.bool_]:
        """Messages that state a conclusion as such, or whose result does; shape (M,)."""
        own = np.array([bool(text and self.config.language.cue.search(text)) for text in self.texts], bool)
        cues = own.copy()
        for m in self.players:
            result = self.clean_result(m) if self.calls[m] else None
            if result is not None:
                cues[m] = own[result]
        return cues

    @cached_property
    def calls(self) -> NDArray[np.bool_]:
        """Messages that have something run: a tool call, or code for an executor; shape (M,)."""
        calls = np.zeros(len(self.texts), bool)
        for m in self.players:
            if self.transcript.kinds[m] not in ("tool", "environment"):
                parts = self.transcript.messages[m].parts
                code = self.config.language.code.search(self.texts[m]) is not None
                calls[m] = code or any(isinstance(part, ToolCallPart) for part in parts)
        return calls

    @cached_property
    def results(self) -> Mapping[int, tuple[int, ...]]:
        """Messages with the results of each message that called a tool or had its code run; players only."""
        found = results_of(self.transcript.messages, self.transcript.kinds)
        players = self.provenance.players
        return {call: of_call for call, all_ in found.items() if (of_call := tuple(r for r in all_ if players[r]))}

    def clean_result(self, position: int) -> int | None:
        """The last result that shows no hard error."""
        return next((r for r in reversed(self.results.get(position, ())) if r not in self.symptoms), None)

    @cached_property
    def symptoms(self) -> Mapping[int, str]:
        """Error rule that each message shows, where one does.

        A step that failed without a word shows in the last message that was new to it.
        """
        steps, language = self.transcript.steps, self.config.language
        found: dict[int, str] = {}
        for m in self.players:
            message = self.transcript.messages[m]
            step = steps.get(message.generated_by or self.transcript.step_of[m] or "")
            if (rule := symptom_of(message, step, language)) is not None:
                found[m] = rule
        wrote = set(self.transcript.step_of)
        for step_id in sorted(steps.keys() - wrote):
            new = [self.transcript.at[m] for m in steps[step_id].reads.new if m in self.transcript.at]
            if steps[step_id].status == "error" and new and self.provenance.players[new[-1]]:
                found.setdefault(new[-1], FAILED_STEP)
        return found

    def _is_data(self, position: int) -> bool:
        parts = self.transcript.messages[position].parts
        return bool(parts) and all(isinstance(part, DataPart) for part in parts)

    @cached_property
    def flow(self) -> Vector | None:
        """Share of each message in carrying the answer's units, shape (M,), sum 1; None: nobody carries any.

        Each unit's weight goes to *all* its holders in equal parts: crediting the first only is wrong, since who
        introduces a number is often not who vouches for it.
        """
        return self._flow(self.anchor(_FULL), repeated=1.0)

    @cached_property
    def damped_flow(self) -> Vector | None:
        """As `flow`, of numbers and entities only, an agent's repetitions at a tenth: hard to earn by repeating.

        The newest conclusion alone counts, so that nobody makes its own words the run's by saying them often.
        """
        return self._flow(self.anchor(most=1), repeated=_REPEATED)

    def _flow(self, anchor: Bag, repeated: float) -> Vector | None:
        weight = {unit: value * (_TASK_DAMPING if unit in self.task_units else 1.0) for unit, value in anchor.items()}
        held: dict[str, dict[int, float]] = {unit: {} for unit in weight}
        known: set[tuple[int, str]] = set()
        for m in self.players:
            author = int(self.transcript.author[m])
            for unit in weight.keys() & set(self.units[m]):
                held[unit][m] = repeated if (author, unit) in known else 1.0
                known.add((author, unit))
        flow = np.zeros(len(self.texts))
        for unit in sorted(held):
            whole = sum(held[unit].values())
            for m, part in held[unit].items():
                flow[m] += weight[unit] * part / whole
        total = flow.sum()
        return flow / total if total > 0 else None

    @cached_property
    def blame(self) -> Vector:
        """Prior share of each message in a failure, shape (M,), sum 1: new things, said early, on assumptions.

        Novelty counts the numbers and entities that no player said before and the inputs did not name. Proportional to
        sqrt(1 + novelty) x (.25 for tools and orchestrators) x 1 / (1 + .1 index) x (1 + min(hedges, 3)
        / 3) x (2 if its result, or the next message, shows a hard error).
        """
        language = self.config.language
        blame = np.zeros(len(self.texts))
        seen: set[str] = set(self.task_units)
        for index, m in enumerate(self.players):
            new = {unit for unit in self.units[m] if self.rank[unit] > WORD} - seen
            seen |= new
            following = self.results.get(m) or self.players[index + 1 : index + 2]
            blame[m] = (
                (1.0 + len(new)) ** 0.5
                * (0.25 if self.transcript.kinds[m] in ("tool", "environment", "orchestrator") else 1.0)
                / (1.0 + 0.1 * index)
                * (1.0 + min(len(language.hedge.findall(self.texts[m])), 3) / 3.0)
                * (2.0 if any(after in self.symptoms for after in following) else 1.0)
            )
        share: Vector = blame / blame.sum()
        return share
