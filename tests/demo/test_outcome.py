from __future__ import annotations

import pytest

from credit_hooks.demo.outcome import final_number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("Recomputed: 62 / 2 = 31. Final answer: 35.65", 35.65),
        ("**Final answer: $1,234.50** (one thousand ...)", 1234.5),
        ("The answer is 4. No: the answer is -5, after 3 tries.", -5),
        ("so it is 12 and then 7", 7),
        ("I do not know.", None),
        ("", None),
    ],
)
def test_the_final_number_is_the_stated_answer_else_the_last_number(text, number):
    assert final_number(text) == number
