"""Bayesian bisection: finds the first error by redoing the run from chosen steps, under noise.

A probe of step t keeps the steps before t as they were, does t and everything after it anew, and looks whether the run
succeeds. If the first error is at t or later, what was kept is sound, and the run succeeds with probability `success`;
otherwise with `false_success`. The next probe is the one whose answer is expected to say most about the place
(mutual information; probabilistic bisection, Horstein 1963; Burnashev and Zigangirov 1974). Plain bisection instead
believes every answer: one wrong one, by luck or by a later repair, and it ends elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from credit_hooks.errors import ConfigurationError

__all__ = ["DEFAULT_NOISE", "Bisection", "Observation", "Probe", "ProbeNoise", "bisect", "probe_likelihood"]

Vector = NDArray[np.float64]

Probe: TypeAlias = Callable[[int], bool | float | None]
"""`probe(t)`: with steps 0..t-1 kept and step t and all after it done anew, does the run succeed?

True or False; the probability or share of successes of several tries, in [0, 1]; None if it could not be found out,
which costs the call and says nothing."""

Stopped: TypeAlias = Literal["confident", "budget", "nothing_to_ask"]

_CLIP: Final = 1e-3  # no answer is certain: a probability of 0 could never be taken back
_LEAST_BITS: Final = 1e-6


@dataclass(frozen=True, slots=True)
class ProbeNoise:
    """How far the answer of a probe can be trusted."""

    success: float = 0.9
    """P(success) where everything kept is sound. Below 1: what is done anew may go wrong by itself."""
    false_success: float = 0.1
    """P(success) where the first error was kept. Above 0: later steps may repair it."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.false_success < self.success <= 1.0:
            raise ConfigurationError(
                f"a probe has to succeed more often without the error: 0 <= false_success < success <= 1, "
                f"not {self.false_success} and {self.success}"
            )

    def majority(self, tries: int) -> ProbeNoise:
        """The noise of the majority of so many independent tries, an odd number."""
        return ProbeNoise(_tail(tries, self.success), _tail(tries, self.false_success))


DEFAULT_NOISE: Final = ProbeNoise()


class Observation(NamedTuple):
    """One answer."""

    step: int
    """t."""
    success: float
    """What came back, 0 to 1."""
    calls: int = 1
    """Probes spent on it."""


@dataclass(frozen=True)
class Bisection:
    """Where the first error is, after probing."""

    position: int
    """The most probable step; of equals the earliest."""
    probability: float
    """Its posterior probability."""
    posterior: Vector
    """P(first error = t), shape (T,), sum 1."""
    observations: tuple[Observation, ...]
    """What was asked and answered, in order."""
    calls: int
    """Probes spent, unanswered ones included."""
    stopped: Stopped
    """Why it ended. `nothing_to_ask`: no further answer could say anything."""


def bisect(
    prior: Vector,
    probe: Probe,
    *,
    noise: ProbeNoise | Sequence[ProbeNoise] = DEFAULT_NOISE,
    confidence: float = 0.9,
    budget: int = 16,
    tries: int = 1,
    repeatable: bool = True,
) -> Bisection:
    """Probe until one step is probable enough, or the budget is spent.

    Args:
        prior: P(first error = t) before any probe, shape (T,), sum 1: from evidence rules, a localiser, step scores.
        probe: Redoes the run from a step. Only steps 1..T-1 are asked: redoing everything says nothing of the place.
        noise: How far answers can be trusted; several: equally probable at first, and learnt on the way.
        confidence: Stop at this posterior probability of one step.
        budget: Calls of `probe` at most.
        tries: Ask each time until this odd number has a majority, which counts as one answer.
        repeatable: Whether asking the same step again is news. False for a deterministic replay: no step twice.

    Raises:
        ConfigurationError: the prior is no distribution, or an option cannot work.
    """
    _check(prior, confidence, budget, tries)
    models = [noise] if isinstance(noise, ProbeNoise) else list(noise)
    asked = [model.majority(tries) if tries > 1 else model for model in models]
    joint = np.tile(prior / len(asked), (len(asked), 1))
    observations: list[Observation] = []
    closed: set[int] = set()
    calls = 0
    stopped: Stopped = "budget"
    while calls < budget:
        if joint.sum(axis=0).max() >= confidence:
            break
        step = _most_informative(joint, asked, closed)
        if step is None:
            stopped = "nothing_to_ask"
            break
        success, spent = _ask(probe, step, tries, budget - calls)
        calls += spent
        if success is None or not repeatable:
            closed.add(step)
        if success is not None:
            observations.append(Observation(step, success, spent))
            # An answer cut short by the budget is a single one, not a majority.
            trusted = asked if spent > tries // 2 or tries == 1 else models
            joint = _updated(joint, trusted, observations[-1])
    posterior = joint.sum(axis=0)
    best = int(posterior.argmax())
    if posterior[best] >= confidence:
        stopped = "confident"
    return Bisection(best, min(float(posterior[best]), 1.0), posterior, tuple(observations), calls, stopped)


