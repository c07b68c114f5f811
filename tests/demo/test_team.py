from __future__ import annotations

import pytest
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

from credit_hooks.demo.calculator import calculator
from credit_hooks.demo.model import ArithmeticChatModel
from credit_hooks.demo.outcome import final_number
from credit_hooks.demo.problems import PROBLEMS, Problem
from credit_hooks.demo.team import ROLES, build_team

BY_ID = {problem.id: problem for problem in PROBLEMS}


def run(problem, roles=ROLES):
    state = build_team(ArithmeticChatModel(), roles).invoke({"messages": [HumanMessage(problem.text)]})
    return state["messages"]


def said(messages, name):
    return [message.text for message in messages if message.name == name and isinstance(message, AIMessage)]


def instructed(name, old, new):
    return tuple(
        role._replace(instructions=role.instructions.replace(old, new)) if role.name == name else role for role in ROLES
    )


@pytest.fixture(scope="module")
def runs():
    return {problem.id: run(problem) for problem in PROBLEMS}


def test_the_careful_solver_is_always_right(runs):
    for problem in PROBLEMS:
        assert final_number(said(runs[problem.id], "careful")[-1]) == pytest.approx(problem.answer)


def test_the_hasty_solver_is_wrong_where_the_problem_has_a_percentage_and_only_there(runs):
    for problem in PROBLEMS:
        right = final_number(said(runs[problem.id], "hasty")[-1]) == pytest.approx(problem.answer)
        assert right == ("%" not in problem.text), problem.id


def test_the_team_mostly_succeeds_and_sometimes_follows_the_hasty_solver(runs):
    failed = [p.id for p in PROBLEMS if final_number(runs[p.id][-1].text) != pytest.approx(p.answer)]
    assert failed == ["meal", "stationery", "bicycle", "wages", "fence", "savings"]
    for problem_id in failed:
        assert "I follow hasty" in runs[problem_id][-1].text


def test_numbers_come_from_the_calculator(runs):
    for messages in runs.values():
        calls = [call["id"] for message in messages if isinstance(message, AIMessage) for call in message.tool_calls]
        results = [message.tool_call_id for message in messages if isinstance(message, ToolMessage)]
        assert sorted(calls) == sorted(results)
        assert len(results) >= 3


def test_without_its_instruction_the_hasty_solver_is_right_and_so_is_the_team():
    roles = instructed("hasty", "leave percentages out", "mind the percentages")
    for problem in PROBLEMS:
        messages = run(problem, roles)
        assert final_number(said(messages, "hasty")[-1]) == pytest.approx(problem.answer)
        assert final_number(messages[-1].text) == pytest.approx(problem.answer)


def test_a_checker_who_does_not_prefer_whole_numbers_follows_the_careful_solver():
    roles = instructed("checker", "prefer a whole number, then", "prefer")
    assert final_number(run(BY_ID["meal"], roles)[-1].text) == pytest.approx(35.65)


def test_nobody_needs_the_scribe(runs):
    roles = tuple(role for role in ROLES if role.name != "scribe")
    for problem in PROBLEMS[:5]:
        assert run(problem, roles)[-1].text == runs[problem.id][-1].text


def chat(model, *messages):
    return model.bind_tools([calculator()]).invoke(list(messages))


CAREFUL = SystemMessage(next(role.instructions for role in ROLES if role.name == "careful"))
PROBLEM = HumanMessage(BY_ID["jacket"].text)


def test_the_model_does_what_the_plan_says_not_what_it_would_have_planned():
    plan = AIMessage("Plan:\n- sum = price of jacket + note\nWhat is asked: sum", name="planner")
    reply = chat(ArithmeticChatModel(), CAREFUL, PROBLEM, plan)
    assert [call["args"] for call in reply.tool_calls] == [{"expression": "80 + 100"}]


def test_the_model_believes_what_the_calculator_returned():
    plan = AIMessage("Plan:\n- sum = price of jacket + note\nWhat is asked: sum", name="planner")
    first = chat(ArithmeticChatModel(), CAREFUL, PROBLEM, plan).model_copy(update={"name": "careful"})
    result = ToolMessage("777", tool_call_id=first.tool_calls[0]["id"])
    assert chat(ArithmeticChatModel(), CAREFUL, PROBLEM, plan, first, result).text.endswith("The answer is 777.")
    refusal = ToolMessage("12 is no answer", tool_call_id=first.tool_calls[0]["id"], status="error")
    assert "no conclusion" in chat(ArithmeticChatModel(), CAREFUL, PROBLEM, plan, first, refusal).text


def test_a_checker_follows_nobody_whose_answer_does_not_hold():
    messages = run(BY_ID["jacket"])
    claims = [m.model_copy(update={"content": "The answer is 41."}) if m.name == "careful" else m for m in messages]
    checker = SystemMessage(next(role.instructions for role in ROLES if role.name == "checker"))
    assert ArithmeticChatModel().invoke([checker, *claims[:-1]]).text.endswith("I follow hasty. Final answer: 20")


def test_a_problem_that_is_not_bundled_goes_the_same_way():
    text = "A drum costs 90 dollars. It is sold at 30% off. Ravi pays with a 70 dollar note. How much change is due?"
    messages = run(Problem("drum", text, 7))
    assert final_number(said(messages, "careful")[-1]) == 7
    assert final_number(said(messages, "hasty")[-1]) == -20
    assert final_number(messages[-1].text) == 7


@pytest.mark.parametrize(
    ("messages", "reply"),
    [
        ([PROBLEM], "I was not told what to do."),
        ([CAREFUL, PROBLEM], "I have no plan to carry out."),
        ([CAREFUL, PROBLEM, AIMessage("- a = b * c\nWhat is asked: a")], "which the problem does not state"),
        ([CAREFUL, PROBLEM, AIMessage("- a = note * note\nWhat is asked: z")], "never works out the z"),
        ([CAREFUL, PROBLEM, AIMessage("- a = note * note\nWhat is asked: a")], "I would need a calculator"),
        ([CAREFUL, PROBLEM, AIMessage("- a = " + "note * " * 60 + "note\nWhat is asked: a")], "too long"),
        ([SystemMessage("You are p. Write a plan."), HumanMessage("Why?")], "I cannot read this problem."),
        ([SystemMessage("You are c. Compare the answers."), PROBLEM], "Nobody gave an answer."),
    ],
)
def test_the_model_says_what_it_lacks(messages, reply):
    assert reply in ArithmeticChatModel().invoke(messages).text


def test_models_that_need_it_are_told_when_it_is_their_turn():
    class Recorder(GenericFakeChatModel):
        def bind_tools(self, tools, **kwargs):
            return self

        def _generate(self, messages, **kwargs):
            prompts.append(messages)
            return super()._generate(messages, **kwargs)

    prompts = []
    model = Recorder(messages=iter([AIMessage(f"The answer is {n}.") for n in range(5)]))
    state = build_team(model, cue=True).invoke({"messages": [PROBLEM]})
    assert [type(prompt[-1]) for prompt in prompts] == [HumanMessage] * 5
    assert [message.type for message in state["messages"]] == ["human"] + ["ai"] * 5
