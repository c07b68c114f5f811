"""AutoGen agents that are asked again: capped, recorded, and otherwise as without."""

import asyncio

import pytest

pytest.importorskip("autogen_agentchat", reason="AutoGen is not installed: pip install 'credit-hooks[autogen]'")

from autogen_agentchat.teams import RoundRobinGroupChat, SelectorGroupChat
from autogen_core.models import CreateResult, RequestUsage
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from team_cases.kit import ScriptedClient, agent, call, dag
from triage_kit import TRACEBACK

from credit_hooks.autogen import capture_of, instrument
from credit_hooks.autogen.triage import retry_turns
from credit_hooks.errors import ConfigurationError
from credit_hooks.store import RunStore
from credit_hooks.triage import Finding, RetryLimits, TriagePolicy, TriageQueue

BLAME = TriagePolicy(below_probability=None, below_confidence=None, low_evidence=False, least_blame=0.2)


async def lookup(city: str) -> str:
    """Number of inhabitants."""
    return TRACEBACK


def solver(*retries, **options):
    """Calls a tool that fails, and answers all the same; then what the retries say."""
    client = ScriptedClient([call("lookup", city="Bonn")], "The answer is 42.", *retries, "checked")
    options = {"tools": [lookup], "max_tool_iterations": 3, "system_message": "Be brief.", **options}
    return agent("solver", client=client, **options), client


def captured(team, **options):
    options.setdefault("evaluate", lambda run: False)
    return capture_of(instrument(team, **options))


def pair(first, **options):
    return RoundRobinGroupChat([first, agent("checker", "checked")], max_turns=2, **options)


def texts(result):
    return [str(message.content) for message in result.messages if isinstance(message.content, str)]


async def test_an_answer_that_ignores_an_error_is_asked_for_again(tmp_path):
    first, client = solver([call("lookup", "c2", city="Ulm")], "I could not find out.")
    team, spans = pair(first), InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    queue = TriageQueue(BLAME, store=tmp_path / "r.db")
    capture = captured(team, store=tmp_path / "r.db", exporters=[queue], tracer_provider=provider)
    retries = retry_turns(team, RetryLimits(total=5), queue=queue, tracer_provider=provider)
    result = await team.run(task="How many live in Bonn?")
    assert texts(result)[1] == "I could not find out."
    assert "The answer is 42." not in texts(result)
    assert retries.stats["kept"] == 1
    assert [type(message).__name__ for message in client.prompts[2][-2:]] == ["AssistantMessage", "UserMessage"]
    assert "lookup" in client.prompts[2][-1].content

    assert capture.flush()
    assert capture.failures == []
    span = next(span for span in spans.get_finished_spans() if span.name == "retry solver")
    step = f"{span.parent.span_id:016x}"
    run = capture.last.trajectory
    assert run.actor_by_id[run.step_by_id[step].actor_id].name == "solver"
    with RunStore(tmp_path / "r.db", read_only=True) as store:
        labels = [label for label in store.get(run.id).trajectory.labels if label.name == "retry"]
    assert [(label.target_id, label.category) for label in labels] == [(step, "kept")]
    assert len([one for one in run.steps if one.kind == "chat" and one.parent_id == step]) == 4
    assert not any("You are about to" in message.text for message in run.messages)


@pytest.mark.parametrize("streams", [False, True])
async def test_a_retry_that_is_no_better_leaves_result_and_provenance_as_without(streams):
    def build(*retries):
        return pair(solver(*retries, model_client_stream=streams)[0])

    plain, team = build(), build("42 it is.")
    captures = captured(plain), captured(team)
    retries = retry_turns(team, RetryLimits(total=5))
    results = await plain.run(task="How many?"), await team.run(task="How many?")
    assert retries.stats["not better"] == 1
    assert texts(results[0]) == texts(results[1])
    graphs = []
    for capture in captures:
        assert capture.flush()
        graphs.append(dag(capture.last.trajectory))
    assert graphs[0] == graphs[1]


