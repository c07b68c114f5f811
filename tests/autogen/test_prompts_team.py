"""AutoGen teams whose prompts are set from outside: by a factory, or on live agents; and clients as critics."""

import asyncio
import signal
import threading

import pytest

pytest.importorskip("autogen_agentchat", reason="AutoGen is not installed: pip install 'credit-hooks[autogen]'")

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core.models import SystemMessage
from team_cases.kit import Plain, ScriptedClient, agent

from credit_hooks.autogen import TeamCapture
from credit_hooks.errors import ConfigurationError
from credit_hooks.prompts import Budget, Job, PromptBlock, PromptSet, Task, Team, optimize
from credit_hooks.prompts.autogen import AutoGenTeam
from credit_hooks.prompts.collect import PROMPTS_KEY

BLOCKS = [PromptBlock(role="adder", text="You add."), PromptBlock(role="judge", text="You judge.", kind="aggregation")]
TASKS = [Task(id=f"t{n}", input=f"{n} + {n}", expected=str(2 * n)) for n in range(10, 40)]
IDS = [f"00000000-0000-5000-8000-{n:012d}" for n in range(30)]


def adds(messages):
    """A model that adds only if it is told to be exact, and says so where it is not."""
    told = " ".join(message.content for message in messages if isinstance(message, SystemMessage))
    first, _, second = messages[-1].content.partition(" + ")
    return f"The sum is {int(first) + int(second)}" if "exact" in told else f"I assume the sum is {first}"


def repeats(messages):
    return f"Therefore the answer is {messages[-1].content.split()[-1]}"


def made(prompts):
    members = [
        AssistantAgent(role, model_client=ScriptedClient(line), system_message=prompts[role])
        for role, line in (("adder", adds), ("judge", repeats))
    ]
    return RoundRobinGroupChat(members, termination_condition=MaxMessageTermination(3))


def evaluate(run, task):
    return run.answer.endswith(f" {task.expected}")


def jobs(prompts, tasks=TASKS[:3]):
    return [Job(run_id, task, prompts) for run_id, task in zip(IDS, tasks, strict=False)]


@pytest.mark.parametrize("kind", ["factory", "concurrent", "live"])
def test_each_job_is_a_credited_run_with_its_prompts(kind):
    live = made(PromptSet(BLOCKS))
    team = AutoGenTeam(
        live if kind == "live" else made, BLOCKS, name="sums", concurrency=3 if kind == "concurrent" else 1
    )
    assert isinstance(team, Team)
    better = PromptSet(team.blocks).with_texts({"adder": "You add. Be exact."})
    received = []
    for prompts, score in ((PromptSet(team.blocks), 0.0), (better, 1.0), (PromptSet(team.blocks), 0.0)):
        runs = team.run(jobs(prompts), evaluate, received.append)
        assert [run.trajectory.id for run in runs] == IDS[:3]
        assert [run.trajectory.task_id for run in runs] == ["t10", "t11", "t12"]
        assert [run.credit.outcome for run in runs] == [score] * 3
        assert {run.trajectory.meta[PROMPTS_KEY]["version"] for run in runs} == {prompts.version}
        assert set(runs[0].credit.agents) == {"user", "adder", "judge"}
        assert len(runs[0].trajectory.messages) == 3  # a live team remembers nothing of the run before
    assert len(received) == 9


def test_a_live_team_keeps_its_own_prompts():
    live = made(PromptSet(BLOCKS))
    team = AutoGenTeam(live, BLOCKS)
    before = [agent._system_messages for agent in live._participants]
    team.run(jobs(PromptSet(BLOCKS).with_texts({"adder": "Be exact."})), evaluate, lambda run: None)
    assert [agent._system_messages for agent in live._participants] == before


def test_it_runs_inside_a_loop_too():
    async def main():
        return AutoGenTeam(made, BLOCKS).run(jobs(PromptSet(BLOCKS)), evaluate, lambda run: None)

    assert len(asyncio.run(main())) == 3


def test_a_run_that_raises_is_a_failed_run():
    def broken(prompts):
        members = [Plain("adder", ValueError("broken")), Plain("judge", "?")]
        return RoundRobinGroupChat(members, termination_condition=MaxMessageTermination(3))

    runs = AutoGenTeam(broken, BLOCKS).run(jobs(PromptSet(BLOCKS)), evaluate, lambda run: None)
    assert [(run.trajectory.status, run.credit.outcome) for run in runs] == [("error", 0.0)] * 3


def test_a_live_team_that_lacks_an_agent_is_refused():
    with pytest.raises(ConfigurationError, match="no agent 'solver' with a system message in the team"):
        AutoGenTeam(made(PromptSet(BLOCKS)), [PromptBlock(role="solver", text="")])
    with pytest.raises(ConfigurationError, match="runs once at a time"):
        AutoGenTeam(made(PromptSet(BLOCKS)), BLOCKS, concurrency=2)


def test_an_autogen_client_mends_the_block_that_is_to_blame(tmp_path):
    client = ScriptedClient("<diagnosis>It guesses.</diagnosis><prompt>You add. Be exact.</prompt>")
    found = optimize(
        AutoGenTeam(made, BLOCKS, name="sums"),
        TASKS,
        evaluate,
        client,
        Budget(system_runs=80, model_calls=3),
        width=1,
        store=tmp_path / "runs.db",
    )
    assert found.changed == ("adder",)
    assert found.prompts["adder"] == "You add. Be exact."
    assert found.scores_after.held_out == 1.0
    assert len(client.prompts) == found.spent.model_calls == 1


def test_a_client_that_answers_with_a_tool_call_costs_one_attempt():
    team = AutoGenTeam(made, BLOCKS, name="sums")
    client = ScriptedClient([])
    found = optimize(team, TASKS, evaluate, client, Budget(system_runs=80, model_calls=2))
    assert found.changed == ()
    assert found.attempts[0].edits[0].problem == "the critic returned list, not text"


def test_single_agents_are_teams_too():
    block = [PromptBlock(role="adder", text="You add. Be exact.")]
    team = AutoGenTeam(agent("adder", adds, system_message="?"), block, name="one")
    (run,) = team.run(jobs(PromptSet(block), TASKS[:1]), evaluate, lambda run: None)
    assert run.credit.outcome == 1.0


def test_an_interrupted_run_is_no_finished_run(monkeypatch):
    calls, given_up = [], threading.Event()

    class Detaches(TeamCapture):
        def detach(self):
            given_up.set()
            super().detach()

    monkeypatch.setattr("credit_hooks.prompts.autogen.TeamCapture", Detaches)

    def interrupts(messages):
        calls.append(messages)
        if len(calls) == 3:
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            assert given_up.wait(60)  # by then the main thread has cancelled what comes after this
        return "The sum is 0"

    def built(prompts):
        return RoundRobinGroupChat(
            [AssistantAgent("adder", model_client=ScriptedClient(interrupts)), Plain("judge", "?")],
            termination_condition=MaxMessageTermination(3),
        )

    received = []
    with pytest.raises(KeyboardInterrupt):
        AutoGenTeam(built, BLOCKS).run(jobs(PromptSet(BLOCKS)), evaluate, received.append)
    arrived = {run.trajectory.id for run in received}  # which two were first is a matter of threads
    assert len(received) == len(arrived) == 2
    assert arrived < set(IDS)
    assert {run.trajectory.status for run in received} == {"ok"}
