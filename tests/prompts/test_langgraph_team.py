"""LangGraph graphs whose prompts are set per run, without an edit of their source."""

import asyncio
import time

import pytest
from langchain_core.messages import AIMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph

from credit_hooks.errors import ConfigurationError
from credit_hooks.prompts import Budget, Job, PromptBlock, PromptSet, Task, Team, optimize
from credit_hooks.prompts.collect import PROMPTS_KEY
from credit_hooks.prompts.langgraph import LangGraphTeam

BLOCKS = [PromptBlock(role="echo", text="own"), PromptBlock(role="other", text="untouched")]
IDS = [f"00000000-0000-5000-8000-{n:012d}" for n in range(8)]
TASKS = [Task(id=f"t{n}", input=f"task {n}", expected="other words") for n in range(8)]


def graph_of(prompt_of, **options):
    def echo(state, config):
        return {"messages": [AIMessage(prompt_of(config))]}

    builder = StateGraph(MessagesState)
    builder.add_node("echo", echo)
    builder.add_edge(START, "echo")
    return builder.compile(name="echo", **options)


def configured(config):
    return config["configurable"].get("prompts", {"echo": "own"})["echo"]


def async_graph():
    async def echo(state, config):
        await asyncio.sleep(0)
        return {"messages": [AIMessage(configured(config))]}

    builder = StateGraph(MessagesState)
    builder.add_node("echo", echo)
    builder.add_edge(START, "echo")
    return builder.compile(name="echo")


def context_graph():
    from langgraph.runtime import Runtime

    def echo(state: MessagesState, runtime: Runtime[dict]):
        return {"messages": [AIMessage(runtime.context["echo_prompt"])]}

    builder = StateGraph(MessagesState, context_schema=dict)
    builder.add_node("echo", echo)
    builder.add_edge(START, "echo")
    return builder.compile(name="echo")


WAYS = {
    "configurable": lambda: LangGraphTeam(graph_of(configured), BLOCKS),
    "another key": lambda: LangGraphTeam(
        graph_of(lambda config: config["configurable"]["echo_prompt"]),
        BLOCKS,
        arguments=lambda prompts: {"config": {"configurable": {"echo_prompt": prompts["echo"]}}},
    ),
    "context": lambda: LangGraphTeam(
        context_graph(), BLOCKS, arguments=lambda prompts: {"context": {"echo_prompt": prompts["echo"]}}
    ),
    "factory": lambda: LangGraphTeam(lambda prompts: graph_of(lambda config: prompts["echo"]), BLOCKS, name="echo"),
    "concurrent": lambda: LangGraphTeam(graph_of(configured), BLOCKS, concurrency=4),
    "async": lambda: LangGraphTeam(async_graph(), BLOCKS, use_async=True, concurrency=3),
    "checkpointed": lambda: LangGraphTeam(graph_of(configured, checkpointer=InMemorySaver()), BLOCKS),
}


def evaluate(run, task):
    return run.answer == task.expected


@pytest.mark.parametrize("way", WAYS)
def test_the_prompts_reach_the_graph_and_are_kept_with_the_run(way):
    team = WAYS[way]()
    assert isinstance(team, Team)
    assert team.name == "echo"
    own = PromptSet(team.blocks)
    other = own.with_texts({"echo": "other words"})
    received = []
    for prompts, score in ((own, 0.0), (other, 1.0)):
        jobs = [Job(run_id, task, prompts) for run_id, task in zip(IDS, TASKS)]
        runs = team.run(jobs, evaluate, received.append)
        assert [run.trajectory.id for run in runs] == IDS
        assert [run.credit.trajectory_id for run in runs] == IDS
        assert [run.trajectory.task_id for run in runs] == [task.id for task in TASKS]
        assert [run.credit.outcome for run in runs] == [score] * 8
        assert [len(run.trajectory.messages) for run in runs] == [2] * 8
        kept = runs[0].trajectory.meta[PROMPTS_KEY]
        assert kept["version"] == prompts.version
        assert [block["text"] for block in kept["blocks"]] == [prompts["echo"], "untouched"]
    assert {run.trajectory.id for run in received} == set(IDS)


