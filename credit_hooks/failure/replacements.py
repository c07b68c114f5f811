"""What a replay wrote in the place of a message, and what became of the run: evidence for a pair at the same prefix.

A replay keeps everything before a message, so what it writes there instead answers exactly what the message answered.
Whoever replays keeps its :class:`Replacement` with the run as a label; exporters make pairs of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from pydantic import Field, ValidationError

from credit_hooks.parts import FrozenModel, Part
from credit_hooks.trajectory import Label

__all__ = ["REPLACEMENT", "Replacement", "replacements_of"]

REPLACEMENT: Final = "replacement"
"""Name of the labels that hold a replacement of the labelled message."""


class Replacement(FrozenModel):
    """Another message at the place of one, and how the run went on from there."""

    message_id: str
    """The message that it stands in for. Same author, and everything before it as it was."""
    parts: tuple[Part, ...]
    """What was written instead."""
    outcome: float = Field(ge=0.0, le=1.0)
    """R of the run that went on from it; of several tries the mean."""
    observed: float = Field(ge=0.0, le=1.0)
    """R of the run as it was; of several tries with the message kept, their mean."""
    tries: int = Field(default=1, ge=1)
    """Runs that went on from it."""
    std_err: float | None = Field(default=None, ge=0.0)
    """Standard error of `gain`. None: replays of this team do not differ, or were done once."""

    @property
    def gain(self) -> float:
        """What the replacement brought, in [-1, 1]."""
        return self.outcome - self.observed

    @property
    def is_clear(self) -> bool:
        """Whether the sign of the gain is more than chance: beyond 1.96 standard errors, where there is one."""
        return self.gain != 0 and (self.std_err is None or abs(self.gain) > 1.96 * self.std_err)

    def label(self, *, annotator: str = "replay", timestamp: int | None = None) -> Label:
        """The label that keeps it with the run."""
        return Label(
            target="message",
            target_id=self.message_id,
            name=REPLACEMENT,
            value=self.model_dump(mode="json"),
            annotator=annotator,
            timestamp=timestamp,
        )


def replacements_of(labels: Iterable[Label]) -> list[Replacement]:
    """Replacements among a run's labels, in their order; labels that hold none are passed over."""
    found: list[Replacement] = []
    for label in labels:
        if label.name != REPLACEMENT:
            continue
        try:
            replacement = Replacement.model_validate(label.value)
        except ValidationError:
            continue  # of another version, or by hand
        if replacement.message_id == label.target_id:
            found.append(replacement)
    return found
