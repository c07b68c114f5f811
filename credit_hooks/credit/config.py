"""What can be chosen about crediting: :class:`CreditConfig`."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, InstanceOf, JsonValue

from credit_hooks.failure.bisection import ProbeNoise
from credit_hooks.failure.localiser import Localiser
from credit_hooks.failure.step_scoring import StepScoring
from credit_hooks.language import ENGLISH, Language

__all__ = [
    "CUSTOM_LANGUAGE",
    "DEFAULT_BASELINE",
    "Baseline",
    "CreditConfig",
    "Level",
    "Method",
    "Players",
    "Potential",
    "Relation",
]

Method: TypeAlias = Literal["auto", "reader_vote", "provenance", "reachability", "flow", "replay", "step_scores"]
Level: TypeAlias = Literal["owen", "shapley"]
Players: TypeAlias = Literal["messages", "agents"]
Relation: TypeAlias = Literal["consumed", "visible", "scheduled"]
Potential: TypeAlias = Literal["rewards", "expected_step"]
Baseline: TypeAlias = Annotated[float, Field(ge=0.0, le=1.0)] | Literal["running", "group"]

CUSTOM_LANGUAGE = "custom_language"
"""In :attr:`CreditConfig.settings`: the language is not the default one, and is no data."""

DEFAULT_BASELINE = 0.5
"""Expected outcome of a run of which nothing is known."""


class CreditConfig(BaseModel):
    """How credit is assigned. Frozen; the defaults are what the documentation calls "the default"."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)

    method: Method = "auto"
    """The value function. `auto`: `reader_vote` where messages say something, else `provenance`. `reader_vote`: what
    the messages say decides sign and size among those that provenance admits. `provenance`: path mass in the provenance
    graph, never negative. `reachability`: agents by whether the answer is still reached without them. `flow`: shares of
    those who hold the answer's numbers and entities, an agent's repetitions at a tenth; for training, where the default
    can be gamed by repeating the answer. `step_scores`: the growth of the run's step scores, errors negative and
    repairs positive; as `auto` where the run has none. `replay`: the outcomes of the run repeated without some of its
    messages. It needs `replay=` of the callback or of `instrument`; `assign_credit` itself repeats nothing, and does as
    `auto`."""
    level: Level = "owen"
    """`owen`: orders keep the messages of an agent together, so they sum to the agent's Shapley value. `shapley`:
    every message is a player of its own."""
    players: Players = "messages"
    """What `replay` leaves out: single messages, or all that an agent says, which is cheaper; then the credit of an
    agent is shared among its messages as `auto` shares it, plus the same amount for each."""
    budget: int = Field(default=128, ge=1)
    """Coalitions that `replay` may evaluate, each a run of the team in which only what changed is called."""
    tolerance: float | None = Field(default=None, gt=0.0)
    """Where `replay` stops early: when all values are this close with 95% confidence. None: it spends the budget."""
    repeats: int = Field(default=1, ge=1)
    """Evaluations of each coalition by `replay`, with fresh replies of the models. 1: one, or four where outcomes are
    seen to vary; if `budget` has no room for that, standard errors are 1, which stands for "not known"."""
    baseline: Baseline = DEFAULT_BASELINE
    """Expected outcome b before the run. `running`: mean of this graph's runs so far; `group`: mean of the task's
    other runs. Both need a :class:`credit_hooks.credit.BaselineTracker`, which the pipeline keeps. `Outcome.baseline`
    wins. With `replay`, unless it is stated here or there, b is the outcome that the team reaches with everyone
    masked."""
    relation: Relation = "consumed"
    """Which reads make a parent. `consumed`: what the model or tool was given, where known, else what was visible.
    `visible`: what the author could see. `scheduled`: as `consumed`, and what caused the step to run."""
    potential: Potential = "rewards"
    """What `Credit.turns` splits in a failed run. `rewards`: the rewards of each turn's messages, so that turns sum to
    `Credit.agents`. `expected_step`: the growth of the probability that the first error has happened."""
    localiser: Localiser | None = None
    """Names the first error of a failed run, as fitted on the team's own labelled failures
    (:func:`credit_hooks.credit.fit_localiser`, `credit-hooks localise fit`). None: evidence rules do."""
    probe_noise: ProbeNoise = ProbeNoise()
    """How far replays that the run is labelled with can be trusted in naming the first error."""
    step_scoring: InstanceOf[StepScoring] | None = Field(default=None, exclude=True)
    """Scores the steps of failed runs after they have ended, with a process reward model or a judge. Used by the
    callbacks and `instrument`; `assign_credit` itself asks nobody and reads the scores that a run carries as labels."""
    language: InstanceOf[Language] = Field(default=ENGLISH, exclude=True)
    """The language-dependent parts."""
    low_evidence: float = Field(default=0.3, ge=0.0, le=1.0)
    """Below this weight w of the votes, the credit is marked as resting on little."""
    max_messages: int = Field(default=100_000, ge=1)
    """Runs with more messages are not credited (status `overflow`)."""
    max_characters: int = Field(default=12_000, ge=2)
    """Longer messages are read at both ends only, half from each."""

    @property
    def settings(self) -> dict[str, JsonValue]:
        """What differs from the defaults, as JSON: what it takes to compute a run's credit again."""
        chosen: dict[str, JsonValue] = self.model_dump(mode="json", exclude_defaults=True)
        return chosen if self.language is ENGLISH else {**chosen, CUSTOM_LANGUAGE: True}
