"""verifiers (Prime Intellect), v1: one trace per agent and run, a chain of message nodes.

Its credit is per token (`MessageNode.advantages`), and a log has no tokens: the rewards stand in `info` beside the
nodes, and :func:`stamp_advantages` puts them onto the nodes once a renderer has tokenised the trace. What verifiers
saves and reads are episodes: :func:`as_episode` makes one of a trace. Checked with verifiers 0.4.0.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from credit_hooks_exporters.examples import META_COLUMNS, Case, Row, task_key
from credit_hooks_exporters.formats import Format
from credit_hooks_exporters.seat import Seat
from credit_hooks_exporters.table import TableExporter
from credit_hooks_exporters.talks import talks
from credit_hooks_exporters.turns import Turn

__all__ = ["VERIFIERS", "as_episode", "stamp_advantages"]


def as_episode(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row as one line of `traces.jsonl`, the saved runs that verifiers' own tools read: an episode of one trace."""
    return {"env": {"id": "credit-hooks"}, "task": row["task"], "traces": [row], "ok": row["ok"]}


def stamp_advantages(trace: Any) -> None:
    """Give every rewarded node of a tokenised `Trace` its reward as the advantage of each token it sampled.

    Nodes without a reward keep None, which verifiers tells apart from zero.
    """
    for node, reward in zip(trace.nodes, trace.info["message_rewards"], strict=True):
        if reward is not None:
            node.advantages = [reward] * sum(node.mask)


def _rows(case: Case) -> Iterator[Row]:
    trajectory = case.run.trajectory
    for talk in talks(case):
        meta = case.meta(talk.first, *talk.message_ids[1:])
        turns = [*talk.first.prompt, *talk.turns]
        rewards = [*(None for _ in talk.first.prompt), *talk.rewards]
        key = task_key(case.run)
        values = {
            "id": meta["row_id"],
            "task": {"type": "CreditHooksTask", "data": {"prompt": trajectory.task}, "key": key},
            "agent": {"config": {}, "name": case.seated.name(talk.first.message.actor_id)},
            "tools": [_tool(tool["function"]) for tool in talk.first.tools],
            "nodes": [
                {
                    "parent": number - 1 if number else None,
                    "message": _message(turn),
                    "sampled": reward is not None,
                    "timestamp": (talk.first.message.timestamp or 0) / 1e9,
                }
                for number, (turn, reward) in enumerate(zip(turns, rewards, strict=True))
            ],
            "rewards": {"credit_hooks": {"score": talk.reward, "weight": 1.0}},
            "info": {
                "message_rewards": rewards,
                "message_ids": talk.message_ids,
                **{name: meta[name] for name in META_COLUMNS if name not in ("message_id", "reward")},
            },
            "is_completed": True,
            "ok": trajectory.status != "error",
        }
        yield Row(values, tuple(talk.message_ids))


def _message(turn: Turn) -> dict[str, Any]:
    if "tool_calls" not in turn:
        return turn
    calls = [{"id": call["id"], "type": "function", **call["function"]} for call in turn["tool_calls"]]
    return {**turn, "tool_calls": calls}


def _tool(function: dict[str, Any]) -> dict[str, Any]:
    return {"type": "function", **function}


VERIFIERS: Final = TableExporter(
    Format(
        name="verifiers",
        summary="Traces for verifiers v1, one per agent and run: a chain of message nodes, with the signed reward of "
        "each in info.message_rewards.",
        columns={
            "id": "string",
            "task": "json",
            "agent": "json",
            "tools": "tools",
            "nodes": "tools",
            "rewards": "json",
            "info": "json",
            "is_completed": "bool",
            "ok": "bool",
        },
        rows=_rows,
        seat=Seat(arguments="string"),
    )
)
