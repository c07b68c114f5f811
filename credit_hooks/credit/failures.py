"""Failed runs: what is known of each, where the first error is, and how that is learnt and refined."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from credit_hooks.credit.baseline import task_key
from credit_hooks.credit.config import CreditConfig
from credit_hooks.credit.evidence import Evidence
from credit_hooks.credit.provenance import Provenance
from credit_hooks.credit.step_features import step_features
from credit_hooks.credit.transcript import Transcript
from credit_hooks.errors import ConfigurationError
from credit_hooks.failure.bisection import Bisection, Observation, bisect
from credit_hooks.failure.evidence_labels import (
    STEP_SCORE,
    first_error_of,
    observations_of,
    probe_label,
    step_scores_of,
)
from credit_hooks.failure.localise import FailureCase, localise, posterior
from credit_hooks.failure.localiser import Localiser
from credit_hooks.rewards import FirstError
from credit_hooks.trajectory import Label, Trajectory

__all__ = ["failure_case", "first_error", "fit_localiser", "locate_by_replay", "with_labels"]

_DEFAULT = CreditConfig()


def failure_case(evidence: Evidence) -> tuple[FailureCase | None, tuple[str, ...]]:
    """What is known of a failure, and notes. None: nothing is said in words, no hard error shows, nobody scored it."""
    transcript, config = evidence.transcript, evidence.config
    labels = transcript.trajectory.labels
    ids = [message.id for message in transcript.messages]
    scores, notes = step_scores_of(labels, ids)
    notes = (*notes, *_dependence(transcript.trajectory))
    observations = observations_of(labels, ids)
    scored = bool(np.isfinite(scores).any())
    told = scored or bool(observations) or bool(evidence.symptoms)
    if not told and not any(map(transcript.has_voice, evidence.players)):
        return None, notes
    case = FailureCase(
        evidence.blame,
        transcript.author,
        evidence.symptoms,
        evidence.results,
        features=step_features(evidence) if config.localiser is not None else None,
        localiser=config.localiser,
        scores=scores if scored else None,
        observations=observations,
        noise=config.probe_noise,
    )
    return case, notes


def first_error(transcript: Transcript, case: FailureCase) -> FirstError:
    """The first error as the result of crediting states it."""
    found = localise(case)
    message = transcript.messages[found.position]
    reason = None
    if found.symptom is not None:
        shown = transcript.messages[found.symptom]
        reason = f"{case.symptoms[found.symptom]} shows in message {shown.index}, which this message caused"
    return FirstError(
        message_id=message.id,
        actor_id=message.actor_id,
        index=message.index,
        probability=found.probability,
        rule=found.rule,
        reason=reason,
        candidates=tuple((transcript.messages[m].id, probability) for m, probability in found.candidates),
        posterior=tuple(found.posterior.tolist()),
        confidence=found.confidence,
        evidence=found.evidence,
    )


def fit_localiser(
    runs: Iterable[Trajectory], *, config: CreditConfig = _DEFAULT, l2: float | None = None, folds: int = 10
) -> Localiser:
    """A localiser from failed runs that carry a first-error label: from a data set, or from `credit-hooks review`.

    Args:
        runs: Trajectories; those without such a label are passed over.
        config: How they are read.
        l2: See :meth:`credit_hooks.failure.Localiser.fit`.
        folds: As for `l2`. Tasks are held out whole.

    Raises:
        ConfigurationError: too few labels name a message that can be to blame.
    """
    tables, labels, groups = [], [], []
    for run in runs:
        label = first_error_of(run.labels)
        if label is None or label.target_id is None or not run.messages:
            continue
        evidence = _evidence(run, config)
        if evidence.provenance.only_inputs:
            continue  # credit names no first error there
        tables.append(step_features(evidence))
        labels.append(evidence.transcript.at.get(label.target_id, -1))
        groups.append(task_key(run) or f"run:{run.id}")
    return Localiser.fit(tables, labels, groups=groups, l2=l2, folds=folds)


def locate_by_replay(
    trajectory: Trajectory,
    probe: Callable[[str], bool | float | None],
    *,
    config: CreditConfig = _DEFAULT,
    confidence: float = 0.9,
    budget: int = 8,
    tries: int = 1,
    repeatable: bool = True,
) -> tuple[Trajectory, Bisection]:
    """Find the first error of a failed run by doing it anew from chosen messages, all other evidence as prior.

    Args:
        trajectory: The run; step scores and earlier probes that it carries count.
        probe: Called with the id of a message: with everything before it kept, and the turn that wrote it and all
            after it done anew, does the run succeed? See :data:`credit_hooks.failure.Probe`.
        config: How the run is read; `probe_noise` says how far answers can be trusted.
        confidence: Stop at this posterior probability of one turn.
        budget: Calls of `probe` at most.
        tries: See :func:`credit_hooks.failure.bisect`.
        repeatable: As for `tries`.

    Returns:
        The run with the answers as labels, so that :func:`assign_credit` counts them without asking again; and the
        bisection over its turns: messages next to each other that one step wrote are one turn.

    Raises:
        ConfigurationError: nothing in the run can be to blame, or an option cannot work.
    """
    evidence = _evidence(trajectory, config) if trajectory.messages else None
    case = None if evidence is None or evidence.provenance.only_inputs else failure_case(evidence)[0]
    if evidence is None or case is None:
        raise ConfigurationError(
            f"run {trajectory.id!r} says nothing that could be to blame: there is nothing to bisect"
        )
    transcript = evidence.transcript
    starts = _turn_starts(transcript)
    prior = np.add.reduceat(posterior(case), starts)
    ids = [transcript.messages[start].id for start in starts]
    found = bisect(
        prior,
        lambda turn: probe(ids[turn]),
        noise=config.probe_noise,
        confidence=confidence,
        budget=budget,
        tries=tries,
        repeatable=repeatable,
    )
    return with_labels(trajectory, (_label(ids, observation) for observation in found.observations)), found


def with_labels(trajectory: Trajectory, labels: Iterable[Label]) -> Trajectory:
    """A copy with more labels."""
    return trajectory.model_copy(update={"labels": (*trajectory.labels, *labels)})


def _dependence(trajectory: Trajectory) -> tuple[str, ...]:
    """A note where a model has judged its own work."""
    written = {actor.model for actor in trajectory.actors} | {step.model for step in trajectory.steps}
    judges = {label.source: label.annotator for label in trajectory.labels if label.name == STEP_SCORE}
    return tuple(
        f"step scores of {judges[model]} are by a model that also wrote in this run: they may share its mistakes"
        for model in sorted(written & judges.keys() - {None}, key=str)
    )


def _label(ids: list[str], observation: Observation) -> Label:
    return probe_label(ids[observation.step], observation)


def _turn_starts(transcript: Transcript) -> list[int]:
    steps = transcript.step_of
    return [m for m in range(len(steps)) if m == 0 or steps[m] is None or steps[m] != steps[m - 1]]


def _evidence(trajectory: Trajectory, config: CreditConfig) -> Evidence:
    transcript = Transcript.of(trajectory)
    return Evidence(transcript, Provenance.of(transcript, config.relation), config)
