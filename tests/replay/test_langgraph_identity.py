"""The unchanged replay is the run, and calls nothing, on every topology that capture is tested on."""

import asyncio

import pytest
from capture_cases import agents, basic, control, nested, state  # noqa: F401 - they register their graphs
from capture_cases.kit import MODES, TOPOLOGIES

from credit_hooks.langgraph import CreditCallback, Replay
from credit_hooks.replay import Intervention, Meter, ReplayLimits

RUN_INSIDE_A_NODE = {
    "agent_as_a_tool_of_an_agent",
    "entrypoint_and_tasks",
    "parallel_tasks",
    "subgraph_called_in_a_node",
    "subgraph_with_a_question_of_its_own",
    "supervisor_with_full_history",
    "supervisor_with_last_message",
}
"""Graphs and tasks run by the code of a node: the node is pinned as a whole, what ran inside is not seen again."""

LATER_TURNS = {"cached_node", "interrupt_and_resume", "interrupt_beside_a_sibling", "static_breakpoint"}
"""Messages of earlier runs, whose authors only the recorded run knew."""


def said(trajectory):
    """What was said in a run, by whom."""
    root = trajectory.steps[0].id
    return sorted(
        (message.actor_id, message.role, message.text)
        for message in trajectory.messages
        if message.step_id not in (None, root)
    )


@pytest.fixture(params=TOPOLOGIES.values(), ids=TOPOLOGIES)
def topology(request):
    return request.param


@pytest.fixture(params=["invoke", "astream"])
def mode(request):
    return MODES[request.param]


@pytest.mark.filterwarnings("ignore:create_react_agent has been moved")
async def test_the_unchanged_replay_calls_nothing(topology, mode):
    graph = topology.build(mode)
    callback = CreditCallback(replay=Replay(graph, config=topology.config))
    await topology.run(mode, callbacks=[callback], graph=graph)
    assert callback.flush()
    assert len(callback.runs) == len(topology.turns)
    for run in callback.runs:
        replays, _ = callback._session.replayed(run)
        meter = Meter(ReplayLimits()).open()
        again = await replays._system(run.trajectory.id).run(Intervention(), meter)
        assert meter.live == 0
        assert (again.status, again.answer) == (run.trajectory.status, run.trajectory.answer)
        if topology.name not in RUN_INSIDE_A_NODE | LATER_TURNS:
            assert said(again.trajectory) == said(run.trajectory)
    assert callback.failures == []


def test_every_kind_of_replay_has_been_seen():
    """So that the list above cannot shrink to nothing unnoticed."""
    assert len(TOPOLOGIES) > 30
    assert RUN_INSIDE_A_NODE | LATER_TURNS < TOPOLOGIES.keys()
    assert asyncio.iscoroutinefunction(test_the_unchanged_replay_calls_nothing)
