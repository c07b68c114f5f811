"""The replays of one callback or instrumented team: keeps finished runs as systems, credits them, answers "what if"."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any

from credit_hooks.credit.config import CreditConfig
from credit_hooks.errors import ConfigurationError, ReplayRefusedError
from credit_hooks.outcome import FinishedRun
from credit_hooks.ports import Evaluator
from credit_hooks.replay.counterfactual import Counterfactual, acounterfactual, counterfactual
from credit_hooks.replay.credit import passive_credit, replay_credit
from credit_hooks.replay.first_error import LocatedError, Search, alocate_error, locate_error
from credit_hooks.replay.meter import ReplayLimits
from credit_hooks.replay.port import Replayer, System
from credit_hooks.rewards import Credit, CreditedRun
from credit_hooks.trajectory import Trajectory

__all__ = ["Replays"]

_MAX_KEPT = 100
"""Newest finished runs kept as systems."""


class Replays:
    """What a capture session has of replay. Thread-safe.

    Args:
        replayer: How runs are run again.
        evaluate: Says how replays ended. None: only counterfactuals without an outcome are possible.
        config: How runs are credited.

    Raises:
        ConfigurationError: credit is to be by replay, and nobody says how replays ended.
    """

    def __init__(self, replayer: Replayer, evaluate: Evaluator | None, config: CreditConfig) -> None:
        if not isinstance(replayer, Replayer):
            raise ConfigurationError(f"replay is a Replay(...), not {type(replayer).__name__}")
        if config.method == "replay" and evaluate is None:
            raise ConfigurationError("CreditConfig(method='replay') needs evaluate=, which says how each replay ended")
        self._replayer = replayer
        self._evaluate = evaluate
        self._config = config
        self._kept: OrderedDict[str, System | str] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def finds_baseline(self) -> bool:
        """Whether b is what the team reaches with everyone masked, as the user declares no other."""
        return self._config.method == "replay" and "baseline" not in self._config.model_fields_set

    def keep(self, run: FinishedRun) -> None:
        """A run has finished: make it a system while its recording is fresh."""
        found: System | str
        try:
            found = self._replayer.system(run)
        except ReplayRefusedError as error:
            found = str(error)
        with self._lock:
            self._kept[run.id] = found
            while len(self._kept) > _MAX_KEPT:
                self._kept.popitem(last=False)

    def credit(self, trajectory: Trajectory) -> Credit | None:
        """Credit a run with an outcome by replay. None: it is to be credited otherwise."""
        if self._config.method != "replay" or self._evaluate is None or trajectory.outcome is None:
            return None
        declared = trajectory.outcome.baseline
        system = self._kept.get(trajectory.id, "the run is not among those kept for replay")
        if isinstance(system, str):
            return passive_credit(trajectory, self._config, system, declared)
        return replay_credit(trajectory, system, self._evaluate, self._config, self._replayer.limits, declared=declared)

    def counterfactual(self, run: CreditedRun, message_id: str, replacement: Any) -> Counterfactual:
        """What if a message of a run had been another one?

        Raises:
            ReplayRefusedError: the run cannot be run again.
            ConfigurationError: it has no such message, or the message cannot be replaced.
            ReplayStoppedError: the replay did not get to its end.
        """
        system = self._system(run.trajectory.id)
        limits = self._replayer.limits
        return counterfactual(system, run.trajectory, message_id, replacement, evaluate=self._evaluate, limits=limits)

    async def acounterfactual(self, run: CreditedRun, message_id: str, replacement: Any) -> Counterfactual:
        """The same on the caller's event loop."""
        system = self._system(run.trajectory.id)
        limits = self._replayer.limits
        return await acounterfactual(
            system, run.trajectory, message_id, replacement, evaluate=self._evaluate, limits=limits
        )

    def first_error(self, run: CreditedRun, search: Search) -> LocatedError:
        """Find the first error of a failed run by doing it anew from chosen turns.

        Raises:
            ReplayRefusedError: the run cannot be run again, or is the same each time.
            ConfigurationError: the run did not fail, or an option cannot work.
        """
        return locate_error(run, *self._located_by(run), search)

    async def afirst_error(self, run: CreditedRun, search: Search) -> LocatedError:
        """The same with replays on the caller's event loop."""
        return await alocate_error(run, *self._located_by(run), search)

    def _located_by(self, run: CreditedRun) -> tuple[System, Evaluator, CreditConfig, ReplayLimits]:
        if self._evaluate is None:
            raise ConfigurationError("first_error needs evaluate=, which says how each replay ended")
        return self._system(run.trajectory.id), self._evaluate, self._config, self._replayer.limits

    def _system(self, run_id: str) -> System:
        system = self._kept.get(run_id, f"run {run_id} is not among the newest {_MAX_KEPT} of this process")
        if isinstance(system, str):
            raise ReplayRefusedError(system)
        return system
