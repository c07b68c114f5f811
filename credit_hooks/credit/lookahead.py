"""Multi-step lookahead that conserves: what shows in a message is owed to what it was built on, too.

A change delta_j at message j is shared with the messages that led to it: a share 1 - d stays, the rest moves to the
messages that j read, all alike, and so on for at most K hops. That is x = P delta with a column-stochastic P over the
provenance ancestors within K hops: nothing is added or lost, so the sum stays R - b. Credit is then
lambda r + (1 - lambda) P delta, projected into its bounds.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import fsum

import numpy as np
from numpy.typing import NDArray

from credit_hooks.credit.config import CreditConfig
from credit_hooks.credit.project import project
from credit_hooks.credit.provenance import Provenance
from credit_hooks.credit.temporal import turn_matrix, turns_of
from credit_hooks.credit.transcript import Transcript
from credit_hooks.errors import ConfigurationError
from credit_hooks.rewards import Credit, CreditedRun

__all__ = ["spread", "with_lookahead"]

_DEFAULT = CreditConfig()
_CONSERVED = 1e-9

Vector = NDArray[np.float64]


def spread(delta: Vector, provenance: Provenance, *, hops: int = 2, decay: float = 0.5) -> Vector:
    """P delta, shape (M,), with the same sum.

    Only players receive anything: what reaches a message that read none stays there. O(hops x (messages + reads)).

    Args:
        delta: Change at each message, shape (M,).
        provenance: Who read what.
        hops: K, the furthest that a change is carried back. 0: P is the identity.
        decay: d in [0, 1], the share that moves on at every hop.

    Raises:
        ConfigurationError: an option cannot work.
    """
    if hops < 0 or not 0.0 <= decay <= 1.0 or delta.shape != provenance.players.shape:
        raise ConfigurationError("lookahead needs hops >= 0, a decay in [0, 1] and one change per message")
    behind = _players_behind(provenance)
    settled, moving = np.zeros(len(delta)), delta.astype(np.float64)
    for _ in range(hops):
        leaving = decay * moving
        arrived = _moved(leaving, provenance, behind)
        settled += moving - leaving
        moving = arrived
    return settled + moving


def with_lookahead(
    run: CreditedRun,
    *,
    hops: int = 2,
    decay: float = 0.5,
    mix: float = 0.5,
    growth: Mapping[str, float] | None = None,
    config: CreditConfig = _DEFAULT,
) -> Credit:
    """The run's credit with lookahead: messages, agents and turns, all with the sum that they had.

    Args:
        run: A credited run; by replay as well as by any other method.
        hops: As for :func:`spread`.
        decay: As for :func:`spread`.
        mix: lambda in [0, 1], the share of the credit that stays as it was.
        growth: Change at each message by id, such as of step scores (:func:`credit_hooks.failure.telescoped_rewards`);
            sums to R - b. None: the rewards themselves.
        config: How provenance is read.

    Returns:
        Credit whose method ends in `.lookahead`. Standard errors are upper bounds, as covariances are not known. A run
        without credit of messages comes back as it is.

    Raises:
        ConfigurationError: an option cannot work, or the growth does not sum to R - b.
    """
    if not 0.0 <= mix <= 1.0:
        raise ConfigurationError(f"mix is a share from 0 to 1, not {mix}")
    credit = run.credit
    if not any(reward.reward for reward in credit.messages):
        return credit
    transcript = Transcript.of(run.trajectory)
    provenance = Provenance.of(transcript, config.relation)
    listed = [credit.messages[place] for place in transcript.listed]
    rewards = np.array([reward.reward or 0.0 for reward in listed])
    delta = rewards if growth is None else _growth(growth, transcript, float(rewards.sum()))
    mixed = project(mix * rewards + (1.0 - mix) * spread(delta, provenance, hops=hops, decay=decay))
    errors = np.array([reward.std_err or 0.0 for reward in listed])
    bounds = mix * errors + (1.0 - mix) * spread(errors, provenance, hops=hops, decay=decay)
    messages = list(credit.messages)
    for place, reward, error in zip(transcript.listed, mixed.tolist(), bounds.tolist(), strict=True):
        messages[place] = messages[place].model_copy(update={"reward": reward, "std_err": error or None})
    agents = {agent: fsum(r.reward or 0.0 for r in messages if r.actor_id == agent) for agent in credit.agents}
    return credit.model_copy(
        update={
            "messages": tuple(messages),
            "agents": agents,
            "turns": turn_matrix(transcript, turns_of(transcript, provenance), mixed),
            "method": f"{credit.method}.lookahead",
        }
    )


def _growth(growth: Mapping[str, float], transcript: Transcript, total: float) -> Vector:
    unknown = sorted(growth.keys() - transcript.at.keys())
    if unknown:
        raise ConfigurationError(f"growth names message {unknown[0]!r}, which the run does not have")
    if abs(fsum(growth.values()) - total) > _CONSERVED:
        raise ConfigurationError(f"growth sums to {fsum(growth.values()):g}, and the run's credit to {total:g}")
    result = np.zeros(len(transcript.messages))
    for message_id, value in growth.items():
        result[transcript.at[message_id]] = value
    return result


def _players_behind(provenance: Provenance) -> list[int]:
    """Players that a source leads to directly: 1 or 0 for a message, for a read set those in it."""
    messages = len(provenance.players)
    behind = [0] * len(provenance.sources)
    for node in range(messages):
        behind[node] = int(provenance.players[node])
    for node in provenance.order:
        if node >= messages:
            behind[node] = sum(behind[source] for source in provenance.sources[node])
    return behind


def _moved(leaving: Vector, provenance: Provenance, behind: list[int]) -> Vector:
    """What leaves each message, where it arrives one hop back; readers come before what they read."""
    messages = len(provenance.players)
    arrived = np.zeros(messages)
    carried = [0.0] * len(provenance.sources)
    in_cone = np.zeros(messages, bool)
    for node in reversed(provenance.order):
        amount = carried[node]
        if node < messages:
            in_cone[node] = True
            amount = float(leaving[node])
        reach = sum(behind[source] for source in provenance.sources[node])
        if not reach:
            if node < messages:
                arrived[node] += amount
            continue
        for source in provenance.sources[node]:
            share = amount * behind[source] / reach
            if source < messages:
                arrived[source] += share
            else:
                carried[source] += share
    arrived[~in_cone] += leaving[~in_cone]
    return arrived
