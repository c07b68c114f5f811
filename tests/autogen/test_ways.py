"""Ways to attach capture and to run teams, beyond one run of one team."""

import asyncio
import gc
import random
import weakref

import pytest

pytest.importorskip("autogen_agentchat", reason="AutoGen is not installed: pip install 'credit-hooks[autogen]'")

from autogen_agentchat.base import TaskResult
from autogen_agentchat.messages import TextMessage
from autogen_agentchat.teams import BaseGroupChat, RoundRobinGroupChat, SelectorGroupChat
from autogen_agentchat.ui import Console
from autogen_core import SingleThreadedAgentRuntime
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from team_cases.kit import CASES, Plain, ScriptedClient, agent, dag

from credit_hooks.autogen import TeamCapture, capture_of, detach, install, instrument, uninstall
from credit_hooks.errors import ConfigurationError


def pair(*, turns=2, **options):
    return RoundRobinGroupChat([agent("a", "a1", "a2"), agent("b", "b1", "b2")], max_turns=turns, **options)


PAIR = {"user:task": [], "a:a1": ["user:task"], "b:b1": ["user:task", "a:a1"]}


def finished(capture):
    assert capture.flush()
    assert capture.open_entries == 0
    assert capture.failures == []
    assert capture.stats["failed: capture"] == 0
    return [run.trajectory for run in capture.runs]


# --- Continuation, reset, state -----------------------------------------------------------------------------------


async def test_a_second_run_reads_what_the_first_said():
    team = instrument(pair())
    await team.run(task="task")
    await team.run(task="more")
    _, second = finished(capture_of(team))
    before = ["user:task", "a:a1", "b:b1", "user:more"]
    assert dag(second) == {
        **dict.fromkeys(before, []),
        "a:a2": before,
        "b:b2": [*before, "a:a2"],
    }
    assert [second.actor_by_id[message.actor_id].name for message in second.messages] == [
        "user",
        "a",
        "b",
        "user",
        "a",
        "b",
    ]


async def test_after_a_reset_nothing_is_remembered():
    team = instrument(pair())
    await team.run(task="task")
    await team.reset()
    await team.run(task="task")
    _, second = finished(capture_of(team))
    assert dag(second) == {"user:task": [], "a:a2": ["user:task"], "b:b2": ["user:task", "a:a2"]}


async def test_restored_state_is_read_by_who_said_what():
    first = pair()
    await first.run(task="task")
    restored = instrument(pair())
    await restored.load_state(await first.save_state())
    await restored.run(task="more")
    (run,) = finished(capture_of(restored))
    read = dag(run)
    assert read["a:a1 (2)"] == ["user:task", "a:a1", "b:b1", "user:more"]
    assert set(read["b:b1 (2)"]) == {"user:task", "a:a1", "b:b1", "user:more", "a:a1 (2)"}


def choosing(*names):
    return SelectorGroupChat(
        [agent("a", "a1", "a2"), agent("b", "b1", "b2")],
        model_client=ScriptedClient(*names),
        max_turns=2,
        allow_repeated_speaker=True,
    )


def read_by_manager(trajectory):
    """What each of the manager's steps had read."""
    texts = {message.id: message.text for message in trajectory.messages}
    steps = [step for step in trajectory.steps if step.kind == "agent" and "Manager" in step.name]
    return [[texts[one] for one in trajectory.reads(step.id)] for step in steps]


async def test_a_manager_goes_on_with_what_it_read_in_earlier_runs():
    team = instrument(choosing("a", "b", "a", "b"))
    await team.run(task="task")
    await team.run(task="more")
    first, second = finished(capture_of(team))
    assert read_by_manager(first) == [["task"], ["task", "a1"]]
    before = ["task", "a1", "b1", "more"]
    assert read_by_manager(second) == [before, [*before, "a2"]]


async def test_a_manager_that_was_reset_remembers_nothing():
    team = instrument(choosing("a", "b", "a", "b"))
    await team.run(task="task")
    await team.reset()
    await team.run(task="more")
    _, second = finished(capture_of(team))
    assert read_by_manager(second) == [["more"], ["more", "a2"]]


async def test_equal_texts_are_told_apart_by_identity():
    members = [agent(name, "same") for name in ("a", "b", "c")]
    team = instrument(RoundRobinGroupChat(members, max_turns=6))
    await team.run(task="same")
    (run,) = finished(capture_of(team))
    spoken = [message.id for message in run.messages]
    assert [list(run.parents(one)) for one in spoken] == [spoken[:place] for place in range(len(spoken))]


# --- Ways to run --------------------------------------------------------------------------------------------------


async def test_console_and_tasks_that_are_messages(capsys):
    team = instrument(pair(), evaluate=lambda run: run.answer == "b1")
    task = [TextMessage(content="task", source="user", metadata={"task_id": "t1", "group_id": "g1"})]
    result = await Console(team.run_stream(task=task))
    assert isinstance(result, TaskResult)
    (run,) = finished(capture_of(team))
    assert dag(run) == PAIR
    assert (run.task_id, run.group_id) == ("t1", "g1")
    assert run.outcome.success is True


