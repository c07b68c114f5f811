"""AutoGen's own spans as trajectories: who was given what before each turn. Against real runs: `tests/autogen`."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from autogen_spans import autogen_spans  # noqa: E402

from credit_hooks.errors import TrajectoryError  # noqa: E402
from credit_hooks.testing import ADAPTER_LAWS  # noqa: E402
from credit_hooks_adapters import read  # noqa: E402
from credit_hooks_adapters.autogen import ADAPTER  # noqa: E402


@pytest.mark.parametrize("law", ADAPTER_LAWS, ids=lambda law: law.__name__)
def test_the_laws_of_adapters(law):
    law(ADAPTER, autogen_spans())


def test_a_team_is_read_with_what_each_turn_was_given():
    (run,) = ADAPTER.trajectories(autogen_spans())
    assert {message.text: run.parents(message.id) for message in run.messages} == {
        "How high?": (),
        "9 m": ("message-0",),
        "7 m": ("message-0", "message-1"),
    }
    assert [message.actor_id for message in run.messages] == ["user", "a", "b"]
    assert [step.attributes["autogen.delivered"] for step in run.steps] == [["message-0"], ["message-0", "message-1"]]
    assert (run.framework, run.answer) == ("autogen", "7 m")


def test_a_second_run_reads_what_the_first_left_in_the_buffers():
    again = [
        replace(span, span_id=f"{int(span.span_id, 16) + 100:016x}", start_ns=span.start_ns + 1_000)
        for span in autogen_spans()
    ]
    renamed = [
        replace(
            span, attributes={**span.attributes, "message": span.attributes["message"].replace("message-", "again-")}
        )
        for span in again
    ]
    first, second = ADAPTER.trajectories([*autogen_spans(), *renamed])
    assert [step.attributes["autogen.delivered"] for step in second.steps] == [
        ["message-2", "again-0"],
        ["again-0", "again-1"],
    ]
    assert set(second.parents("again-1")) == {"message-0", "message-2", "again-0"}


def test_other_spans_are_refused():
    with pytest.raises(TrajectoryError, match="hands a message"):
        list(ADAPTER.trajectories([replace(autogen_spans()[0], scope="other")]))


def test_the_dialect_is_found_by_its_entry_point():
    from credit_hooks import registry

    if "autogen" not in registry.adapters():
        pytest.skip("installed before the entry point was added: install again")
    (run,) = read(autogen_spans())
    assert run.source == "autogen"
