"""Other people's text made safe and short for a screen: hidden characters shown, one-line summaries, signed numbers."""

from __future__ import annotations

import json
import re
from typing import Final

from credit_hooks.trajectory import BlobPart, Message, ReasoningPart, ToolCallPart, WithheldPart

__all__ = ["headline", "one_line", "printable", "signed"]

# Controls (tab and newline apart), bidirectional overrides, invisible marks and lone surrogates can hide or reorder
# what a reader sees, or drive a terminal. Joiners stay: emoji and Indic scripts need them.
_HIDDEN: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff\U000e0000-\U000e007f]"
)
_MINUS: Final = "\N{MINUS SIGN}"
_NEWLINES: Final = re.compile("\r\n|\r|\u0085|\u2028|\u2029|\x0b|\x0c")


def printable(text: str) -> str:
    """The text with line ends as newlines and every hidden or reordering character spelled out, as `[U+202E]`."""
    return _HIDDEN.sub(lambda match: f"[U+{ord(match[0]):04X}]", _NEWLINES.sub("\n", text))


def one_line(text: str, limit: int) -> str:
    """The beginning of the text on one line, its spaces and line ends collapsed, at most `limit` characters."""
    line = " ".join(printable(text[: 4 * limit]).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def headline(message: Message, limit: int = 160) -> str:
    """One line that says what a message is.

    Its text, else its tool calls, its reasoning, its error, or that it is withheld or empty.
    """
    if line := one_line(message.text, limit):
        return line
    calls = [part for part in message.parts if isinstance(part, ToolCallPart)]
    if calls:
        return one_line(", ".join(f"→ {call.name}({_arguments(call, limit)})" for call in calls), limit)
    for part in message.parts:
        if isinstance(part, WithheldPart):
            return "(content withheld)" if part.length is None else f"(content withheld, {part.length} characters)"
        if isinstance(part, BlobPart):
            return f"({part.mime_type or 'file'})"
        if isinstance(part, ReasoningPart):
            return one_line(f"(reasoning) {part.text}", limit)
    return one_line(f"(error: {message.error})", limit) if message.error else "(empty)"


def _arguments(call: ToolCallPart, limit: int) -> str:
    if call.arguments is None:
        return ""
    return (call.arguments if isinstance(call.arguments, str) else json.dumps(call.arguments, ensure_ascii=False))[
        :limit
    ]


def signed(value: float | None) -> str:
    """A reward with its sign: `+0.125`, `−0.4`, `0`, `–` for None; tiny ones keep one digit, as `+2e-05`."""
    if value is None:
        return "\N{EN DASH}"
    if value == 0:
        return "0"
    size = abs(value)
    digits = f"{size:.0e}" if size < 0.00005 else f"{size:.4f}" if size < 0.01 else f"{size:.3f}"
    return ("+" if value > 0 else _MINUS) + digits
