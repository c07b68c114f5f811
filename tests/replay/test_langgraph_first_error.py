"""The first error of real failed runs, found by doing them anew; what is found becomes pairs for training."""

import asyncio
import itertools
import json
import random

import pytest
from capture_cases.kit import ScriptedModel, calls
from graphs import Cast, nested, star
from langchain.agents import create_agent
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph

from credit_hooks import registry
from credit_hooks.credit import CreditConfig, assign_credit
from credit_hooks.errors import ConfigurationError, ReplayRefusedError
from credit_hooks.failure import PROBE, ProbeNoise
from credit_hooks.failure.replacements import replacements_of
from credit_hooks.langgraph import CreditCallback, Replay
from credit_hooks.replay import Intervention, Meter, Redo, ReplayLimits
from credit_hooks.store import RunStore

SURE = CreditConfig(probe_noise=ProbeNoise(1.0, 0.0))
STEPS = 8


def count(messages):
    return AIMessage(str(int(messages[-1].text) + 1))


def counting(speak, steps=STEPS):
    """Every agent says one more than the last number; `speak(step)` makes its model."""
    builder = StateGraph(MessagesState)
    names = [f"step{i}" for i in range(steps)]
    for i, name in enumerate(names):
        model = speak(i)
        builder.add_node(name, lambda state, model=model: {"messages": [model.invoke(state["messages"])]})
    builder.add_edge(START, names[0])
    for one, other in itertools.pairwise(names):
        builder.add_edge(one, other)
    return builder.compile()


def faulty(fault, steps=STEPS):
    """The agent of step `fault` always adds ten too many."""

    def speak(step):
        return ScriptedModel(
            reply=lambda messages: AIMessage(str(int(messages[-1].text) + (11 if step == fault else 1)))
        )

    return counting(speak, steps)


def stronger(turn):
    return {"messages": [count(turn.state["messages"])]}


def captured(graph, *, steps=STEPS, **options):
    callback = CreditCallback(
        evaluate=lambda run: run.answer == str(steps), **({"credit": SURE, "replay": Replay(graph)} | options)
    )
    graph.invoke({"messages": [("user", "0")]}, {"callbacks": [callback]})
    assert callback.flush()
    return callback


@pytest.mark.parametrize("fault", range(STEPS))
def test_a_correction_finds_the_fault_of_a_team_that_repeats_itself(fault):
    callback = captured(faulty(fault))
    found = callback.first_error(callback.last, correction=stronger, budget=16)
    assert found.first_error.actor_id == f"step{fault}"
    assert found.bisection.calls <= 4
    assert found.form == "corrected"
    (replacement,) = found.replacements
    assert (replacement.parts[0].text, replacement.gain) == (str(fault + 1), 1.0)
    assert found.costs.system_runs == 1 + found.bisection.calls + 1


def test_answers_are_labels_of_the_run_and_credit_of_them_asks_nobody():
    callback = captured(faulty(3))
    before = callback.last
    found = callback.first_error(before.trajectory.id, correction=stronger)
    run = callback.last
    assert run == found.run
    assert sum(label.name == PROBE for label in run.trajectory.labels) == len(found.bisection.observations)
    assert replacements_of(run.trajectory.labels) == list(found.replacements)
    assert run.credit.messages == before.credit.messages
    assert assign_credit(run.trajectory, SURE).first_error == run.credit.first_error
    assert run.credit.first_error.evidence[-1] == "replay"


@pytest.mark.parametrize("kind", ["model", "graph"])
def test_a_stronger_model_or_team_takes_over(kind):
    right = ScriptedModel(reply=count)
    callback = captured(faulty(5))
    found = callback.first_error(callback.last, correction=right if kind == "model" else counting(lambda _: right))
    assert found.first_error.actor_id == "step5"
    assert found.costs.model_calls > 0


def test_a_team_that_repeats_itself_is_refused_without_a_correction():
    callback = captured(faulty(3))
    with pytest.raises(ReplayRefusedError, match="the very same.*correction="):
        callback.first_error(callback.last)
    assert not callback.last.trajectory.labels


def slipping(seed, chance):
    """Models that sometimes add ten too many."""
    rng = random.Random(seed)

    def reply(messages):
        return AIMessage(str(int(messages[-1].text) + (11 if rng.random() < chance else 1)))

    return counting(lambda _: ScriptedModel(reply=reply))


def test_a_team_whose_replies_vary_is_done_anew_by_itself():
    hits = runs = 0
    for seed in range(20):
        credit = CreditConfig(probe_noise=ProbeNoise(0.7, 0.01))
        graph = slipping(seed, 0.06)
        callback = captured(graph, credit=credit)
        said = [int(message.text) for message in callback.last.trajectory.messages]
        wrong = [i for i in range(STEPS) if said[i + 1] != said[i] + 1]
        if len(wrong) != 1:
            continue
        runs += 1
        found = callback.first_error(callback.last, budget=20, confidence=0.95)
        hits += found.first_error.actor_id == f"step{wrong[0]}"
        assert found.form == "anew"
        assert found.costs.system_runs == 2 + found.bisection.calls + 1  # unchanged, all of it anew, the one alone
    assert runs >= 4
    assert hits / runs >= 0.75


