"""The state of a team after each turn, as a function of the history alone, and how far two states are apart.

What the state is depends on what a team works on: what is being said, the code as it stands, what is known of the world
through tools. Whoever measures something else, such as an embedding or a board, passes a function of their own.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import numpy as np

from credit_hooks.errors import ConfigurationError
from credit_hooks.language import ENGLISH, Language
from credit_hooks.trajectory import Message, ToolCallPart, ToolResultPart

__all__ = ["CodeState", "History", "State", "StateFunction", "ToolState", "TopicState", "state_distance", "state_for"]

History: TypeAlias = Sequence[Sequence[Message]]
"""Messages by turn: first what the run was given, then every turn so far. The newest is last."""

State: TypeAlias = Mapping[str, float] | Sequence[float]
"""Weights by feature, read as a distribution; or a vector, read by its direction."""

StateFunction: TypeAlias = Callable[[History], State]

_CODE = re.compile(r"```[^\n]*\n(.*?)(?:```|\Z)", re.DOTALL)
_TOKEN = re.compile(r"[A-Za-z_]\w*|\d+(?:\.\d+)?")
_MAX_FEATURE = 2_000
_START = ""
"""A feature of every state, so that there is a distance from having nothing yet."""


class TopicState:
    """For teams that reason in words: what the newest turn talks about, its numbers, names and words."""

    def __init__(self, language: Language = ENGLISH) -> None:
        self._language = language

    def __call__(self, history: History) -> Mapping[str, float]:
        """Units of the newest turn, counted."""
        return Counter(unit for message in history[-1] for unit, _ in self._language.units(message.text))


class CodeState:
    """For teams that write code: names and numbers of the newest code there is. Talk about it does not move it."""

    def __call__(self, history: History) -> Mapping[str, float]:
        """Tokens of the newest turn that has code, counted."""
        for turn in reversed(history):
            code = [block for message in turn for block in _code_of(message)]
            if code:
                return {_START: 1.0, **Counter(token for block in code for token in _TOKEN.findall(block))}
        return {_START: 1.0}


class ToolState:
    """For teams that act through tools: which calls were made so far and what they gave, each once.

    A call repeated with the same result tells nothing new, and moves nothing.
    """

    def __init__(self) -> None:
        self._known: dict[int, tuple[Message, tuple[str, ...]]] = {}

    def __call__(self, history: History) -> Mapping[str, float]:
        """Distinct calls and results of all turns, each with weight 1."""
        found = (feature for turn in history for message in turn for feature in self._of(message))
        return {_START: 1.0, **dict.fromkeys(found, 1.0)}

    def _of(self, message: Message) -> tuple[str, ...]:
        known = self._known.get(id(message))
        if known is None or known[0] is not message:
            known = self._known[id(message)] = message, tuple(_tool_features(message))
        return known[1]


def state_for(messages: Sequence[Message], language: Language = ENGLISH) -> StateFunction:
    """The default for a run: by tools if it calls any, by code if it writes some, else by what is talked about."""
    if any(isinstance(part, ToolCallPart | ToolResultPart) for message in messages for part in message.parts):
        return ToolState()
    if any(_code_of(message) for message in messages):
        return CodeState()
    return TopicState(language)


def state_distance(first: State, second: State) -> float:
    """How far apart two states are, in [0, 1].

    Distributions: Jensen-Shannon divergence to base 2; 0 if one is empty. Vectors: (1 - cosine) / 2; 0 if one is zero.

    Raises:
        ConfigurationError: the states are not alike, or have weights that are no numbers, or negative ones.
    """
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        keys = sorted(first.keys() | second.keys())
        p, q = (np.array([float(state.get(key, 0.0)) for key in keys], np.float64) for state in (first, second))
        if not (np.isfinite(p).all() and np.isfinite(q).all() and (p >= 0).all() and (q >= 0).all()):
            raise ConfigurationError("a state's weights are finite and not negative; for vectors return a sequence")
        return _jensen_shannon(p, q)
    if isinstance(first, Mapping) or isinstance(second, Mapping) or len(first) != len(second):
        raise ConfigurationError("a state function returns mappings, or vectors of one length, for every turn alike")
    x, y = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ConfigurationError("a state's vector has finite numbers only")
    norms = float(np.linalg.norm(x) * np.linalg.norm(y))
    return 0.0 if not norms else min(max((1.0 - float(x @ y) / norms) / 2.0, 0.0), 1.0)


def _jensen_shannon(p: np.ndarray, q: np.ndarray) -> float:
    if not p.sum() or not q.sum():
        return 0.0
    p, q = p / p.sum(), q / q.sum()
    middle = (p + q) / 2

    def relative_entropy(x: np.ndarray) -> float:
        there = x > 0
        return float((x[there] * np.log2(x[there] / middle[there])).sum())

    divergence = (relative_entropy(p) + relative_entropy(q)) / 2
    return min(max(divergence, 0.0), 1.0) if math.isfinite(divergence) else 0.0


def _code_of(message: Message) -> list[str]:
    return _CODE.findall(message.text) if "```" in message.text else []


def _tool_features(message: Message) -> list[str]:
    found = []
    for part in message.parts:
        if isinstance(part, ToolCallPart):
            found.append(f"{part.name}({_text(part.arguments)})")
        elif isinstance(part, ToolResultPart):
            found.append(f"{part.name}: {'error ' if part.is_error else ''}{_text(part.result)}")
    return found


def _text(value: object) -> str:
    said = value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)
    return said[:_MAX_FEATURE]
