"""What replays change, what they may call, what they leave alone, and how they fail."""

import asyncio
import threading

import pytest

pytest.importorskip("autogen_agentchat", reason="needs credit-hooks[autogen]")

from autogen_agentchat.conditions import TextMentionTermination
from autogen_agentchat.messages import HandoffMessage, TextMessage
from autogen_agentchat.teams import RoundRobinGroupChat, Swarm
from autogen_core.tools import TextResultContent, ToolResult, Workbench
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from replay_cases.casts import Cast, chain, custom, helped, magentic, score, selector, society
from team_cases.kit import CASES, Plain, ScriptedClient, agent, call

from credit_hooks import semconv as sc
from credit_hooks.autogen import Replay, capture_of, install, instrument, uninstall
from credit_hooks.credit import CreditConfig
from credit_hooks.errors import ConfigurationError, ReplayStoppedError
from credit_hooks.replay import ReplayLimits
from credit_hooks.store import RunStore

REPLAY = CreditConfig(method="replay", level="shapley", budget=64)


def has_42(run):
    return "42" in run.answer


def captured(build, *, evaluate=has_42, credit=REPLAY, team=None, replay=None, options=None, runs=1, **replay_options):
    """The capture of a team that has run, credited by replay."""
    replay = replay or Replay(build, **replay_options)
    team = instrument(team or build(), evaluate=evaluate, credit=credit, replay=replay, **(options or {}))

    async def main():
        for _ in range(runs):
            await team.run(task="task")

    asyncio.run(main())
    capture = capture_of(team)
    assert capture.flush(60)
    assert capture.failures == []
    assert capture.stats["failed: capture"] == 0
    return capture


def assert_conserved(credit):
    assert sum(credit.agents.values()) == pytest.approx(credit.total, abs=1e-9)


def message_of(capture, actor_id, number=0):
    found = [m for m in capture.last.trajectory.messages if m.actor_id == actor_id]
    return found[number].id


# --- What if ------------------------------------------------------------------------------------------------------


class Counting:
    """A chain of three that adds one each; counts the calls of each model."""

    def __init__(self):
        self.calls = []

    def build(self):
        def adds(name):
            def reply(messages):
                self.calls.append(name)
                last = messages[-1].content
                return str(int(last) + 1) if last.lstrip("-").isdigit() else "1"

            return reply

        return RoundRobinGroupChat([agent(name, adds(name)) for name in "abc"], max_turns=3)


def test_a_counterfactual_runs_what_the_change_reaches():
    team = Counting()
    capture = captured(team.build, evaluate=lambda run: run.answer == "3", credit=CreditConfig())
    del team.calls[:]
    found = capture.counterfactual(capture.last, message_of(capture, "b"), "40")
    assert found.run.answer == "41"
    assert (found.live_calls, found.pinned_calls, found.model_calls) == (1, 2, 1)
    assert found.difference == -1.0
    assert team.calls == ["c"]


def test_the_same_text_changes_nothing_and_calls_nothing():
    team = Counting()
    capture = captured(team.build, evaluate=lambda run: run.answer == "3", credit=CreditConfig())
    found = capture.counterfactual(capture.last.trajectory.id, message_of(capture, "b"), "2")
    assert (found.run.answer, found.live_calls, found.difference) == ("3", 0, 0.0)


def test_on_the_callers_event_loop():
    team = Counting()
    seen = []

    async def main():
        capture = captured_here = instrument(team.build(), replay=Replay(team.build))
        await captured_here.run(task="task")
        capture = capture_of(captured_here)
        await asyncio.to_thread(capture.flush)
        seen.append(await capture.acounterfactual(capture.last, message_of(capture, "a"), "9"))

    asyncio.run(main())
    assert seen[0].run.answer == "11"


def test_an_agent_remembers_what_it_is_made_to_have_said():
    def build():
        return RoundRobinGroupChat(
            [agent("a", lambda shown: "+".join(m.content for m in shown)), Plain("b", "b")], max_turns=3
        )

    capture = captured(build, credit=CreditConfig())
    assert capture.last.trajectory.answer == "task+task+b"
    found = capture.counterfactual(capture.last, message_of(capture, "a"), "x")
    assert found.run.answer == "task+x+b"


def test_the_result_of_a_tool_in_place_of_another():
    capture = captured(lambda: helped(Cast()), evaluate=score, credit=CreditConfig())
    result = message_of(capture, "tool:helper")
    found = capture.counterfactual(capture.last, result, "no")
    assert "no" in [message.text for message in found.run.messages]
    assert "a/helper" not in {message.actor_id for message in found.run.messages}
    assert found.live_calls == 1


