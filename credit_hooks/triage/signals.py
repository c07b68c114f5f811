"""What speaks against a turn while its run goes on: hard errors in tool results, contradictions, a judge's score.

Credit needs the outcome, and comes after the run. These signals need neither: they look at what the agent was shown and
at what it is about to say. By rules alone they are blind to most mistakes, and silent rather than wrong where they can.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, TypeAlias

from credit_hooks.failure.step_scoring import StepView
from credit_hooks.failure.symptoms import symptom_of
from credit_hooks.language import ENGLISH, NUMBER
from credit_hooks.trajectory import Message, ToolCallPart, ToolResultPart

__all__ = [
    "RULES",
    "Finding",
    "Signal",
    "contradicted_result",
    "findings",
    "repeated_call",
    "unrepaired_error",
    "worst",
]

_CLOSE: Final = 0.01  # relative: a result that was rounded is not contradicted
_SHORT: Final = 200  # characters of a result that states one thing


class Finding(NamedTuple):
    """Something that speaks against a turn."""

    signal: str
    """Which signal."""
    severity: float
    """How much, in (0, 1]."""
    critique: str
    """What the agent is told. Quotes nothing that tools or others said: they give it no instructions."""


Signal: TypeAlias = Callable[[StepView], Finding | None]
"""Looks at a turn that is about to end: `view.history` is what the agent was shown, `view.step` what it says. None:
nothing speaks against it. The view's `trajectory` is what is known so far, without an outcome."""


def unrepaired_error(view: StepView) -> Finding | None:
    """The agent is about to answer although a tool failed for it, and no later call of that tool worked."""
    if _calls(view.step) or not view.step.text:
        return None
    broken: dict[str, str] = {}
    for message in _since_asked(view.history):
        for name, rule in _results(message):
            if rule is None:
                broken.pop(name, None)
            else:
                broken[name] = rule
    if not broken:
        return None
    tools = ", ".join(sorted(broken))
    return Finding(
        "unrepaired_error",
        1.0,
        f"You are about to answer, but {tools} failed ({', '.join(sorted(set(broken.values())))}) and was not called "
        "successfully since. An answer that needs its result would be made up. Repair the call and make it again; if "
        "that cannot be done, say plainly what is missing.",
    )


def repeated_call(view: StepView) -> Finding | None:
    """The agent is about to make, letter for letter, a call that has failed since it was asked."""
    failed: set[tuple[str, str]] = set()
    made: dict[str, tuple[str, str]] = {}
    for message in _since_asked(view.history):
        made.update((part.id, _key(part)) for part in _calls(message) if part.id)
        wrong = symptom_of(message, None, ENGLISH) is not None
        for part in message.parts:
            if isinstance(part, ToolResultPart) and part.id in made:
                (failed.add if wrong else failed.discard)(made[part.id])
    again = sorted({part.name for part in _calls(view.step) if _key(part) in failed})
    if not again:
        return None
    return Finding(
        "repeated_call",
        0.5,
        f"You are about to call {', '.join(again)} with exactly the arguments that just failed. Change the arguments "
        "or take another way.",
    )


def contradicted_result(view: StepView) -> Finding | None:
    """The agent concludes with figures, and the one figure that its last tool call returned is nowhere among them."""
    if _calls(view.step) or not ENGLISH.cue.search(view.step.text):
        return None
    results = [message for message in _since_asked(view.history) if _results(message)]
    said = _numbers(view.step.text)
    if not results or not said or any(rule is not None for _, rule in _results(results[-1])):
        return None
    text = results[-1].text
    figures = set(_numbers(text))
    if len(figures) != 1 or len(text) > _SHORT:
        return None
    figure = figures.pop()
    if any(_same(figure, other * scale) for other in said for scale in (1.0, 100.0, 0.01)):
        return None
    return Finding(
        "contradicted_result",
        0.7,
        "Your conclusion does not contain the figure that your last tool call returned. Check which of the two is "
        "right, and use the tool's figure unless you can say why not.",
    )


RULES: Final[Sequence[Signal]] = (unrepaired_error, repeated_call)
"""The signals that are looked at by default. They cost nothing and ask nobody."""


def findings(signals: Sequence[Signal], view: StepView) -> tuple[Finding, ...]:
    """What speaks against a turn, by every signal."""
    return tuple(found for signal in signals if (found := signal(view)) is not None)


def worst(found: Sequence[Finding]) -> float:
    """The severity of the worst finding. 0.0: there is none."""
    return max((finding.severity for finding in found), default=0.0)


def _since_asked(history: Sequence[Message]) -> list[Message]:
    """Messages since the last one of a user or another agent: what came before was another turn's business."""
    start = next((k for k in range(len(history) - 1, -1, -1) if history[k].role == "user"), -1)
    return list(history[start + 1 :])


def _calls(message: Message) -> list[ToolCallPart]:
    return [part for part in message.parts if isinstance(part, ToolCallPart)]


def _key(call: ToolCallPart) -> tuple[str, str]:
    return call.name, repr(call.arguments)


def _results(message: Message) -> list[tuple[str, str | None]]:
    """(tool, error rule or None) of every tool result in a message."""
    return [
        (part.name or "a tool", symptom_of(message.model_copy(update={"parts": (part,)}), None, ENGLISH))
        for part in message.parts
        if isinstance(part, ToolResultPart)
    ]


def _numbers(text: str) -> list[float]:
    return [float(unit[1:].replace(",", "")) for unit, kind in ENGLISH.units(text) if kind == NUMBER]


def _same(first: float, second: float) -> bool:
    return abs(first - second) <= _CLOSE * max(abs(first), abs(second))
