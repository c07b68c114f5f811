"""Evidence from other runs: the formula, the gate, every refusal, and prompts that were really changed."""

import math
import random

import numpy as np
import pytest

from credit_hooks.credit import CreditConfig, assign_credit
from credit_hooks.credit.siblings import (
    SiblingConfig,
    SiblingIndex,
    assign_with_siblings,
    fit_gate,
    prompt_effects,
    with_prompts,
)
from credit_hooks.credit.siblings.counts import TaskCounts
from credit_hooks.credit.siblings.facts import RunFacts, content_key
from credit_hooks.errors import ConfigurationError
from credit_hooks.trajectory import Actor, DataPart, Outcome, ToolCallPart, ToolResultPart, Trajectory


def fact(run_id, success, end, task="t"):
    ends = frozenset() if end is None else frozenset([end])
    return RunFacts(run_id, task, float(success), bool(success), ends, end, ())


@pytest.fixture(scope="module")
def solve(run_of, said):
    """A team of two on a task: what the first says, and the answer."""

    def run(run_id, task, first, answer, right):
        return run_of(
            said("user", f"Task {task}: how many?", None),
            said("ada", f"I make it {first}.", (0,)),
            said("bob", f"The final answer is {answer}.", (0, 1)),
            score=float(answer == right),
            id=run_id,
            group_id=task,
        )

    return run


@pytest.fixture(scope="module")
def store(solve):
    """Ten tasks, eight runs each: the team is right in half to all of them."""
    draw = random.Random(5)
    runs = []
    for t in range(10):
        right = 100 + t
        for k in range(8):
            good = draw.random() < 0.1 + 0.085 * t
            wrong = right + draw.choice([10, 20, 30])
            first = right if draw.random() < 0.7 else right + draw.choice([10, 20])
            runs.append(solve(f"r{t}.{k}", f"t{t}", first, right if good else wrong, right))
    return runs


# --- the formula --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("others", "conclusion", "expected"),
    [
        ([], "7", 0.0),
        ([(1, "7")], None, 0.0),
        ([(0, "9")], "7", -math.log(1)),
        ([(1, "9"), (1, "9")], "7", -math.log(3)),
        ([(0, "7"), (0, "7"), (1, "9")], "7", -math.log(1 + 4 + 1)),
        ([(1, "7"), (1, "7"), (0, "7")], "7", math.log(5) - math.log(3)),
        ([(1, "7")], "7", math.log(3)),
    ],
)
def test_evidence_is_the_formula(others, conclusion, expected):
    runs = [fact(f"o{i}", success, end) for i, (success, end) in enumerate(others)]
    own = fact("own", 1, "7")
    assert TaskCounts(runs).evidence(own, conclusion, counted=False) == pytest.approx(expected, abs=1e-15)
    assert TaskCounts([*runs, own]).evidence(own, conclusion) == pytest.approx(expected, abs=1e-15)


def test_runs_of_other_tasks_say_nothing():
    counts = TaskCounts([fact("a", 1, "7", task="x"), fact("b", 1, "7", task=None)])
    assert counts.siblings(fact("own", 1, "7"), counted=False) == (0, 0)


def test_rewards_move_towards_what_siblings_found_right(store):
    with_evidence = {run.trajectory.id: run.credit for run in assign_with_siblings(store)}
    moved = []
    for run in store:
        before = assign_credit(run.with_outcome(run.outcome.model_copy(update={"baseline": 0.5})))
        after = with_evidence[run.id]
        right = 100 + int(run.group_id[1:])
        told = f"I make it {right}." == run.messages[1].text
        gap_before = before.messages[1].reward - before.messages[2].reward
        gap_after = after.messages[1].reward - after.messages[2].reward
        if run.outcome.score == 0.0 and told:
            moved.append(gap_after - gap_before)
    assert len(moved) > 10
    assert np.mean(moved) > 0.1  # who was right in a failed run is set apart from who was not
    assert any(credit.method == "reader_vote.owen+siblings" for credit in with_evidence.values())


