"""Labels that come in files of their own, joined to the runs they speak of.

TRAIL: `{trace_id, errors[{location, category, ...}], scores[...]}`, joined by the trace's id, targets are spans.
AgentRx: `[{trajectory_id, failures[{failure_id, step_number (from 1), ...}], root_cause}]`, joined by the task's id.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from credit_hooks.anyvalue import integer, json_value, text
from credit_hooks.errors import TrajectoryError
from credit_hooks.trajectory import Label, Trajectory
from credit_hooks_adapters.files import documents, json_files

__all__ = ["read_annotations", "trail_labels", "with_labels"]

_TRAIL: Final = "trail"
_AGENTRX: Final = "agentrx"


def read_annotations(paths: Iterable[Path]) -> dict[str, list[Any]]:
    """Annotations of files and folders, by the id of the run or task that they speak of.

    Raises:
        TrajectoryError: a file cannot be read, or holds no annotations of a known form; names the file.
    """
    found: dict[str, list[Any]] = {}
    for path in paths:
        for file in json_files(path) if path.is_dir() else [path]:
            entries = [
                entry for document in documents(file) for entry in _entries(document, file.name.partition(".")[0])
            ]
            if not entries:
                raise TrajectoryError(f"{file}: no annotations: neither TRAIL's errors nor AgentRx's failures")
            for key, entry in entries:
                found.setdefault(key, []).append(entry)
    return found


def with_labels(runs: Iterable[Trajectory], found: Mapping[str, Sequence[Any]]) -> Iterator[Trajectory]:
    """The runs, each with the labels that its annotations state beside its own."""
    for run in runs:
        entries = [entry for key in (run.id, run.task_id) if key is not None for entry in found.get(key, ())]
        labels = [label for entry in entries for label in (*trail_labels(entry, run), *_failure_labels(entry, run))]
        yield run.model_copy(update={"labels": (*run.labels, *labels)}) if labels else run


def _entries(document: Any, stem: str) -> list[tuple[str, Any]]:
    """Each annotation of a document with the id of what it speaks of; the name of the file says it for one without."""
    items = document if isinstance(document, list) else [document]
    found = []
    for item in items:
        if not isinstance(item, Mapping) or not ("errors" in item or "failures" in item):
            continue
        stated = item.get("trace_id" if "errors" in item else "trajectory_id")
        number = integer(stated)
        found.append((text(stated) or (stem if number is None else str(number)), item))
    return found


# --- TRAIL --------------------------------------------------------------------------------------------------------


def trail_labels(annotation: Any, run: Trajectory) -> tuple[Label, ...]:
    """One `error` per marked span and one `scores`; the earliest marked message is also the run's `first_error`.

    The target is the message that the span wrote; a span that wrote none is a step. Ids that the trace does not have
    leave the target unknown.
    """
    if not isinstance(annotation, Mapping):
        return ()
    wrote = {step.id: step.output_message_ids[0] for step in run.steps if step.output_message_ids}
    labels = [_error(item, run, wrote) for item in _list(annotation.get("errors")) if isinstance(item, Mapping)]
    index = {message.id: message.index for message in run.messages}
    marked = [label for label in labels if label.target == "message" and label.target_id in index]
    if marked:
        first = min(marked, key=lambda label: index[label.target_id or ""])
        labels.append(first.model_copy(update={"name": "first_error"}))
    for scores in _list(annotation.get("scores")):
        labels.append(
            Label(target="trajectory", target_id=run.id, name="scores", value=json_value(scores), source=_TRAIL)
        )
    return tuple(labels)


def _error(item: Mapping[str, Any], run: Trajectory, wrote: Mapping[str, str]) -> Label:
    location = text(item.get("location")) or ""
    is_step = location in run.step_by_id and location not in wrote
    return Label(
        target="step" if is_step else "message",
        target_id=location if is_step else wrote.get(location),
        name="error",
        value={"location": location, "impact": json_value(item.get("impact"))},
        category=text(item.get("category")),
        reason=text(item.get("description")),
        source=_TRAIL,
        inconsistent=not is_step and location not in wrote,
    )


# --- AgentRx ------------------------------------------------------------------------------------------------------


def _failure_labels(annotation: Any, run: Trajectory) -> tuple[Label, ...]:
    """One `error` per failure, the root cause marked; it is also the run's `first_error`."""
    if not isinstance(annotation, Mapping):
        return ()
    cause = annotation.get("root_cause")
    root = integer(cause.get("failure_id")) if isinstance(cause, Mapping) else None
    by_index = {message.index: message for message in run.messages}
    names = {actor.id: actor.name.lower() for actor in run.actors}
    labels = []
    for item in _list(annotation.get("failures")):
        if not isinstance(item, Mapping):
            continue
        number = integer(item.get("step_number"))  # from 1
        message = None if number is None else by_index.get(number - 1)
        blamed = text(item.get("failed_agent"))
        label = Label(
            target="message",
            target_id=None if message is None else message.id,
            name="error",
            value={"agent": blamed, "step": json_value(item.get("step_number"))},
            category=text(item.get("failure_category")),
            reason=text(item.get("step_reason")),
            source=_AGENTRX,
            root_cause=None if root is None else integer(item.get("failure_id")) == root,
            inconsistent=message is None or (blamed or "").lower() not in ("", names.get(message.actor_id)),
        )
        labels.append(label)
        if label.root_cause:
            labels.append(label.model_copy(update={"name": "first_error"}))
    return tuple(labels)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
