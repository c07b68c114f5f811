"""Online triage: turns of live runs that are looked at again, by people or by the agent itself.

Credit comes after a run, so what it says is used after the run: turns are queued for `credit-hooks review --queued`,
and critiques of them are kept for the next run of the same thread or task (:class:`TriageQueue`). Within a run, only
what is known by then can speak against a turn (:mod:`.signals`, :class:`Judged`); hooks that retry it are opted into,
framework by framework, and capped (:class:`RetryLimits`).
"""

from credit_hooks.triage.critiques import Critique, critique_text
from credit_hooks.triage.judged import Judged
from credit_hooks.triage.limits import RetryLimits
from credit_hooks.triage.policy import TriagedTurn, TriagePolicy
from credit_hooks.triage.queue import TriageQueue
from credit_hooks.triage.retries import RetryRecord
from credit_hooks.triage.signals import (
    RULES,
    Finding,
    Signal,
    contradicted_result,
    repeated_call,
    unrepaired_error,
)

__all__ = [
    "RULES",
    "Critique",
    "Finding",
    "Judged",
    "RetryLimits",
    "RetryRecord",
    "Signal",
    "TriagePolicy",
    "TriageQueue",
    "TriagedTurn",
    "contradicted_result",
    "critique_text",
    "repeated_call",
    "unrepaired_error",
]
