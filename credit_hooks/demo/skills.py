"""What the demo's local chat model can do: plan, carry out a plan, say it again, compare answers.

A skill is `Scene -> Reply`: it sees the messages its agent was given, and nothing else. Which skill is used, and how,
is read from the agent's instructions, so that a change of prompt changes the team.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from credit_hooks.demo.calculator import MAX_LENGTH
from credit_hooks.demo.plan import fill_in, parse_plan
from credit_hooks.demo.reading import read_problem

__all__ = ["Reply", "Scene", "Skill", "skill_for"]


class Reply(NamedTuple):
    """What the agent says next."""

    text: str
    calculations: tuple[str, ...] = ()
    """Expressions to hand to the calculator. Empty: the agent is done."""


@dataclass(frozen=True)
class Scene:
    """The messages that one agent was given."""

    messages: Sequence[BaseMessage]

    @property
    def instructions(self) -> str:
        """The agent's system prompt, in lower case."""
        return " ".join(message.text for message in self.messages if isinstance(message, SystemMessage)).lower()

    @property
    def name(self) -> str:
        """The agent's own name, from `You are <name>`."""
        introduced = re.search(r"you are (\w+)", self.instructions)
        return introduced[1] if introduced else ""

    @property
    def problem(self) -> str:
        """What the team was asked."""
        return next((message.text for message in self.messages if isinstance(message, HumanMessage)), "")

    def calculations(self, agent: str) -> dict[str, str | None]:
        """Results of what this agent had the calculator work out, by expression. None: the calculator refused it."""
        answers = {message.tool_call_id: message for message in self.messages if isinstance(message, ToolMessage)}
        calls = (call for message in self._from(agent) for call in message.tool_calls)
        done = ((call["args"]["expression"], answers[call["id"]]) for call in calls if call["id"] in answers)
        return {expression: _number_in(answer) for expression, answer in done}

    def conclusions(self) -> dict[str, str]:
        """The number that each other agent ended with."""
        found = {}
        for message in self.messages:
            if isinstance(message, AIMessage) and message.name not in (None, self.name):
                for number in re.findall(r"answer is (-?\d+(?:\.\d+)?)", message.text):
                    found[str(message.name)] = number
        return found

    def worked_out_by(self, agent: str) -> str | None:
        """What this agent's answer was calculated by. None: it calculated nothing.

        Its last call of the calculator; where calls of others are not shown, what it says that it calculated.
        """
        said = [message.text for message in self._from(agent)]
        stated = re.findall(r"= ([-+*/().\d ]+)\. The answer is", "\n".join(said))
        return next(reversed(self.calculations(agent)), stated[-1] if stated else None)

    def _from(self, agent: str) -> list[AIMessage]:
        return [message for message in self.messages if isinstance(message, AIMessage) and message.name == agent]


Skill = Callable[[Scene], Reply]


def skill_for(scene: Scene) -> Skill:
    """The skill that the instructions ask for."""
    for words, skill in _SKILLS.items():
        if words in scene.instructions:
            return skill
    return _no_idea


def _write_plan(scene: Scene) -> Reply:
    plan = read_problem(scene.problem).plan
    return Reply("I cannot read this problem." if plan is None else plan.text())


def _say_again(scene: Scene) -> Reply:
    plan = parse_plan(message.text for message in scene.messages)
    if plan is None:
        return Reply("There is no plan to say again.")
    return Reply("For the record: " + ", then ".join(step.name for step in plan.steps) + ".")


def _carry_out(scene: Scene) -> Reply:
    """Put the problem's numbers into the plan, have the whole of it calculated, and conclude."""
    plan = parse_plan(message.text for message in scene.messages)
    if plan is None:
        return Reply("I have no plan to carry out.")
    values, assumption = _values(scene)
    for step in plan.steps:
        try:
            values[step.name] = fill_in(step.formula, values)
        except KeyError as unknown:
            return Reply(f"The plan speaks of {unknown}, which the problem does not state.")
        if len(values[step.name]) > MAX_LENGTH:
            return Reply("The plan is too long for the calculator.")
    if plan.answer not in values:
        return Reply(f"The plan never works out the {plan.answer}.")
    expression = values[plan.answer]
    calculated = scene.calculations(scene.name)
    if expression not in calculated:
        return Reply(f"{assumption}I work out the {plan.answer}.", (expression,))
    result = calculated[expression]
    return Reply(_REFUSED if result is None else f"{plan.answer} = {expression}. The answer is {result}.")


def _values(scene: Scene) -> tuple[dict[str, str], str]:
    """The numbers of the problem by name, and what is assumed of them in the reader's own words."""
    quantities = read_problem(scene.problem).quantities
    values = {name: quantity.value for name, quantity in quantities.items()}
    percentages = [name for name, quantity in quantities.items() if quantity.is_percentage]
    if not percentages or "leave percentages out" not in scene.instructions:
        return values, ""
    return values | dict.fromkeys(percentages, "0"), "Assuming that percentages change little, approximately: "


class _Claim(NamedTuple):
    agent: str
    answer: str
    expression: str | None
    """What its answer was calculated by. None: it calculated nothing."""


def _compare(scene: Scene) -> Reply:
    """Recompute the calculation behind each answer, then choose among the answers that hold."""
    claims = [_Claim(agent, answer, scene.worked_out_by(agent)) for agent, answer in scene.conclusions().items()]
    if not claims:
        return Reply("Nobody gave an answer.")
    recomputed = scene.calculations(scene.name)
    to_do = tuple(dict.fromkeys(claim.expression for claim in claims if claim.expression is not None))
    if any(expression not in recomputed for expression in to_do):
        return Reply("I recompute what the solvers did.", to_do)
    holding = [claim for claim in claims if claim.expression and recomputed[claim.expression] == claim.answer]
    if not holding:
        return Reply("No answer holds when it is recomputed.")
    chosen = max(holding, key=lambda claim: _preference(scene, claim))
    agreed = len({claim.answer for claim in claims}) == 1
    found = "The solvers agree" if agreed else f"The solvers differ, and I follow {chosen.agent}"
    return Reply(f"{found}. Final answer: {chosen.answer}")


def _preference(scene: Scene, claim: _Claim) -> tuple[bool, int]:
    """Whole numbers first where the instructions say so; then whoever used more of the numbers in the problem."""
    prefers_whole = "prefer a whole number" in scene.instructions
    stated = {
        number for quantity in read_problem(scene.problem).quantities.values() for number in _numbers(quantity.value)
    }
    used = _numbers(claim.expression or "")
    return prefers_whole and "." not in claim.answer, len(stated.intersection(used))


def _number_in(answer: ToolMessage) -> str | None:
    numbers = _numbers(answer.text)
    return numbers[-1] if numbers and answer.status != "error" else None


def _numbers(text: str) -> list[str]:
    return re.findall(r"-?\d+(?:\.\d+)?", text)


def _no_idea(_: Scene) -> Reply:
    return Reply("I was not told what to do.")


_REFUSED = "The calculator could not work this out, so I have no conclusion."
_SKILLS: dict[str, Skill] = {
    "write a plan": _write_plan,
    "carry out the plan": _carry_out,
    "say the plan again": _say_again,
    "compare the answers": _compare,
}
