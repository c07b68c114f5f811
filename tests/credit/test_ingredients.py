"""Ingredients: a figure that whoever concludes says again is no contradiction of the conclusion."""

import pytest

from credit_hooks.credit import CreditConfig, assign_credit
from credit_hooks.credit.evidence import Evidence
from credit_hooks.credit.ingredients import INGREDIENT_STANCE, stances_with_ingredients
from credit_hooks.credit.provenance import Provenance
from credit_hooks.credit.transcript import Transcript
from credit_hooks.trajectory import ToolCallPart, ToolResultPart

TASK = "12 crates of 17 apples, and 6 more: how many apples?"
RESTATES = "204 + 6 = 210, so the answer is 210."
SILENT = "With the others, the answer is 210."


@pytest.fixture
def stances():
    def of(run):
        config = CreditConfig()
        transcript = Transcript.of(run)
        evidence = Evidence(transcript, Provenance.of(transcript, config.relation), config)
        return evidence.stances[0], stances_with_ingredients(evidence)

    return of


@pytest.fixture
def sums(run_of, said):
    """Ada multiplies, Bob adds; `concludes` is what Bob says, `ada` what he has heard from her."""

    def build(concludes, ada="12 times 17 makes 204.", reads=(0, 1), score=1.0):
        return run_of(
            said("user", TASK, None),
            said("ada", ada, (0,)),
            said("bob", concludes, reads),
            said("carol", "I agree, the answer is 210.", (0, 1, 2)),
            score=score,
        )

    return build


def test_a_restated_figure_is_an_ingredient(stances, sums):
    before, after = stances(sums(RESTATES))
    assert before[1] < INGREDIENT_STANCE == after[1]
    assert after[2:].tolist() == before[2:].tolist()


def test_an_ingredient_earns_and_the_same_words_unused_do_not(sums):
    used, unused = (assign_credit(sums(text)).agents["ada"] for text in (RESTATES, SILENT))
    assert used > 0.0 > unused


@pytest.mark.parametrize(
    "given",
    [
        {"concludes": SILENT},
        {"concludes": RESTATES, "reads": (0,)},  # Bob found 204 himself
        {"concludes": RESTATES, "ada": "So the answer is 204."},  # a rival
        {"concludes": "6 and 17 and 12: the answer is 210.", "ada": "12 crates of 17 and 6 more."},  # the task's
    ],
    ids=["not restated", "not read", "a rival", "known from the task"],
)
def test_what_is_no_ingredient_keeps_its_stance(stances, sums, given):
    before, after = stances(sums(**given))
    assert after.tolist() == before.tolist()


def test_who_repeats_an_ingredient_that_it_has_read_brings_nothing_in(stances, run_of, said):
    before, after = stances(
        run_of(
            said("user", TASK, None),
            said("ada", "12 times 17 makes 204.", (0,)),
            said("dan", "Yes, 12 times 17 makes 204.", (0, 1)),
            said("bob", RESTATES, (0, 1, 2)),
        )
    )
    assert after[1] == INGREDIENT_STANCE
    assert after[2] == before[2]


def test_those_who_bring_in_the_same_figure_apart_are_treated_alike(run_of, said):
    words = "12 times 17 makes 204."
    run = run_of(
        said("user", TASK, None), said("ada", words, (0,)), said("dan", words, (0,)), said("bob", RESTATES, (0, 1, 2))
    )
    agents = assign_credit(run).agents
    assert agents["ada"] == pytest.approx(agents["dan"], abs=1e-12)
    assert agents["ada"] > 0.0


def test_a_tool_call_follows_its_result(stances, run_of, said):
    run = run_of(
        said("user", TASK, None),
        said("ada", (ToolCallPart(id="c", name="multiply", arguments={"a": 12, "b": 17}),), (0,)),
        said("shell", (ToolResultPart(id="c", result="204"),), (0, 1)),
        said("bob", RESTATES, (0, 1, 2)),
        said("carol", "I agree, the answer is 210.", (0, 1, 2, 3)),
    )
    before, after = stances(run)
    assert before[1] < INGREDIENT_STANCE
    assert after[1] == after[2] == INGREDIENT_STANCE


def test_failures_know_no_ingredients(sums, monkeypatch):
    failed = sums(RESTATES, score=0.0)
    with_rule = assign_credit(failed)
    monkeypatch.setattr("credit_hooks.credit.shares.stances_with_ingredients", None)  # not even called
    assert assign_credit(failed) == with_rule