def test_what_cannot_be_replaced_is_refused_with_a_reason():
    capture = captured(CASES_swarm, evaluate=lambda run: True, credit=CreditConfig())
    with pytest.raises(ReplayStoppedError, match="is no answer and no result of a tool"):
        capture.counterfactual(capture.last, message_of(capture, "a", 0), "x")
    with pytest.raises(ConfigurationError, match="has no message 'x'"):
        capture.counterfactual(capture.last, "x", "y")
    with pytest.raises(ReplayStoppedError, match="replaced by text or a chat message, not by int"):
        capture.counterfactual(capture.last, message_of(capture, "b"), 7)
    capture = captured(lambda: magentic(Cast()), evaluate=score, credit=CreditConfig())
    with pytest.raises(ConfigurationError, match="stays in every replay: it decides who speaks"):
        capture.counterfactual(capture.last, message_of(capture, "MagenticOneOrchestrator"), "x")


# --- Who speaks for the masked ------------------------------------------------------------------------------------


def CASES_swarm():  # noqa: N802
    return CASES["swarm"].build(agent)


def test_a_masked_swarm_agent_still_hands_over():
    def build():
        a = agent("a", [call("transfer_to_b")], handoffs=["b"])
        return Swarm([a, agent("b", lambda shown: f"42 {len(shown)}")], max_turns=2)

    capture = captured(build)
    assert capture.last.credit.replay.stopped == "exact"
    assert capture.last.credit.agents == pytest.approx({"user": 0, "a": 0, "b": 1, "tool:transfer_to_b": 0})


def test_a_handoff_message_as_baseline():
    def build():
        a = agent("a", [call("transfer_to_b")], handoffs=["b", "c"])
        return Swarm([a, agent("b", "b1"), agent("c", "42")], max_turns=2)

    baseline = HandoffMessage(content="over", target="c", source="a")
    capture = captured(build, evaluate=lambda run: 0.0 if "42" in run.answer else 1.0, baseline=baseline)
    credit = capture.last.credit
    assert credit.replay.stopped == "exact"
    assert credit.agents["a"] > 0.0
    assert_conserved(credit)


@pytest.mark.parametrize(
    ("baseline", "said", "described"),
    [
        ("", "", "silence"),
        ("pass", "pass", "the text 'pass'"),
        (TextMessage(content="pass", source="x"), "pass", "the message 'pass'"),
        (lambda turn: f"{turn.agent} after {len(turn.messages)}", "a after 1", "function"),
        (ScriptedClient("weak"), "weak", "model ScriptedClient"),
    ],
)
def test_baselines(baseline, said, described):
    answers = []

    def build():
        return RoundRobinGroupChat([agent("a", "42"), Plain("b", lambda got: got[-1].content)], max_turns=2)

    def evaluate(run):
        answers.append(run.answer)
        return "42" in run.answer

    credit = captured(build, evaluate=evaluate, baseline=baseline, agents=["a"]).last.credit
    assert credit.replay.substitute.startswith(described)
    assert set(answers) == {"42", said}
    assert credit.agents["a"] == 1.0


def test_a_baseline_that_is_none_is_refused():
    with pytest.raises(ConfigurationError, match="baseline is a text"):
        Replay(CASES_swarm, baseline=7)


def test_who_ends_a_run_is_missed_no_longer_than_a_round():
    def build():
        ends = TextMentionTermination("42")
        members = [
            agent("a", lambda shown: f"a {len(shown)}"),
            agent("b", lambda shown: "42" if len(shown) == 2 else "b"),
        ]
        return RoundRobinGroupChat(members, termination_condition=ends)

    capture = captured(build, agents=["b"])
    assert capture.last.credit.replay.stopped == "exact"
    found = capture.counterfactual(capture.last, message_of(capture, "b"), "not yet")
    assert len(found.run.messages) == 1 + 2 + 2
    assert found.run.output.stop_reason == "Maximum number of turns 4 reached."


# --- Tools --------------------------------------------------------------------------------------------------------


class Office:
    """A planner says a number, a clerk looks it up with a tool, and tells. The tool counts its calls."""

    def __init__(self, mark=None):
        self.called = []
        self.mark = mark

    def build(self):
        def look_up(number: str) -> str:
            """Look a number up."""
            self.called.append(number)
            return f"value of {number}"

        if self.mark:
            look_up.credit_hooks = self.mark

        def reply(shown):
            last = shown[-1]
            if type(last).__name__ == "FunctionExecutionResultMessage":
                return f"It is the {last.content[0].content}."
            return [call("look_up", number=last.content)]

        clerk = agent("clerk", reply, tools=[look_up], reflect_on_tool_use=True)
        return RoundRobinGroupChat([agent("planner", "42"), clerk], max_turns=2)


def test_an_unmarked_tool_with_a_changed_input_stops_that_replay_and_says_what_to_do(caplog):
    office = Office()
    credit = captured(office.build).last.credit
    assert [record for record in caplog.records if record.name.startswith("autogen")] == []
    assert office.called == ["42"]
    assert credit.method == "replay.shapley"
    reasons = set(credit.replay.failures.values())
    assert len(reasons) == 1
    assert "tool 'look_up' would be called with inputs that the run did not have" in reasons.pop()
    assert_conserved(credit)


