"""The newest finished runs, in memory as bytes and decoded when somebody looks.

As objects, each step of a kept run gives every full garbage collection of the user's process some 15 objects more to
walk; measured on runs of 200 steps, that was a quarter of the whole cost of tracing them.
"""

from __future__ import annotations

import pickle
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Sequence

from credit_hooks.credit import CreditConfig, assign_credit
from credit_hooks.errors import UnknownRunError
from credit_hooks.native import ADAPTER
from credit_hooks.rewards import CreditedRun
from credit_hooks.spans import SpanData, SpanFields

__all__ = ["RunArchive"]


class _Unread:
    """The spans of a run that nobody has looked at. Pickled by ourselves, in this process."""

    __slots__ = ("pickled",)

    def __init__(self, spans: Sequence[SpanFields]) -> None:
        # Plain tuples: dataclasses with slots are pickled by Python code, measured at 11 us a span in place of 4.
        self.pickled = pickle.dumps(spans, pickle.HIGHEST_PROTOCOL)

    def read(self, config: CreditConfig) -> CreditedRun:
        fields: list[SpanFields] = pickle.loads(self.pickled)  # noqa: S301 - see above
        spans = [SpanData(*arguments) for arguments in fields]
        trajectory = next(iter(ADAPTER.trajectories(spans)))
        return CreditedRun(trajectory=trajectory, credit=assign_credit(trajectory, config))


class RunArchive:
    """Finished runs by id, in the order in which they finished; the oldest make room.

    Args:
        max_runs: Most runs kept.
        config: How a run that was kept as spans is credited when it is read.
        older: Finds a run that is no longer among them, as in a store. None: there is no such place.
    """

    def __init__(
        self, max_runs: int, config: CreditConfig, older: Callable[[str], CreditedRun | None] | None = None
    ) -> None:
        self._max_runs = max_runs
        self._config = config
        self._older = older
        self._kept: OrderedDict[str, bytes | _Unread] = OrderedDict()
        self._ended: dict[str, int] = {}
        self._newest_ns = 0
        self._decoded: weakref.WeakValueDictionary[str, CreditedRun] = weakref.WeakValueDictionary()
        self._lock = threading.Lock()

    def keep(self, run: CreditedRun) -> None:
        """Keep a credited run, instead of an older version of it."""
        ended = max((step.end_ns or 0 for step in run.trajectory.steps), default=0)
        self._put(run.trajectory.id, ended, run.model_dump_json().encode())

    def keep_spans(self, run_id: str, ended_ns: int, spans: Sequence[SpanFields]) -> None:
        """Keep a run without an outcome by its spans; its trajectory is made when somebody asks for it."""
        self._put(run_id, ended_ns, _Unread(spans))

    def get(self, run_id: str) -> CreditedRun | None:
        """The run of that id. None: it is not here, or no longer."""
        with self._lock:
            kept, run = self._kept.get(run_id), self._decoded.get(run_id)
        if kept is None or run is not None:
            return run
        run = kept.read(self._config) if isinstance(kept, _Unread) else CreditedRun.model_validate_json(kept)
        with self._lock:
            if self._kept.get(run_id) is kept:
                self._decoded[run_id] = run
        return run

    def recall(self, run_id: str) -> CreditedRun | None:
        """The run of that id, from wherever it is kept. None: nothing is known of it."""
        known = self.get(run_id)
        return self._older(run_id) if known is None and self._older is not None else known

    def unknown(self, run_id: str) -> UnknownRunError:
        """What to raise of a run that neither goes on nor is kept anywhere."""
        places = f"the newest {self._max_runs} runs of this process"
        if self._older is not None:
            places += " or the store"
        return UnknownRunError(
            f"no run {run_id!r} is going on, or among {places}: a run's id is run.id in an evaluator"
        )

    def last(self) -> CreditedRun | None:
        """The newest run. None: there is none."""
        with self._lock:
            newest = next(reversed(self._kept), None)
        return None if newest is None else self.get(newest)

    def all(self) -> list[CreditedRun]:
        """All runs, oldest first."""
        with self._lock:
            run_ids = list(self._kept)
        return [run for run_id in run_ids if (run := self.get(run_id)) is not None]

    def _put(self, run_id: str, ended_ns: int, kept: bytes | _Unread) -> None:
        with self._lock:
            self._decoded.pop(run_id, None)
            self._kept[run_id] = kept
            self._ended[run_id] = ended_ns
            newest = next(reversed(self._kept))
            if newest != run_id or ended_ns < self._newest_ns:  # several workers: credited later, but finished earlier
                self._kept = OrderedDict(sorted(self._kept.items(), key=lambda item: self._ended[item[0]]))
            self._newest_ns = max(self._newest_ns, ended_ns)
            while len(self._kept) > self._max_runs:
                dropped, _ = self._kept.popitem(last=False)
                del self._ended[dropped]
                self._decoded.pop(dropped, None)
