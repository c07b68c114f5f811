"""The example records runs and finds pairs of siblings in them."""

import runpy
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples" / "collect_training_data.py"


def test_the_example_pairs_right_with_wrong_answers(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", [str(EXAMPLE), str(tmp_path)])
    runpy.run_path(str(EXAMPLE), run_name="__main__")
    pairs, prompt, chosen, rejected = capsys.readouterr().out.splitlines()
    assert int(pairs.split()[0]) >= 3
    assert pairs.endswith("pairs of 24 runs")
    a = int(prompt.split("What is ")[1].split()[0])
    assert "[planner] Multiply" in prompt
    assert chosen.endswith(f"The answer is {a * 9}.")
    assert rejected.endswith(f"The answer is {a + 9}.")
    assert "No task is in two splits" in (tmp_path / "data" / "README.md").read_text()
