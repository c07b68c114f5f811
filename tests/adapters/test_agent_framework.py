"""Agent Framework's spans as trajectories. Against real runs: `tests/agent_framework`."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from agent_framework_spans import agent_framework_spans  # noqa: E402

from credit_hooks.errors import TrajectoryError  # noqa: E402
from credit_hooks.testing import ADAPTER_LAWS  # noqa: E402
from credit_hooks_adapters.agent_framework import ADAPTER  # noqa: E402


def parents(run):
    return {
        message.index: [run.message_by_id[one].index for one in run.parents(message.id)] for message in run.messages
    }


@pytest.mark.parametrize("content", [True, False], ids=["with contents", "without"])
@pytest.mark.parametrize("law", ADAPTER_LAWS, ids=lambda law: law.__name__)
def test_the_laws_of_adapters(law, content):
    law(ADAPTER, agent_framework_spans(content=content))


def test_what_an_agent_was_given_is_found_among_what_was_said():
    (run,) = ADAPTER.trajectories(agent_framework_spans())
    assert [(message.actor_id, message.text) for message in run.messages] == [
        ("user", "How high?"),
        ("a", ""),
        ("tool:measure", "9 m"),
        ("a", "It is 9 m."),
        ("b", "9 m it is."),
    ]
    assert parents(run) == {0: [], 1: [0], 2: [1], 3: [0, 1, 2], 4: [0, 3]}
    assert (run.name, run.framework, run.answer) == ("Sequential", "agent_framework", "9 m it is.")
    assert {actor.id: (actor.kind, actor.system_prompt) for actor in run.actors} == {
        "a": ("agent", "You are a."),
        "user": ("human", None),
        "tool:measure": ("tool", None),
        "b": ("agent", "You are b."),
    }
    assert [step.usage.input_tokens for step in run.steps if step.kind == "chat"] == [1, 3, 2]


def test_without_contents_a_turn_has_read_all_that_can_have_reached_it():
    (run,) = ADAPTER.trajectories(agent_framework_spans(content=False))
    assert [message.actor_id for message in run.messages] == ["user", "a", "b"]
    assert {part.type for message in run.messages for part in message.parts} == {"withheld"}
    assert parents(run) == {0: [], 1: [0], 2: [0, 1]}


def test_what_no_link_leads_from_was_not_read_without_contents():
    cut = [
        replace(span, links=[]) if span.name == "executor.process b" else span
        for span in agent_framework_spans(content=False)
    ]
    (run,) = ADAPTER.trajectories(cut)
    assert parents(run) == {0: [], 1: [0], 2: [0]}


def test_equal_texts_are_told_apart_by_their_order():
    key = "gen_ai.output.messages"
    spans = [
        replace(span, attributes={**span.attributes, key: span.attributes[key].replace("9 m it is.", "How high?")})
        if key in span.attributes
        else span
        for span in agent_framework_spans()
    ]
    (run,) = ADAPTER.trajectories(spans)
    assert run.messages[0].text == run.messages[4].text
    assert parents(run)[4] == [0, 3]


def test_an_agent_that_runs_in_no_workflow_is_a_run():
    spans = [
        replace(span, parent_id=None if span.name == "invoke_agent a" else span.parent_id)
        for span in agent_framework_spans()[4:8]
    ]
    (run,) = ADAPTER.trajectories(spans)
    assert [message.actor_id for message in run.messages] == ["user", "a", "tool:measure", "a"]
    assert run.name == "a"


def test_other_spans_are_refused():
    with pytest.raises(TrajectoryError, match="agent's turn"):
        list(ADAPTER.trajectories([replace(agent_framework_spans()[4], scope="other")]))
