"""Daemon threads behind a bounded queue: where everything happens that must not happen on the user's path."""

from __future__ import annotations

import atexit
import logging
import os
import queue
import signal
import threading
import time
import weakref
from collections.abc import Callable
from types import FrameType

from credit_hooks.evaluation import inside_hook

__all__ = ["Worker", "exiting"]

logger = logging.getLogger("credit_hooks")

_TICK = 1.0
"""Seconds between two looks at what is held too long."""
_EXIT_SECONDS = 10.0
"""Longest wait for unfinished work when the interpreter exits or is terminated."""

Job = Callable[[], None]

exiting = threading.Event()
"""Set when the interpreter exits or is terminated: what waits for better times tries once more, and gives up."""


class Worker:
    """Runs jobs in the order of their arrival on a few daemon threads.

    Args:
        tick: Called about once a second while anything was ever submitted; must be quick.
        last: Called when the process ends, after the wait for unfinished jobs: saves what is still there.
        threads: Number of threads.
        max_queue: Most jobs waiting.
    """

    def __init__(self, tick: Callable[[], None], last: Callable[[], None], *, threads: int, max_queue: int) -> None:
        self._tick = tick
        self._last = last
        self._size = threads
        self._max_queue = max_queue
        self._lock = threading.Lock()
        self._reset()
        _workers.add(self)

    def _reset(self) -> None:
        # A job waits together with its worker, so that whoever drops the callback loses nothing that is queued.
        self._queue: queue.Queue[tuple[Job, Worker]] = queue.Queue(self._max_queue)
        self._threads: list[threading.Thread] = []
        self._pending = 0
        self._idle = threading.Condition()
        self._next_tick = time.monotonic() + _TICK

    def start(self) -> None:
        """Start the threads, once; also after a fork, in the child."""
        if self._threads:
            return
        with self._lock:
            if self._threads:
                return
            self._threads = [
                threading.Thread(
                    target=_loop, args=(weakref.ref(self), self._queue), name=f"credit-hooks-{number}", daemon=True
                )
                for number in range(self._size)
            ]
            for thread in self._threads:
                thread.start()
        _watch_exit()

    def submit(self, job: Job) -> bool:
        """Queue a job; False, at once, if the queue is full."""
        self.start()
        with self._idle:
            self._pending += 1
        try:
            self._queue.put_nowait((job, self))
        except queue.Full:
            self._done()
            return False
        return True

    def flush(self, timeout: float) -> bool:
        """Wait until everything submitted so far is done; False if it took longer than `timeout` seconds."""
        if threading.current_thread() in self._threads:
            return False  # a job that waits for itself would wait for ever
        deadline = time.monotonic() + timeout
        with self._idle:
            while self._pending:
                left = deadline - time.monotonic()
                if left <= 0 or not self._idle.wait(left):
                    return self._pending == 0
        return True

    def _done(self) -> None:
        with self._idle:
            self._pending -= 1
            if self._pending <= 0:
                self._idle.notify_all()

    def _run(self, job: Job) -> None:
        try:
            job()
        except BaseException:
            logger.exception("credit-hooks: a job failed")
        finally:
            self._done()

    def _keep_house(self) -> None:
        if time.monotonic() < self._next_tick:
            return
        self._next_tick = time.monotonic() + _TICK
        try:
            self._tick()
        except Exception:
            logger.exception("credit-hooks: housekeeping failed")


def _loop(worker_of: weakref.ref[Worker], jobs: queue.Queue[tuple[Job, Worker]]) -> None:
    """A thread's work; it ends when nobody holds the worker any more, as when a callback is made for each call."""
    inside_hook.set(True)
    while True:
        try:
            job, worker = jobs.get(timeout=_TICK)
        except queue.Empty:
            found = worker_of()
            if found is None:
                return
            worker = found
            del found
        else:
            worker._run(job)
            del job
        worker._keep_house()
        del worker


_workers: weakref.WeakSet[Worker] = weakref.WeakSet()
_watched = False


def _flush_all() -> None:
    exiting.set()
    deadline = time.monotonic() + _EXIT_SECONDS
    for worker in list(_workers):
        worker.flush(max(0.0, deadline - time.monotonic()))
        try:
            worker._last()
        except Exception:
            logger.exception("credit-hooks: saving at exit failed")
    for worker in list(_workers):  # what the runs saved just now gave to others, such as annotations to send
        worker.flush(max(0.0, deadline - time.monotonic()))


def _watch_exit() -> None:
    """Finish what is queued before the interpreter exits, and before the tracer provider shuts down.

    Exit handlers run last in, first out, and providers register theirs when made, so ours is registered anew whenever
    work starts.
    """
    global _watched
    atexit.unregister(_flush_all)
    atexit.register(_flush_all)
    if _watched or threading.current_thread() is not threading.main_thread():
        return
    _watched = True
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        # Only where nobody handles it: the process would die at once and lose what is held. It still dies of SIGTERM.
        signal.signal(signal.SIGTERM, _flush_and_die)


def _flush_and_die(signum: int, _frame: FrameType | None) -> None:
    _flush_all()
    signal.signal(signum, signal.SIG_DFL)
    os.kill(os.getpid(), signum)


def _after_fork() -> None:
    for worker in list(_workers):
        worker._lock = threading.Lock()
        worker._reset()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
