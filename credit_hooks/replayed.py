"""What replays found, as data: every coalition evaluated and what it was worth, enough to compute the credit again."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from credit_hooks.parts import FrozenModel

__all__ = ["ReplayCosts", "ReplayRecord", "ReplayedPlayer"]


class ReplayedPlayer(FrozenModel):
    """What was kept or masked as a whole, and what it earned."""

    actor_id: str
    """The author. Its players are one union where `ReplayRecord.unions` is True."""
    message_ids: tuple[str, ...]
    """Its messages; several where only all of them together can be masked."""
    value: float
    """Shapley or Owen value, before it is shared among the messages and bounded."""
    std_err: float | None = None
    """Standard error of the value. None: it is exact, given the replies that were drawn."""


class ReplayCosts(FrozenModel):
    """What the replays took."""

    system_runs: int = 0
    """Times that the team was run again, the unchanged replay included."""
    live_calls: int = 0
    """Units of work (nodes, model calls) that were executed, as their inputs were new."""
    pinned_calls: int = 0
    """Units of work that were answered from what was recorded, in this run or an earlier replay."""
    model_calls: int = 0
    """Model calls made."""
    model_calls_saved: int = 0
    """Model calls that pinned units made when they were recorded, and that were not made again."""
    input_tokens: int = 0
    """Prompt tokens of the calls made, as far as the models report them."""
    output_tokens: int = 0
    """Completion tokens of the calls made."""


class ReplayRecord(FrozenModel):
    """A game that was played by replays: its players, the coalitions evaluated in order, and how values follow.

    :func:`credit_hooks.replay.recompute` gives the same values from it to the last bit.
    """

    version: Literal["1"] = "1"
    """Version of this record."""
    substitute: str
    """What speaks for those who are masked."""
    players: tuple[ReplayedPlayer, ...]
    """Players 0..n-1."""
    unions: bool
    """True: orders keep the players of an actor together (Owen). False: every player stands alone (Shapley)."""
    ends: tuple[float, float]
    """v(∅), v(N). v(∅) is the outcome with everyone masked, or a baseline that was declared; v(N) the run's outcome."""
    empty_is: Literal["replayed", "declared"] = "replayed"
    """Where v(∅) comes from."""
    coalitions: tuple[str, ...] = ()
    """Coalitions evaluated, in order, repeats included: hexadecimal numbers whose bit i says that player i was kept."""
    values: tuple[float | None, ...] = ()
    """Outcome of each. None: it has none, `failures` may say why."""
    failures: dict[str, str] = {}
    """Coalition to why it has no value, at most 20 of them."""
    cut_short: str | None = None
    """Why no more coalitions were evaluated. None: the budget, the tolerance, or all of them are known."""
    stopped: Literal["exact", "tolerance", "budget", "exhausted", "failed"]
    """Why the estimate ended, as the estimator says."""
    estimator: Literal["gp", "leverage", "permutation"] = "gp"
    """How values follow from coalitions."""
    budget: int = Field(ge=0)
    """Evaluations allowed; v(∅), and those that only showed that outcomes do not vary, are not counted."""
    repeats: int = Field(default=1, ge=1)
    """Evaluations of each coalition: as asked for, or more where outcomes were seen to vary."""
    noise: float | None = None
    """Standard deviation of one evaluation, as found by drawing replies anew. None: nobody looked, or outcomes were not
    seen to vary."""
    tolerance: float | None = None
    """Precision at which the estimator may stop early. None: it spends the budget."""
    seed: int = 0
    """Of the choice of coalitions."""
    prior: tuple[float, ...] | None = None
    """Values believed before any replay, one per player: what the messages say. None: no prior."""
    costs: ReplayCosts = ReplayCosts()
    """What it took."""
