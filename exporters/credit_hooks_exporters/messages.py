"""The canonical training table: one JSON line per message, with its reward and what was read to write it.

Other formats (SFT, DPO, ...) are views of this one. The reads of a message are given against another row of the same
run: take the reads of `reads_base`, remove `reads_dropped`, append `reads_new`. Full lists would be quadratic in teams
where everyone reads everything. Reads of a higher `index` than the message's own came after it: they are no parents.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from credit_hooks.errors import ConfigurationError
from credit_hooks.genai import encode_part
from credit_hooks.ports import Manifest
from credit_hooks.rewards import CreditedRun
from credit_hooks.trajectory import Message, ReadSet, Trajectory
from credit_hooks_exporters.atomic import replacing

__all__ = ["EXPORTER", "SCHEMA_VERSION", "MessagesExporter", "rows"]

SCHEMA_VERSION: Final = "credit_hooks.messages/1"


class MessagesExporter:
    """Writes credited runs as one JSON line per message."""

    name = "messages"

    def write(
        self,
        runs: Iterable[CreditedRun],
        path: Path,
        *,
        uncredited_runs: bool = False,
        unscored_messages: bool = True,
        **unknown: Any,
    ) -> Manifest:
        """Write all rows, replacing `path` at once when complete.

        Args:
            runs: Credited runs; read once.
            path: The file to write.
            uncredited_runs: Keep runs that were not credited (their rewards are null). Otherwise they are dropped and
                counted as `run_<status>`.
            unscored_messages: Keep messages without a reward, such as inputs: other rows' reads refer to them.
                Otherwise they are dropped and counted as `unscored`, and base rows may be missing.
            unknown: None is known.

        Raises:
            ConfigurationError: an option is unknown.
        """
        if unknown:
            raise ConfigurationError(
                f"unknown option {', '.join(sorted(unknown))} of format messages; "
                "known options: uncredited_runs, unscored_messages"
            )
        read = written = 0
        dropped = Counter[str]()
        seen: set[str] = set()
        with replacing(Path(path)) as file:
            for run in runs:
                read += 1
                for row in rows(run):
                    reason = "duplicate" if row["row_id"] in seen else None
                    if row["reward"] is None and not unscored_messages:
                        reason = "unscored"
                    if run.credit.status != "credited" and not uncredited_runs:
                        reason = f"run_{run.credit.status}"
                    if reason is None:
                        seen.add(row["row_id"])
                        file.write(_canonical(row) + b"\n")
                        written += 1
                    else:
                        dropped[reason] += 1
        left_out = dict(sorted(dropped.items()))
        return Manifest(
            format=self.name, path=Path(path), runs=read, rows=written, dropped=left_out, sha256=file.sha256
        )


EXPORTER: Final = MessagesExporter()


def rows(run: CreditedRun) -> Iterator[dict[str, Any]]:
    """The rows of a run, in the order of its messages. Values are JSON; `parts` is JSON in a string."""
    trajectory, credit = run.trajectory, run.credit
    rewards = {reward.message_id: reward for reward in credit.messages}
    credit_id = hashlib.sha256(_canonical(credit.model_dump(mode="json"))).hexdigest()[:16]
    shared = {
        "schema_version": SCHEMA_VERSION,
        "trajectory_id": trajectory.id,
        "task_id": trajectory.task_id,
        "group_id": trajectory.group_id,
        "credit_id": credit_id,
        "method": credit.method,
        "status": credit.status,
        "outcome": credit.outcome,
        "baseline": credit.baseline,
    }
    for message, reads in zip(trajectory.messages, _reads(trajectory), strict=True):
        reward = rewards.get(message.id)
        view = _view(message)
        key = [trajectory.id, message.id, "message", credit_id, view]
        yield {
            **shared,
            "row_id": hashlib.sha256(_canonical(key)).hexdigest(),
            "kind": "message",
            "view": view,
            **_message_columns(message, trajectory),
            "reads_base": reads.base,
            "reads_new": list(reads.new),
            "reads_dropped": list(reads.dropped),
            "reward": None if reward is None else reward.reward,
            "std_err": None if reward is None else reward.std_err,
        }


def _message_columns(message: Message, trajectory: Trajectory) -> dict[str, Any]:
    actor = trajectory.actor_by_id.get(message.actor_id)
    return {
        "message_id": message.id,
        "index": message.index,
        "agent": message.actor_id,
        "agent_kind": "unknown" if actor is None else actor.kind,
        "role": message.role,
        "channel": message.channel,
        "step": message.step_id,
        "generated_by": message.generated_by,
        "parts": json.dumps([encode_part(part) for part in message.parts], ensure_ascii=False, sort_keys=True),
    }


def _view(message: Message) -> str:
    """Which relation the reads are: what a model or tool consumed, what the author could see, or none for inputs."""
    if message.generated_by is not None:
        return "consumed"
    return "input" if message.step_id is None else "visible"


class _Reads(NamedTuple):
    base: str | None
    new: tuple[str, ...]
    dropped: tuple[str, ...]


def _reads(trajectory: Trajectory) -> Iterator[_Reads]:
    """The reads of each message against an earlier row: the deltas of the steps between the two, made one."""
    row_of_step: dict[str, str] = {}
    for message in trajectory.messages:
        step_id = message.generated_by or message.step_id
        base, chain = _chain(trajectory, step_id, row_of_step)
        new: dict[str, None] = {}
        dropped: dict[str, None] = {}
        for delta in chain:
            for gone in delta.dropped:
                new.pop(gone, None)
                dropped[gone] = None
            new.update(dict.fromkeys(delta.new))
        yield _Reads(base, tuple(new), () if base is None else tuple(dropped))
        if step_id is not None:
            row_of_step.setdefault(step_id, message.id)


def _chain(
    trajectory: Trajectory, step_id: str | None, row_of_step: Mapping[str, str]
) -> tuple[str | None, list[ReadSet]]:
    """The nearest row below a step, and the deltas from there up to the step, in the order they apply."""
    chain: list[ReadSet] = []
    seen: set[str] = set()
    current = step_id
    while current is not None and current not in row_of_step and current not in seen:
        seen.add(current)
        step = trajectory.step_by_id.get(current)
        if step is None:
            break
        chain.append(step.reads)
        current = step.reads.base
    base = None if current is None else row_of_step.get(current)
    return base, chain[::-1]


def _canonical(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
