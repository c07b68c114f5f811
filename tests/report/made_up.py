"""Made-up credited runs for the tests of store, command line and report. Loaded by path: tests are no package."""

from __future__ import annotations

from collections.abc import Sequence

from credit_hooks.rewards import Credit, CreditedRun, FirstError, Reward
from credit_hooks.trajectory import Actor, Message, Outcome, Part, ReadSet, Step, TextPart, Trajectory

START = 1_700_000_000_000_000_000


def make_run(
    run_id: str = "run-1",
    *,
    agents: Sequence[str] = ("planner", "solver", "checker"),
    rewards: Sequence[float | None] = (-0.05, -0.4, -0.05),
    texts: Sequence[str] | None = None,
    parts: Sequence[tuple[Part, ...]] | None = None,
    outcome: float | None = 0.0,
    first_error: int | None = None,
    name: str | None = "maths team",
    full_history: bool = True,
) -> CreditedRun:
    """A run in which a user asks and the agents take turns, one message each with the given reward.

    With `full_history` everyone reads everything before, else only the previous message.
    """
    texts = texts or [f"message {number} of the team" for number in range(len(rewards))]
    contents = parts or [(TextPart(text=text),) for text in texts]
    actors = (Actor(id="user", name="user", kind="human"), *(Actor(id=f"a:{agent}", name=agent) for agent in agents))
    messages = [Message(id="m0", index=0, actor_id="user", role="user", parts=(TextPart(text="What is 6 times 7?"),))]
    steps = [Step(id="root", kind="workflow", name=name or "", start_ns=START)]
    for number, content in enumerate(contents, start=1):
        actor = actors[1 + (number - 1) % len(agents)].id if agents else "user"
        base = f"s{number - 1}" if full_history and number > 1 else None
        reads = ReadSet(base=base, new=(f"m{number - 1}",))
        steps.append(
            Step(id=f"s{number}", parent_id="root", kind="agent", actor_id=actor, start_ns=START + number, reads=reads)
        )
        messages.append(Message(id=f"m{number}", index=number, actor_id=actor, step_id=f"s{number}", parts=content))
    trajectory = Trajectory(
        id=run_id,
        framework="made up",
        name=name,
        status="ok",
        actors=actors,
        messages=tuple(messages),
        steps=tuple(steps),
        outcome=None if outcome is None else Outcome(success=outcome > 0.5, score=outcome),
    )
    return CreditedRun(trajectory=trajectory, credit=_credit(trajectory, rewards, outcome, first_error))


def _credit(
    trajectory: Trajectory, rewards: Sequence[float | None], outcome: float | None, first_error: int | None
) -> Credit:
    if outcome is None:
        return Credit(trajectory_id=trajectory.id, status="no_outcome")
    earned: dict[str, float] = {}
    for message, reward in zip(trajectory.messages[1:], rewards, strict=True):
        earned[message.actor_id] = earned.get(message.actor_id, 0.0) + (reward or 0.0)
    blamed = None if first_error is None else trajectory.messages[first_error]
    return Credit(
        trajectory_id=trajectory.id,
        outcome=outcome,
        baseline=0.5,
        total=outcome - 0.5,
        method="reader_vote.owen",
        agents=earned,
        messages=(
            Reward(message_id="m0", actor_id="user"),
            *(
                Reward(message_id=message.id, actor_id=message.actor_id, reward=reward)
                for message, reward in zip(trajectory.messages[1:], rewards, strict=True)
            ),
        ),
        first_error=None
        if blamed is None
        else FirstError(
            message_id=blamed.id,
            actor_id=blamed.actor_id,
            index=blamed.index,
            probability=0.62,
            rule="wrong conclusion",
        ),
        evidence=0.8,
        conviction=0.7,
    )