async def test_a_runtime_that_the_user_started():
    runtime = SingleThreadedAgentRuntime()
    runtime.start()
    team = instrument(pair(runtime=runtime))
    await team.run(task="task")
    await runtime.stop_when_idle()
    (run,) = finished(capture_of(team))
    assert dag(run) == PAIR
    assert [step.kind for step in run.steps] == ["workflow", "agent", "chat", "agent", "chat"]


async def test_two_teams_at_once_that_share_a_model_client():
    client = ScriptedClient(lambda messages: f"{len(messages)} read", delay=0.001)
    teams = [
        instrument(RoundRobinGroupChat([agent("a", client=client), agent("b", client=client)], max_turns=4))
        for _ in range(2)
    ]
    await asyncio.gather(*(team.run(task="task") for team in teams))
    for team in teams:
        (run,) = finished(capture_of(team))
        assert dag(run) == {
            "user:task": [],
            "a:1 read": ["user:task"],
            "b:2 read": ["user:task", "a:1 read"],
            "a:3 read": ["user:task", "a:1 read", "b:2 read"],
            "b:4 read": ["user:task", "a:1 read", "b:2 read", "a:3 read"],
        }
        assert sum(step.kind == "chat" for step in run.steps) == 4


async def test_one_capture_for_many_concurrent_runs():
    capture = TeamCapture(evaluate=lambda run: True)
    teams = [pair() for _ in range(20)]
    for team in teams:
        capture.attach(team)
    await asyncio.gather(*(team.run(task="task") for team in teams))
    assert [dag(run) for run in finished(capture)] == [PAIR] * 20


async def test_a_message_type_whose_text_cannot_be_had():
    class Rude(TextMessage):
        def to_text(self):
            raise ValueError("no")

    team = instrument(RoundRobinGroupChat([agent("a", "a1")], max_turns=1, custom_message_types=[Rude]))
    await team.run(task=Rude(content="task", source="user"))
    (run,) = finished(capture_of(team))
    assert dag(run) == {"user:task": [], "a:a1": ["user:task"]}


# --- Attaching ----------------------------------------------------------------------------------------------------


async def test_instrumenting_again_replaces_the_capture_and_detaching_ends_it():
    team = instrument(pair())
    first = capture_of(team)
    assert instrument(team) is team
    second = capture_of(team)
    await team.run(task="task")
    assert (len(finished(first)), len(finished(second))) == (0, 1)
    assert detach(team) is second
    assert capture_of(team) is None
    await team.run(task="task")
    assert len(finished(second)) == 1
    assert detach(team) is None


def test_unknown_options_are_told():
    with pytest.raises(ConfigurationError, match="unknown option 'evaluat'"):
        instrument(pair(), evaluat=None)


@pytest.fixture
def installed():
    yield install(evaluate=lambda run: True)
    uninstall()


async def test_install_captures_every_team_and_agent(installed, case):
    await case.build(agent).run(task=case.task)
    (run,) = finished(installed)
    assert dag(run) == case.dag


async def test_install_leaves_instrumented_teams_to_their_own_capture(installed):
    team = instrument(pair())
    await team.run(task="task")
    assert (len(finished(installed)), len(finished(capture_of(team)))) == (0, 1)


async def test_uninstall_puts_everything_back():
    before = dict(vars(BaseGroupChat))
    install()
    team = pair()
    await team.run(task="task")
    capture = uninstall()
    assert dict(vars(BaseGroupChat)) == before
    await team.run(task="task")
    assert len(finished(capture)) == 1
    assert uninstall() is None


async def test_teams_are_not_kept_alive(installed):
    team = pair()
    await team.run(task="task")
    installed.flush()
    gone = weakref.ref(team)
    del team
    await asyncio.sleep(0.05)  # AutoGen's runtime lets go of it in tasks of its own
    gc.collect()
    assert gone() is None


# --- What must not change -----------------------------------------------------------------------------------------


async def test_seeded_code_draws_the_same_numbers():
    drawn = []
    for wrap in (lambda team: team, instrument):
        random.seed(0)
        team = wrap(RoundRobinGroupChat([Plain("a", lambda messages: str(random.random()))], max_turns=3))
        result = await team.run(task="task")
        if wrap is instrument:
            finished(capture_of(team))
        drawn.append(([message.content for message in result.messages], random.random()))
    assert drawn[0] == drawn[1]


async def test_spans_of_others_nest_and_no_context_is_left_to_the_consumer():
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("user")

    def reply(messages):
        with tracer.start_as_current_span("work"):
            return "done"

    team = instrument(RoundRobinGroupChat([Plain("a", reply)], max_turns=2), tracer_provider=provider)
    with tracer.start_as_current_span("request") as request:
        async for _ in team.run_stream(task="task"):
            assert trace.get_current_span() is request
    assert finished(capture_of(team))
    spans = {span.context.span_id: span for span in exporter.get_finished_spans()}
    assert len({span.context.trace_id for span in spans.values()}) == 1
    work = [spans[span.parent.span_id].name for span in spans.values() if span.name == "work"]
    assert work == ["invoke_agent a", "invoke_agent a"]
    (root,) = [span for span in spans.values() if span.name.startswith("invoke_workflow")]
    assert spans[root.parent.span_id].name == "request"
    provider.shutdown()


def test_the_cases_cover_every_kind_of_team():
    assert len(CASES) >= 15
