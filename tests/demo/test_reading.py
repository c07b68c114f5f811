from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_hooks.demo.calculator import calculate, format_number
from credit_hooks.demo.plan import Plan, Step, fill_in, parse_plan
from credit_hooks.demo.problems import PROBLEMS
from credit_hooks.demo.reading import read_problem


def solve(text):
    reading = read_problem(text)
    assert reading.plan is not None
    values = {name: quantity.value for name, quantity in reading.quantities.items()}
    for step in reading.plan.steps:
        values[step.name] = format_number(calculate(fill_in(step.formula, values)))
    return float(values[reading.plan.answer])


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.id)
def test_the_bundled_problems_are_understood(problem):
    assert solve(problem.text) == pytest.approx(problem.answer)


def test_there_are_twenty_different_problems():
    assert (
        len(PROBLEMS) == len({problem.id for problem in PROBLEMS}) == len({problem.text for problem in PROBLEMS}) == 20
    )


small = st.integers(2, 500)
names = st.sampled_from(["Zoe", "Ravi", "Chidi", "Mei"])
things = st.sampled_from(["lamp", "drum", "sofa"])


@given(price=small, percent=st.integers(1, 99), note=small, name=names, thing=things)
def test_other_numbers_and_names_are_understood_as_well(price, percent, note, name, thing):
    text = (
        f"A {thing} costs {price} dollars. Its price drops by {percent}%. {name} pays with a {note} dollar note. "
        "How much change is due?"
    )
    assert solve(text) == pytest.approx(note - price * (100 - percent) / 100, abs=1e-5)


@given(first=small, second=small, times=st.integers(2, 9), hours=small)
def test_rules_combine_in_ways_that_no_bundled_problem_has(first, second, times, hours):
    text = (
        f"A van travels {first} km per day for {times} days. Then it travels {second} km per hour for {hours} hours. "
        "A tax of 50% is added. How much is that?"
    )
    assert solve(text) == pytest.approx((first * times + second * hours) * 1.5)


@given(st.lists(st.sampled_from([s for p in PROBLEMS for s in re.split(r"(?<=[.?]) ", p.text)]), max_size=8))
def test_no_mixture_of_sentences_is_an_error(sentences):
    reading = read_problem(" ".join(sentences))
    if reading.plan is not None:
        assert {reading.plan.answer} <= {*reading.quantities, *(step.name for step in reading.plan.steps)}


@given(st.text(max_size=200))
def test_no_text_is_an_error(text):
    read_problem(text)


words = st.from_regex(r"[a-z]+( [a-z]+)?", fullmatch=True)


@given(st.lists(st.tuples(words, words, st.sampled_from("+-*/"), words), min_size=1, max_size=5), words)
def test_a_plan_reads_back_from_its_text(lines, answer):
    plan = Plan(tuple(Step(name, f"{left} {sign} {right}") for name, left, sign, right in lines), answer)
    assert parse_plan(["chat before", plan.text(), "chat after"]) == plan


def test_a_formula_needs_a_value_for_every_name():
    assert fill_in("(a b + c) / d", {"a b": "1", "c": "2 / 3", "d": "4"}) == "(1 + (2 / 3)) / 4"
    with pytest.raises(KeyError):
        fill_in("a + b", {"a": "1"})
