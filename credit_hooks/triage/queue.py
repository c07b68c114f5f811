"""`TriageQueue`: takes credited runs as they come, and queues the turns that somebody should look at again."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Final

from credit_hooks.rewards import CreditedRun
from credit_hooks.store import RunStore
from credit_hooks.trajectory import Label
from credit_hooks.triage.critiques import Critique, CritiqueBook, critique_text, places_of
from credit_hooks.triage.policy import TriagedTurn, TriagePolicy
from credit_hooks.triage.retries import RetryRecord

__all__ = ["ANNOTATOR", "RETRY", "TRIAGE", "TriageQueue"]

TRIAGE: Final = "triage"
"""Label of a turn that was queued; its category says why."""
RETRY: Final = "retry"
"""Label of a step in which an answer was retried, or an agent was told a critique of an earlier run."""
ANNOTATOR: Final = "credit-hooks triage"
"""Who gives these labels."""

_DEFAULT: Final = TriagePolicy()
_MAX_RECORDS: Final = 10_000


class TriageQueue:
    """Queues turns of failed runs for review, and critiques of them for the next run. Bounded and thread-safe.

    Off the user's path: it is an exporter, called on a worker thread after each run was credited::

        queue = TriageQueue(store="runs.db")
        callback = CreditCallback(evaluate=..., store="runs.db", exporters=[queue])

    Queued turns are labels of the stored run, so that `credit-hooks review --queued` goes through them. Turns that are
    blamed on an agent also give a critique, kept for the next run of the same thread or task; a run that goes well
    drops them. Nothing is prompted again unless a hook is given this queue
    (:class:`credit_hooks.langgraph.triage.TriageMiddleware`, :class:`credit_hooks.langgraph.triage_nodes.NodeRetries`,
    :func:`credit_hooks.autogen.triage.retry_turns`).

    Args:
        policy: What is queued.
        store: The store that keeps the runs, or its path: labels go there. None: the queue is in memory only.
        critique: Makes the critique of a turn, on the worker thread; may ask a model. Default: from evidence alone.
        max_turns: Turns waiting in memory, at most; the least urgent are dropped.
        max_critiques: Critiques waiting, at most; the oldest are dropped.
        uses: Later runs that are told a critique.

    Raises:
        StoreError: the store cannot be opened.
    """

    def __init__(
        self,
        policy: TriagePolicy = _DEFAULT,
        *,
        store: str | os.PathLike[str] | RunStore | None = None,
        critique: Callable[[CreditedRun, TriagedTurn], str] = critique_text,
        max_turns: int = 1_000,
        max_critiques: int = 1_000,
        uses: int = 1,
    ) -> None:
        self.policy = policy
        """What is queued."""
        self._store = store if store is None or isinstance(store, RunStore) else RunStore(Path(store))
        self._critique = critique
        self._max_turns = max_turns
        self._lock = threading.Lock()
        self._turns: dict[tuple[str, str, str], TriagedTurn] = {}
        self._labelled: OrderedDict[tuple[str, str, str], None] = OrderedDict()
        self._records: OrderedDict[int, RetryRecord] = OrderedDict()
        self._noted = 0
        self.critiques = CritiqueBook(max_critiques, uses)
        """Critiques that wait for the next run."""
        self.stats: Counter[str] = Counter()
        """Turns queued by reason, and everything that was dropped or failed."""

    def __len__(self) -> int:
        return len(self._turns)

    @property
    def turns(self) -> list[TriagedTurn]:
        """The turns that wait, the most urgent first."""
        with self._lock:
            return sorted(self._turns.values(), key=_order)

    def take(self, most: int = 1) -> list[TriagedTurn]:
        """The most urgent turns, out of the queue. Labels in the store stay: reviewers find them there."""
        with self._lock:
            taken = sorted(self._turns.values(), key=_order)[:most]
            for turn in taken:
                del self._turns[_key(turn)]
        return taken

    def export(self, run: CreditedRun) -> None:
        """Take a credited run. One that is credited anew replaces what was queued of it.

        Raises:
            StoreError: labels cannot be written, as the run is not in the store; it is queued in memory all the same.
        """
        turns = self.policy.turns(run)
        places = places_of(run.trajectory)
        with self._lock:
            for key in [key for key in self._turns if key[0] == run.trajectory.id]:
                del self._turns[key]
            for turn in turns:
                self._turns[_key(turn)] = turn
                self.stats[f"queued: {turn.why}"] += 1
            self._drop_least_urgent()
        done = run.credit.status == "credited" and run.credit.total > 0
        self.critiques.forget(places, run_id=None if done else run.trajectory.id)
        for turn in turns:
            if turn.why == "high_blame" and turn.is_agent:
                self._criticise(run, turn, places)
        self._label(run, turns)

    def note(self, record: RetryRecord) -> None:
        """Remember a retry until its run is credited."""
        with self._lock:
            self._noted += 1
            self._records[self._noted] = record
            while len(self._records) > _MAX_RECORDS:
                self._records.popitem(last=False)
                self.stats["dropped: records"] += 1

    def _drop_least_urgent(self) -> None:
        surplus = len(self._turns) - self._max_turns
        if surplus > 0:
            for turn in sorted(self._turns.values(), key=_order)[-surplus:]:
                del self._turns[_key(turn)]
                self.stats["dropped: queue full"] += 1

    def _criticise(self, run: CreditedRun, turn: TriagedTurn, places: tuple[str, ...]) -> None:
        try:
            text = self._critique(run, turn)
        except Exception:  # noqa: BLE001 - the user's function, which may ask a model: the evidence still speaks
            self.stats["failed: critique"] += 1
            text = critique_text(run, turn)
        made = Critique(
            run_id=run.trajectory.id,
            message_id=turn.message_id,
            actor_id=turn.actor_id,
            actor=turn.actor,
            text=text if isinstance(text, str) and text.strip() else critique_text(run, turn),
        )
        self.stats["dropped: critiques"] += self.critiques.put(places, made)

    def _label(self, run: CreditedRun, turns: tuple[TriagedTurn, ...]) -> None:
        records = self._records_of(run)
        if self._store is None:
            return
        for turn in turns:
            if _key(turn) not in self._labelled:
                self._store.add_label(run.trajectory.id, _turn_label(turn))
                self._remember(turn)
        for record in records:
            self._store.add_label(run.trajectory.id, _retry_label(record))

    def _remember(self, turn: TriagedTurn) -> None:
        """A run that is credited anew is not labelled twice."""
        with self._lock:
            self._labelled[_key(turn)] = None
            while len(self._labelled) > _MAX_RECORDS:
                self._labelled.popitem(last=False)

    def _records_of(self, run: CreditedRun) -> list[RetryRecord]:
        steps = run.trajectory.step_by_id
        with self._lock:
            found = {number: record for number, record in self._records.items() if record.span_id in steps}
            for number in found:
                del self._records[number]
        return list(found.values())


def _key(turn: TriagedTurn) -> tuple[str, str, str]:
    return turn.run_id, turn.message_id, turn.why


def _order(turn: TriagedTurn) -> tuple[float, str, int]:
    return -turn.urgency, turn.run_id, turn.index


def _turn_label(turn: TriagedTurn) -> Label:
    return Label(
        target="message",
        target_id=turn.message_id,
        name=TRIAGE,
        value={"blame": turn.blame, "confidence": turn.confidence, "rule": turn.rule},
        category=turn.why,
        annotator=ANNOTATOR,
        timestamp=time.time_ns(),
    )


def _retry_label(record: RetryRecord) -> Label:
    return Label(
        target="step",
        target_id=record.span_id,
        name=RETRY,
        value={
            "agent": record.agent,
            "signals": list(record.signals),
            "before": record.before,
            "after": record.after,
            "tokens": record.tokens,
        },
        category=record.end,
        annotator=ANNOTATOR,
        timestamp=time.time_ns(),
    )