@pytest.mark.parametrize("options", [{"tools": {"look_up": "repeat"}}, {"unmarked_tools": "repeat"}])
def test_a_tool_is_called_again_where_that_is_allowed(options):
    office = Office()
    credit = captured(office.build, **options).last.credit
    assert set(office.called) == {"42", ""}  # once more for fresh replies, to see whether they vary
    assert credit.replay.stopped == "exact"
    assert credit.replay.failures == {}


@pytest.mark.parametrize(("mark", "called"), [("repeat", {"42", ""}), ("pin", {"42"}), ("stop", {"42"})])
def test_a_tool_says_of_itself_whether_it_may_be_repeated(mark, called):
    office = Office(mark)
    credit = captured(office.build).last.credit
    assert set(office.called) == called
    assert bool(credit.replay.failures) == (mark == "stop")
    office = Office(mark)
    captured(office.build, tools={"look_up": "pin"})
    assert office.called == ["42"]


def test_a_masked_tool_says_the_baseline():
    office = Office()
    capture = captured(office.build, baseline="nothing", agents=["tool:look_up"])
    assert office.called == ["42"]
    assert capture.last.credit.agents["tool:look_up"] == 1.0


@pytest.mark.parametrize("options", [{"tools": {"look_up": "again"}}, {"unmarked_tools": "ask"}, {"errors": "x"}])
def test_rules_that_are_none_are_refused(options):
    with pytest.raises(ConfigurationError, match="is 'repeat', 'pin' or 'stop'|errors is"):
        Replay(CASES_swarm, **options)


class Server(Workbench):
    """A workbench with a connection, as to an MCP server."""

    def __init__(self, log):
        self.log = log

    async def list_tools(self):
        self.log.append("list")
        return [{"name": "look_up", "description": "", "parameters": {"type": "object", "properties": {}}}]

    async def call_tool(self, name, arguments=None, cancellation_token=None, call_id=None):
        self.log.append(arguments["number"])
        return ToolResult(name=name, result=[TextResultContent(content=f"value of {arguments['number']}")])

    async def start(self):
        pass

    async def stop(self):
        self.log.append("stop")

    async def reset(self):
        pass

    async def save_state(self):
        return {}

    async def load_state(self, state):
        pass


def test_a_server_of_tools_is_started_for_live_calls_only_and_stopped_after():
    log = []

    def build():
        def reply(shown):
            last = shown[-1]
            if type(last).__name__ == "FunctionExecutionResultMessage":
                return last.content[0].content
            return [call("look_up", number=last.content)]

        clerk = agent("clerk", reply, workbench=Server(log), reflect_on_tool_use=True)
        return RoundRobinGroupChat([agent("planner", "42"), clerk], max_turns=2)

    capture = captured(build, credit=CreditConfig(), tools={"look_up": "repeat"})
    assert log == ["list", "list", "42"]
    del log[:]
    found = capture.counterfactual(capture.last, message_of(capture, "planner"), "42")
    assert (found.run.answer, log) == ("value of 42", [])
    found = capture.counterfactual(capture.last, message_of(capture, "planner"), "7")
    assert (found.run.answer, log) == ("value of 7", ["7", "stop"])


# --- What is left alone -------------------------------------------------------------------------------------------


def test_rewards_are_on_the_spans_and_in_the_store(tmp_path):
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    path = tmp_path / "runs.db"
    capture = captured(
        lambda: chain(Cast()),
        evaluate=score,
        options={"tracer_provider": provider, "store": path},
    )
    stored = RunStore(path).get(capture.last.trajectory.id)
    assert stored.credit == capture.last.credit
    assert stored.credit.replay.stopped == "exact"
    spans = {f"{span.context.span_id:016x}": span for span in exporter.get_finished_spans()}
    rewards = {reward.message_id: reward.reward for reward in stored.credit.messages}
    written = [message for message in capture.last.trajectory.messages if message.step_id is not None]
    assert len(written) == 4
    for message in written:
        assert spans[message.step_id].attributes[sc.CREDIT_REWARD] == pytest.approx(rewards[message.id])
        assert rewards[message.id] != 0.0


def test_replays_show_no_spans_and_no_runs(monkeypatch):
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    plain = captured(lambda: helped(Cast()), evaluate=score, credit=CreditConfig())
    shown = sorted(span.name for span in exporter.get_finished_spans())
    exporter.clear()
    process = install()
    try:
        capture = captured(lambda: helped(Cast()), evaluate=score, unmarked_tools="repeat")
        found = capture.counterfactual(capture.last, message_of(capture, "p"), "x")
    finally:
        uninstall()
    assert found.live_calls
    assert capture.last.credit.replay.costs.live_calls > 0
    assert sorted(span.name.partition("_")[0] for span in exporter.get_finished_spans()) == sorted(
        name.partition("_")[0] for name in shown
    )
    assert (len(capture.runs), len(process.runs), len(plain.runs)) == (1, 0, 1)


