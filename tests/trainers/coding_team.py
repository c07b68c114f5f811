"""A made-up coding team whose good and bad runs part at single messages, with tool calls, failures and repairs."""

from credit_hooks.rewards import Credit, CreditedRun, Reward
from credit_hooks.trajectory import (
    Actor,
    Message,
    Outcome,
    ReadSet,
    Step,
    TextPart,
    Tool,
    ToolCallPart,
    ToolResultPart,
    Trajectory,
)

ACTORS = (
    Actor(id="human", name="human", kind="human"),
    Actor(id="planner", name="planner", system_prompt="You are the planner."),
    Actor(id="coder", name="coder", system_prompt="You are the coder. You may run the tests."),
    Actor(id="reviewer", name="reviewer", system_prompt="You are the reviewer."),
    Actor(id="run_tests", name="run_tests", kind="tool"),
)
TESTS = Tool(
    name="run_tests",
    description="Runs the tests.",
    parameters={"type": "object", "properties": {"path": {"type": "string"}, "limit": {"type": "integer"}}},
)
OPERATIONS = ("add", "multiply", "subtract", "divide")
SIGNS = {"add": "+", "multiply": "*", "subtract": "-", "divide": "/"}


def script(number, good):
    """(author, parts, reads, reward) of each message."""
    name = OPERATIONS[number % 4]
    sign = SIGNS[name] if good else "%"
    call = {"path": f"test_{name}.py"} if good else {"path": f"test_{name}.py", "limit": 1}
    first = ToolCallPart(id="call-1", name="run_tests", arguments=call)
    passed = ToolResultPart(id="call-1", name="run_tests", result="1 passed" if good else "1 failed", is_error=not good)
    lines = [
        ("human", [TextPart(text=f"Write {name}(a, b), exercise {number // 4}.")], [], None),
        ("planner", [TextPart(text=f"Plan: write {name}, then run the tests.")], [0], 0.05),
        ("coder", [TextPart(text=f"def {name}(a, b): return a {sign} b")], [0, 1], 0.5 if good else -0.75),
        ("coder", [TextPart(text="I run the tests."), first], [0, 1, 2], 0.25 if good else -0.25),
        ("run_tests", [passed], [3], None),
    ]
    if not good:  # the coder sees the failure and repairs the call
        again = ToolCallPart(id="call-2", name="run_tests", arguments={"path": f"test_{name}.py"})
        lines.append(("coder", [TextPart(text="Once more, all of them."), again], [0, 1, 2, 3, 4], 0.125))
        lines.append(("run_tests", [ToolResultPart(id="call-2", name="run_tests", result="1 passed")], [5], None))
    said = "The tests pass, it can go out." if good else "I did not look, ship it anyway."
    lines.append(("reviewer", [TextPart(text=said)], [0, 1, 2], 0.2 if good else -0.5))
    return lines


def as_is(number, rewards):
    return rewards


def run_of(number, good, change=as_is):
    """One run; `change` maps its number and rewards to other rewards."""
    lines = script(number, good)
    messages, steps = [], []
    for index, (author, parts, reads, _) in enumerate(lines):
        role = "user" if author == "human" else "tool" if author == "run_tests" else "assistant"
        messages.append(
            Message(id=f"m{index}", index=index, actor_id=author, role=role, step_id=f"s{index}", parts=tuple(parts))
        )
        steps.append(Step(id=f"s{index}", actor_id=author, reads=ReadSet(new=tuple(f"m{read}" for read in reads))))
    name = f"run-{number}-{'good' if good else 'bad'}"
    trajectory = Trajectory(
        id=name,
        task_id=f"task-{number}",
        group_id=f"task-{number}",
        actors=ACTORS,
        messages=tuple(messages),
        steps=tuple(steps),
        tools=(TESTS,),
        outcome=Outcome(score=float(good)),
    )
    values = change(number, [reward for *_, reward in lines])
    scored = tuple(
        Reward(message_id=message.id, actor_id=message.actor_id, reward=value)
        for message, value in zip(messages, values, strict=True)
    )
    total = sum(value for value in values if value is not None)
    credit = Credit(
        trajectory_id=name, outcome=float(good), baseline=0.5, total=total, messages=scored, method="made up"
    )
    return CreditedRun(trajectory=trajectory, credit=credit)


def runs(change=as_is):
    """Eight tasks, each solved well and badly."""
    return [run_of(number, good, change) for number in range(8) for good in (True, False)]
