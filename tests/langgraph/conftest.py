"""Graphs are in the folder `capture_cases`: one function each, beside the provenance that must come of it."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from capture_cases import agents, basic, control, nested, state  # noqa: E402, F401 - they register their graphs
from capture_cases.kit import MODES, TOPOLOGIES  # noqa: E402
from capture_cases.traced import Traced  # noqa: E402

from credit_hooks.langgraph import CreditCallback  # noqa: E402


def pytest_generate_tests(metafunc):
    if "topology" in metafunc.fixturenames:
        metafunc.parametrize("topology", TOPOLOGIES.values(), ids=TOPOLOGIES)
    if "mode" in metafunc.fixturenames:
        metafunc.parametrize("mode", MODES.values(), ids=MODES)


@pytest.fixture
def callback():
    callback = CreditCallback(evaluate=lambda run: True)
    yield callback
    assert callback.flush()
    assert callback.open_entries == 0
    assert callback.failures == []


@pytest.fixture
def traced():
    traced = Traced()
    yield traced
    assert traced.callback.flush()
    assert traced.callback.open_entries == 0
    assert traced.callback.failures == []
    traced.provider.shutdown()