async def test_on_the_callers_event_loop():
    graph = faulty(2)
    callback = CreditCallback(evaluate=lambda run: run.answer == str(STEPS), credit=SURE, replay=Replay(graph))
    await graph.ainvoke({"messages": [("user", "0")]}, {"callbacks": [callback]})
    assert callback.flush()
    found = await callback.afirst_error(callback.last, correction=stronger)
    assert found.first_error.actor_id == "step2"


def redone(team, message_of, *, only=False):
    """Live executions by agent of doing a run anew from a message of that actor."""
    cast = Cast()
    graph = team(cast)
    callback = CreditCallback(replay=Replay(graph, errors="score"))
    graph.invoke({"messages": [("user", "task")]}, {"callbacks": [callback]})
    assert callback.flush()
    run = callback.last
    ids = {message.actor_id: message.id for message in run.trajectory.messages}
    system = callback._session.replayed(run)[0]._system(run.trajectory.id)
    assert system.turn_from(ids["user"]) == run.trajectory.messages[1].id
    cast.calls.clear()
    again = asyncio.run(
        system.run(Intervention(redo=Redo(ids[message_of], only=only), draw=7), Meter(ReplayLimits()).open())
    )
    assert again.answer == run.trajectory.answer  # these models say the same to the same
    return dict(cast.calls)


@pytest.mark.parametrize(
    ("team", "start", "rest", "alone"),
    [
        (nested, "team/b", "bcd", "b"),
        (nested, "a", "abcd", "a"),
        (nested, "d", "d", "d"),
        (star, "b", "bcd", "b"),
        (star, "user", "abcd", "a"),
    ],
)
def test_what_comes_before_is_kept_and_the_rest_is_done_anew(team, start, rest, alone):
    assert redone(team, start) == dict.fromkeys(rest, 1)
    assert redone(team, start, only=True) == dict.fromkeys(alone, 1)


def failed_sum():
    """A star that fails, as one sibling says something wrong."""
    builder = StateGraph(MessagesState)
    for name, text in (("ann", "20"), ("bob", "99"), ("cyn", "11")):
        model = ScriptedModel(reply=lambda messages, text=text: AIMessage(text))
        builder.add_node(name, lambda state, model=model: {"messages": [model.invoke(state["messages"])]})
        builder.add_edge(START, name)
    adding = ScriptedModel(reply=lambda messages: AIMessage(str(sum(int(m.text) for m in messages[1:]))))
    builder.add_node("sum", lambda state: {"messages": [adding.invoke(state["messages"])]})
    builder.add_edge(["ann", "bob", "cyn"], "sum")
    return builder.compile()


def dpo(run, path):
    manifest = registry.exporter("trl-dpo").write([run], path)
    assert manifest.reward + sum(manifest.dropped_reward.values()) == pytest.approx(manifest.total)
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_counterfactual_becomes_a_pair_with_its_margin(tmp_path):
    graph = failed_sum()
    callback = CreditCallback(evaluate=lambda run: run.answer == "42", replay=Replay(graph), store=tmp_path / "runs.db")
    graph.invoke({"messages": [("user", "Add up 20, 11 and 11.")]}, {"callbacks": [callback]})
    assert callback.flush()
    ids = {message.actor_id: message.id for message in callback.last.trajectory.messages}
    found = callback.counterfactual(callback.last, ids["bob"], "11")
    assert found.replacement.gain == found.difference == 1.0
    callback.annotate(callback.last, found.replacement.label())
    with RunStore(tmp_path / "runs.db") as store:
        (pair,) = dpo(store.get(callback.last.trajectory.id), tmp_path / "pairs.jsonl")
    assert (pair["chosen"][0]["content"], pair["rejected"][0]["content"]) == ("11", "99")
    assert (pair["evidence"], pair["margin"], pair["rejected_id"]) == ("replay", 1.0, ids["bob"])
    assert "Add up" in json.dumps(pair["prompt"])
    assert callback.counterfactual(callback.last, ids["bob"], "99").replacement is None


