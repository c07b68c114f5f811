"""Reads a word problem: which quantities it states, and which steps lead from them to what is asked.

A small grammar, not a language model. A text is read sentence by sentence; each sentence goes to the first rule whose
pattern it matches, and the rule adds quantities and steps to a :class:`Draft`. The same rules read any problem that
uses these phrases, whatever its numbers, names and things.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from itertools import chain, count
from typing import NamedTuple

from credit_hooks.demo.plan import Plan, Step

__all__ = ["Quantity", "Reading", "read_problem"]

_NUMBER = r"\d+(?:\.\d+)?"
_SMALL = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_WORDS = {word: str(value) for value, word in enumerate(_SMALL, start=2)}
_PARTS = {"half": 2, "third": 3, "quarter": 4, "fifth": 5}
_ORDINALS = ("", "second ", "third ", "fourth ", "fifth ")


class Quantity(NamedTuple):
    """A number that the text states."""

    value: str
    """As arithmetic: `80`, `25 / 100`, `3 / 4`."""
    is_percentage: bool = False


class Reading(NamedTuple):
    """What was understood."""

    quantities: dict[str, Quantity]
    """By the name that the plan's formulas use."""
    plan: Plan | None
    """Steps to the answer. None: no rule fits what is asked."""


class Draft:
    """What has been understood so far.

    `parts` are the amounts that the text speaks about now; `whole` is what one of them is a part of; `known` are
    amounts that later sentences may refer to, by person or role.
    """

    def __init__(self) -> None:
        self.quantities: dict[str, Quantity] = {}
        self.steps: list[Step] = []
        self.parts: list[str] = []
        self.whole: str | None = None
        self.known: dict[str, str] = {}

    def quantity(self, name: str, value: str, *, is_percentage: bool = False) -> str:
        """Note a number under a name that is still free, and return that name."""
        free = self._free(name)
        self.quantities[free] = Quantity(value, is_percentage)
        return free

    def step(self, name: str, formula: str) -> str:
        """Add a step; its result becomes the current amount."""
        free = self._free(name)
        self.steps.append(Step(free, formula))
        self.parts = [free]
        return free

    def _free(self, name: str) -> str:
        taken = {*self.quantities, *(step.name for step in self.steps)}
        ordinals = chain(_ORDINALS, ("further " * times for times in count(1)))
        return next(free for ordinal in ordinals if (free := ordinal + name) not in taken)

    @property
    def current(self) -> str:
        """Name of the current amount; several parts are added up first.

        Raises:
            LookupError: the text has not stated any.
        """
        if len(self.parts) > 1:
            return self.step("total", " + ".join(self.parts))
        return self.parts[0]

    def rest(self) -> None:
        """What is left of the whole after the current part of it."""
        if self.whole is not None:
            self.step("rest", f"{self.whole} - {self.current}")
            self.whole = None


_Rule = Callable[[Draft, re.Match[str]], None]
_RULES: list[tuple[re.Pattern[str], _Rule]] = []


def _rule(pattern: str) -> Callable[[_Rule], _Rule]:
    compiled = re.compile(pattern.replace("<N>", f"({_NUMBER})"))

    def register(function: _Rule) -> _Rule:
        _RULES.append((compiled, function))
        return function

    return register


def read_problem(text: str) -> Reading:
    """Read the text of a word problem. Sentences that make no sense to the grammar are passed over, never an error."""
    draft = Draft()
    *statements, question = _sentences(text) or [""]
    for sentence in statements:
        _apply(draft, sentence)
    try:
        _ask(draft, question)
        answer = draft.current
    except LookupError:  # the question is about something that no sentence has stated
        return Reading(draft.quantities, None)
    return Reading(draft.quantities, Plan(tuple(draft.steps), answer) if draft.steps else None)


def _sentences(text: str) -> list[str]:
    plain = text.lower()
    for word, digit in _WORDS.items():
        plain = re.sub(rf"\b{word}\b", digit, plain)
    for word, parts in _PARTS.items():
        plain = re.sub(rf"\b(?:an? )?{word}\b(?= of)", f"1/{parts}", plain)
        plain = re.sub(rf"\b(\d+) {word}s\b", rf"\1/{parts}", plain)
    return [sentence.strip() for sentence in re.split(r"[.?!](?:\s+|$)", plain) if sentence.strip()]