def test_the_same_by_hand(store):
    index = SiblingIndex(siblings=SiblingConfig(expectation=False))
    for run in store:
        index.add(run)
    run = store[3]
    default, credit = assign_credit(run), index.credit(run)
    counts = TaskCounts([RunFacts.of(other, CreditConfig(), frozenset()) for other in store if other is not run])
    own = RunFacts.of(run, CreditConfig(), frozenset())
    terms = []
    for message in run.messages[1:]:
        number = f"#{float(message.text.rstrip('.').split()[-1])!r}"
        e = counts.evidence(own, number, counted=False)
        terms.append(0.2 * index.gate.strength * math.tanh(e / 2))
    plain = np.array([reward.reward for reward in default.messages[1:]]) + terms
    plain += (credit.total - plain.sum()) / 2
    assert [reward.reward for reward in credit.messages] == pytest.approx([0.0, *plain], abs=1e-12)


def test_whose_outcome_it_is_plays_no_part_in_its_own_expectation(store):
    changed = [store[0].with_outcome(Outcome(score=1.0 - store[0].outcome.score)), *store[1:]]
    values = []
    for runs in (store, changed):
        index = SiblingIndex()
        for run in runs:
            index.add(run)
        values.append(index.expected(runs[0]))
    assert values[0] == values[1]


def test_the_expectation_follows_the_task(store):
    index = SiblingIndex()
    for run in store:
        index.add(run)
    hard = np.mean([index.expected(run) for run in store if run.group_id in ("t0", "t1")])
    easy = np.mean([index.expected(run) for run in store if run.group_id in ("t8", "t9")])
    assert 0.0 < hard < easy < 1.0
    credit = index.credit(store[0])
    assert credit.baseline == index.expected(store[0])


def test_a_stated_baseline_wins(store):
    stated = store[0].with_outcome(Outcome(score=1.0, baseline=0.25))
    assert SiblingIndex().credit(stated).baseline == 0.25


# --- refusals -----------------------------------------------------------------------------------------------------


def refused(runs, run, said, **options):
    index = SiblingIndex(siblings=SiblingConfig(expectation=False, **options))
    for other in runs:
        index.add(other)
    credit, default = index.credit(run), assign_credit(run)
    assert credit.messages == default.messages
    assert credit.method == default.method
    assert any(note.startswith("no evidence from sibling runs: ") and said in note for note in credit.notes), credit


def test_no_sibling_is_refused(store, solve):
    refused(store, solve("new", "unheard of", 1, 2, 2), "no other run of this task")


def test_no_task_is_refused(store, run_of, said):
    run = run_of(said("ada", "It is 7.", ()), id="new")
    refused(store, run, "the run states no task")


def test_no_conclusion_is_refused(store, run_of, said):
    refused(store, run_of(said("ada", "", ()), id="new", group_id="t1"), "concludes nothing")


def test_one_class_only_is_refused(store):
    good = [run.with_outcome(Outcome(score=1.0)) for run in store]
    refused(good, good[0], "all 80 runs with siblings succeeded")
    bad = [run.with_outcome(Outcome(score=0.0)) for run in store]
    refused(bad, bad[0], "all 80 runs with siblings failed")


def test_fewer_than_twenty_runs_with_siblings_are_refused(store):
    refused(store[:19], store[0], "19 runs have siblings, 20 are needed")


def test_a_closed_gate_is_refused_and_it_says_by_how_much(store):
    draw = random.Random(1)
    shuffled = [run.with_outcome(Outcome(score=float(draw.random() < 0.5))) for run in store]
    refused(shuffled, shuffled[0], "z = ")


def test_runs_without_outcome_are_credited_as_by_default(store, solve):
    index = SiblingIndex()
    unknown = solve("new", "t1", 1, 2, 2).with_outcome(None)
    index.add(unknown)
    assert len(index) == 0
    assert index.credit(unknown).status == "no_outcome"


