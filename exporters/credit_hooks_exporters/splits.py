"""Splits by task: runs of one task are all in one split, whenever they are exported."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping

from credit_hooks.errors import ConfigurationError
from credit_hooks.rewards import CreditedRun
from credit_hooks_exporters.examples import task_key
from credit_hooks_exporters.ids import digest

__all__ = ["Splits"]


class Splits:
    """Which split a run belongs to, by a hash of its task.

    Args:
        shares: Share of the tasks of each split, in order; positive, sum 1.

    Raises:
        ConfigurationError: the shares cannot work.
    """

    def __init__(self, shares: Mapping[str, float]) -> None:
        wrong = [f"{name}={share!r}" for name, share in shares.items() if type(share) not in (int, float)]
        if wrong:
            raise ConfigurationError(f"shares of splits are numbers, like train=0.9: {wrong[0]}")
        if not shares or any(share <= 0 for share in shares.values()) or not math.isclose(sum(shares.values()), 1.0):
            raise ConfigurationError(f"shares of splits are positive and sum to 1, like train=0.9 test=0.1: {shares}")
        bad = [name for name in shares if not name.isidentifier()]
        if bad:
            raise ConfigurationError(f"{bad[0]!r} is no name of a split: letters, digits and underscores")
        self.shares = dict(shares)
        self._ends = list(itertools.accumulate(shares.values()))

    def of(self, run: CreditedRun) -> str:
        """The name of the run's split."""
        place = int(digest("split", task_key(run))[:13], 16) / 16**13
        found = (name for name, end in zip(self.shares, self._ends, strict=True) if place < end)
        return next(found, next(reversed(self.shares)))