def _apply(draft: Draft, sentence: str) -> None:
    for pattern, function in _RULES:
        if match := pattern.search(sentence):
            with suppress(LookupError):  # the sentence refers to something that none before it has stated
                function(draft, match)
            return


def _percent(draft: Draft, name: str, number: str) -> str:
    return draft.quantity(name, f"{number} / 100", is_percentage=True)


@_rule(r"<N>% off|(?:falls|drops|shrinks) by <N>%|(?:tax|fee|discount) of <N>% is taken off")
def _percent_off(draft: Draft, match: re.Match[str]) -> None:
    name = "tax" if "tax" in match[0] else "discount"
    rate = _percent(draft, name, next(filter(None, match.groups())))
    draft.step(f"amount after {rate}", f"{draft.current} - {draft.current} * {rate}")


@_rule(r"(tip|tax|fee|charge) of <N>% is added")
def _percent_added(draft: Draft, match: re.Match[str]) -> None:
    rate = _percent(draft, match[1], match[2])
    draft.step(f"amount with {rate}", f"{draft.current} + {draft.current} * {rate}")


@_rule(r"(?:grows|rises) by <N>%(?: each year for (\d{1,2}) years)?")
def _percent_growth(draft: Draft, match: re.Match[str]) -> None:
    rate = _percent(draft, "growth", match[1])
    for _ in range(int(match[2] or 1)):
        draft.step("amount after a year", f"{draft.current} + {draft.current} * {rate}")


@_rule(r"<N>% of (?:them|it|the \w+) (?:are|is) (\w+)(.*)")
def _percent_share(draft: Draft, match: re.Match[str]) -> None:
    whole = draft.current
    share = _percent(draft, f"share of {match[2]}", match[1])
    draft.step(match[2], f"{whole} * {share}")
    draft.whole = whole
    if "thrown away" in match[3] or "sold" in match[3]:
        draft.rest()


@_rule(r"^(?=.*\d (?:more|of)\b).*\b(?:sells|eats|uses|gives away|loses|leaks|spends|thrown away|sold|used)\b")
def _taken(draft: Draft, match: re.Match[str]) -> None:
    for taken in re.finditer(rf"(\d+)/(\d+) of|({_NUMBER}) (?:more|of)", match.string):
        if taken[1]:
            share = draft.quantity("share taken", f"{taken[1]} / {taken[2]}")
            draft.step("remainder", f"{draft.current} - {draft.current} * {share}")
        else:
            number = draft.quantity("number taken", taken[3])
            draft.step("remainder", f"{draft.current} - {number}")


@_rule(r"shared equally (?:by|among) <N> (\w+)")
def _shared(draft: Draft, match: re.Match[str]) -> None:
    if stated := re.match(rf"({_NUMBER}) (\w+) are shared", match.string):
        draft.parts = [draft.quantity(stated[2], stated[1])]
    sharers = draft.quantity(match[2], match[1])
    draft.step("share of each", f"{draft.current} / {sharers}")


@_rule(r"packed in (\w+) of <N>")
def _packed(draft: Draft, match: re.Match[str]) -> None:
    draft.rest()
    size = draft.quantity("size of one", match[2])
    draft.step(match[1], f"{draft.current} / {size}")


@_rule(r"pays with an? <N>")
def _pays(draft: Draft, match: re.Match[str]) -> None:
    note = draft.quantity("note", match[1])
    draft.step("change", f"{note} - {draft.current}")


@_rule(r"<N> (\w+) at <N> dollars each")
def _buys(draft: Draft, match: re.Match[str]) -> None:
    costs = []
    for items, thing, price in re.findall(rf"({_NUMBER}) (\w+) at ({_NUMBER}) dollars each", match.string):
        number, each = draft.quantity(thing, items), draft.quantity(f"price of {thing}", price)
        costs.append(draft.step(f"cost of {thing}", f"{number} * {each}"))
    draft.parts = costs


@_rule(r"<N> (\w+) per (\w+) for <N> \3s?")
def _rate_for_a_time(draft: Draft, match: re.Match[str]) -> None:
    before = draft.parts
    rate, time = draft.quantity(f"{match[2]} per {match[3]}", match[1]), draft.quantity(f"{match[3]}s", match[4])
    draft.parts = [*before, draft.step(match[2], f"{rate} * {time}")]


