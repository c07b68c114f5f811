"""An unchanged replay is the run again, without a single live call: every kind of team, every way of running it."""

import asyncio

import pytest

pytest.importorskip("autogen_agentchat", reason="needs credit-hooks[autogen]")

from autogen_agentchat.agents import ApprovalResponse, CodeExecutorAgent, UserProxyAgent
from autogen_agentchat.messages import TextMessage
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_agentchat.ui import Console
from autogen_core.code_executor import CodeResult
from autogen_core.memory import ListMemory, MemoryContent
from replay_cases.casts import Cast, magentic, selector, society
from team_cases.kit import CASES, ScriptedClient, agent

from credit_hooks.autogen import Replay, capture_of, instrument
from credit_hooks.errors import ReplayRefusedError, ReplayStoppedError
from credit_hooks.replay import Intervention, Meter, ReplayLimits


async def at_once(team, task):
    return await team.run(task=task)


async def streamed(team, task):
    return [item async for item in team.run_stream(task=task)][-1]


async def on_a_console(team, task):
    return await Console(team.run_stream(task=task))


def recorded(build, *, run=at_once, tasks=("task",), before=None, between=None, team=None, **options):
    """(capture, its newest run, that run as a system) of a team that has run."""
    team = team or build()

    async def main():
        if before is not None:
            await team.run(task=before)
        instrument(team, replay=Replay(build, **options))
        for number, task in enumerate(tasks):
            if number and between is not None:
                await between(team)
            await run(team, task)

    asyncio.run(main())
    capture = capture_of(team)
    assert capture.flush(60)
    assert capture.failures == []
    assert capture.stats["failed: capture"] == 0
    replays, newest = capture._session.replayed(capture.last)
    return capture, newest, replays._system(newest.trajectory.id)


def again(system, intervention=Intervention()):
    """(the replay, its meter)."""
    meter = Meter(ReplayLimits()).open()
    return asyncio.run(system.run(intervention, meter)), meter


def assert_same(newest, system):
    replay, meter = again(system)
    assert (meter.live, meter.model_calls) == (0, 0)
    assert replay.status == newest.trajectory.status
    assert replay.answer == (newest.trajectory.answer or "")
    said = [(message.actor_id, message.role_raw, message.text) for message in newest.trajectory.messages]
    assert [(message.actor_id, message.role_raw, message.text) for message in replay.messages] == said
    return meter


@pytest.mark.parametrize("run", [at_once, streamed, on_a_console])
def test_an_unchanged_replay_makes_no_live_call(case, run, capsys):
    def build():
        return case.build(agent)

    _, newest, system = recorded(build, run=run, tasks=[case.task])
    meter = assert_same(newest, system)
    assert meter.pinned > 0
    assert system.players


@pytest.mark.parametrize("case_name", ["graph_fan_out_and_join", "round_robin"])
def test_members_that_stream_are_pinned_with_their_chunks(case_name):
    def build():
        return CASES[case_name].build(lambda name, *script: agent(name, *script, model_client_stream=True))

    _, newest, system = recorded(build)
    assert_same(newest, system)


def test_who_finished_first_does_again():
    """In a replay nobody waits for a model, so those who spoke side by side would end in another order."""

    def build():
        slow = lambda name, *script: agent(name, *script, delay=0.05)  # noqa: E731
        return CASES["graph_fan_out_and_join"].build(slow)

    _, newest, system = recorded(build)
    assert [message.text for message in newest.trajectory.messages] == ["task", "a1", "c1", "b1", "d1"]
    assert_same(newest, system)


def test_every_run_goes_on_from_those_before_it():
    def build():
        return RoundRobinGroupChat([agent("a", "a1", "a2"), agent("b", "b1", "b2")], max_turns=2)

    _, newest, system = recorded(build, tasks=["task", "more"])
    meter = assert_same(newest, system)
    assert meter.pinned == 4
    replay, meter = again(system, Intervention(masked=frozenset(system.players[-1].message_ids)))
    assert (replay.answer, meter.live) == ("", 0)


def test_a_team_that_was_reset_starts_anew():
    def build():
        return RoundRobinGroupChat([agent("a", "a1", "a1"), agent("b", "b1", "b1")], max_turns=2)

    _, newest, system = recorded(build, tasks=["task", "more"], between=lambda team: team.reset())
    assert assert_same(newest, system).pinned == 2


def test_a_single_agent_that_was_reset_starts_anew():
    from autogen_core import CancellationToken

    def build():
        return agent("solo", "s1", "s1")

    reset = lambda solo: solo.on_reset(CancellationToken())  # noqa: E731
    _, newest, system = recorded(build, tasks=["task", "more"], between=reset)
    assert assert_same(newest, system).pinned == 1


def test_a_team_whose_state_was_loaded_is_refused():
    def build():
        return RoundRobinGroupChat([agent("a", "a1", "a2"), agent("b", "b1", "b2")], max_turns=2)

    async def load(team):
        await team.load_state(await team.save_state())

    with pytest.raises(ReplayRefusedError, match="state was loaded"):
        recorded(build, tasks=["task", "more"], between=load)


