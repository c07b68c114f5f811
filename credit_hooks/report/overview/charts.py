"""Geometry of the overview's charts, as numbers for the template: no colours, no markup."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from credit_hooks.report.overview.timeline import Timeline

__all__ = ["Rectangle", "runs_over_time", "shares", "sparkline"]

_STACK: Final = ("succeeded", "partly", "failed", "uncredited")  # from the axis upwards
_HEIGHT: Final = 92.0


class Rectangle(NamedTuple):
    """Part of a stacked bar; x and width in percent of the chart, y and height in pixels."""

    x: float
    y: float
    width: float
    height: float
    verdict: str


def shares(verdicts: Mapping[str, int]) -> list[tuple[str, int, float, float]]:
    """Verdict, runs, start and width in percent of all, for one bar of the whole."""
    total, start, found = sum(verdicts.values()), 0.0, []
    for verdict in _STACK:
        count = verdicts.get(verdict, 0)
        width = 100.0 * count / total if total else 0.0
        found.append((verdict, count, start, width))
        start += width
    return found


def runs_over_time(timeline: Timeline) -> tuple[list[Rectangle], int]:
    """Stacked bars of runs by verdict, and how many runs the highest bar is."""
    bins = timeline.bins()
    highest = max((sum(bin_.runs.values()) for bin_ in bins), default=0)
    drawn: list[Rectangle] = []
    for place, bin_ in enumerate(bins):
        top = _HEIGHT
        for verdict in _STACK:
            height = _HEIGHT * bin_.runs[verdict] / highest
            if height:
                top -= height
                drawn.append(Rectangle(100 * (place + 0.09) / len(bins), top, 82 / len(bins), height, verdict))
    return drawn, highest


def sparkline(values: Sequence[float | None], highest: float) -> tuple[str, str]:
    """Paths of the bars above and below the line, in a box as wide as there are values, from -1 to 1."""
    above: list[str] = []
    below: list[str] = []
    for place, value in enumerate(values):
        if not value or not highest:
            continue
        height = max(0.03, min(1.0, abs(value) / highest))
        rise = f"M{place + 0.08:g} 0v{'-' if value > 0 else ''}{height:.3g}h.84V0z"
        (above if value > 0 else below).append(rise)
    return "".join(above), "".join(below)
