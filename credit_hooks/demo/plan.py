"""A plan as the agents write and read it: formulas over named quantities, without numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

__all__ = ["Plan", "Step", "fill_in", "parse_plan"]


class Step(NamedTuple):
    """One line of a plan."""

    name: str
    """What it works out, such as `change`."""
    formula: str
    """Names joined by + - * / and parentheses, such as `note - price of jacket`."""


class Plan(NamedTuple):
    """Steps in order, and the name of what is asked."""

    steps: tuple[Step, ...]
    answer: str

    def text(self) -> str:
        """The plan as a message."""
        lines = (f"- {step.name} = {step.formula}" for step in self.steps)
        return "\n".join(["Plan:", *lines, f"What is asked: {self.answer}"])


def parse_plan(texts: Iterable[str]) -> Plan | None:
    """The last plan in the texts. None: there is none."""
    found = None
    for text in texts:
        steps = tuple(Step(*match) for match in re.findall(r"^- (.+?) = (.+)$", text, re.MULTILINE))
        asked = re.search(r"^What is asked: (.+)$", text, re.MULTILINE)
        if steps and asked:
            found = Plan(steps, asked[1])
    return found


def fill_in(formula: str, values: Mapping[str, str]) -> str:
    """The formula with numbers for names; values that are expressions themselves are put into parentheses.

    Raises:
        KeyError: a name has no value.
    """
    symbols = (symbol.strip() for symbol in re.split(r"([-+*/()])", formula))
    words = (symbol if symbol in "+-*/()" else values[symbol] for symbol in symbols if symbol)
    filled = " ".join(f"({word})" if " " in word else word for word in words)
    return filled.replace("( ", "(").replace(" )", ")")
