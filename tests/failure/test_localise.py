import numpy as np
import pytest

from credit_hooks.errors import ConfigurationError
from credit_hooks.failure import FailureCase, localise, posterior, results_of, symptom_of
from credit_hooks.language import ENGLISH
from credit_hooks.trajectory import Message, Step, TextPart, ToolCallPart, ToolResultPart


def case(symptoms=(), results=(), *, prior=(0.25, 0.25, 0.25, 0.25), author=(0, 1, 0, 1)):
    return FailureCase(np.array(prior), np.array(author), dict(symptoms), dict(results))


def message(*parts, index=0, **fields):
    return Message(id=f"m{index}", index=index, actor_id="a", parts=parts, **fields)


def test_without_symptoms_the_prior_stands_and_the_earliest_is_first():
    found = localise(case())
    assert (found.position, found.rule, found.symptom) == (0, "prior", None)
    assert found.candidates == ((0, 0.25), (1, 0.25), (2, 0.25), (3, 0.25))


def test_the_cause_of_a_symptom_is_who_had_it_run_and_not_where_it_shows():
    found = localise(case({2: "exit_code"}, {1: (2,)}))
    assert (found.position, found.rule, found.symptom) == (1, "exit_code", 2)
    assert found.probability == pytest.approx(4 / 7)


def test_a_symptom_that_the_same_author_repaired_counts_less():
    repaired = posterior(case({1: "timeout"}, {0: (1,), 2: (3,)}))
    unrepaired = posterior(case({1: "timeout", 3: "timeout"}, {0: (1,), 2: (3,)}))
    assert repaired[0] == pytest.approx(2 / 5)
    assert unrepaired[0] == pytest.approx(4 / 10)
    assert unrepaired[0] == unrepaired[2]


def test_who_cannot_have_contributed_is_no_candidate():
    found = localise(case({1: "timeout"}, {0: (1,)}, prior=(0.0, 0.5, 0.5, 0.0)))
    assert {position for position, _ in found.candidates} == {1, 2}


def test_a_posterior_is_a_distribution():
    assert posterior(case({1: "a", 3: "b"}, {0: (1,)})).sum() == pytest.approx(1.0, abs=1e-15)
    with pytest.raises(ConfigurationError, match="sums to 1"):
        posterior(case(prior=(0.5, 0.5, 0.5, 0.5)))


@pytest.mark.parametrize(
    ("shown", "step", "rule"),
    [
        (message(ToolResultPart(result="Traceback (most recent call last)", is_error=True)), None, "traceback"),
        (message(ToolResultPart(result="no luck", is_error=True)), None, "tool_error"),
        (message(TextPart(text="fine"), error="refused"), None, "tool_error"),
        (message(ToolResultPart(result="")), None, "empty_result"),
        (message(ToolResultPart(result=[])), None, "empty_result"),
        (message(ToolResultPart(result=0)), None, None),
        (message(ToolResultPart(result=False)), None, None),
        (message(TextPart(text="fine")), Step(id="s", kind="tool", status="error"), "failed_step"),
        (message(TextPart(text="fine")), Step(id="s", kind="agent", status="ok"), None),
        (message(), None, None),
    ],
)
def test_symptoms(shown, step, rule):
    assert symptom_of(shown, step, ENGLISH) == rule


def test_results_belong_to_the_call_with_their_id_else_to_the_message_before():
    messages = [
        message(ToolCallPart(id="c1", name="f"), ToolCallPart(id="c2", name="f")),
        message(ToolResultPart(id="c2", result=2)),
        message(ToolResultPart(id="c1", result=1)),
        message(TextPart(text="```print(1)```")),
        message(TextPart(text="1")),
        message(TextPart(text="again 1")),
    ]
    kinds = ["agent", "tool", "tool", "agent", "tool", "tool"]
    assert results_of(messages, kinds) == {0: (1, 2), 3: (4,)}
