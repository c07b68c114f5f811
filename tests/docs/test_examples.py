"""What the README and the examples show is what happens."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest
from pytest_examples import CodeExample, EvalExample, find_examples

from credit_hooks import semconv

ROOT = Path(__file__).parents[2]


def _runnable(example: CodeExample) -> bool:
    return "import" in example.source


@pytest.mark.parametrize("example", [*filter(_runnable, find_examples(str(ROOT / "README.md")))], ids=str)
def test_readme_programs_print_what_the_readme_says(example: CodeExample, eval_example: EvalExample) -> None:
    eval_example.set_config(line_length=120)
    eval_example.run_print_check(example)


def test_the_page_on_spans_names_every_attribute_of_ours_that_is_on_spans() -> None:
    sources = [ROOT / "credit_hooks" / f"{name}.py" for name in ("encode", "native", "record", "rewards", "session")]
    used = {name for path in sources for name in re.findall(r"\bCREDIT_[A-Z0-9_]+", path.read_text())}
    page = (ROOT / "docs" / "spans.md").read_text()
    assert [name for name in sorted(used) if f"`{getattr(semconv, name)}`" not in page] == []


def test_the_langgraph_example_shows_rewards_that_sum_to_the_total(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(ROOT / "examples" / "langgraph_team.py"), run_name="__main__")
    printed = capsys.readouterr().out
    rewards = [float(line.rpartition("= ")[2]) for line in printed.splitlines() if "credit.reward" in line]
    assert len(rewards) == 3
    assert sum(rewards) == pytest.approx(0.5, abs=0.002)
    assert "outcome 1.00 - baseline 0.50 = +0.500" in printed