def test_two_runs_of_one_id_are_an_error_and_the_same_run_twice_is_not(store):
    index = SiblingIndex()
    index.add(store[0])
    index.add(store[0])
    other = store[0].with_outcome(Outcome(score=1.0 - store[0].outcome.score))
    with pytest.raises(ConfigurationError, match="two different runs"):
        index.add(other)
    with pytest.raises(ConfigurationError, match="changed since it was added"):
        index.credit(other)


# --- the gate -----------------------------------------------------------------------------------------------------


def test_the_gate_opens_for_evidence_that_tells_and_only_for_that():
    draw = np.random.default_rng(0)
    x = draw.uniform(-1, 1, 300)
    told = draw.random(300) < 1 / (1 + np.exp(-3 * x))
    assert fit_gate(x, told).strength == 1.0
    assert fit_gate(x, ~told).strength == 0.0
    assert fit_gate(x, ~told).slope < 0


def test_the_gate_stays_closed_on_chance_nearly_always():
    draw = np.random.default_rng(1)
    opened = [fit_gate(draw.uniform(-1, 1, 60), draw.random(60) < 0.5).strength > 0 for _ in range(300)]
    assert np.mean(opened) < 0.06  # one-sided: z > 2 is 2.3%


def test_perfect_evidence_keeps_the_slope_finite():
    x = np.repeat([-0.9, 0.9], 20)
    gate = fit_gate(x, x > 0)
    assert gate.strength == 1.0
    assert gate.slope < 50


# --- conclusions --------------------------------------------------------------------------------------------------


def test_actions_are_compared_by_what_they_do(run_of, said):
    def run(run_id, arguments, score):
        call = ToolCallPart(id="c", name="book", arguments=arguments)
        return run_of(
            said("user", "Book a seat.", None),
            said("agent", (ToolCallPart(id="l", name="look", arguments={}),), (0,)),
            said("agent", (call,), (0, 1)),
            said("shell", (ToolResultPart(id="c", result="done"),), (2,)),
            said("agent", "It is booked.", (0, 1, 2, 3)),
            score=score,
            id=run_id,
            group_id="g",
        )

    facts = [
        RunFacts.of(run(name, arguments, 1.0), CreditConfig(), frozenset({"book"}))
        for name, arguments in (
            ("a", {"seat": 12, "row": " A"}),
            ("b", {"row": "a", "seat": 12.0}),
            ("c", {"seat": 13}),
        )
    ]
    assert facts[0].ends == facts[1].ends != facts[2].ends
    assert all(len(f.ends) == 1 for f in facts)


def test_structured_answers_are_compared_normalised(run_of, said):
    def facts(value):
        run = run_of(said("a", "Thinking of 3.", ()), said("b", (DataPart(name="answer", value=value),), (0,)), id="r")
        return RunFacts.of(run, CreditConfig(), frozenset())

    assert facts({"city": "Rome", "n": 1}).last == facts({"n": 1.0, "city": " rome "}).last
    assert facts({"city": "Rome", "n": 1}).last != facts({"city": "Rome", "n": 2}).last


def test_answers_nested_too_deep_to_compare_do_no_harm(run_of, said):
    deep = "[" * 900 + "1" + "]" * 900
    run = run_of(said("a", "Thinking of 3.", ()), said("b", deep, (0,)), id="r", group_id="g")
    assert SiblingIndex().credit(run).status == "credited"


def test_the_task_is_its_group_else_its_content():
    by_group = Trajectory(id="1", group_id="g", task="x", task_id="7")
    assert content_key(by_group) == "group:g"
    a, b = Trajectory(id="1", task="two  words", task_id="0"), Trajectory(id="2", task="two words", task_id="1")
    assert content_key(a) == content_key(b)
    assert content_key(Trajectory(id="1")) is None
    assert content_key(Trajectory(id="1", task_id="7")) == "task:7"


def test_the_opening_question_is_the_task_where_none_is_stated(run_of, said):
    def run(question):
        return run_of(said("user", question, None), said("ada", "It is 7.", (0,)))

    assert content_key(run("How  many?")) == content_key(run("How many?")) != content_key(run("How few?"))


# --- prompts ------------------------------------------------------------------------------------------------------


