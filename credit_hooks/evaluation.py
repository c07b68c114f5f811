"""Calls the user's evaluator so that one which raises or hangs costs its run the credit and nothing else."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Awaitable
from contextvars import ContextVar
from typing import Any

from credit_hooks.errors import EvaluationError
from credit_hooks.outcome import FinishedRun
from credit_hooks.ports import Evaluator, Verdict

__all__ = ["EvaluationPool", "inside_hook"]

inside_hook: ContextVar[bool] = ContextVar("credit_hooks_inside_hook", default=False)
"""True in our own threads: graphs and models that an evaluator or exporter runs are not runs to be credited."""

_MAX_HUNG = 8
"""Evaluators given up and still running, at most; beyond it no evaluator is called until one returns."""


class EvaluationPool:
    """Runs evaluators, each on a daemon thread of its own, for at most `timeout` seconds."""

    def __init__(self, *, timeout: float) -> None:
        self._timeout = timeout
        self._hung: list[threading.Thread] = []
        self._lock = threading.Lock()

    def run(self, evaluate: Evaluator, finished: FinishedRun) -> Verdict:
        """The evaluator's verdict.

        Raises:
            EvaluationError: it raised (the cause is attached), or took longer than the timeout (cause `TimeoutError`).
        """
        with self._lock:
            self._hung = [thread for thread in self._hung if thread.is_alive()]
            if len(self._hung) >= _MAX_HUNG:
                raise EvaluationError(
                    f"{_MAX_HUNG} evaluators hang; none is called until one returns"
                ) from TimeoutError()
        call = _Call(evaluate, finished, self._timeout)
        call.start()
        call.join(self._timeout)
        if call.is_alive():
            with self._lock:
                self._hung.append(call)
            raise EvaluationError(f"the evaluator took longer than {self._timeout:g} s") from TimeoutError()
        if call.error is not None:
            if isinstance(call.error, TimeoutError):
                raise EvaluationError(f"the evaluator took longer than {self._timeout:g} s") from call.error
            kind = type(call.error).__name__
            raise EvaluationError(
                f"the evaluator raised {kind}: {call.error}", logged=f"the evaluator raised {kind}"
            ) from call.error
        return call.verdict


class _Call(threading.Thread):
    def __init__(self, evaluate: Evaluator, finished: FinishedRun, timeout: float) -> None:
        super().__init__(name="credit-hooks-evaluate", daemon=True)
        self._evaluate = evaluate
        self._finished = finished
        self._limit = timeout
        self.verdict: Verdict = None
        self.error: BaseException | None = None

    def run(self) -> None:
        inside_hook.set(True)
        try:
            result: Any = self._evaluate(self._finished)
            if inspect.isawaitable(result):
                result = asyncio.run(_within(result, self._limit))
            self.verdict = result
        except BaseException as error:  # noqa: BLE001 - whatever the user's evaluator does, it is told as its failure
            self.error = error


async def _within(awaitable: Awaitable[Verdict], seconds: float) -> Verdict:
    return await asyncio.wait_for(awaitable, seconds)