def probe_likelihood(steps: int, observations: Sequence[Observation], noise: ProbeNoise = DEFAULT_NOISE) -> Vector:
    """Likelihood of answers if the first error is at t, for every t, scaled to a maximum of 1; shape (steps,)."""
    log = np.zeros((1, steps))
    for observation in observations:
        log = log + _log_likelihood(steps, [noise], observation)
    result: Vector = np.exp(log[0] - log.max())
    return result


def _check(prior: Vector, confidence: float, budget: int, tries: int) -> None:
    if prior.ndim != 1 or not prior.size or not (prior >= 0).all() or abs(prior.sum() - 1.0) > 1e-9:
        raise ConfigurationError("a prior over steps is not empty, not negative, and sums to 1")
    if not 0.0 < confidence <= 1.0:
        raise ConfigurationError(f"confidence is a probability above 0, not {confidence}")
    if budget < 0 or tries < 1 or tries % 2 == 0:
        raise ConfigurationError(f"budget is 0 or more and tries an odd number, not {budget} and {tries}")


def _ask(probe: Probe, step: int, tries: int, left: int) -> tuple[float | None, int]:
    """The answer and the calls it took: the first one where there is no majority within what is left."""
    answers: list[float] = []
    spent = 0
    while spent < min(tries, left):
        answer = probe(step)
        spent += 1
        if answer is None:
            continue
        answers.append(_checked(answer))
        if tries > 1 and max(sum(answers), len(answers) - sum(answers)) > tries / 2:
            return float(sum(answers) > tries / 2), spent
    if not answers:
        return None, spent
    return (answers[0] if tries == 1 else float(sum(answers) * 2 > len(answers))), spent


def _checked(answer: bool | float) -> float:
    value = float(answer)
    if not 0.0 <= value <= 1.0:
        raise ConfigurationError(f"a probe answers True, False, None or a number from 0 to 1, not {answer!r}")
    return value


def _log_likelihood(steps: int, models: Sequence[ProbeNoise], observation: Observation) -> NDArray[np.float64]:
    """Log P(answer | first error at t) per model and t, shape (K, T)."""
    sound = np.arange(steps) >= observation.step
    high = np.clip([[model.success] for model in models], _CLIP, 1.0 - _CLIP)
    low = np.clip([[model.false_success] for model in models], _CLIP, 1.0 - _CLIP)
    rate = np.where(sound, high, low)
    result: NDArray[np.float64] = observation.success * np.log(rate) + (1.0 - observation.success) * np.log1p(-rate)
    return result


def _updated(joint: NDArray[np.float64], models: Sequence[ProbeNoise], observation: Observation) -> NDArray[np.float64]:
    product = joint * np.exp(_log_likelihood(joint.shape[1], models, observation))
    result: NDArray[np.float64] = product / product.sum()
    return result


def _most_informative(joint: NDArray[np.float64], models: Sequence[ProbeNoise], closed: set[int]) -> int | None:
    """The step whose answer has the most mutual information with the place; of equals the earliest."""
    sound = joint[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:]  # P(model, first error >= t) for t = 1..T-1
    kept = joint.sum(axis=1, keepdims=True) - sound
    high = np.array([[model.success] for model in models])
    low = np.array([[model.false_success] for model in models])
    rate_sound, rate_kept = (sound * high).sum(axis=0), (kept * low).sum(axis=0)
    p_sound, p_kept = sound.sum(axis=0), kept.sum(axis=0)
    # Given the place, the answer depends on it through "kept or sound" alone, up to what is unknown of the noise.
    gain = _entropy(rate_sound + rate_kept)
    gain -= p_sound * _entropy(rate_sound / np.maximum(p_sound, 1e-300))
    gain -= p_kept * _entropy(rate_kept / np.maximum(p_kept, 1e-300))
    for step in closed:
        gain[step - 1] = -math.inf
    if not gain.size or gain.max() <= _LEAST_BITS:
        return None
    return int(gain.argmax()) + 1


def _entropy(probability: Vector) -> Vector:
    p = np.clip(probability, 1e-12, 1.0 - 1e-12)
    result: Vector = -(p * np.log2(p) + (1.0 - p) * np.log2(1.0 - p))
    return result


def _tail(tries: int, probability: float) -> float:
    """P(more than half of so many tries succeed)."""
    return sum(
        math.comb(tries, k) * probability**k * (1.0 - probability) ** (tries - k)
        for k in range(tries // 2 + 1, tries + 1)
    )
