"""Every kind of team, however its run goes: as without us, every message captured, one hook, one trace, no leaks."""

import asyncio
import logging

import pytest

pytest.importorskip("autogen_agentchat", reason="AutoGen is not installed: pip install 'credit-hooks[autogen]'")

from autogen_agentchat.base import TaskResult
from autogen_core import CancellationToken
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from team_cases.kit import ScriptedClient, agent, dag, scheduling

from credit_hooks.autogen import capture_of, detach, instrument


class Boom(Exception):
    """What a member raises."""


class Hook:
    """Receives every run that has ended."""

    def __init__(self):
        self.runs = []

    def export(self, run):
        self.runs.append(run)


def well_behaved(name, *script, **options):
    return agent(name, *script, **options)


def raising(name, *script, **options):
    return agent(name, client=ScriptedClient(Boom("no")), **options)


def hanging(name, *script, **options):
    return agent(name, *script, delay=60.0, **options)


def messages(items):
    """What users compare: everything but ids and times, which differ between any two runs."""
    return [without_frames(item.model_dump(mode="json", exclude={"id", "created_at"})) for item in items]


def without_frames(value):
    """AutoGen puts the frames of a failure into its messages, where a wrapper shows."""
    if isinstance(value, dict):
        return {key: without_frames(item) for key, item in value.items() if key != "full_message_id"}
    if isinstance(value, list):
        return [without_frames(item) for item in value]
    return value.split("Traceback")[0] if isinstance(value, str) else value


def result_of(result):
    return messages(result.messages), result.stop_reason


async def plain(team, task):
    return result_of(await team.run(task=task))


async def streaming(team, task):
    items = [item async for item in team.run_stream(task=task)]
    assert isinstance(items[-1], TaskResult)
    return messages(items[:-1]), result_of(items[-1])


async def error(team, task):
    with pytest.raises(Exception) as raised:  # noqa: PT011 - compared with what is raised without us
        await team.run(task=task)
    return raised.type, without_frames(str(raised.value))


async def cancel(team, task):
    running = asyncio.create_task(team.run(task=task))
    await asyncio.sleep(0.05)
    running.cancel()
    with pytest.raises(asyncio.CancelledError) as raised:
        await running
    return raised.type


async def by_token(team, task):
    token = CancellationToken()
    running = asyncio.create_task(team.run(task=task, cancellation_token=token))
    await asyncio.sleep(0.05)
    token.cancel()
    with pytest.raises(BaseException) as raised:  # noqa: PT011 - as above
        await running
    return raised.type


async def break_off(team, task):
    stream = team.run_stream(task=task)
    items = []
    async for item in stream:
        items.append(item)
        if len(items) == 2:
            break
    await stream.aclose()
    return messages(items)


WAYS = {
    "plain": (plain, well_behaved, {"ok"}),
    "streaming": (streaming, well_behaved, {"ok"}),
    "error": (error, raising, {"error"}),
    "cancel": (by_token, hanging, {"cancelled", "error"}),
    "break": (break_off, well_behaved, {"abandoned"}),
}


@pytest.fixture
def spans():
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield exporter, provider
    provider.shutdown()


@pytest.fixture(autouse=True)
def quiet():
    """AutoGen logs the failures that these tests cause."""
    logging.getLogger("autogen_core").setLevel(logging.CRITICAL)


@pytest.mark.parametrize("way", WAYS)
async def test_every_kind_of_team_however_its_run_goes(case, way, spans):
    run, member, statuses = WAYS[way]
    if way == "error" and case.name in ("agent_as_tool", "team_as_tool"):
        run, statuses = plain, {"ok"}  # a tool's failure is told to the agent that called it
    if way == "cancel" and case.name in ("agent_as_tool", "team_as_tool"):
        pytest.skip("AutoGen 0.7.5 itself never returns when a team is cancelled inside a tool")
    expected = await run(case.build(member), case.task)

    exporter, provider = spans
    hook = Hook()
    team = case.build(member)
    assert instrument(team, evaluate=lambda run: True, exporters=[hook], tracer_provider=provider) is team
    outer = trace.get_current_span()
    assert await run(team, case.task) == expected
    assert trace.get_current_span() is outer, "a context was left attached"

    capture = capture_of(team)
    assert capture.flush()
    assert capture.open_entries == 0
    assert capture.failures == []
    assert capture.stats["failed: capture"] == 0
    (finished,) = hook.runs
    assert finished.trajectory.status in statuses
    ended = exporter.get_finished_spans()
    assert len({span.context.trace_id for span in ended}) == 1
    assert len(ended) == len(finished.trajectory.steps)

    assert replaced_in(team)
    detach(team)
    assert not replaced_in(team)


def replaced_in(team):
    """Names of methods of ours, on a team and everything it is made of."""
    found, seen, todo = [], set(), [team]
    while todo:
        each = todo.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        if isinstance(each, list | tuple | dict):
            todo.extend(each.values() if isinstance(each, dict) else each)
        elif type(each).__module__.startswith(("autogen", "team_cases")):
            own = getattr(each, "__dict__", {})
            code = {name: getattr(value, "__code__", None) for name, value in own.items()}
            found += [name for name, it in code.items() if it is not None and "credit_hooks" in it.co_filename]
            todo.extend(own.values())
    return found


async def test_every_message_of_the_result_has_author_parents_and_reward(case):
    team = instrument(case.build(well_behaved), evaluate=lambda run: True)
    result = await team.run(task=case.task)
    capture = capture_of(team)
    assert capture.flush()
    credited = capture.last
    trajectory = credited.trajectory
    assert {message.id for message in result.messages} <= set(trajectory.message_by_id)
    assert dag(trajectory) == case.dag
    assert trajectory.answer == case.answer
    if case.scheduling:
        assert scheduling(trajectory) == case.scheduling
    rewarded = {reward.message_id for reward in credited.credit.messages}
    assert {message.id for message in trajectory.messages} == rewarded
    place = {message.id: message.index for message in trajectory.messages}
    assert all(place[parent] < place[child] for parent, child in trajectory.edges())


async def test_a_cancelled_task_is_a_cancelled_run():
    team = instrument(hanging("solo", "s1"), evaluate=lambda run: True)
    await cancel(team, "task")
    capture = capture_of(team)
    assert capture.flush()
    assert capture.last.trajectory.status == "cancelled"
    assert capture.open_entries == 0
