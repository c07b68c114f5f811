"""`Localiser`: a conditional logit over the messages of a failed run, fitted on a team's own labelled failures.

**It does not transfer.** What gives an error away differs between teams and between annotators: a localiser fitted on
one team is no better than the rules on another, and may be worse. Fit it on failures of the team it is for, and quote
its cross-validated accuracy beside the baselines that stand with it in `Localiser.validation`.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Final, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError, field_validator

from credit_hooks.errors import ConfigurationError
from credit_hooks.failure.features import FEATURES, FeatureTable
from credit_hooks.failure.logit import Choices, choice_probabilities, fit_weights, log_loss
from credit_hooks.parts import FrozenModel

__all__ = ["DOES_NOT_TRANSFER", "FeatureWeight", "Localiser", "Validation"]

Vector = NDArray[np.float64]

DOES_NOT_TRANSFER: Final = (
    "Fitted on the failures of one team, by one way of labelling. It does not transfer to other teams: "
    "fit again on failures of the team in question."
)
_PENALTIES: Final = (1.0, 3.0, 10.0, 30.0)
_INNER_FOLDS: Final = 5
_MIN_RUNS: Final = 5


class FeatureWeight(FrozenModel):
    """One feature of a localiser."""

    name: str
    """Name, as in `credit_hooks.failure.FEATURES`."""
    version: int
    """Version of its meaning."""
    mean: float
    """Mean over the training candidates."""
    scale: float = Field(gt=0.0)
    """Standard deviation over the training candidates; 1 where it was 0."""
    weight: float
    """Change of log-odds per standard deviation."""


class Validation(FrozenModel):
    """Accuracy on runs that were held out, whole tasks at a time, beside what needs no method. Shares from 0 to 1."""

    runs: int
    """Runs held out, each once."""
    step: float
    """The labelled message itself is named."""
    top_3: float
    """It is among the three most probable."""
    log_loss: float
    """Mean of -log P(labelled message), in nats, over runs where it was a candidate."""
    uniform_step: float
    """Expected accuracy of naming a candidate at random."""
    constant_step: float
    """Accuracy of naming always the position that is labelled most often in the runs not held out."""


class Localiser(FrozenModel):
    """P(first error = m) by features of the messages. Frozen data; the same runs give the same localiser."""

    format: Literal["credit_hooks.localiser/1"] = "credit_hooks.localiser/1"
    """What this is, for readers of the file."""
    features: tuple[FeatureWeight, ...]
    """What it looks at."""
    l2: float = Field(gt=0.0)
    """Penalty it was fitted with."""
    runs: int
    """Labelled runs it was fitted on."""
    left_out: int = 0
    """Labelled runs it was not fitted on, as their label names no candidate."""
    validation: Validation | None = None
    """Accuracy on held-out tasks. None: too few tasks to hold any out."""
    note: str = DOES_NOT_TRANSFER
    """What to know before using it."""

    @field_validator("features")
    @classmethod
    def _known(cls, features: tuple[FeatureWeight, ...]) -> tuple[FeatureWeight, ...]:
        for feature in features:
            if FEATURES.get(feature.name) != feature.version:
                raise ValueError(
                    f"feature {feature.name}/{feature.version} is not what this version of credit-hooks computes "
                    f"({feature.name}/{FEATURES.get(feature.name, '-')}): fit the localiser again"
                )
        return features

    @classmethod
    def fit(
        cls,
        runs: Sequence[FeatureTable],
        labels: Sequence[int],
        *,
        groups: Sequence[Hashable] | None = None,
        l2: float | None = None,
        folds: int = 10,
    ) -> Self:
        """Fit on labelled failures. For trajectories use :func:`credit_hooks.credit.fit_localiser`.

        Args:
            runs: Features of the failed runs.
            labels: Position of the first error in each.
            groups: Task of each run: those of a task are held out together. None: every run is a task of its own.
            l2: Penalty. None: the one of 1, 3, 10, 30 with the least cross-validated log loss.
            folds: Parts for `validation`, at most; 0 leaves it out.

        Raises:
            ConfigurationError: fewer than 5 runs whose label names a candidate, or lengths that differ.
        """
        tasks = list(range(len(runs))) if groups is None else list(groups)
        if not len(runs) == len(labels) == len(tasks):
            raise ConfigurationError("fit needs one label, and one group if any, for each run")
        usable = [i for i, run in enumerate(runs) if _is_candidate(run, labels[i])]
        if len(usable) < _MIN_RUNS:
            raise ConfigurationError(
                f"only {len(usable)} labelled failures name a message that can be to blame; a localiser needs "
                f"{_MIN_RUNS} at least, and says little below 20. Label more: credit-hooks review"
            )
        kept, at, of = [runs[i] for i in usable], [labels[i] for i in usable], [tasks[i] for i in usable]
        penalty = _best_penalty(kept, at, of) if l2 is None else l2
        mean, scale = _moments(kept)
        weights = fit_weights(_choices(kept, at, mean, scale), l2=penalty)
        features = tuple(
            FeatureWeight(name=name, version=version, mean=float(m), scale=float(s), weight=float(w))
            for (name, version), m, s, w in zip(FEATURES.items(), mean, scale, weights, strict=True)
        )
        validation = _validation(runs, labels, tasks, l2, folds) if folds else None
        return cls(
            features=features, l2=penalty, runs=len(usable), left_out=len(runs) - len(usable), validation=validation
        )

    def probability(self, run: FeatureTable) -> Vector:
        """P(first error = m) for every message, shape (M,), sum 1; all 0 where no message is a candidate."""
        result = np.zeros(len(run.candidates))
        if run.candidates.any():
            weights = np.array([feature.weight / feature.scale for feature in self.features])
            values = run.columns(tuple(feature.name for feature in self.features))[run.candidates]
            result[run.candidates] = choice_probabilities(values @ weights, np.zeros(1, np.intp))
        return result

    def to_json(self) -> str:
        """The localiser as a JSON document, to be read back by :meth:`from_json` to the last bit."""
        return self.model_dump_json(indent=2)

    @classmethod
    def from_json(cls, document: str | bytes) -> Self:
        """Read what :meth:`to_json` wrote.

        Raises:
            ConfigurationError: it is no localiser, or its features mean something else by now.
        """
        try:
            return cls.model_validate_json(document)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "document"
            raise ConfigurationError(f"this is no localiser that can be used here: {where}: {first['msg']}") from error


def _is_candidate(run: FeatureTable, label: int) -> bool:
    return 0 <= label < len(run.candidates) and bool(run.candidates[label])


def _moments(runs: Sequence[FeatureTable]) -> tuple[Vector, Vector]:
    rows = np.concatenate([run.values[run.candidates] for run in runs])
    scale = rows.std(axis=0)
    return rows.mean(axis=0), np.where(scale > 1e-12, scale, 1.0)


def _choices(runs: Sequence[FeatureTable], labels: Sequence[int], mean: Vector, scale: Vector) -> Choices:
    sizes = np.array([int(run.candidates.sum()) for run in runs])
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.intp)
    chosen = [int(run.candidates[:label].sum()) for run, label in zip(runs, labels, strict=True)]
    rows = np.concatenate([run.values[run.candidates] for run in runs])
    return Choices((rows - mean) / scale, starts, starts + np.array(chosen, np.intp))


def _folds(tasks: Sequence[Hashable], count: int) -> list[list[int]]:
    """Runs of each part: whole tasks, dealt out in the order of their first run."""
    number = {task: place for place, task in enumerate(dict.fromkeys(tasks))}
    parts = min(count, len(number))
    return [[i for i, task in enumerate(tasks) if number[task] % parts == part] for part in range(parts)]


def _best_penalty(runs: Sequence[FeatureTable], labels: Sequence[int], tasks: Sequence[Hashable]) -> float:
    losses = dict.fromkeys(_PENALTIES, 0.0)
    folds = _folds(tasks, _INNER_FOLDS)
    if len(folds) < 2:
        return _PENALTIES[-1]
    for held in folds:
        rest = [i for i in range(len(runs)) if i not in set(held)]
        mean, scale = _moments([runs[i] for i in rest])
        train = _choices([runs[i] for i in rest], [labels[i] for i in rest], mean, scale)
        test = _choices([runs[i] for i in held], [labels[i] for i in held], mean, scale)
        for penalty in _PENALTIES:
            losses[penalty] += log_loss(test, fit_weights(train, l2=penalty))
    return min(losses, key=lambda penalty: (losses[penalty], -penalty))


def _validation(
    runs: Sequence[FeatureTable], labels: Sequence[int], tasks: Sequence[Hashable], l2: float | None, count: int
) -> Validation | None:
    """Everything fitted, the penalty included, anew without each part."""
    scores: list[tuple[float, ...]] = []
    losses: list[float] = []
    for held in _folds(tasks, count):
        rest = [i for i in range(len(runs)) if i not in set(held)]
        if sum(_is_candidate(runs[i], labels[i]) for i in rest) < _MIN_RUNS:
            return None
        args = [runs[i] for i in rest], [labels[i] for i in rest]
        fitted = Localiser.fit(*args, groups=[tasks[i] for i in rest], l2=l2, folds=0)
        usual = np.bincount([labels[i] for i in rest if _is_candidate(runs[i], labels[i])]).argmax()
        for i in held:
            probability, label = fitted.probability(runs[i]), labels[i]
            ranked = np.argsort(-probability, kind="stable")[:3].tolist()
            known = _is_candidate(runs[i], label)
            if known:
                losses.append(-float(np.log(max(probability[label], 1e-300))))
            chance = known / max(1, int(runs[i].candidates.sum()))
            scores.append((ranked[:1] == [label], label in ranked, chance, usual == label))
    step, top_3, uniform, constant = np.mean(scores, axis=0).tolist()
    return Validation(
        runs=len(scores),
        step=step,
        top_3=top_3,
        log_loss=float(np.mean(losses)),
        uniform_step=uniform,
        constant_step=constant,
    )
