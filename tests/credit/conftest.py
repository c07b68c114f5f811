from typing import NamedTuple

import pytest
from hypothesis import settings

from credit_hooks.trajectory import Actor, Message, Outcome, ReadSet, Step, TextPart, Trajectory

# Caches fill in the first example of a test, which would count against its deadline.
settings.register_profile("credit", deadline=None)
settings.load_profile("credit")

KINDS = {"user": "human", "shell": "tool", "chief": "orchestrator", "system": "system"}


class Said(NamedTuple):
    """One message: m0, m1, ... by its place in the list; `reads` None: outside any step."""

    by: str
    what: object  # text, or a tuple of parts
    reads: tuple[int, ...] | None = ()
    step: str | None = None  # default: a step of its own
    at: tuple[int, int] | None = None


def build(*said, score=1.0, **fields):
    messages, steps = [], {}
    for i, one in enumerate(said):
        step_id = None if one.reads is None else one.step or f"s{i}"
        parts = (TextPart(text=one.what),) if isinstance(one.what, str) else one.what
        role = {"tool": "tool", "human": "user", "system": "system"}.get(KINDS.get(one.by), "assistant")
        messages.append(Message(id=f"m{i}", index=i, actor_id=one.by, step_id=step_id, role=role, parts=parts))
        if step_id is not None and step_id not in steps:
            start, end = one.at or (None, None)
            reads = ReadSet(new=tuple(f"m{r}" for r in one.reads))
            steps[step_id] = Step(id=step_id, kind="agent", actor_id=one.by, reads=reads, start_ns=start, end_ns=end)
    actors = tuple(Actor(id=n, name=n, kind=KINDS.get(n, "agent")) for n in dict.fromkeys(one.by for one in said))
    outcome = None if score is None else Outcome(score=score)
    return Trajectory(
        **{"id": "run", "messages": tuple(messages), "steps": tuple(steps.values()), "actors": actors}
        | {"outcome": outcome}
        | fields
    )


@pytest.fixture(scope="session")
def run_of():
    """Builds a run from what was said: run_of(Said(by, what, reads), ..., score=1.0)."""
    return build


@pytest.fixture(scope="session")
def said():
    return Said
