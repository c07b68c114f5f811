"""Teams are in the folder `team_cases`: one function each, beside the provenance that must come of it."""

import importlib.util
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

CASES = {}
if importlib.util.find_spec("autogen_agentchat") is not None:  # else every module of tests says why it is skipped
    from team_cases import teams  # noqa: F401 - it registers its teams
    from team_cases.kit import CASES


def pytest_generate_tests(metafunc):
    if "case" in metafunc.fixturenames:
        metafunc.parametrize("case", CASES.values(), ids=CASES)