def test_a_team_that_ran_before_it_was_instrumented_is_found_out_before_anything_is_called():
    called = []

    def build():
        members = [agent("a", lambda messages: called.append(1) or "a1"), agent("b", "b1", "b1", "b1")]
        return RoundRobinGroupChat(members, max_turns=2)

    _, _, system = recorded(build, before="earlier")
    before = len(called)
    with pytest.raises(ReplayStoppedError, match="the unchanged replay is not the run"):
        again(system)
    assert len(called) == before


def test_a_run_that_was_cancelled_is_refused():
    def build():
        return RoundRobinGroupChat([agent("a", "a1", delay=0.5)], max_turns=1)

    async def impatient(team, task):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(team.run(task=task), 0.1)

    with pytest.raises(ReplayRefusedError, match="cancelled|abandoned"):
        recorded(build, run=impatient)


def test_a_model_that_failed_fails_again():
    def build():
        return RoundRobinGroupChat([agent("a", "a1"), agent("b", ValueError("no such model"))], max_turns=2)

    async def failing(team, task):
        with pytest.raises(RuntimeError, match="no such model"):
            await team.run(task=task)

    _, newest, system = recorded(build, run=failing)
    replay, meter = again(system)
    assert meter.live == 0
    assert replay.status == newest.trajectory.status == "error"
    assert "no such model" in str(replay.error)


def test_humans_are_not_asked_again():
    asked = []

    def answer(prompt):
        asked.append(prompt)
        return "go on"

    def build():
        return RoundRobinGroupChat([agent("a", "a1", "a2"), UserProxyAgent("human", input_func=answer)], max_turns=3)

    _, newest, system = recorded(build)
    assert_same(newest, system)
    with pytest.raises(ReplayStoppedError, match=r"agent 'human' would be called .* allow it by"):
        again(system, Intervention(masked=frozenset(system.players[0].message_ids)))
    assert len(asked) == 1
    _, _, system = recorded(build, tools={"human": "pin"})
    replay, _ = again(system, Intervention(masked=frozenset(system.players[0].message_ids)))
    assert "go on" in [message.text for message in replay.messages]
    assert len(asked) == 2


def test_memories_are_not_looked_up_again():
    def build():
        memory = ListMemory()
        memory.content = [MemoryContent(content="the sky is blue", mime_type="text/plain")]
        return RoundRobinGroupChat([agent("a", "a1", memory=[memory]), agent("b", "b1")], max_turns=2)

    _, newest, system = recorded(build)
    assert "the sky is blue" in [message.text for message in newest.trajectory.messages]
    assert_same(newest, system)


@pytest.mark.parametrize("approval", [None, lambda request: ApprovalResponse(approved=True, reason="")])
@pytest.mark.filterwarnings("ignore:No approval function set")
def test_code_is_not_run_again(approval):
    class Executor:
        ran = []
        timeout = 1

        async def execute_code_blocks(self, blocks, cancellation_token):
            self.ran.append(blocks[0].code)
            return CodeResult(exit_code=0, output="4")

    executor = Executor()

    def build():
        runner = CodeExecutorAgent("runner", code_executor=executor, approval_func=approval)
        coder = agent("coder", "```python\nprint(2 + 2)\n```")
        return RoundRobinGroupChat([coder, runner], max_turns=2)

    _, newest, system = recorded(build)
    assert_same(newest, system)
    assert executor.ran == ["print(2 + 2)\n"]
    coder = next(player.message_ids[0] for player in system.players if player.actor_id == "coder")
    with pytest.raises(ReplayStoppedError, match="agent 'runner'" if approval else "code_executor"):
        again(system, Intervention(replaced={coder: "```python\nprint(3)\n```"}))


@pytest.mark.parametrize("build", [selector, magentic, society])
def test_managers_choose_as_before(build):
    _, newest, system = recorded(lambda: build(Cast()))
    assert_same(newest, system)


def test_a_team_is_made_anew_from_its_own_components():
    from autogen_ext.models.replay import ReplayChatCompletionClient

    def team():
        client = ReplayChatCompletionClient(["one", "two"])
        from autogen_agentchat.agents import AssistantAgent

        return RoundRobinGroupChat([AssistantAgent("a", model_client=client)], max_turns=2)

    _, newest, system = recorded(team(), team=team())
    assert_same(newest, system)


def test_a_client_of_scripts_cannot_be_dumped_and_says_what_to_do():
    from credit_hooks.errors import ConfigurationError

    with pytest.raises(ConfigurationError, match="pass a function that builds it"):
        Replay(RoundRobinGroupChat([agent("a", "a1")]))


def test_a_message_as_task():
    _, newest, system = recorded(lambda: agent("a", "a1"), tasks=[[TextMessage(content="hi", source="user")]])
    assert_same(newest, system)


def test_a_client_that_two_members_share():
    def build():
        client = ScriptedClient("a1", "b1", "a2")
        return RoundRobinGroupChat([agent("a", client=client), agent("b", client=client)], max_turns=3)

    _, newest, system = recorded(build)
    assert assert_same(newest, system).pinned == 3
