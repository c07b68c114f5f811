"""What every command prints with: consoles for results and for progress, signed bars, numbers with a sign."""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper
from typing import Final

from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.text import Text

from credit_hooks.report.text import printable, signed

__all__ = ["SignedBar", "amount", "plain", "progress_screen", "screen", "set_colour", "style_of"]

_PIPED_WIDTH: Final = 120
_options: dict[str, bool] = {"no_color": False}


def set_colour(wanted: bool) -> None:
    """Choose colour for all screens; the environment's NO_COLOR counts too."""
    _options["no_color"] = not wanted


def screen() -> Console:
    """Standard output. Markup is off: square brackets in a message are a message, not a style."""
    return _console(sys.stdout)


def progress_screen() -> Console:
    """Standard error, for progress and remarks."""
    return _console(sys.stderr)


def _console(stream: object) -> Console:
    if isinstance(stream, TextIOWrapper):
        stream.reconfigure(errors="replace")  # a terminal without Unicode shows question marks, not a traceback
    piped = not (hasattr(stream, "isatty") and stream.isatty()) and "COLUMNS" not in os.environ
    return Console(
        file=stream if stream is sys.stderr else None,
        markup=False,
        emoji=False,
        highlight=False,
        no_color=_options["no_color"] or None,
        width=_PIPED_WIDTH if piped else None,
    )


def plain(text: str, style: str = "") -> Text:
    """Somebody else's text for a table cell: no markup, no escape sequences, no reordering."""
    return Text(printable(text), style=style)


def amount(value: float | None) -> Text:
    """A reward as text that says its sign without colour; empty for None."""
    text = "" if value is None else signed(value).replace("\N{MINUS SIGN}", "-")
    return Text(text, style=style_of(value), justify="right")


def style_of(value: float | None) -> str:
    """Blue for gains, red for losses: the pair that most colour-blind readers can tell apart."""
    return "" if not value else "blue" if value > 0 else "red"


class SignedBar:
    """A bar to the right of a centre line for gains, to its left for losses; the line alone for None.

    Args:
        value: The reward.
        largest: Size that fills one side.
        width: Columns at most; an odd number keeps the sides equal.
    """

    def __init__(self, value: float | None, largest: float, width: int = 21) -> None:
        self.value = value
        self.largest = largest
        self.width = width

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        half = (min(self.width, options.max_width) - 1) // 2
        block, centre = ("#", "|") if options.ascii_only else ("█", "│")
        value = self.value or 0.0
        size = min(half, max(1, round(half * abs(value) / self.largest))) if value and self.largest else 0
        bar = Text(block * size, style=style_of(value))
        left = Text(" " * half) if value >= 0 else Text(" " * (half - size)) + bar
        right = bar if value > 0 else Text("")
        yield left + Text(centre, style="dim") + right + Text(" " * (half - len(right)))

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        width = min(self.width, options.max_width)
        return Measurement(min(9, width), width)
