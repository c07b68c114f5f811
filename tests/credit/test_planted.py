"""Games whose answer is known because it was planted."""

import pytest

from credit_hooks.credit import CreditConfig, assign_credit
from credit_hooks.trajectory import DataPart, ToolCallPart, ToolResultPart

TASK = "How many pieces of fruit are there?"


def rewards(credit):
    return [reward.reward for reward in credit.messages]


@pytest.fixture(params=["owen", "shapley"])
def credit_of(request):
    return lambda run: assign_credit(run, CreditConfig(level=request.param))


@pytest.fixture
def solved(run_of, said):
    """Seventeen apples and twenty-five pears: Bob adds wrongly, Ada's sum is what the answer says."""
    return run_of(
        said("user", TASK, None),
        said("planner", "Count the apples and the pears, then add both numbers.", (0,)),
        said("ada", "There are 17 apples and 25 pears, so the answer is 42.", (0, 1)),
        said("bob", "I make it 17 and 24, so the answer is 41.", (0, 1)),
        said("eve", "Unrelated remark that nobody reads: 42.", (0,)),
        said("carol", "Adding up again, the answer is 42.", (0, 1, 2, 3)),
        said("planner", "The final answer is 42.", (0, 1, 2, 3, 5)),
    )


def test_saboteur_is_negative(credit_of, solved):
    credit = credit_of(solved)
    assert credit.agents["bob"] < 0
    assert rewards(credit)[3] == min(rewards(credit)) < 0


def test_unused_message_gets_exactly_zero(credit_of, solved):
    assert rewards(credit_of(solved))[4] == 0.0


def test_inputs_of_the_run_get_exactly_zero(credit_of, solved):
    assert rewards(credit_of(solved))[0] == 0.0


def test_key_message_is_the_largest(credit_of, run_of, said):
    credit = credit_of(
        run_of(
            said("user", TASK, None),
            said("planner", "Count first, please.", (0,)),
            said("ada", "There are 17 apples and 25 pears, so the answer is 42.", (0, 1)),
            said("bob", "Thanks, that was quick work.", (0, 1, 2)),
        )
    )
    assert rewards(credit)[2] == max(rewards(credit)) > 0.3


def test_duplicates_share(credit_of, run_of, said):
    def run(copies):
        solvers = [said(f"agent{k}", "17 and 25 makes 42.", (0,)) for k in range(copies)]
        ending = said("planner", "The final answer is 42.", tuple(range(copies + 1)))
        return rewards(credit_of(run_of(said("user", TASK, None), *solvers, ending)))

    one, two, four = run(1), run(2), run(4)
    assert two[1] == pytest.approx(two[2], abs=1e-12)
    assert four[1] == pytest.approx(four[4], abs=1e-12)
    assert one[1] > two[1] > four[1] > 0


def test_in_a_failure_who_led_there_is_blamed_and_who_contradicted_is_not_blamed_first(credit_of, run_of, said):
    credit = credit_of(
        run_of(
            said("user", TASK, None),
            said("ada", "I assume there are 17 apples and 24 pears, so the answer is 41.", (0,)),
            said("bob", "That looks wrong to me, the answer is 42.", (0, 1)),
            said("planner", "The final answer is 41.", (0, 1, 2)),
            score=0.0,
        )
    )
    values = rewards(credit)
    assert values[1] == min(values) < 0
    assert values[2] == max(values[1:])
    assert credit.first_error.message_id == "m1"


@pytest.mark.parametrize("score", [0.0, 1.0])
def test_writes_of_state_alone_are_credited_by_provenance_and_it_says_so(credit_of, run_of, said, score):
    def data(name, value):
        return (DataPart(name=name, value=value),)

    credit = credit_of(
        run_of(
            said("parse", data("numbers", [17, 25]), ()),
            said("log", data("seen", True), ()),
            said("add", data("sum", 42), (0,)),
            said("answer", data("answer", "42"), (2,)),
            score=score,
        )
    )
    assert credit.method.startswith("provenance_only.")
    assert credit.low_evidence
    assert any("provenance alone" in note for note in credit.notes)
    signed = [value * (1 if score else -1) for value in rewards(credit)]
    assert signed[1] == 0.0
    assert min(signed[0], signed[2], signed[3]) > 0


def test_tool_only_messages_are_credited_by_provenance_and_it_says_so(run_of, said):
    credit = assign_credit(
        run_of(
            said("user", "Book it.", None),
            said("agent", (ToolCallPart(id="c1", name="book", arguments={"seat": 12}),), (0,)),
            said("shell", (ToolResultPart(id="c1", name="book", result="done: 12"),), (1,)),
        )
    )
    assert credit.method == "provenance_only.path_mass.owen"
    assert sum(rewards(credit)) == pytest.approx(0.5, abs=1e-12)


def test_code_takes_the_stance_of_its_result(run_of, said):
    def run(result):
        return run_of(
            said("user", TASK, None),
            said("ada", "Let me compute that.\n```python\nprint(17 + 25)\n```", (0,)),
            said("shell", (ToolResultPart(name="run", result=result),), (0, 1)),
            said("bob", "The final answer is 42.", (0, 1, 2)),
        )

    right, wrong = assign_credit(run("42")), assign_credit(run("97"))
    assert rewards(right)[1] > rewards(wrong)[1]
    assert rewards(wrong)[1] < 0


def test_who_crashed_what_it_ran_is_the_first_error(run_of, said):
    call = ToolCallPart(id="c", name="run", arguments={"code": "1/0"})
    credit = assign_credit(
        run_of(
            said("user", TASK, None),
            said("ada", "Seventeen apples, I will have it added up.", (0,)),
            said("bob", (call,), (0, 1)),
            said("shell", (ToolResultPart(id="c", result="exited with code 1"),), (2,)),
            said("ada", "No result, sorry.", (0, 1, 2, 3)),
            score=0.0,
        )
    )
    assert (credit.first_error.message_id, credit.first_error.actor_id) == ("m2", "bob")
    assert credit.first_error.rule == "exit_code"
    assert credit.first_error.index == 2
    assert "message 3" in credit.first_error.reason


def test_agents_by_reachability_a_bottleneck_outweighs_alternatives(run_of, said):
    credit = assign_credit(
        run_of(
            said("ada", "Either way.", ()),
            said("bob", "Or this way.", ()),
            said("chief", "Through here.", (0, 1)),
        ),
        CreditConfig(method="reachability"),
    )
    assert credit.method == "reachability.shapley"
    # v = chief and (ada or bob): 2/3, 1/6, 1/6 of R - b.
    assert [credit.agents[name] for name in ("ada", "bob", "chief")] == pytest.approx([1 / 12, 1 / 12, 1 / 3])
