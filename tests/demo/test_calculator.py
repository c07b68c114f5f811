from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_hooks.demo.calculator import calculate, calculator, format_number

numbers = st.one_of(
    st.integers(0, 10_000).map(lambda value: (str(value), Fraction(value))),
    st.decimals(0, 1000, places=2).map(lambda value: (str(value), Fraction(value))),
)


def _join(parts):
    (left, x), sign, (right, y) = parts
    value = {"+": x + y, "-": x - y, "*": x * y}[sign]
    return f"({left} {sign} {right})", value


expressions = st.recursive(
    numbers, lambda inner: st.tuples(inner, st.sampled_from("+-*"), inner).map(_join), max_leaves=8
).filter(lambda pair: len(pair[0]) <= 200)


@given(expressions)
def test_calculates_exactly_what_is_written(pair):
    text, value = pair
    assert calculate(text) == value


@given(st.integers(-(10**9), 10**9), st.integers(1, 10**6))
def test_formatted_numbers_read_back(numerator, denominator):
    value = Fraction(numerator, denominator)
    assert abs(calculate(format_number(value)) - value) <= Fraction(1, 10**6)


@pytest.mark.parametrize(
    "expression",
    ["__import__('os')", "2 ** 9999999", "x + 1", "'a' * 9", "True", "[1][0]", "1 if 1 else 2", "", "1 +", "\0", "1/0"],
)
def test_anything_but_arithmetic_is_refused(expression):
    with pytest.raises(ValueError, match="allowed|not an arithmetic|division by zero|null bytes"):
        calculate(expression)


def test_expressions_are_bounded():
    with pytest.raises(ValueError, match="more than 200"):
        calculate("1" + "+1" * 200)


@pytest.mark.parametrize("expression", ["1 / 0", "open('x')", "1e308 * 1e308 / 3", "(" * 150, "1e999"])
def test_the_tool_answers_a_bad_expression_with_an_error_message(expression):
    call = {"name": "calculator", "args": {"expression": expression}, "id": "1", "type": "tool_call"}
    message = calculator().invoke(call)
    assert message.status == "error"
    assert message.content
