"""A credited run as a row: columns that a listing needs, and the run itself as zlib-compressed JSON."""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Mapping
from typing import Final, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticSerializationError

from credit_hooks.rewards import Credit, CreditedRun

__all__ = ["COLUMNS", "UPSERT", "RunCredit", "RunSummary", "encode", "load", "storable"]

_Model = TypeVar("_Model", bound=BaseModel)


class RunSummary(NamedTuple):
    """One run as a listing shows it; fields are the table's columns, in order."""

    id: str
    """Run id."""
    framework: str | None
    """What ran it. None: unknown."""
    name: str | None
    """Name of the graph or team. None: unknown."""
    status: str
    """How the run itself ended: ok, error, cancelled, interrupted, unknown."""
    outcome: float | None
    """R in [0, 1]. None: not known."""
    baseline: float | None
    """b in [0, 1]. None: not known."""
    total: float
    """R - b, the credit distributed."""
    credit_status: str
    """Whether it was credited, and why not if not."""
    method: str
    """Value function and method."""
    best_agent: str | None
    """Name of the agent with the most credit. None: nobody was credited."""
    best_credit: float | None
    """Its credit."""
    worst_agent: str | None
    """Name of the agent with the least credit. None: nobody was credited."""
    worst_credit: float | None
    """Its credit."""
    first_error_index: int | None
    """Source index of the message blamed first. None: nothing is blamed."""
    first_error_agent: str | None
    """Name of its author."""
    message_count: int
    """Messages in the run."""
    started_at: int | None
    """Earliest time the run states, nanoseconds since the epoch. None: unknown."""
    recorded_at: int
    """When the row was last written, nanoseconds since the epoch."""
    group_id: str | None
    """Runs of the same task share it. None: unknown."""
    session_id: str | None
    """Conversation the run belongs to. None: none."""
    schema_version: str
    """Version of the trajectory schema."""


class RunCredit(NamedTuple):
    """A run's credit without its messages: what a look at many runs needs."""

    summary: RunSummary
    """The run."""
    names: dict[str, str]
    """Names of the credited agents by actor id."""
    credit: Credit | None
    """Its credit. None: it is damaged, or was written by another version of credit-hooks."""


COLUMNS: Final = RunSummary._fields
_WRITTEN: Final = (*COLUMNS, "agents", "trajectory", "credit")
# Rows keep their sequence when a run is scored again, so listings stay in the order of first recording.
UPSERT: Final = (
    f"INSERT INTO runs ({', '.join(_WRITTEN)}) VALUES ({', '.join('?' * len(_WRITTEN))}) "  # noqa: S608 - constants
    f"ON CONFLICT (id) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in _WRITTEN[1:])}"
)


def encode(run: CreditedRun) -> tuple[object, ...]:
    """The values of `UPSERT` for this run."""
    names = {actor.id: actor.name for actor in run.trajectory.actors}
    agents = {storable(actor): storable(names.get(actor, actor)) for actor in run.credit.agents}
    columns = [storable(value) for value in _summary(run, names)]
    return (*columns, json.dumps(agents), _dump(run.trajectory), _dump(run.credit))


def storable(value: object) -> object:
    """What SQLite can hold of a column's value; the blobs hold it in full.

    Half a surrogate pair, as broken JSON yields it, becomes a question mark; a time beyond 64 bits is unknown.
    """
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    return None if isinstance(value, int) and not -(2**63) <= value < 2**63 else value


def _summary(run: CreditedRun, names: Mapping[str, str]) -> RunSummary:
    trajectory, credit = run.trajectory, run.credit
    ranked = sorted(credit.agents, key=lambda actor: (credit.agents[actor], actor))
    worst, best = (ranked[0], ranked[-1]) if ranked else (None, None)
    error = credit.first_error
    times = [step.start_ns for step in trajectory.steps if step.start_ns is not None]
    times += [message.timestamp for message in trajectory.messages if message.timestamp is not None]
    return RunSummary(
        id=trajectory.id,
        framework=trajectory.framework,
        name=trajectory.name,
        status=trajectory.status,
        outcome=credit.outcome,
        baseline=credit.baseline,
        total=credit.total,
        credit_status=credit.status,
        method=credit.method,
        best_agent=None if best is None else names.get(best, best),
        best_credit=None if best is None else credit.agents[best],
        worst_agent=None if worst is None else names.get(worst, worst),
        worst_credit=None if worst is None else credit.agents[worst],
        first_error_index=None if error is None else error.index,
        first_error_agent=None if error is None else names.get(error.actor_id, error.actor_id),
        message_count=len(trajectory.messages),
        started_at=min(times, default=None),
        recorded_at=time.time_ns(),
        group_id=trajectory.group_id,
        session_id=trajectory.session_id,
        schema_version=trajectory.schema_version,
    )


def _dump(model: BaseModel) -> bytes:
    try:
        encoded = model.model_dump_json()
        lossy = "\ufffd" in encoded  # what pydantic makes of half a surrogate pair in the key of a dict
    except PydanticSerializationError:
        lossy = True
    if lossy:  # half a surrogate pair: the blob keeps it, escaped
        encoded = json.dumps(model.model_dump(), ensure_ascii=True)
    return zlib.compress(encoded.encode())


def load(model: type[_Model], blob: bytes) -> _Model:
    """Read a blob back.

    Raises:
        zlib.error, ValueError, RecursionError: it is damaged.
    """
    data = zlib.decompress(blob)
    try:
        return model.model_validate_json(data)
    except ValidationError:  # pydantic's parser refuses lone surrogates and nesting beyond 200 levels; json does not
        return model.model_validate(json.loads(data))