@pytest.mark.parametrize("method", ["auto", "replay"])
def test_the_first_error_becomes_a_pair_at_its_prefix(tmp_path, method):
    credit = CreditConfig(method=method, budget=64, probe_noise=ProbeNoise(1.0, 0.0))
    graph = faulty(3)
    callback = captured(graph, credit=credit, replay=Replay(graph, baseline="0", errors="score"))
    found = callback.first_error(callback.last, correction=stronger)
    assert found.first_error.actor_id == "step3"
    reward = found.run.credit.reward_of[found.first_error.message_id]
    rows = dpo(found.run, tmp_path / "pairs.jsonl")
    assert bool(rows) == (reward < 0)  # what is not punished is never rejected
    assert rows or method == "replay"
    for pair in rows:
        assert (pair["chosen"][0]["content"], pair["rejected"][0]["content"]) == ("4", "14")
        assert (pair["margin"], pair["evidence"]) == (1.0, "replay")


def test_tools_are_not_called_again_where_their_arguments_are_known():
    """The answer after the tool is wrong by chance; asking the tool again would change the world."""
    bought, replies = [], iter(["wrong", *["right"] * 99])

    @tool
    def buy(what: str) -> str:
        """Buy something."""
        bought.append(what)
        return f"bought {what}"

    def reply(messages):
        return AIMessage(next(replies)) if messages[-1].type == "tool" else calls(("buy", {"what": "milk"}, "call-1"))

    agent = create_agent(ScriptedModel(reply=reply), tools=[buy], name="shop")
    callback = CreditCallback(evaluate=lambda run: run.answer == "right", credit=SURE, replay=Replay(agent))
    agent.invoke({"messages": [("user", "milk, please")]}, {"callbacks": [callback]})
    assert callback.flush()
    found = callback.first_error(callback.last)
    assert bought == ["milk"]
    assert found.first_error.message_id == callback.last.trajectory.messages[-1].id
    assert [part.text for part in found.replacements[0].parts] == ["right"]


def test_earlier_runs_of_a_thread_are_kept():
    fault = {"on": False}

    def reply(messages):
        return AIMessage(str(int(messages[-1].text) + (11 if fault["on"] else 1)))

    builder = StateGraph(MessagesState)
    model = ScriptedModel(reply=reply)
    builder.add_sequence([(name, lambda state: {"messages": [model.invoke(state["messages"])]}) for name in ("a", "b")])
    builder.add_edge(START, "a")
    graph = builder.compile(checkpointer=InMemorySaver())
    callback = CreditCallback(evaluate=lambda run: run.answer == "7", credit=SURE, replay=Replay(graph))
    config = {"callbacks": [callback], "configurable": {"thread_id": "t"}}
    graph.invoke({"messages": [("user", "0")]}, config)
    fault["on"] = True
    graph.invoke({"messages": [("user", "5")]}, config)
    assert callback.flush()
    head = graph.get_state(config)
    fault["on"] = False
    found = callback.first_error(callback.last)  # both of its turns erred, so it has to begin at the first
    assert found.first_error.actor_id == "a"
    assert graph.get_state(config) == head


def test_a_correction_that_fails_costs_its_probe_and_is_told():
    def raises(turn):
        raise RuntimeError("no such model")

    found = (callback := captured(faulty(3))).first_error(callback.last, correction=raises, budget=3)
    assert found.bisection.calls == 3
    assert found.bisection.observations == ()
    assert found.replacements == ()
    assert found.notes == ("4 replays had no answer: the replay raised RuntimeError: no such model",)
    assert found.run.credit.messages == callback.last.credit.messages


@pytest.mark.parametrize("budget", [0, 1])
def test_the_budget_is_kept(budget):
    callback = captured(faulty(3))
    found = callback.first_error(callback.last, correction=stronger, budget=budget, corrections=0)
    assert found.bisection.calls == budget
    assert found.costs.system_runs == 1 + budget
    assert 0.0 <= found.first_error.probability <= 1.0


def test_a_limit_on_calls_ends_the_probes():
    graph = faulty(3)
    right = ScriptedModel(reply=count)
    callback = captured(graph, replay=Replay(graph, limits=ReplayLimits(max_calls=2)))
    found = callback.first_error(callback.last, correction=right)
    assert found.costs.live_calls <= 2
    assert "max_calls=2" in found.notes[0]


def test_what_cannot_be_located_says_why():
    callback = captured(counting(lambda _: ScriptedModel(reply=count)))
    with pytest.raises(ConfigurationError, match="no first error"):
        callback.first_error(callback.last)
    callback = captured(faulty(1))
    with pytest.raises(ConfigurationError, match="counterfactual"):
        callback.first_error(callback.last, correction="41")
    with pytest.raises(ConfigurationError, match="replay="):
        CreditCallback(evaluate=lambda run: False).first_error(callback.last)
    with pytest.raises(ConfigurationError, match="evaluate="):
        CreditCallback(replay=Replay(faulty(1))).first_error(callback.last)
    with pytest.raises(ReplayRefusedError, match="not among"):
        captured(faulty(1)).first_error(callback.last)
    with pytest.raises(ConfigurationError, match="corrections"):
        callback.first_error(callback.last, correction=stronger, corrections=-1)
