"""The best that any choice of probes can reach on the injected faults of injected.py, by exact look-ahead.

    python benchmarks/injected_bound.py

The policy knows how faults, scores and replays are made: steps are equally probable, a score is a normal clipped to
[0, 1], and a replay of n steps in which each slips and is put right with probability s ends right with probability
(1 + (1 - 2s)^n) / 2 if it began right, and 1 minus that if it began wrong. V_0(p) = max_t p_t for the joint p of place
and what was seen; V_k(p) = max over probes of the sum over both answers of V_(k-1). The mean of V_k over score vectors
is the accuracy of the Bayes-optimal policy with k probes: no policy that sees scores and answers alone does better.
The texts of messages are not counted: in this made-up team they would give the fault away by themselves.
"""

from __future__ import annotations

import math

import numpy as np
from injected import STEPS, TEAMS, Fault, Team
from numpy.typing import NDArray

__all__ = ["best_accuracy", "place_and_scores", "replay_rates"]

Array = NDArray[np.float64]


def replay_rates(team: Team) -> tuple[Array, Array]:
    """P(a replay from t succeeds), t = 1..T-1, if what is kept is right, and if it is wrong."""
    if team.slip != team.notice:
        raise ValueError("the formula is for teams that slip as often as they put right")
    memory = (1.0 - 2.0 * team.slip) ** (STEPS - np.arange(1, STEPS))
    return (1.0 + memory) / 2.0, (1.0 - memory) / 2.0


def place_and_scores(team: Team, scores: Array) -> Array:
    """P(first error = t | scores), shape (T,)."""
    good, bad, spread = team.scores
    right, wrong = _log_density(scores, good, spread), _log_density(scores, bad, spread)
    before = np.concatenate([[0.0], right.cumsum()[:-1]])
    log = before + wrong[::-1].cumsum()[::-1]
    posterior: Array = np.exp(log - log.max())
    return posterior / posterior.sum()


def _log_density(scores: Array, mean: float, spread: float) -> Array:
    """Of a normal clipped to [0, 1], which has masses at both ends; constants that cancel are left out."""
    log = -0.5 * ((scores - mean) / spread) ** 2
    log = np.where(scores <= 0.0, math.log(spread * _mass(mean / spread)), log)
    return np.where(scores >= 1.0, math.log(spread * _mass((1.0 - mean) / spread)), log)


def _mass(z: float) -> float:
    """P(N(0, 1) > z), in units of the density that is left out."""
    return math.sqrt(2.0 * math.pi) * 0.5 * math.erfc(z / math.sqrt(2.0))


def best_accuracy(joint: Array, rates: tuple[Array, Array], probes: int) -> Array:
    """V_k of joints of shape (..., T): expected posterior of the place named at the end, shape (...)."""
    if probes == 0:
        best: Array = joint.max(axis=-1)
        return best
    sound, kept = rates
    if probes == 1:
        # An answer scales all places on one side of the probe alike, so the largest of each side is enough.
        early = np.maximum.accumulate(joint, axis=-1)[..., :-1]
        late = np.maximum.accumulate(joint[..., ::-1], axis=-1)[..., ::-1][..., 1:]
        yes = np.maximum(early * kept, late * sound)
        no = np.maximum(early * (1.0 - kept), late * (1.0 - sound))
        last: Array = (yes + no).max(axis=-1)
        return last
    is_sound = np.arange(STEPS) >= np.arange(1, STEPS)[:, None]
    success = np.where(is_sound, sound[:, None], kept[:, None])
    # By first probe, so that what is held at once stays small.
    values = [
        best_accuracy(joint[..., None, :] * row, rates, probes - 1)[..., 0]
        + best_accuracy(joint[..., None, :] * (1.0 - row), rates, probes - 1)[..., 0]
        for row in success
    ]
    result: Array = np.stack(values).max(axis=0)
    return result


def main(runs: int = 160, probes: int = 4) -> None:
    """The bound of the noisy team, on the first of the faults that failures.py measures. Takes minutes."""
    team = TEAMS[1]
    rates = replay_rates(team)
    faults = (Fault(team, np.random.default_rng([7, seed])) for seed in range(runs))
    values = np.array([best_accuracy(place_and_scores(team, fault.scores), rates, probes) for fault in faults])
    error = 1.96 * values.std() / math.sqrt(runs)
    print(f"{team.name} ({runs} faults): at most {values.mean():.3f} ± {error:.3f} with {probes} probes")


if __name__ == "__main__":
    main()
