"""Made-up histories of a team over weeks, as many runs as wanted. Loaded by path: tests are no package."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from credit_hooks.rewards import CreditedRun

START = 1_790_000_000_000_000_000
HOUR = 3_600_000_000_000
TEAM = ("planner", "researcher", "solver", "critic", "writer")
SAID = (
    "Roughly 12 percent, I did not look it up.",
    "The report of 2024 says 17 percent, on page 4.",
    "The two sources differ; I keep the newer one.",
    "I agree with what was said before.",
)


def history(make_run: Callable[..., CreditedRun], count: int, seed: int = 1) -> Iterator[CreditedRun]:
    """A run every two hours: the researcher learns, the solver stays bad; some end in an error or have no verdict."""
    draw = random.Random(seed)
    for number in range(count):
        solved = draw.random() < 0.45 + 0.4 * number / count
        outcome = None if draw.random() < 0.07 else float(solved)
        total = 0.5 if solved else -0.5
        weights = [draw.random() * bias for bias in (0.4, 0.5 + number / count, 1.2, 0.6, 0.3)]
        skill = (1, 2 * number / count - 0.6, -0.4, 1, 1) if solved else (1, 1 - number / count, 2, 1, 1)
        raw = [weight * part for weight, part in zip(weights, skill, strict=True)]
        rewards = [total * value / sum(raw) if sum(raw) else total / 5 for value in raw]
        rewards = [max(-0.9, min(0.9, reward)) for reward in rewards]
        run = make_run(
            f"run-{number:06d}", agents=TEAM, rewards=rewards, outcome=outcome, name="market team",
            texts=[f"{draw.choice(SAID)} ({number})" for _ in TEAM],
            first_error=None if solved or outcome is None else draw.choice((2, 3)),
        )  # fmt: skip
        yield _told(run, number, draw, START + 2 * number * HOUR)


def _told(run: CreditedRun, number: int, draw: random.Random, start: int) -> CreditedRun:
    steps = tuple(step.model_copy(update={"start_ns": start}) for step in run.trajectory.steps)
    broken = draw.random() < 0.04
    trajectory = run.trajectory.model_copy(
        update={
            "steps": steps,
            "task": f"How did market {number % 97} change in {2000 + number % 25}?",
            "status": "error" if broken else "ok",
        }
    )
    credit = run.credit.model_copy(update={"low_evidence": run.credit.status == "credited" and draw.random() < 0.1})
    return CreditedRun(trajectory=trajectory, credit=credit)