def test_replays_run_on_threads_of_their_own():
    threads = set()

    def build():
        def reply(shown):
            threads.add(threading.current_thread().name)
            return f"42 {len(shown[-1].content)}"

        return RoundRobinGroupChat([agent("a", reply), agent("b", reply)], max_turns=2)

    captured(build)
    assert threads == {"MainThread", "credit-hooks-replay"}


def test_a_factory_that_returns_the_very_team_is_refused():
    team = chain(Cast())
    credit = captured(lambda: team, team=team, evaluate=score).last.credit
    assert credit.replay is None
    assert "it has to make everything anew" in credit.notes[0]
    assert_conserved(credit)


def test_a_factory_that_shares_a_termination_condition_is_refused():
    ends = TextMentionTermination("42")

    def build():
        return RoundRobinGroupChat([agent("a", "42")], termination_condition=ends)

    assert "the very TextMentionTermination" in captured(build).last.credit.notes[0]


def test_a_factory_of_another_team_is_refused():
    credit = captured(lambda: chain(Cast(), "ab"), team=chain(Cast(), "abc"), evaluate=score).last.credit
    assert credit.replay is None
    assert "makes a team of ['a', 'b'], the run is of a team of ['a', 'b', 'c']" in credit.notes[0]


# --- Failures -----------------------------------------------------------------------------------------------------


def test_a_team_that_chooses_otherwise_takes_another_course():
    capture = captured(lambda: selector(Cast()), evaluate=score)
    credit = capture.last.credit
    assert credit.replay.stopped == "exact", credit.notes
    assert_conserved(credit)
    found = capture.counterfactual(capture.last, capture.last.trajectory.messages[1].id, "x")
    assert len(found.run.messages) == 5


@pytest.mark.parametrize("build", [society, magentic, helped, custom])
def test_every_team_is_credited(build):
    credit = captured(lambda: build(Cast()), evaluate=score).last.credit
    assert credit.replay is not None, credit.notes
    assert credit.replay.stopped == "exact", credit.replay.failures
    assert_conserved(credit)


def test_live_calls_that_raise_leave_their_coalitions_out():
    def build():
        def fragile(shown):
            if not shown[-1].content:
                raise ValueError("nothing to read")
            return "42"

        return RoundRobinGroupChat([agent("a", "a1"), agent("b", fragile)], max_turns=2)

    credit = captured(build).last.credit
    assert "nothing to read" in next(iter(credit.replay.failures.values()))
    assert_conserved(credit)
    scored = captured(build, errors="score").last.credit
    assert scored.replay.failures == {}
    assert scored.replay.stopped == "exact"
    assert_conserved(scored)


def test_live_calls_that_hang_are_given_up():
    def build():
        hangs = ScriptedClient(lambda shown: "42", delay=0.0)
        slow = ScriptedClient("a1")

        async def create(messages, **options):
            if not messages[-1].content:
                await asyncio.sleep(3600)
            return hangs._next(messages)

        hangs.create = create
        return RoundRobinGroupChat([agent("a", client=slow), agent("b", client=hangs)], max_turns=2)

    credit = captured(build, limits=ReplayLimits(run_seconds=0.5)).last.credit
    assert "took longer than 0.5 s" in next(iter(credit.replay.failures.values()))
    assert_conserved(credit)


def test_limits_end_the_replays():
    credit = captured(lambda: chain(Cast()), evaluate=score, limits=ReplayLimits(max_calls=2)).last.credit
    assert "max_calls=2 live executions are spent" in credit.replay.cut_short
    assert credit.replay.costs.live_calls <= 2
    assert_conserved(credit)


def test_tokens_are_counted():
    credit = captured(lambda: chain(Cast()), evaluate=score, limits=ReplayLimits(max_tokens=3)).last.credit
    assert "max_tokens=3 tokens are spent" in credit.replay.cut_short
    assert credit.replay.costs.input_tokens > 0
    assert_conserved(credit)


def test_an_agent_that_never_spoke_gets_nothing():
    def build():
        return RoundRobinGroupChat([agent("a", "42"), agent("b", "b1")], max_turns=1)

    credit = captured(build).last.credit
    assert credit.agents == pytest.approx({"user": 0.0, "a": 1.0})


def test_a_second_run_is_credited_too():
    credit = captured(lambda: chain(Cast(), "ab"), evaluate=score, runs=2).last.credit
    assert credit.replay.stopped == "exact", credit.notes
    assert_conserved(credit)