async def test_answers_that_are_alike_are_told_apart_though_retries_came_after_them():
    def build(*retries):
        first = agent("solver", "It is 42.", *retries, "It is 42.", system_message="Be brief.")
        return RoundRobinGroupChat([first, agent("checker", "again")], max_turns=6)

    def doubt(view):
        return Finding("doubt", 0.5, "Sure?") if view.step.actor_id == "solver" else None

    plain, team = build(), build(*["Well, 42."] * 3)
    captures = captured(plain), captured(team)
    retries = retry_turns(team, RetryLimits(total=3, per_run=3), signals=[doubt])
    for each in (plain, team):
        await each.run(task="How many?")
    assert retries.stats["not better"] == 3
    chats = []
    for capture in captures:
        assert capture.flush()
        run = capture.last.trajectory
        index = {message.id: message.index for message in run.messages}
        own = {message.generated_by for message in run.messages}
        chats.append([[index[id_] for id_ in run.reads(step.id)] for step in run.steps if step.id in own])
    assert chats[0] == chats[1]


async def test_a_streamed_answer_is_asked_for_again():
    first, _ = solver([call("lookup", "c2", city="Ulm")], "I could not find out.", model_client_stream=True)
    team = pair(first)
    captured(team)
    retry_turns(team, RetryLimits(total=5))
    assert texts(await team.run(task="How many?"))[1] == "I could not find out."


@pytest.mark.parametrize("retry", [ValueError("rate limit"), "slow"])
async def test_a_retry_that_raises_or_hangs_changes_nothing(retry):
    first, client = solver(retry)
    team = pair(first)
    captured(team)
    retries = retry_turns(team, RetryLimits(total=5, timeout=0.05))
    if retry == "slow":
        wait, client.delay = client._wait, 0.0

        async def waiting(token):
            await (asyncio.sleep(30) if len(client.prompts) == 2 else wait(token))

        client._wait = waiting
    result = await team.run(task="How many?")
    assert texts(result)[1] == "The answer is 42."
    assert retries.stats["timeout" if retry == "slow" else "failed"] == 1


async def test_what_the_first_call_raises_is_the_users():
    team = pair(agent("solver", ValueError("no model")))
    captured(team)
    retry_turns(team, RetryLimits(total=5))
    with pytest.raises(RuntimeError, match="no model"):
        await team.run(task="How many?")


async def test_caps_hold_over_a_run_and_over_all():
    first, client = solver()
    team = RoundRobinGroupChat([first], max_turns=2)
    captured(team)
    retries = retry_turns(team, RetryLimits(total=2))
    for _ in range(3):
        client.script[:] = [[call("lookup", city="Bonn")], "42", "no: 42"] * 2 + ["done"]
        await team.run(task="How many?")
        await team.reset()
    assert retries.stats["begun"] == 2
    assert len({record.trace_id for record in retries.records}) == 2


async def test_a_blamed_agent_is_told_in_the_next_run_of_its_task_and_once():
    client = ScriptedClient("It is 40.")
    team = pair(agent("solver", client=client, system_message="Be brief."))
    queue = TriageQueue(BLAME)
    capture = captured(team, exporters=[queue])
    retries = retry_turns(team, RetryLimits(total=0), queue=queue)
    for task in ("How many?", "Another?", "How many?"):
        await team.run(task=task)
        await team.reset()
        assert capture.flush()
    system = [prompt[0].content for prompt in client.prompts]
    assert system[0] == system[1] == "Be brief."
    assert system[2].startswith("Be brief.\n\nAn earlier attempt")
    assert "carried" in [record.end for record in retries.records]
    assert capture.failures == []


async def test_managers_are_left_alone_and_tokens_are_counted():
    usage = RequestUsage(prompt_tokens=90, completion_tokens=10)
    again = CreateResult(finish_reason="stop", content="no: 42", usage=usage, cached=False)
    first, client = solver(again, "solver")
    team = SelectorGroupChat(
        [first, agent("checker", "checked")], model_client=ScriptedClient("solver", "checker"), max_turns=2
    )
    captured(team)
    retries = retry_turns(team, RetryLimits(total=5, tokens=100))
    await team.run(task="How many?")
    assert retries.stats["tokens"] == 100
    assert retries.stats["begun"] == 1


async def test_detach_puts_everything_back():
    first, client = solver("42 again")
    team = pair(first)
    capture = captured(team)
    before = client.create, client.create_stream
    retries = retry_turns(team, RetryLimits(total=5))
    assert client.create is not before[0]
    retries.detach()
    assert (client.create, client.create_stream) == before
    capture.detach()
    assert "create" not in vars(client)


def test_only_captured_teams_can_be_retried():
    with pytest.raises(ConfigurationError, match="instrument"):
        retry_turns(pair(agent("a", "x")), RetryLimits(total=1))
