"""The one place that knows a natural language: how text falls into units, and the words that signal something.

Everything else in the credit engine counts, weighs and solves games. To credit teams that write another language, build
another :class:`Language` and pass it as ``CreditConfig(language=...)``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace

__all__ = ["ENGLISH", "ENTITY", "NUMBER", "WORD", "ErrorRule", "Language", "Unit", "english_units"]

WORD, ENTITY, NUMBER = 0, 1, 2
"""Classes of units, by how firmly equality of two units means equality of what was said."""

Unit = tuple[str, int]
"""A canonical form and its class."""


@dataclass(frozen=True, slots=True)
class ErrorRule:
    """A pattern that shows a hard error in what a tool, a program or a server returned."""

    name: str
    """What kind of error: the rule that :class:`credit_hooks.rewards.FirstError` names."""
    pattern: re.Pattern[str]
    """Matches where the error shows."""


@dataclass(frozen=True, slots=True)
class Language:
    """What the credit engine needs to know of a language. All patterns are searched, not matched in full."""

    name: str
    """BCP 47 tag."""
    units: Callable[[str], list[Unit]]
    """The units of a text, in order."""
    cue: re.Pattern[str]
    """A conclusion is being stated. In failures only messages with a cue vote."""
    hedge: re.Pattern[str]
    """Something is assumed rather than found out. Counted, up to three."""
    code: re.Pattern[str]
    """The message holds code for somebody to run, so that its result speaks for it."""
    terminator: re.Pattern[str]
    """Matches messages that only end or route the conversation and state nothing."""
    errors: tuple[ErrorRule, ...]
    """Hard errors, most specific first."""

    def error_of(self, text: str) -> str | None:
        """Name of the first error rule that matches; None: no error shows."""
        return next((rule.name for rule in self.errors if rule.pattern.search(text)), None)

    def with_cue(self, pattern: str) -> Language:
        """This language with other conclusion cues, such as the words of a team's own answer format."""
        return replace(self, cue=re.compile(pattern, re.IGNORECASE))


# A word is an entity in mid-sentence (after a space, quote or bracket that follows no sentence end) if capitalised.
_TOKEN = re.compile(
    r"""(?<![A-Za-z0-9_.])((?:\d{1,3}(?:,\d{3})+(?![\d,]*\d)|\d+)(?:\.\d+)?)
      | (?<=[^.!?:\n*\#\-][ '"(])([^\W\d]\w{2,})
      | (?<!\w)([^\W\d]\w{2,})""",
    re.VERBOSE,
)


def _canonical_number(text: str) -> str:
    value = float(text.replace(",", ""))
    # Beyond 1e15 a float no longer tells neighbouring integers apart: such numbers are identifiers.
    return f"#{text}" if not math.isfinite(value) or abs(value) >= 1e15 else f"#{round(value, 4)!r}"


def english_units(text: str) -> list[Unit]:
    """Numbers (canonical float), entities (capitalised in mid-sentence, or with ``_`` or a digit) and words."""
    units: list[Unit] = []
    for number, inner, word in _TOKEN.findall(text):
        if number:
            units.append((_canonical_number(number), NUMBER))
        elif inner:
            named = inner[0].isupper() or not inner.isalpha()
            units.append((inner.lower(), ENTITY if named else WORD))
        else:
            units.append((word.lower(), WORD if word.isalpha() else ENTITY))
    return units


ENGLISH = Language(
    name="en",
    units=english_units,
    # One \b before all alternatives: tried at word starts only, which is five times as fast.
    cue=re.compile(
        r"\b(?:(?:answer|therefore|thus|hence|final|verified)\b|conclu(?:de|sion)|boxed\{)|####", re.IGNORECASE
    ),
    hedge=re.compile(
        r"\b(?:assum|approximat|hypothetical|simulat|placeholder|typically|likely|probably|known|mock|suppose"
        r"|for example|example data|manual(?:ly)?\b|I (?:will|can) now|based on (?:my|the) (?:knowledge|memory)"
        r"|let's consider)",
        re.IGNORECASE,
    ),
    code=re.compile(r"```|^\s*(?:def \w+\(|import \w+|from \w+ import )", re.MULTILINE),
    terminator=re.compile(
        r"\A\W*(?:TERMINATE|Request satisfied\.?|Next speaker .{0,80}|exit|done|None)?\W*\Z", re.IGNORECASE
    ),
    errors=(
        ErrorRule("traceback", re.compile(r"Traceback \(most recent|\b[A-Z]\w*(?:Error|Exception): ")),
        ErrorRule(
            "exit_code",
            re.compile(
                r"\b(?:exit[ _]?(?:code|status)[\"']?[:=]? ?[1-9]|exited with (?:code|status) [1-9]|execution failed)",
                re.I,
            ),
        ),
        ErrorRule(
            "http_error",
            re.compile(
                r"\bHTTP(?:/[\d.]+)?(?: error| status)?:? [45]\d\d\b|\bstatus(?:[ _]code)?[\"']?[:=]? ?[45]\d\d\b"
                r"|\b[45]\d\d (?:Client Error|Server Error|Forbidden|Not Found|Unauthorized|Bad Request"
                r"|Too Many Requests|Internal Server Error|Bad Gateway|Service Unavailable|Gateway Time-?out)",
                re.IGNORECASE,
            ),
        ),
        ErrorRule(
            "timeout", re.compile(r"\b(?:timed[ -]?out\b|timeout (?:error|exceeded|expired)|deadline exceeded)", re.I)
        ),
        ErrorRule("nothing_to_run", re.compile(r"\b(?:unknown language|There is no code)", re.I)),
    ),
)
"""Written English, with the conventions of code, JSON and LaTeX that appear in it."""
