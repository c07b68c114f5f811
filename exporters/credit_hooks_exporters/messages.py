"""The canonical training table: one row per message, with its reward and what was read to write it.

Other formats (SFT, DPO, ...) are views of this one. The reads of a message are given against another row of the same
run: take the reads of `reads_base`, remove `reads_dropped`, append `reads_new`. Full lists would be quadratic in teams
where everyone reads everything. Reads of a higher `index` than the message's own came after it: they are no parents.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from credit_hooks.errors import ConfigurationError
from credit_hooks.genai import encode_part
from credit_hooks.ports import Manifest
from credit_hooks.rewards import CreditedRun
from credit_hooks.trajectory import Message, ReadSet, Trajectory
from credit_hooks_exporters.atomic import replacing
from credit_hooks_exporters.digests import Digests
from credit_hooks_exporters.ids import credit_id, row_id
from credit_hooks_exporters.table import opened

__all__ = ["COLUMNS", "EXPORTER", "SCHEMA_VERSION", "MessagesExporter", "rows"]

SCHEMA_VERSION: Final = "credit_hooks.messages/1"


_FOREIGN: Final = {
    ".arrow",
    ".csv",
    ".db",
    ".feather",
    ".html",
    ".md",
    ".sqlite",
    ".tsv",
    ".txt",
    ".xls",
    ".xlsx",
    ".xml",
}
"""Endings that promise another kind of file."""

COLUMNS: Final[Mapping[str, str]] = {
    "schema_version": "string",
    "row_id": "string",
    "trajectory_id": "string",
    "task_id": "string",
    "group_id": "string",
    "message_id": "string",
    "index": "int64",
    "kind": "string",
    "view": "string",
    "agent": "string",
    "agent_kind": "string",
    "role": "string",
    "channel": "string",
    "step": "string",
    "generated_by": "string",
    "parts": "string",
    "reads_base": "string",
    "reads_new": "list<string>",
    "reads_dropped": "list<string>",
    "reward": "double",
    "std_err": "double",
    "outcome": "double",
    "baseline": "double",
    "status": "string",
    "method": "string",
    "credit_id": "string",
}
"""Kinds of the columns, in the order of the Parquet file. `parts` is JSON in a string, so that nothing is injected."""


class _Choice(NamedTuple):
    """Which rows are written."""

    agents: Collection[str]
    """Ids or names. Empty: of everybody."""
    uncredited_runs: bool
    unscored_messages: bool

    def refusal(self, row: Mapping[str, Any], run: CreditedRun) -> str | None:
        """Why a row is left out. None: it is written."""
        if run.credit.status != "credited" and not self.uncredited_runs:
            return f"run_{run.credit.status}"
        if row["reward"] is None and not self.unscored_messages:
            return "unscored"
        if self.agents and row["agent"] not in self.agents:
            actor = run.trajectory.actor_by_id.get(row["agent"])
            if actor is None or actor.name not in self.agents:
                return "other_agent"
        return None


class MessagesExporter:
    """Writes credited runs as one row per message, JSON lines or Parquet."""

    name = "messages"

    def write(
        self,
        runs: Iterable[CreditedRun],
        path: Path,
        *,
        uncredited_runs: bool = False,
        unscored_messages: bool = True,
        container: Literal["jsonl", "parquet"] | None = None,
        agents: Collection[str] = (),
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
            container: JSON lines or Parquet. None: Parquet where the path ends in `.parquet`.
            agents: Only messages of these agents, by id or name; the others are dropped and counted as `other_agent`,
                and base rows may be missing. Empty: of everybody.
            unknown: None is known.

        Raises:
            ConfigurationError: an option is unknown, or Parquet lacks its extra.
        """
        if unknown:
            raise ConfigurationError(
                f"unknown option {', '.join(sorted(unknown))} of format messages; "
                "known options: uncredited_runs, unscored_messages, container, agents"
            )
        path = Path(path)
        if container is None and path.suffix.lower() in _FOREIGN:
            raise ConfigurationError(
                f"{path}: format messages is written as JSON lines (.jsonl) or Parquet (.parquet), not as {path.suffix}"
            )
        wanted = {agents} if isinstance(agents, str) else set(agents)
        choice = _Choice(wanted, uncredited_runs, unscored_messages)
        kind = container or ("parquet" if path.suffix == ".parquet" else "jsonl")
        columns = COLUMNS if kind == "parquet" else {name: COLUMNS[name] for name in sorted(COLUMNS)}
        read = written = 0
        dropped = Counter[str]()
        seen = Digests()
        with replacing(path) as file:
            table = opened(file, columns, kind)
            for run in runs:
                read += 1
                for row in rows(run):
                    reason = choice.refusal(row, run)
                    if reason is None and not seen.add(int(row["row_id"][:16], 16)):
                        reason = "duplicate"
                    if reason is None:
                        table.add(row, {})
                        written += 1
                    else:
                        dropped[reason] += 1
            table.close()
        left_out = dict(sorted(dropped.items()))
        return Manifest(format=self.name, path=path, runs=read, rows=written, dropped=left_out, sha256=file.sha256)


EXPORTER: Final = MessagesExporter()


def rows(run: CreditedRun) -> Iterator[dict[str, Any]]:
    """The rows of a run, in the order of its messages. Values are JSON; `parts` is JSON in a string."""
    trajectory, credit = run.trajectory, run.credit
    rewards = {reward.message_id: reward for reward in credit.messages}
    credited_as = credit_id(credit)
    shared = {
        "schema_version": SCHEMA_VERSION,
        "trajectory_id": trajectory.id,
        "task_id": trajectory.task_id,
        "group_id": trajectory.group_id,
        "credit_id": credited_as,
        "method": credit.method,
        "status": credit.status,
        "outcome": credit.outcome,
        "baseline": credit.baseline,
    }
    for message, reads in zip(trajectory.messages, _reads(trajectory), strict=True):
        reward = rewards.get(message.id)
        view = _view(message)
        yield {
            **shared,
            "row_id": row_id(trajectory.id, [message.id], "message", credited_as, view),
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
