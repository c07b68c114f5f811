import pytest

from credit_hooks.trajectory import Actor, Message, Outcome, ReadSet, Step, TextPart, Trajectory

KINDS = {"user": "human", "shell": "tool"}


def build(*said, score=0.0, **fields):
    """A failed run in which everybody read everything: build(("solver", "It is 41."), ...)."""
    messages, steps = [], []
    for i, (author, text) in enumerate(said):
        kind = KINDS.get(author, "agent")
        role = {"human": "user", "tool": "tool"}.get(kind, "assistant")
        step_id = None if kind == "human" and i == 0 else f"s{i}"
        messages.append(
            Message(id=f"m{i}", index=i, actor_id=author, step_id=step_id, role=role, parts=(TextPart(text=text),))
        )
        if step_id is not None:
            reads = ReadSet(base=steps[-1].id if steps else None, new=(f"m{i - 1}",) if i else ())
            steps.append(Step(id=step_id, kind="agent", actor_id=author, reads=reads, output_message_ids=(f"m{i}",)))
    actors = tuple(
        Actor(id=name, name=name, kind=KINDS.get(name, "agent")) for name in dict.fromkeys(a for a, _ in said)
    )
    outcome = None if score is None else Outcome(score=score, success=score >= 0.5)
    defaults = {"id": "run", "messages": tuple(messages), "steps": tuple(steps), "actors": actors, "outcome": outcome}
    return Trajectory(**defaults | fields)


@pytest.fixture(scope="session")
def failed_run():
    return build


@pytest.fixture
def team(failed_run):
    """Six messages: a question, a plan, three turns of work, a check."""
    return failed_run(
        ("user", "How much is 6 times 7, plus 9?"),
        ("planner", "First multiply 6 by 7, then add 9."),
        ("solver", "6 times 7 is 48."),
        ("solver", "48 plus 9 is 57."),
        ("checker", "Checked: the answer is 57."),
        ("solver", "The final answer is 57."),
        task="How much is 6 times 7, plus 9?",
    )