def broken(config):
    raise ValueError("no answer")


@pytest.mark.parametrize(
    "evaluate", [evaluate, lambda run, task: run.output["messages"][-1].text == "x", lambda run, task: None]
)
def test_a_run_that_raises_is_a_failed_run(evaluate):
    team = LangGraphTeam(graph_of(broken), BLOCKS)
    (run,) = team.run([Job(IDS[0], TASKS[0], PromptSet(BLOCKS))], evaluate, lambda run: None)
    assert (run.trajectory.status, run.credit.outcome) == ("error", 0.0)


def test_a_team_all_of_whose_runs_raise_is_told_why():
    def critic(request):
        raise AssertionError("asked")

    for team in (LangGraphTeam(graph_of(broken), BLOCKS[:1]), LangGraphTeam(async_graph(), BLOCKS[:1])):
        found = optimize(team, TASKS, evaluate, critic, Budget(system_runs=20, model_calls=2))
        assert found.attempts == ()
        assert "Every training run raised an error" in found.stopped
        assert "no answer" in found.stopped or "ValueError" in found.stopped or "TypeError" in found.stopped


@pytest.mark.parametrize("concurrency", [1, 2])
def test_what_has_finished_before_an_interruption_is_kept(concurrency):
    begun, received = [], []

    def interrupted(config):
        begun.append(config)
        if len(begun) == 4:
            raise KeyboardInterrupt
        return "other words"

    def slowly(run, task):
        time.sleep(0.1)
        return True

    team = LangGraphTeam(graph_of(interrupted), BLOCKS, concurrency=concurrency)
    jobs = [Job(run_id, task, PromptSet(BLOCKS)) for run_id, task in zip(IDS, TASKS)]
    with pytest.raises(KeyboardInterrupt):
        team.run(jobs, slowly, received.append)
    assert len(received) == len(begun) - 1 >= 3
    assert {run.trajectory.status for run in received} == {"ok"}  # the interrupted run is none of them, not even failed
    assert concurrency > 1 or len(begun) == 4


def test_an_evaluator_that_fails_leaves_the_run_without_a_verdict():
    def fails(run, task):
        raise RuntimeError("judge is down")

    (run,) = LangGraphTeam(graph_of(configured), BLOCKS).run(
        [Job(IDS[0], TASKS[0], PromptSet(BLOCKS))], fails, lambda run: None
    )
    assert run.credit.outcome is None
    assert "judge is down" in run.credit.notes[0]


def test_the_users_own_configuration_and_callbacks_stay():
    from langchain_core.callbacks import BaseCallbackHandler

    class Heard(BaseCallbackHandler):
        names = []

        def on_chain_start(self, serialized, inputs, *, metadata=None, **kwargs):
            self.names.append((metadata or {}).get("theirs"))

    config = {"callbacks": [Heard()], "metadata": {"theirs": 7}, "configurable": {"user": "kept"}}
    before = {key: value.copy() for key, value in config.items()}
    team = LangGraphTeam(graph_of(lambda config: config["configurable"]["user"]), BLOCKS, config=config)
    (run,) = team.run([Job(IDS[0], TASKS[0], PromptSet(BLOCKS))], evaluate, lambda run: None)
    assert run.trajectory.answer == "kept"
    assert set(Heard.names) == {7}
    assert config == before


def test_what_is_no_graph_is_refused():
    with pytest.raises(ConfigurationError, match="a graph or a function that makes one"):
        LangGraphTeam("graph", BLOCKS)
    with pytest.raises(ConfigurationError, match="concurrency=0"):
        LangGraphTeam(graph_of(configured), BLOCKS, concurrency=0)
    with pytest.raises(ConfigurationError, match="returned str, no graph"):
        LangGraphTeam(lambda prompts: "graph", BLOCKS).run(
            [Job(IDS[0], TASKS[0], PromptSet(BLOCKS))], evaluate, lambda run: None
        )
