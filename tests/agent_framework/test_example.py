"""The example runs as it stands, and says who earned what."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("agent_framework.orchestrations", reason="pip install agent-framework-orchestrations")

EXAMPLE = Path(__file__).parents[2] / "examples" / "agent_framework_team.py"


def test_the_example_credits_both_agents():
    kept = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")}
    done = subprocess.run([sys.executable, EXAMPLE], capture_output=True, text=True, env=kept, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    earned = {name: float(credit) for name, credit in map(str.split, done.stdout.splitlines())}
    assert list(earned) == ["user", "planner", "solver"]
    assert earned["planner"] > 0
    assert earned["solver"] > 0
    assert sum(earned.values()) == pytest.approx(0.5, abs=2e-3)
