"""A calculator tool: exact arithmetic on + - * / and parentheses, walked through `ast`, never evaluated as code."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from fractions import Fraction

from langchain_core.tools import BaseTool, StructuredTool, ToolException

__all__ = ["MAX_LENGTH", "calculate", "calculator", "format_number", "run_calculator"]

MAX_LENGTH = 200
"""Longest expression accepted, in characters: bounds both the recursion and the size of the numbers."""

_BINARY: Mapping[type[ast.operator], Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def calculate(expression: str) -> Fraction:
    """The exact value of an arithmetic expression such as `80 - 80 * 25 / 100`.

    Raises:
        ValueError: it is too long, no arithmetic, or divides by zero.
    """
    if len(expression) > MAX_LENGTH:
        raise ValueError(f"the expression has {len(expression)} characters, more than {MAX_LENGTH}")
    try:
        tree = ast.parse(expression.strip(), mode="eval")
    except SyntaxError as error:
        raise ValueError(f"not an arithmetic expression: {expression!r}") from error
    try:
        return _value(tree.body)
    except ZeroDivisionError as error:
        raise ValueError(f"division by zero in {expression!r}") from error


def _value(node: ast.expr) -> Fraction:
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return Fraction(repr(number))  # the decimal as it was written: 0.1 is one tenth
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            return _BINARY[type(op)](_value(left), _value(right))
        case _:
            raise ValueError(f"only numbers, + - * / and parentheses are allowed, not {ast.unparse(node)!r}")


def format_number(value: Fraction) -> str:
    """The number as a person writes it: no trailing zeros, at most six decimals."""
    return f"{float(value):.6f}".rstrip("0").rstrip(".") if value.denominator != 1 else str(value.numerator)


def run_calculator(expression: str) -> str:
    """A sentence rather than a bare number: the credit method, like a reader, looks for what is stated as an answer."""
    try:
        return f"The answer is {format_number(calculate(expression))}"
    except (ValueError, OverflowError) as error:
        raise ToolException(str(error)) from error


def calculator() -> BaseTool:
    """The tool that agents are given. A bad expression comes back to them as an error message, not as an exception."""
    return StructuredTool.from_function(
        run_calculator,
        name="calculator",
        description="Work out an arithmetic expression with + - * / and parentheses, for example 3 * (4 + 0.5).",
        handle_tool_error=True,
    )
