"""The example runs as it stands, and says who earned what."""

import runpy
from pathlib import Path

import pytest

pytest.importorskip("autogen_agentchat", reason="AutoGen is not installed: pip install 'credit-hooks[autogen]'")

EXAMPLE = Path(__file__).parents[2] / "examples" / "autogen_team.py"


def test_the_example_credits_both_agents(capsys):
    runpy.run_path(str(EXAMPLE), run_name="__main__")
    earned = {name: float(credit) for name, credit in map(str.split, capsys.readouterr().out.splitlines())}
    assert list(earned) == ["user", "planner", "solver"]
    assert earned["planner"] > 0
    assert earned["solver"] > 0
    assert sum(earned.values()) == pytest.approx(0.5, abs=2e-3)
