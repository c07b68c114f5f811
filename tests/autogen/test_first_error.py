"""The first error of real failed AutoGen runs, found by doing them anew."""

import asyncio
import itertools
import random

import pytest

pytest.importorskip("autogen_agentchat", reason="needs credit-hooks[autogen]")

from autogen_agentchat.agents import BaseChatAgent, SocietyOfMindAgent, UserProxyAgent
from autogen_agentchat.base import Response
from autogen_agentchat.messages import HandoffMessage, TextMessage
from autogen_agentchat.teams import (
    DiGraphBuilder,
    GraphFlow,
    MagenticOneGroupChat,
    RoundRobinGroupChat,
    SelectorGroupChat,
    Swarm,
)
from autogen_agentchat.tools import AgentTool
from replay_cases.casts import Cast, fan_out, helped, nested, rounds, society
from team_cases.kit import Plain, ScriptedClient, agent, call
from team_cases.teams import _ledger as ledger

from credit_hooks.autogen import Replay, capture_of, instrument
from credit_hooks.credit import CreditConfig, assign_credit
from credit_hooks.errors import ConfigurationError, ReplayRefusedError
from credit_hooks.failure import PROBE, ProbeNoise
from credit_hooks.failure.replacements import replacements_of
from credit_hooks.replay import Intervention, Meter, Redo, ReplayLimits

SURE = CreditConfig(probe_noise=ProbeNoise(1.0, 0.0))
STEPS = 6
NAMES = [f"step{i}" for i in range(STEPS)]


def number(shown):
    """The last number that was said, of prompts and of messages."""
    return next(int(m.content) for m in reversed(shown) if isinstance(m.content, str) and m.content.isdigit())


def adds(amount):
    return lambda shown: str(number(shown) + amount)


def stronger(turn):
    return str(number(turn.messages) + 1)


def right():
    return ScriptedClient(adds(1))


def amounts(fault):
    """What the agent of each step adds: that of step `fault` ten too many."""
    return {name: 11 if i == fault else 1 for i, name in enumerate(NAMES)}


class Bare(BaseChatAgent):
    """An agent of a class of one's own, which hands over by itself, and thinks by a model."""

    def __init__(self, name, reply, target=None):
        super().__init__(name, name)
        self.brain, self.target = ScriptedClient(reply), target
        self.heard = []

    @property
    def produced_message_types(self):
        return (TextMessage, HandoffMessage)

    async def on_messages(self, messages, cancellation_token):
        self.heard += [message.to_model_message() for message in messages]
        said = (await self.brain.create(self.heard)).content
        if self.target is None:
            return Response(chat_message=TextMessage(content=said, source=self.name))
        return Response(chat_message=HandoffMessage(content=said, source=self.name, target=self.target))

    async def on_reset(self, cancellation_token):
        self.heard.clear()


def round_robin(fault):
    return RoundRobinGroupChat([agent(n, adds(k)) for n, k in amounts(fault).items()], max_turns=STEPS)


def graph_flow(fault):
    members = [agent(n, adds(k)) for n, k in amounts(fault).items()]
    builder = DiGraphBuilder()
    for member in members:
        builder.add_node(member)
    for one, other in itertools.pairwise(members):
        builder.add_edge(one, other)
    return GraphFlow(members, graph=builder.build())


def swarm(fault):
    following = dict(itertools.pairwise(NAMES))
    return Swarm([Bare(n, adds(k), following.get(n)) for n, k in amounts(fault).items()], max_turns=STEPS)


def selector(fault):
    def choose(shown):
        return NAMES[sum(f"step{i}:" in str(shown[-1].content) for i in range(STEPS))]

    members = [agent(n, adds(k)) for n, k in amounts(fault).items()]
    return SelectorGroupChat(
        members,
        model_client=ScriptedClient(choose),
        selector_prompt="{history}",
        max_turns=STEPS,
    )


def own_classes(fault):
    return RoundRobinGroupChat([Bare(n, adds(k)) for n, k in amounts(fault).items()], max_turns=STEPS)


