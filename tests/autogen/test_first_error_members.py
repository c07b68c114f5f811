"""First errors of teams with more than agents: inner teams, orchestrators, tools, people, earlier runs."""

import asyncio
import itertools

import pytest

pytest.importorskip("autogen_agentchat", reason="needs credit-hooks[autogen]")

from autogen_agentchat.agents import SocietyOfMindAgent, UserProxyAgent
from autogen_agentchat.teams import (
    MagenticOneGroupChat,
    RoundRobinGroupChat,
)
from autogen_agentchat.tools import AgentTool
from replay_cases.faulty import SURE, adds, captured, number, right, round_robin, stronger
from team_cases.kit import Plain, ScriptedClient, agent, call
from team_cases.teams import _ledger as ledger

from credit_hooks.autogen import Replay, capture_of, instrument

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
