"""What the page says: a credited run as plain data, cut to what a browser can show."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

from pydantic import JsonValue

from credit_hooks.report.run.graph import Provenance, provenance
from credit_hooks.report.shell import embedded
from credit_hooks.report.text import headline, printable, signed
from credit_hooks.rewards import CreditedRun, Reward
from credit_hooks.trajectory import (
    BlobPart,
    DataPart,
    Message,
    Part,
    ReasoningPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    Trajectory,
)

__all__ = ["MAX_MESSAGES", "Data", "page_data"]

MAX_MESSAGES: Final = 2000
"""Messages drawn; of longer runs the ones with the largest rewards, the first error and the answer."""

_PART_LIMIT: Final = 20_000  # characters shown of one part
_TEXT_BUDGET: Final = 1_500_000  # bytes of all parts together

Data: TypeAlias = dict[str, Any]


def page_data(run: CreditedRun) -> Data:
    """The run as JSON values for the page's script and template.

    `agents` are the lanes, in order of first message; `messages` refer to agents and to each other by position.
    """
    trajectory, credit = run.trajectory, run.credit
    rewards = {reward.message_id: reward for reward in credit.messages}
    marked = _marked(run)
    shown = _shown(trajectory, rewards, marked)
    graph = provenance(trajectory)
    lanes = _lanes(trajectory, shown)
    budget = _Budget([trajectory.messages[place] for place in shown])
    notes = _labels(trajectory)
    messages = [
        {
            **_message(trajectory.messages[place], rewards.get(trajectory.messages[place].id), lanes, budget),
            **notes.get(trajectory.messages[place].id, {}),
        }
        for place in shown
    ]
    _link(messages, shown, graph)
    number = {place: position for position, place in enumerate(shown)}
    sizes = [abs(reward.reward) for reward in credit.messages if reward.reward is not None]
    return {
        "agents": _agents(run, lanes),
        "messages": messages,
        "first": number.get(marked["first"]),
        "answer": number.get(marked["answer"]),
        "max": max(sizes, default=0.0),
        "left_out": len(trajectory.messages) - len(shown),
    }


def _marked(run: CreditedRun) -> dict[str, int]:
    """Positions of the first error and the answer, -1 for none."""
    position = {message.id: place for place, message in enumerate(run.trajectory.messages)}
    error, answer = run.credit.first_error, run.trajectory.answer_message
    return {
        "first": -1 if error is None else position.get(error.message_id, -1),
        "answer": -1 if answer is None else position[answer.id],
    }


def _shown(trajectory: Trajectory, rewards: Mapping[str, Reward], marked: Mapping[str, int]) -> list[int]:
    places = range(len(trajectory.messages))
    if len(places) <= MAX_MESSAGES:
        return list(places)

    def weight(place: int) -> float:
        reward = rewards.get(trajectory.messages[place].id)
        return 9.0 if place in marked.values() else abs(reward.reward or 0.0) if reward else 0.0

    return sorted(sorted(places, key=weight, reverse=True)[:MAX_MESSAGES])


def _lanes(trajectory: Trajectory, shown: Sequence[int]) -> dict[str, int]:
    authors = dict.fromkeys(trajectory.messages[place].actor_id for place in shown)
    return {actor_id: lane for lane, actor_id in enumerate(authors)}


def _agents(run: CreditedRun, lanes: Mapping[str, int]) -> list[Data]:
    actors = run.trajectory.actor_by_id
    written = Counter(message.actor_id for message in run.trajectory.messages)
    everyone = dict.fromkeys([*lanes, *run.credit.agents])
    return [
        {
            "name": printable(actors[actor_id].name if actor_id in actors else actor_id) or "(unnamed)",
            "kind": actors[actor_id].kind if actor_id in actors else "unknown",
            "credit": run.credit.agents.get(actor_id),
            "messages": written[actor_id],
            "lane": lanes.get(actor_id),
        }
        for actor_id in everyone
    ]


def _message(message: Message, reward: Reward | None, lanes: Mapping[str, int], budget: _Budget) -> Data:
    value = None if reward is None else reward.reward
    data: Data = {
        "index": message.index,
        "agent": lanes[message.actor_id],
        "reward": value,
        "signed": signed(value),
        "line": headline(message, 140),
        "parts": [_part(part, budget) for part in message.parts],
    }
    optional = {
        "std_err": None if reward is None else reward.std_err,
        "role": message.role_raw or message.role,
        "channel": message.channel,
        "to": ", ".join(message.recipients) or None,
        "error": message.error,
    }
    return data | {
        key: printable(value) if isinstance(value, str) else value
        for key, value in optional.items()
        if value is not None
    }


def _link(messages: Sequence[Data], shown: Sequence[int], graph: Provenance) -> None:
    """Add `parents` and `read`; where messages are left out, links skip over them to the next one shown."""
    number = {place: position for position, place in enumerate(shown)}
    through: list[frozenset[int]] = []  # per message of the run: the shown messages that it stands for
    for place, parents in enumerate(graph.parents):
        read = frozenset[int]().union(*(through[parent] for parent in parents))
        if place in number:
            messages[number[place]]["parents"] = sorted(read, reverse=True)
            messages[number[place]]["read"] = graph.read_counts[place]
            through.append(frozenset((number[place],)))
        else:
            through.append(frozenset(sorted(read)[-8:]))


def _labels(trajectory: Trajectory) -> dict[str, Data]:
    notes: dict[str, list[str]] = {}
    for label in trajectory.labels:
        if label.target == "message" and label.target_id is not None:
            said = label.name.replace("_", " ") + (f" ({label.category})" if label.category else "")
            by = f" by {label.annotator}" if label.annotator else ""
            text = f"Labelled {said}{by}" + (f": {label.reason}" if label.reason else "")
            notes.setdefault(label.target_id, []).append(printable(text)[:2000])
    return {message_id: {"labels": texts} for message_id, texts in notes.items()}


def _part(part: Part, budget: _Budget) -> Data:
    if isinstance(part, TextPart | ReasoningPart):
        return {"type": part.type, **budget.cut(part.text)}
    if isinstance(part, DataPart):
        return {"type": "data", "name": printable(part.name or ""), **budget.cut(_pretty(part.value))}
    if isinstance(part, ToolCallPart):
        return {"type": "tool call", "name": printable(part.name), **budget.cut(_pretty(part.arguments))}
    if isinstance(part, ToolResultPart):
        kind = "tool error" if part.is_error else "tool result"
        return {"type": kind, "name": printable(part.name or ""), **budget.cut(_pretty(part.result))}
    if isinstance(part, BlobPart):
        size = "" if part.size is None else f", {part.size} bytes"
        return {
            "type": "file",
            "text": printable(f"{part.mime_type or 'unknown type'}{size} {part.uri or ''}".rstrip()),
        }
    return {"type": "withheld", "text": "" if part.length is None else f"{part.length} characters"}


def _pretty(value: JsonValue) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)


def _source_text(part: Part) -> str:
    if isinstance(part, TextPart | ReasoningPart):
        return part.text
    if isinstance(part, DataPart):
        return _pretty(part.value)
    if isinstance(part, ToolCallPart):
        return _pretty(part.arguments)
    return _pretty(part.result) if isinstance(part, ToolResultPart) else ""


class _Budget:
    """One limit for every part, in bytes as embedded, such that all parts together stay within the page's budget."""

    def __init__(self, messages: Sequence[Message]) -> None:
        costs = [_cost(_source_text(part)[:_PART_LIMIT]) for message in messages for part in message.parts]
        self._limit = _PART_LIMIT
        while self._limit > 100 and sum(min(cost, self._limit) for cost in costs) > _TEXT_BUDGET:
            self._limit = self._limit * 3 // 4

    def cut(self, text: str) -> Data:
        """The text as shown, and how many characters of it are not (`hidden`, left out if none)."""
        kept = min(len(text), self._limit)
        while kept > 10 and _cost(text[:kept]) > self._limit:
            kept = kept * 3 // 4
        shown = {"text": printable(text[:kept])}
        return shown if kept == len(text) else {**shown, "hidden": len(text) - kept}


def _cost(text: str) -> int:
    return len(embedded(printable(text)).encode()) - 2
