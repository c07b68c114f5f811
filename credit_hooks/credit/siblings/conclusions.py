"""What each message concludes, so that runs of the same task can be compared.

Three forms, one per run: *actions* (calls of tools that change something), where the user names such tools;
*structured* (JSON objects or lists, normalised), where the run's answer is of that form; else *stated*: the last unit
of the class that the run's own conclusion is of, such as the last number. Code and tool calls take what their result
concludes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from pydantic import JsonValue

from credit_hooks.credit.evidence import Evidence
from credit_hooks.trajectory import DataPart, Message, TextPart, ToolCallPart

__all__ = ["conclusions"]

_MAX_JSON = 100_000  # characters of a text that is tried as JSON


def conclusions(evidence: Evidence, actions: frozenset[str] = frozenset()) -> list[str | None]:
    """Conclusion of every message, by position in the transcript. None: it concludes nothing, or is no player."""
    messages = evidence.transcript.messages
    found: list[str | None] = [None] * len(messages)
    if actions:
        for m in evidence.players:
            found[m] = _action(messages[m], actions)
        return found
    stating = [m for m in evidence.players if evidence.states[m]]
    structured = {m: value for m in stating if (value := _structure(messages[m])) is not None}
    if stating and stating[-1] in structured:
        for m, value in structured.items():
            found[m] = value
        return found
    return _stated(evidence, stating, found)


def _stated(evidence: Evidence, stating: Sequence[int], found: list[str | None]) -> list[str | None]:
    anchor = evidence.anchor()
    if not anchor:
        return found
    top = max(anchor.values())
    # Equal weights are told apart by their name, so that the order of the bag does not matter.
    kind = evidence.rank[min(unit for unit, value in anchor.items() if value == top)]
    own = {m: next((u for u in reversed(evidence.units[m]) if evidence.rank[u] == kind), None) for m in stating}
    for m in stating:
        if not evidence.calls[m]:
            found[m] = own[m]
        elif (result := evidence.clean_result(m)) is not None:
            found[m] = own.get(result)
        elif evidence.cues[m]:
            found[m] = own[m]
    return found


def _action(message: Message, actions: frozenset[str]) -> str | None:
    calls = [part for part in message.parts if isinstance(part, ToolCallPart) and part.name in actions]
    return " & ".join(sorted(f"{call.name}{_canonical(call.arguments)}" for call in calls)) or None


def _structure(message: Message) -> str | None:
    """A message that is one JSON object or list, normalised. None: it is not, or is empty."""
    if len(message.parts) != 1:
        return None
    part = message.parts[0]
    if isinstance(part, DataPart):
        value: JsonValue = part.value
    elif isinstance(part, TextPart) and part.text.strip()[:1] in ("{", "[") and len(part.text) <= _MAX_JSON:
        try:
            value = json.loads(part.text)
        except (ValueError, RecursionError):
            return None
    else:
        return None
    return _canonical(value) if isinstance(value, dict | list) and value else None


def _canonical(value: JsonValue) -> str:
    try:
        return json.dumps(_normal(value), sort_keys=True, ensure_ascii=False)
    except RecursionError:  # foreign data nested too deep to compare: equal to other such data only
        return "nested too deep"


def _normal(value: JsonValue) -> JsonValue:
    """Equal things written in other ways as one: 1 and 1.0, letter case, runs of white space."""
    if isinstance(value, dict):
        return {str(key): _normal(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_normal(item) for item in value]
    if isinstance(value, str):
        return " ".join(value.split()).casefold()
    if isinstance(value, bool) or value is None:
        return value
    return int(value) if isinstance(value, float) and value.is_integer() else value
