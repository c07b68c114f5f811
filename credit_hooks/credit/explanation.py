"""The way from a run's outcome to one reward, in numbers that a person can follow and compute again.

    R - b = total;   share_m from the method's value function;   total x share_m, projected into [-1, 1];   reward_m

Everything here follows from the stored run and the settings it was credited with; nothing is estimated anew.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from credit_hooks.credit.assign import Solution, assign_credit, solve
from credit_hooks.credit.config import CUSTOM_LANGUAGE, CreditConfig
from credit_hooks.credit.provenance import Provenance
from credit_hooks.credit.transcript import Transcript
from credit_hooks.errors import ConfigurationError
from credit_hooks.failure.localise import posterior
from credit_hooks.parts import FrozenModel
from credit_hooks.rewards import Credit, CreditedRun

__all__ = ["CreditExplanation", "MessageExplanation", "Standing", "explain", "settings_of"]

Standing: TypeAlias = Literal["player", "input", "not read by the answer", "duplicate id"]

_FORMULAS = {
    "reader_vote": "share = w phi + (1 - w sum(phi)) p;  v(S) = sum_S q s / (1 + sum_S q), phi its {level} value",
    "path_mass": "share = {level} value of the path mass that reaches the answer, .8 passed on by every reader",
    "reachability": "share = Shapley value of 'the answer is still reached', by agent; within an agent by path mass",
    "flow": "share = the answer's numbers and entities, each divided among all who hold it",
    "step_scores": "share = growth of the step scores, telescoped to R - b",
}

Vector = NDArray[np.float64]


class MessageExplanation(FrozenModel):
    """How one message came by its reward."""

    message_id: str
    index: int
    """Its index in the source."""
    actor_id: str
    standing: Standing
    """Whether it can earn anything, and why not if not."""
    parts: dict[str, float] = {}
    """Terms of the value function, by symbol; see `CreditExplanation.symbols`."""
    share: float = 0.0
    """Share of R - b before projection."""
    shift: float = 0.0
    """What projection into [-1, 1] added. 0.0 in nearly all runs."""
    reward: float | None = None
    """The reward as stored. None: never scored."""
    first_error: float | None = None
    """P(the first error is here). None: the run did not fail, or nothing is known."""


class CreditExplanation(FrozenModel):
    """A run's credit, taken apart."""

    credit: Credit
    """The credit as stored."""
    formula: str
    """How shares follow from the parts. Empty: the method is not one that is taken apart here."""
    symbols: dict[str, str]
    """What each symbol in `parts` and `formula` stands for."""
    messages: tuple[MessageExplanation, ...]
    """In the trajectory's order."""
    reproduced: bool | None
    """Whether computing the credit again gives the stored rewards to the last bit. None: it cannot be tried."""
    reason: str | None = None
    """Why it was not reproduced, or not tried."""


_SYMBOLS = {
    "q": "vote: how much the message counts for a reader; 0 abstains",
    "s": "stance: how far it supports the run's own conclusion, 0 contradicts",
    "phi": "its value in the reader-vote game",
    "p": "base share: what it gets for what the votes leave open",
    "flow": "share of the answer's units that it holds",
    "blame": "share of blame in a failure: new things, said early, on assumptions, before hard errors",
}


def settings_of(credit: Credit) -> CreditConfig:
    """The configuration that a credit was computed with.

    Raises:
        ConfigurationError: a part of it is code and was not stored, or another version wrote it.
    """
    if CUSTOM_LANGUAGE in credit.settings:
        raise ConfigurationError("the run was credited with a language of its own, which is not stored")
    try:
        return CreditConfig.model_validate(credit.settings)
    except ValidationError as error:
        raise ConfigurationError(f"the settings of run {credit.trajectory_id!r} cannot be read: {error}") from error


def explain(run: CreditedRun, config: CreditConfig | None = None) -> CreditExplanation:
    """Take a credited run apart.

    Args:
        run: The run as stored.
        config: What it was credited with. None: as its credit says.

    Raises:
        ConfigurationError: as :func:`settings_of`.
    """
    credit = run.credit
    config = settings_of(credit) if config is None else config
    if not run.trajectory.messages:
        empty = "the run has no messages"
        return CreditExplanation(credit=credit, formula="", symbols={}, messages=(), reproduced=None, reason=empty)
    transcript = Transcript.of(run.trajectory)
    provenance = Provenance.of(transcript, config.relation)
    solution = _solution(credit, transcript, provenance, config)
    reproduced, reason = _compared(run, config)
    symbols = {name: _SYMBOLS[name] for name in ([] if solution is None else solution.shares.parts)}
    return CreditExplanation(
        credit=credit,
        formula="" if solution is None else _formula(credit.method),
        symbols=symbols,
        messages=_messages(run, transcript, provenance, solution),
        reproduced=reproduced,
        reason=reason,
    )


def _solution(credit: Credit, transcript: Transcript, provenance: Provenance, config: CreditConfig) -> Solution | None:
    """The closed-form solution. None: there is none behind this credit."""
    if credit.status != "credited" or credit.baseline is None or provenance.only_inputs or credit.replay is not None:
        return None
    return solve(transcript, provenance, config, credit.total, credit.baseline)


def _compared(run: CreditedRun, config: CreditConfig) -> tuple[bool | None, str | None]:
    credit = run.credit
    if credit.status != "credited":
        return None, f"the run is not credited: {credit.status}"
    if credit.replay is not None:
        return None, "replays decided: their coalitions are computed again apart from this"
    if "+" in credit.method:
        return None, "other runs of the store took part, as they were then: `credit-hooks score` computes all of them"
    again = assign_credit(run.trajectory, config)
    if again.messages == credit.messages and again.agents == credit.agents:
        return True, None
    return False, "the stored rewards are not those that this version computes from the run and its settings"


def _formula(method: str) -> str:
    *_, base, level = ["", "", *method.split(".")]
    name = base if base in _FORMULAS else level
    return _FORMULAS.get(name.partition("+")[0], "").format(level=level.partition("+")[0].capitalize())


def _messages(
    run: CreditedRun, transcript: Transcript, provenance: Provenance, solution: Solution | None
) -> tuple[MessageExplanation, ...]:
    stored = run.credit.messages
    errors = _errors(run.credit, transcript, solution)
    found: dict[int, MessageExplanation] = {}
    for m, message in enumerate(transcript.messages):
        share = 0.0 if solution is None else float(solution.shares.share[m])
        settled = 0.0 if solution is None else float(solution.rewards[m])
        found[transcript.listed[m]] = MessageExplanation(
            message_id=message.id,
            index=message.index,
            actor_id=message.actor_id,
            standing=_standing(m, transcript, provenance),
            parts={} if solution is None else {name: float(part[m]) for name, part in solution.shares.parts.items()},
            share=share,
            shift=settled - run.credit.total * share,
            reward=stored[transcript.listed[m]].reward if stored else None,
            first_error=None if errors is None else float(errors[m]),
        )
    return tuple(found[place] for place in sorted(found))


def _errors(credit: Credit, transcript: Transcript, solution: Solution | None) -> Vector | None:
    if solution is not None:
        return None if solution.case is None else posterior(solution.case)
    stored = None if credit.first_error is None else credit.first_error.posterior
    return np.asarray(stored) if stored and len(stored) == len(transcript.messages) else None


def _standing(position: int, transcript: Transcript, provenance: Provenance) -> Standing:
    if provenance.players[position]:
        return "player"
    if provenance.inputs[position]:
        return "input"
    return "duplicate id" if transcript.is_duplicate(position) else "not read by the answer"