def inner_teams(fault):
    """Two teams of three, one after the other."""
    members = [agent(n, adds(k)) for n, k in amounts(fault).items()]
    halves = [RoundRobinGroupChat(members[i : i + 3], max_turns=3, name=f"half{i}") for i in (0, 3)]
    return RoundRobinGroupChat(halves, max_turns=2)


TEAMS = [round_robin, graph_flow, swarm, selector, own_classes, inner_teams]


def captured(build, *, answer=str(STEPS), task="0", runs=1, credit=SURE, **options):
    """The capture of a team that has run."""
    replay = Replay(build, **options)
    team = instrument(build(), evaluate=lambda run: run.answer == answer, credit=credit, replay=replay)

    async def main():
        for _ in range(runs):
            await team.run(task=task)

    asyncio.run(main())
    capture = capture_of(team)
    assert capture.flush(60)
    assert capture.failures == []
    return capture


@pytest.mark.parametrize("fault", range(STEPS))
@pytest.mark.parametrize("team", TEAMS)
def test_a_correction_finds_the_fault_of_a_team_that_repeats_itself(team, fault):
    capture = captured(lambda: team(fault))
    found = capture.first_error(capture.last, correction=stronger, budget=16)
    assert found.first_error.actor_id.rpartition("/")[2] == f"step{fault}"
    assert found.bisection.calls <= 4
    assert found.form == "corrected"
    assert found.notes == ()
    (replacement,) = found.replacements
    assert (replacement.parts[0].text, replacement.gain) == (str(fault + 1), 1.0)
    assert found.costs.system_runs == 1 + found.bisection.calls + 1


@pytest.mark.parametrize("team", TEAMS)
def test_a_stronger_model_takes_over(team):
    capture = captured(lambda: team(4))
    client = right()
    found = capture.first_error(capture.last, correction=client)
    assert found.first_error.actor_id.rpartition("/")[2] == "step4"
    assert client.prompts
    assert found.costs.model_calls >= len(client.prompts)


def test_answers_are_labels_of_the_run_and_credit_of_them_asks_nobody():
    capture = captured(lambda: round_robin(3))
    before = capture.last
    found = capture.first_error(before.trajectory.id, correction=stronger)
    run = capture.last
    assert run == found.run
    assert sum(label.name == PROBE for label in run.trajectory.labels) == len(found.bisection.observations)
    assert replacements_of(run.trajectory.labels) == list(found.replacements)
    assert run.credit.messages == before.credit.messages
    assert assign_credit(run.trajectory, SURE).first_error == run.credit.first_error
    assert run.credit.first_error.evidence[-1] == "replay"


@pytest.mark.parametrize("team", TEAMS)
def test_a_team_that_repeats_itself_is_refused_without_a_correction(team):
    capture = captured(lambda: team(3))
    with pytest.raises(ReplayRefusedError, match="the very same.*correction="):
        capture.first_error(capture.last)
    assert not capture.last.trajectory.labels


def test_a_team_whose_replies_vary_is_done_anew_by_itself():
    hits = runs = 0
    for seed in range(20):
        rng = random.Random(seed)

        def build(rng=rng):
            def reply(shown):
                return str(number(shown) + (11 if rng.random() < 0.06 else 1))

            return RoundRobinGroupChat([agent(name, reply) for name in NAMES], max_turns=STEPS)

        capture = captured(build, credit=CreditConfig(probe_noise=ProbeNoise(0.7, 0.01)))
        said = [int(message.text) for message in capture.last.trajectory.messages]
        wrong = [i for i in range(STEPS) if said[i + 1] != said[i] + 1]
        if len(wrong) != 1:
            continue
        runs += 1
        found = capture.first_error(capture.last, budget=20, confidence=0.95)
        hits += found.first_error.actor_id == f"step{wrong[0]}"
        assert found.form == "anew"
        # Unchanged, all of it anew (again if it happened to say the same), the one alone.
        assert found.costs.system_runs - found.bisection.calls in (3, 4)
    assert runs >= 4
    assert hits / runs >= 0.75