def with_prompt(run, **prompts):
    actors = tuple(
        actor.model_copy(update={"system_prompt": prompts.get(actor.id, f"You are {actor.id}.")})
        for actor in run.actors
    )
    return run.model_copy(update={"actors": actors})


@pytest.fixture(scope="module")
def intervened(solve):
    """Bob's prompt was spoilt in half of the runs, Ada's was reworded to no effect; some tasks are harder."""
    draw = random.Random(3)
    runs = []
    for t in range(20):
        for k in range(8):
            spoilt, reworded = k % 2 == 0, k % 4 < 2
            good = draw.random() < 0.55 + 0.02 * t - 0.45 * spoilt
            run = solve(f"r{t}.{k}", f"t{t}", 7, 7 if good else 9, 7)
            runs.append(with_prompt(run, bob="Guess." if spoilt else "Check.", ada="Reword." if reworded else "Say."))
    return runs


@pytest.fixture(scope="module")
def intervened_index(intervened):
    index = SiblingIndex()
    for run in intervened:
        index.add(run)
    return index


def test_the_prompt_that_was_really_changed_is_named(intervened_index):
    effects = sorted(intervened_index.prompt_effects, key=lambda effect: effect.effect)
    worse, better = effects[0], effects[-1]
    assert worse.actor_id == better.actor_id == "bob"
    assert worse.told_apart
    assert better.effect - worse.effect == pytest.approx(0.45, abs=0.15)
    assert not any(effect.told_apart for effect in effects if effect.actor_id == "ada")
    assert all(effect.runs == 80 for effect in effects)


def test_its_prompt_takes_the_blame_in_a_run(intervened, intervened_index):
    failed = next(r for r in intervened if r.outcome.score == 0 and r.actor_by_id["bob"].system_prompt == "Guess.")
    credited = intervened_index.credited(failed)
    assert credited.credit.agents["prompt:bob"] < -0.1
    assert "prompt:ada" not in credited.credit.agents or credited.credit.agents["prompt:ada"] == 0.0
    assert credited.credit.method.endswith("+prompts")
    assert math.fsum(credited.credit.agents.values()) == pytest.approx(credited.credit.total, abs=1e-12)
    prompt = credited.trajectory.message_by_id["prompt:bob"]
    assert prompt.text == "Guess."
    assert credited.trajectory.outcome == failed.outcome


def test_unchanged_prompts_and_few_tasks_say_nothing(intervened, store):
    for runs, reason in ((store, "no agent had two prompts"), (intervened[:16], "2 tasks were run with two")):
        index = SiblingIndex()
        for run in runs:
            index.add(run)
        assert index.prompt_effects == ()
        assert reason in index.prompt_reason
        assert "+prompts" not in index.credit(runs[0]).method


def test_chance_differences_between_prompts_are_told_apart_rarely():
    named = 0
    for seed in range(60):
        draw = random.Random(seed)
        facts = [
            fact(f"r{t}.{k}", draw.random() < 0.5, None, task=f"t{t}")._replace(prompts=(("bob", f"{k % 2}"),))
            for t in range(12)
            for k in range(4)
        ]
        named += any(effect.told_apart for effect in prompt_effects(facts))
    assert named <= 9  # about 5% of 60 expected


def test_prompts_that_never_met_on_a_task_are_not_compared():
    facts = [
        fact(f"r{t}.{k}", t < 10, None, task=f"t{t}")._replace(prompts=(("bob", "a" if t < 10 else "b"),))
        for t in range(20)
        for k in range(3)
    ]
    assert prompt_effects(facts) == ()  # one prompt always succeeds, the other never: but so may their tasks


def test_a_prompt_that_a_message_says_already_is_not_said_twice(run_of, said):
    run = run_of(said("system", "You are kind.", None), said("ada", "It is 7.", (0,)))
    actors = (*run.actors[:1], Actor(id="ada", name="ada", system_prompt="You are  kind."))
    assert with_prompts(run.model_copy(update={"actors": actors})) == run.model_copy(update={"actors": actors})
