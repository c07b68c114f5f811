import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import made_up  # noqa: E402


@pytest.fixture(scope="session")
def make_run():
    return made_up.make_run
