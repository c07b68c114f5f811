"""Which turns of a replay are done anew, and who does them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from credit_hooks.autogen.replay.index import Index, Place
from credit_hooks.autogen.replay.speaker import Speaker
from credit_hooks.replay import Redo

__all__ = ["Anew", "Voice"]

Voice = Literal["", "anew ", "baseline ", "correction "]
"""Who speaks in a turn, as keys of the tape say it: the team as recorded, itself anew, or somebody else."""


class Anew:
    """What a replay does anew.

    Args:
        index: The recorded run.
        redo: What is asked for, its speaker as a `Speaker`. None: nothing.
    """

    def __init__(self, index: Index, redo: Redo | None) -> None:
        self._index = index
        self._redo = redo
        self.start: Place | None = None if redo is None else index.place_from(redo.message_id)
        """The turn where it begins. None: nothing is done anew."""
        self._kept: frozenset[Place] = frozenset()
        self._around: frozenset[Place] = frozenset()
        self._heard: Place | None = None
        if redo is not None and self.start is not None:
            self._around = index.going_on(self.start, redo.message_id)
            self._kept = index.kept_before(self.start, redo.message_id) - self._around
            self._heard = index.last_inside(self.start, redo.message_id)

    def is_turn(self, place: Place) -> bool:
        """Whether a turn is done anew. Turns that the run did not have come after its beginning."""
        if self._redo is None or self.start is None:
            return False
        return place == self.start if self._redo.only else place not in self._kept

    def corrector(self, place: Place) -> Speaker | None:
        """Who does a turn anew in place of its agent. None: nobody, it is kept, or the agent itself does it."""
        by = None if self._redo is None else self._redo.by
        return by if self.is_turn(place) and self._index.speaks(place[0]) else None

    def voice(self, place: Place) -> Voice:
        """Who speaks in a turn where nobody else does."""
        return "anew " if self._redo is not None and self._redo.by is None and self.is_turn(place) else ""

    def is_too_early(
        self, place: Place, has_begun: Callable[[Place], bool], has_ended: Callable[[Place], bool]
    ) -> bool:
        """Whether a turn is as it was up to now, and done anew only from some turn inside of it on."""
        if place == self.start:
            return self._heard is not None and not has_ended(self._heard)
        return place in self._around and self.start is not None and not has_begun(self.start)

    def manager_voice(self, has_begun: Callable[[Place], bool]) -> Voice:
        """Who decides on the next speaker: the manager anew, after the turn where the team begins anew."""
        if self._redo is None or self._redo.by is not None or self._redo.only or self.start is None:
            return ""
        return "anew " if has_begun(self.start) else ""