async def test_on_the_callers_event_loop():
    team = instrument(
        round_robin(2),
        evaluate=lambda run: run.answer == str(STEPS),
        credit=SURE,
        replay=Replay(lambda: round_robin(2)),
    )
    await team.run(task="0")
    capture = capture_of(team)
    await asyncio.to_thread(capture.flush)
    found = await capture.afirst_error(capture.last, correction=stronger)
    assert found.first_error.actor_id == "step2"


# --- What is done anew ----------------------------------------------------------------------------------------------


def redone(team, actor_id, *, only=False):
    """Model calls by agent of doing a run anew from the last message of that actor."""
    cast = Cast()
    capture = captured(lambda: team(cast), task="task", credit=CreditConfig())
    run = capture.last
    ids = {message.actor_id: message.id for message in run.trajectory.messages}
    system = capture._session.replayed(run)[0]._system(run.trajectory.id)
    cast.calls.clear()
    redo = Redo(system.turn_from(ids[actor_id]), only=only)
    again = asyncio.run(system.run(Intervention(redo=redo, draw=7), Meter(ReplayLimits()).open()))
    assert again.answer == run.trajectory.answer  # these models say the same to the same
    return dict(cast.calls)


def choosing(cast):
    """Whoever is next, as a model says."""

    def choose(name, shown):
        return "abc"[sum(f"{letter}:" in str(shown[-1].content) for letter in "abc") % 3]

    members = [cast.agent(name) for name in "abc"]
    manager = cast.client("manager", choose)
    return SelectorGroupChat(members, model_client=manager, selector_prompt="{history}", max_turns=3)


@pytest.mark.parametrize(
    ("team", "start", "rest", "alone"),
    [
        (rounds, "user", {"a": 2, "b": 2}, {"a": 1}),
        (rounds, "a", {"a": 1, "b": 1}, {"a": 1}),
        (rounds, "b", {"b": 1}, {"b": 1}),
        (nested, "inner/y", {"y": 1, "b": 1}, {"y": 1}),
        (society, "mind/inner/y", {"y": 1, "mind": 1, "b": 1}, {"y": 1}),
        (society, "mind", {"mind": 1, "b": 1}, {"mind": 1}),
        (helped, "a/helper", {"helper": 1, "a": 1}, {"helper": 1}),
        (helped, "a", {"a": 1}, {"a": 1}),
        (fan_out, "a", dict.fromkeys("abcd", 1), {"a": 1}),
        (fan_out, "d", {"d": 1}, {"d": 1}),
        (choosing, "b", {"b": 1, "c": 1, "manager": 1}, {"b": 1}),
    ],
)
def test_what_comes_before_is_kept_and_the_rest_is_done_anew(team, start, rest, alone):
    assert redone(team, start) == rest
    assert redone(team, start, only=True) == alone


# --- Teams with more than agents ------------------------------------------------------------------------------------


def mind(fault):
    """x and y think inside of z, who says the last word of them, then w speaks."""
    x, y, z, w = (11 if i == fault else 1 for i in range(4))
    inner = RoundRobinGroupChat([agent("x", adds(x)), agent("y", adds(y))], max_turns=2, name="inner")

    def last_word(shown):
        said = [int(word) for m in shown for word in str(m.content).split() if word.isdigit()]
        return str(said[-1] + z)

    outer = SocietyOfMindAgent("z", team=inner, model_client=ScriptedClient(last_word), response_prompt="Sum up.")
    return RoundRobinGroupChat([outer, agent("w", adds(w))], max_turns=2)


@pytest.mark.parametrize("fault", range(4))
def test_agents_inside_of_an_agent_are_told_from_it(fault):
    capture = captured(lambda: mind(fault), answer="4")
    found = capture.first_error(capture.last, correction=stronger, budget=16)
    assert found.first_error.actor_id == ["z/inner/x", "z/inner/y", "z", "w"][fault]
    assert [part.text for part in found.replacements[0].parts] == [str(fault + 1)]


