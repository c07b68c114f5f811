"""Every orchestration of Agent Framework, run for real: its own spans say who read what."""

from dataclasses import replace

import pytest

pytest.importorskip("agent_framework.orchestrations", reason="pip install agent-framework-orchestrations")

from orchestrations import ORCHESTRATIONS, ScriptedClient, run, span_data

from credit_hooks import Outcome, assign_credit
from credit_hooks.testing import check_adapter
from credit_hooks_adapters import read
from credit_hooks_adapters.agent_framework import ADAPTER

AUTHORS = {
    "sequential": ["user", "reader", "planner", "solver"],
    "concurrent": ["user", "reader", "planner", "solver"],
    "group_chat": ["user", "reader", "planner", "solver"],
    "handoff": ["user", "triage", "tool:handoff_to_solver", "solver"],
    "magentic": ["user", *["magentic_orchestrator", "manager"] * 2, *["magentic_orchestrator"] * 2]
    + ["manager", "magentic_orchestrator", "solver", "manager", "magentic_orchestrator", "manager"],
}
PARENTS = {
    "sequential": [[], [0], [0, 1], [0, 1, 2]],
    "concurrent": [[], [0], [0], [0]],
    "group_chat": [[], [0], [0, 1], [0, 1, 2]],
    "handoff": [[], [0], [0], [0]],
}
ANSWERS = dict.fromkeys(ORCHESTRATIONS, "The answer is 42.")


def parents(trajectory):
    place = {message.id: message.index for message in trajectory.messages}
    return [[place[one] for one in trajectory.parents(message.id)] for message in trajectory.messages]


@pytest.fixture(params=ORCHESTRATIONS)
def name(request):
    return request.param


async def test_authors_and_what_each_message_was_made_of(name, finished):
    await run(name)
    (trajectory,) = ADAPTER.trajectories(span_data(finished()))
    assert [message.actor_id for message in trajectory.messages] == AUTHORS[name]
    if name in PARENTS:
        assert parents(trajectory) == PARENTS[name]
    assert trajectory.answer == ANSWERS[name]
    credit = assign_credit(trajectory.with_outcome(Outcome(score=1.0)))
    assert credit.status == "credited"
    assert sum(credit.agents.values()) == pytest.approx(0.5, abs=1e-9)


async def test_reads_are_what_models_were_really_shown(name, finished, monkeypatch):
    shown = []
    reply = ScriptedClient._next

    def note(self, messages):
        shown.append(sorted(message.text for message in messages if message.text and message.role != "system"))
        return reply(self, messages)

    monkeypatch.setattr(ScriptedClient, "_next", note)
    await run(name)
    (trajectory,) = ADAPTER.trajectories(span_data(finished()))
    turns = [step for step in trajectory.steps if any(call.parent_id == step.id for call in trajectory.steps)]
    texts = {message.id: message.text for message in trajectory.messages}
    read_by = [sorted(filter(None, (texts[one] for one in trajectory.reads(step.id)))) for step in turns]
    assert read_by == shown[: len(turns)]


async def test_the_links_alone_give_the_same_provenance_where_all_is_passed_on(name, finished):
    if name in ("magentic", "handoff"):
        pytest.skip("there, an executor passes on a part of what has reached it: links say what can have been read")
    await run(name, content=False)
    (trajectory,) = ADAPTER.trajectories(span_data(finished()))
    assert {part.type for message in trajectory.messages for part in message.parts} == {"withheld"}
    assert [message.actor_id for message in trajectory.messages] == AUTHORS[name]
    assert parents(trajectory) == PARENTS[name]


def without_contents(spans):
    hidden = ("gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.system_instructions")
    return [replace(span, attributes={k: v for k, v in span.attributes.items() if k not in hidden}) for span in spans]


def turns_read(trajectory):
    """Turn to the turns whose messages it read."""
    by_id = trajectory.message_by_id
    turns = {step.id for step in trajectory.steps if step.name.startswith("invoke_agent")}
    return {turn: {by_id[one].step_id for one in trajectory.reads(turn)} & turns for turn in turns}


async def test_links_hide_nothing_that_was_read(name, finished):
    await run(name)
    (exact,) = ADAPTER.trajectories(span_data(finished()))
    (by_links,) = ADAPTER.trajectories(without_contents(span_data(finished())))
    possible = turns_read(by_links)
    for turn, read_from in turns_read(exact).items():
        assert read_from <= possible[turn]


async def test_a_turn_names_the_turn_that_handed_over_to_it(finished):
    await run("handoff")
    (trajectory,) = ADAPTER.trajectories(span_data(finished()))
    triage, solver = [step for step in trajectory.steps if step.kind == "agent"]
    assert (triage.scheduled_by, solver.scheduled_by) == ((), (triage.id,))


async def test_real_spans_keep_the_laws(name, finished):
    await run(name)
    check_adapter(ADAPTER, span_data(finished()))


async def test_the_dialect_is_found_by_its_entry_point(finished):
    from credit_hooks import registry

    if "agent_framework" not in registry.adapters():
        pytest.skip("installed before the entry point was added: install again")
    await run("sequential")
    (trajectory,) = read(span_data(finished()))
    assert trajectory.source == "agent_framework"