@_rule(r"<N> (\w+) per (\w+) and another \w+ <N> \2 per \3")
def _two_rates(draft: Draft, match: re.Match[str]) -> None:
    rates = [draft.quantity(f"{match[2]} per {match[3]}", number) for number in (match[1], match[4])]
    draft.known["rate"] = draft.step("joint rate", " + ".join(rates))


@_rule(r"around it .*costs <N> dollars per \w+")
def _around(draft: Draft, match: re.Match[str]) -> None:
    length, width = draft.known["length"], draft.known["width"]
    draft.step("perimeter", f"{length} + {width} + {length} + {width}")
    price = draft.quantity("price of a length", match[1])
    draft.step("cost", f"{draft.current} * {price}")


@_rule(r"<N> (\w+) long and <N> \2 wide")
def _rectangle(draft: Draft, match: re.Match[str]) -> None:
    draft.known["length"], draft.known["width"] = draft.quantity("length", match[1]), draft.quantity("width", match[3])


@_rule(r"(\w+) (?:is|has) <N> times as (?:old|many|much).* as (\w+)$")
def _times_as(draft: Draft, match: re.Match[str]) -> None:
    times = draft.quantity("times", match[2])
    draft.known[match[1]] = draft.step(f"number of {match[1]}", f"{draft.known[match[3]]} * {times}")


@_rule(r"(\w+) (?:is|has) <N> (?:\w+ )?(older|younger|more|fewer) (?:\w+ )?than (\w+)$")
def _more_than(draft: Draft, match: re.Match[str]) -> None:
    difference = draft.quantity("difference", match[2])
    sign = "+" if match[3] in ("older", "more") else "-"
    draft.known[match[1]] = draft.step(f"number of {match[1]}", f"{draft.known[match[4]]} {sign} {difference}")


@_rule(r"<N> (?:of them )?(\w+) (\w+), <N> \2 (\w+) and <N> \2 both")
def _two_sets(draft: Draft, match: re.Match[str]) -> None:
    whole = draft.current
    first, second = draft.quantity(match[3], match[1]), draft.quantity(match[5], match[4])
    both = draft.quantity("both", match[6])
    draft.step("at least one", f"{first} + {second} - {both}")
    draft.whole = whole


@_rule(r"(?:<N>, )+<N> and <N> (\w+) in <N> (\w+)")
def _list(draft: Draft, match: re.Match[str]) -> None:
    numbers, unit = re.findall(_NUMBER, match[0])[:-1], match[match.re.groups - 2].rstrip("s")
    draft.parts = [draft.quantity(unit, number) for number in numbers]
    draft.known["count"] = draft.quantity(match[match.re.groups], match[match.re.groups - 1])


@_rule(r"<N> (\w+) for <N> (\w+)")
def _ratio(draft: Draft, match: re.Match[str]) -> None:
    amount, people = draft.quantity(match[2], match[1]), draft.quantity(match[4], match[3])
    draft.step(f"{match[2]} for one", f"{amount} / {people}")


@_rule(r"^(?:(an?|the) )?(\w+) (\w+) <N> (\w+)")
def _fact(draft: Draft, match: re.Match[str]) -> None:
    article, holder, verb, number, unit = match.groups()
    name = f"number of {holder}" if not article else f"price of {holder}" if verb == "costs" else unit
    amount = draft.quantity(name, number)
    if not article:
        draft.known[holder] = amount
    if "rate" in draft.known:
        draft.step("time", f"{amount} / {draft.known['rate']}")
    else:
        draft.parts = [amount]


def _ask(draft: Draft, question: str) -> None:
    """The last sentence says which amount is wanted."""
    if re.search(r"\b(?:not|neither|left|rest)\b", question):
        draft.rest()
    elif "average" in question:
        draft.step("average", f"({' + '.join(draft.parts)}) / {draft.known['count']}")
    elif "together" in question:
        draft.parts = list(draft.known.values())
    elif later := re.search(rf"will (\w+) be in ({_NUMBER}) years", question):
        years = draft.quantity("years", later[2])
        draft.step("age then", f"{draft.known[later[1]]} + {years}")
    elif wanted := re.search(rf"needed for ({_NUMBER}) (\w+)", question):
        number = draft.quantity(f"{wanted[2]} wanted", wanted[1])
        draft.step("amount wanted", f"{draft.current} * {number}")
