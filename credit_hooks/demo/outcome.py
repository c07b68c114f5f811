"""Whether a run of the demo's team got its problem right."""

from __future__ import annotations

import math
import re

from credit_hooks.demo.problems import PROBLEMS
from credit_hooks.outcome import FinishedRun
from credit_hooks.trajectory import Outcome

__all__ = ["evaluate", "final_number"]

_ANSWERS = {problem.id: problem.answer for problem in PROBLEMS}
_NUMBER = r"-?\d[\d,]*(?:\.\d+)?"


def evaluate(run: FinishedRun) -> Outcome:
    """Compare the number the run ended with against the known one; the run's metadata names the problem."""
    expected = _ANSWERS[run.metadata["task_id"]]
    number = final_number(run.answer)
    correct = number is not None and math.isclose(number, expected, abs_tol=0.005)
    return Outcome(
        success=correct,
        score=float(correct),
        answer=None if number is None else f"{number:g}",
        expected=f"{expected:g}",
    )


def final_number(text: str) -> float | None:
    """The number after the last "answer", else the last number. None: there is none."""
    stated = re.findall(rf"answer\D{{0,20}}?({_NUMBER})", text, re.IGNORECASE) or re.findall(_NUMBER, text)
    return float(stated[-1].replace(",", "")) if stated else None
