"""A set of 64-bit digests in 8 to 40 bytes each, so that a million rows can be told apart in flat memory."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["Digests"]

_RECENT: Final = 65_536


class Digests:
    """Which digests were seen. At a million rows two different ones are taken for equal with probability 3e-8."""

    def __init__(self) -> None:
        self._recent: dict[int, None] = {}
        self._sorted: list[NDArray[np.uint64]] = []

    def add(self, value: int) -> bool:
        """Remember a digest, 0 <= value < 2**64. False: it was there. Cost: O(log² n), amortised."""
        if value in self._recent or any(_holds(part, value) for part in self._sorted):
            return False
        self._recent[value] = None
        if len(self._recent) >= _RECENT:
            self._settle()
        return True

    def settle(self, values: NDArray[np.uint64]) -> None:
        """Remember many digests at once."""
        if values.size:
            self._sorted.append(np.unique(values))

    def __len__(self) -> int:
        return len(self._recent) + sum(part.size for part in self._sorted)

    def _settle(self) -> None:
        """Sort what is recent, and merge arrays of about the same size, so that there are few."""
        self._sorted.append(np.sort(np.fromiter(self._recent, np.uint64, len(self._recent))))
        self._recent = {}
        while len(self._sorted) > 1 and self._sorted[-2].size < 2 * self._sorted[-1].size:
            last, before = self._sorted.pop(), self._sorted.pop()
            self._sorted.append(np.sort(np.concatenate([before, last])))


def _holds(part: NDArray[np.uint64], value: int) -> bool:
    place = int(np.searchsorted(part, np.uint64(value)))
    return place < part.size and int(part[place]) == value