def asking(fault):
    """p says a number, a asks a helper for the next one by a tool and goes on from there, q speaks last."""
    p, helper, a, q = (11 if i == fault else 1 for i in range(4))

    def ask(shown):
        if type(shown[-1]).__name__ == "FunctionExecutionResultMessage":
            return str(int(shown[-1].content[0].content.rpartition(" ")[2]) + a)
        return [call("helper", task=str(number(shown)))]

    tools = [AgentTool(agent("helper", adds(helper)))]
    a_ = agent("a", ask, tools=tools, reflect_on_tool_use=True)
    return RoundRobinGroupChat([agent("p", adds(p)), a_, agent("q", adds(q))], max_turns=3)


@pytest.mark.parametrize("fault", range(4))
def test_an_agent_that_asks_another_one_as_a_tool_is_told_from_it(fault):
    capture = captured(lambda: asking(fault), answer="4")
    found = capture.first_error(capture.last, correction=stronger, budget=16)
    said = {message.actor_id: message.id for message in capture.last.trajectory.messages}
    assert found.first_error.message_id == said[["p", "a/helper", "a", "q"][fault]]


def magentic(fault):
    """An orchestrator that asks a, b and c in turn, and tells what the last of them said."""
    amount = {name: 11 if name == fault else 1 for name in "abc"}

    def conduct(shown):
        speakers = [m.source for m in shown if type(m).__name__ == "UserMessage" and m.source in amount]
        if "pure JSON" not in shown[-1].content:
            return str(number(shown)) if speakers else "0"
        following = "abc"[len(speakers)] if len(speakers) < 3 else "c"
        return ledger(len(speakers) == 3, following, str(number(shown)) if speakers else "0")

    members = [agent(name, adds(k)) for name, k in amount.items()]
    return MagenticOneGroupChat(members, model_client=ScriptedClient(conduct))


@pytest.mark.parametrize("fault", "abc")
def test_an_orchestrator_stays_and_its_agents_are_corrected(fault):
    capture = captured(lambda: magentic(fault), answer="3")
    found = capture.first_error(capture.last, correction=stronger, budget=16, confidence=0.99)
    assert found.first_error.actor_id == fault
    assert [part.text for part in found.replacements[0].parts] == [str("abc".index(fault) + 1)]


class Shop:
    """A buyer who buys with a tool, and tells what came of it: right, or the wrong thing."""

    def __init__(self, replies):
        self.bought = []
        self.replies = itertools.chain(replies, itertools.repeat("right"))

    def build(self):
        def buy(what: str) -> str:
            """Buy something."""
            self.bought.append(what)
            return f"bought {what}"

        def reply(shown):
            if type(shown[-1]).__name__ == "FunctionExecutionResultMessage":
                return next(self.replies)
            return [call("buy", what="milk")]

        buyer = agent("buyer", reply, tools=[buy], reflect_on_tool_use=True)
        return RoundRobinGroupChat([agent("boss", lambda shown: "milk, please"), buyer], max_turns=2)


def test_tools_are_not_called_again_with_arguments_that_they_had():
    shop = Shop(["wrong", "wrong"])
    capture = captured(shop.build, answer="right")
    found = capture.first_error(capture.last)
    assert shop.bought == ["milk"]
    assert found.form == "anew"
    assert found.first_error.actor_id == "buyer"
    assert not any("bought" in note for note in found.notes)


def test_people_are_not_asked_again_and_nobody_speaks_for_them():
    asked = []

    def build():
        def person(prompt):
            asked.append(prompt)
            return "1"

        return RoundRobinGroupChat(
            [UserProxyAgent("ann", input_func=person), agent("a", adds(11)), agent("b", adds(1))], max_turns=3
        )

    capture = captured(build, answer="3")
    seen = []

    def watched(turn):
        seen.append(turn.agent)
        return stronger(turn)

    found = capture.first_error(capture.last, correction=watched, budget=16)
    assert found.first_error.actor_id == "a"
    assert len(asked) == 1
    assert set(seen) == {"a", "b"}


def test_only_agents_that_are_credited_are_corrected():
    capture = captured(lambda: round_robin(2), agents=["step0", "step3"])
    seen = []

    def watched(turn):
        seen.append(turn.agent)
        return stronger(turn)

    capture.first_error(capture.last, correction=watched)
    assert set(seen) <= {"step0", "step3"}


