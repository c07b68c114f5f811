"""What the tests of triage share: failed runs made by hand, turns as signals see them."""

from credit_hooks.credit import assign_credit
from credit_hooks.failure.step_scoring import StepView
from credit_hooks.rewards import CreditedRun
from credit_hooks.trajectory import (
    Actor,
    Message,
    Outcome,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    Trajectory,
)

TRACEBACK = "Traceback (most recent call last): KeyError: 'bonn'"


def run_of(run_id="r1", *, score=0.0, task="How many live there?", thread=None, texts=None):
    texts = texts or ["I looked it up: 112 of them.", "Let's assume it is probably 999, a placeholder.", "So 999."]
    messages = (
        Message(id=f"{run_id}-u", index=0, actor_id="user", role="user", parts=(TextPart(text=task),)),
        *(
            Message(id=f"{run_id}-{n}", index=n + 1, actor_id="ab"[n % 2], parts=(TextPart(text=text),))
            for n, text in enumerate(texts)
        ),
    )
    trajectory = Trajectory(
        id=run_id,
        session_id=thread,
        actors=(Actor(id="user", name="user", kind="human"), Actor(id="a", name="Anna"), Actor(id="b", name="Ben")),
        messages=messages,
        outcome=Outcome(score=score, success=score >= 0.5),
    )
    return CreditedRun(trajectory=trajectory, credit=assign_credit(trajectory))


def asked(text="How many live in Bonn?"):
    return ("user", TextPart(text=text))


def said(text):
    return ("assistant", TextPart(text=text))


def call(name="lookup", call_id="c1", **arguments):
    return ("assistant", ToolCallPart(id=call_id, name=name, arguments=arguments))


def result(text, name="lookup", call_id="c1", is_error=None):
    return ("tool", ToolResultPart(id=call_id, name=name, result=text, is_error=is_error))


def view(*turns):
    """The last one is what the agent is about to say."""
    messages = tuple(
        Message(id=f"m{n}", index=n, actor_id=role, role=role, parts=(part,)) for n, (role, part) in enumerate(turns)
    )
    return StepView(Trajectory(id="r", messages=messages), len(messages) - 1, messages[:-1], messages[-1], ())
