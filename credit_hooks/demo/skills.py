"""What the demo's local chat model can do: plan, carry out a plan, say it again, compare answers.

A skill is `Scene -> Reply`: it sees the messages its agent was given, and nothing else. Which skill is used, and how,
is read from the agent's instructions, so that a change of prompt changes the team.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

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

    def results(self, agent: str) -> list[tuple[str, str]]:
        """(expression, result) of every calculation that this agent asked for and got back, in order."""
        answers = {message.tool_call_id: message for message in self.messages if isinstance(message, ToolMessage)}
        calls = (call for message in self._from(agent) for call in message.tool_calls)
        return [(call["args"]["expression"], answers[call["id"]].text) for call in calls if call["id"] in answers]

    def conclusions(self) -> dict[str, str]:
        """The number that each other agent ended with."""
        found = {}
        for message in self.messages:
            if isinstance(message, AIMessage) and message.name not in (None, self.name):
                for number in re.findall(r"answer is (-?\d+(?:\.\d+)?)", message.text):
                    found[str(message.name)] = number
        return found

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
    """Work down the plan: one calculation per turn, each with the results of those before it."""
    plan = parse_plan(message.text for message in scene.messages)
    if plan is None:
        return Reply("I have no plan to carry out.")
    skips_percentages = "leave percentages out" in scene.instructions
    values = {
        name: "0" if skips_percentages and quantity.is_percentage else quantity.value
        for name, quantity in read_problem(scene.problem).quantities.items()
    }
    results = scene.results(scene.name)
    working = []
    for position, step in enumerate(plan.steps):
        try:
            expression = fill_in(step.formula, values)
        except KeyError as unknown:
            return Reply(f"The plan speaks of {unknown}, which the problem does not state.")
        if position == len(results):
            return Reply(f"Next is the {step.name}.", (expression,))
        values[step.name] = results[position][1]
        working.append(f"{step.name}: {expression} = {values[step.name]}")
    if plan.answer not in values:
        return Reply(f"The plan never works out the {plan.answer}.")
    remark = "Without percentages: " if skips_percentages else ""
    return Reply(remark + ". ".join(working) + f". The answer is {values[plan.answer]}.")


class _Claim(NamedTuple):
    agent: str
    answer: str
    last: tuple[str, str] | None
    """The last calculation: expression and result. None: the agent calculated nothing."""


def _compare(scene: Scene) -> Reply:
    """Recompute the last calculation behind each answer, then choose among the answers that hold."""
    claims = [
        _Claim(agent, answer, next(reversed(scene.results(agent)), None))
        for agent, answer in scene.conclusions().items()
    ]
    if not claims:
        return Reply("Nobody gave an answer.")
    to_check = tuple(dict.fromkeys(claim.last[0] for claim in claims if claim.last is not None))
    checked = dict(scene.results(scene.name))
    if any(expression not in checked for expression in to_check):
        return Reply("I recompute the last step of each answer.", to_check)
    holding = [claim for claim in claims if claim.last is not None and checked[claim.last[0]] == claim.answer] or claims
    chosen = max(holding, key=lambda claim: _preference(scene, claim))
    found = "; ".join(f"{expression} = {result}" for expression, result in checked.items())
    if len({claim.answer for claim in claims}) == 1:
        return Reply(f"Recomputed: {found}. All agree. Final answer: {chosen.answer}")
    return Reply(f"Recomputed: {found}. The answers differ, and I follow {chosen.agent}. Final answer: {chosen.answer}")


def _preference(scene: Scene, claim: _Claim) -> tuple[bool, int]:
    """Whole numbers first where the instructions say so; then whoever used more of the numbers in the problem."""
    prefers_whole = "prefer a whole number" in scene.instructions
    is_whole = Fraction(claim.answer).denominator == 1
    stated = {
        number for quantity in read_problem(scene.problem).quantities.values() for number in _numbers(quantity.value)
    }
    used = {number for expression, _ in scene.results(claim.agent) for number in _numbers(expression)}
    return prefers_whole and is_whole, len(stated & used)


def _numbers(text: str) -> list[str]:
    return re.findall(r"\d+(?:\.\d+)?", text)


def _no_idea(_: Scene) -> Reply:
    return Reply("I was not told what to do.")


_SKILLS: dict[str, Skill] = {
    "write a plan": _write_plan,
    "carry out the plan": _carry_out,
    "say the plan again": _say_again,
    "compare the answers": _compare,
}