def test_an_agent_of_ones_own_without_a_model_is_corrected_by_a_function_and_no_model():
    def build():
        return RoundRobinGroupChat(
            [agent("a", adds(1)), Plain("b", lambda given: adds(11)(given)), agent("c", adds(1))], max_turns=3
        )

    capture = captured(build, answer="3")
    found = capture.first_error(capture.last, correction=stronger, budget=16)
    assert found.first_error.actor_id == "b"
    found = capture.first_error(capture.last, correction=right(), corrections=0)
    assert all(not seen.success for seen in found.bisection.observations[-found.bisection.calls :])


def test_earlier_runs_of_a_team_are_kept():
    fault = {"on": False}

    def build():
        def reply(shown):
            return str(number(shown) + (11 if fault["on"] else 1))

        return RoundRobinGroupChat([agent("a", reply), agent("b", reply)], max_turns=2)

    team = instrument(build(), evaluate=lambda run: run.answer == "7", credit=SURE, replay=Replay(build))

    async def main():
        await team.run(task="0")
        fault["on"] = True
        await team.run(task="5")

    asyncio.run(main())
    capture = capture_of(team)
    assert capture.flush()
    fault["on"] = False
    found = capture.first_error(capture.last)  # both of its turns erred, so it has to begin at the first
    assert found.first_error.actor_id == "a"


# --- What fails -----------------------------------------------------------------------------------------------------


def test_a_correction_that_fails_costs_its_probe_and_is_told():
    def raises(turn):
        raise RuntimeError("no such model")

    capture = captured(lambda: round_robin(3))
    found = capture.first_error(capture.last, correction=raises, budget=3)
    assert found.bisection.calls == 3
    assert found.bisection.observations == ()
    assert found.replacements == ()
    (note,) = found.notes
    assert note.startswith("4 replays had no answer: the replay raised RuntimeError: RuntimeError: no such model")
    assert found.run.credit.messages == capture.last.credit.messages


def test_a_live_call_that_raises_costs_its_probe_and_is_told():
    capture = captured(lambda: round_robin(3))
    found = capture.first_error(capture.last, correction=ScriptedClient(ConnectionError("no route")), budget=2)
    assert found.bisection.calls == 2
    assert found.bisection.observations == ()
    assert all("ConnectionError: no route" in note for note in found.notes)


@pytest.mark.parametrize("budget", [0, 1])
def test_the_budget_is_kept(budget):
    capture = captured(lambda: round_robin(3))
    found = capture.first_error(capture.last, correction=stronger, budget=budget, corrections=0)
    assert found.bisection.calls == budget
    assert found.costs.system_runs == 1 + budget
    assert 0.0 <= found.first_error.probability <= 1.0


def test_a_limit_on_calls_ends_the_probes():
    capture = captured(lambda: round_robin(3), limits=ReplayLimits(max_calls=2))
    found = capture.first_error(capture.last, correction=right())
    assert found.costs.live_calls <= 2
    assert "max_calls=2" in found.notes[0]


def test_what_cannot_be_located_says_why():
    capture = captured(lambda: round_robin(None))
    with pytest.raises(ConfigurationError, match="no first error"):
        capture.first_error(capture.last)
    capture = captured(lambda: round_robin(1))
    for text in ("41", TextMessage(content="41", source="x"), 41, round_robin(1)):
        with pytest.raises(ConfigurationError, match="correction is .* counterfactual"):
            capture.first_error(capture.last, correction=text)
    with pytest.raises(ConfigurationError, match="corrections"):
        capture.first_error(capture.last, correction=stronger, corrections=-1)
    with pytest.raises(ReplayRefusedError, match="not among"):
        captured(lambda: round_robin(1)).first_error(capture.last)
    team = instrument(round_robin(1), evaluate=lambda run: False)
    asyncio.run(team.run(task="0"))
    assert capture_of(team).flush()
    with pytest.raises(ConfigurationError, match="replay="):
        capture_of(team).first_error(capture_of(team).last)
