"""States of reasoning, code and tool-using teams, functions of the history alone; their distance is in [0, 1]."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_hooks.credit import assign_credit
from credit_hooks.credit.bottleneck import bottlenecks
from credit_hooks.credit.state import CodeState, ToolState, TopicState, state_distance, state_for
from credit_hooks.errors import ConfigurationError
from credit_hooks.rewards import CreditedRun
from credit_hooks.trajectory import Message, TextPart, ToolCallPart, ToolResultPart

CODE = "Here:\n```python\ndef add(a, b):\n    return a - b\n```"
FIXED = CODE.replace("a - b", "a + b * c")


def message(*parts, by="a"):
    made = tuple(TextPart(text=part) if isinstance(part, str) else part for part in parts)
    return Message(id="m", index=0, actor_id=by, parts=made)


def call(query):
    return message(ToolCallPart(name="search", arguments={"q": query}))


def result(text, **fields):
    return message(ToolResultPart(name="search", result=text, **fields))


numbers = st.floats(-5, 5)
states = st.dictionaries(st.sampled_from("abcd"), st.floats(0, 9))


@given(st.one_of(st.tuples(states, states), st.tuples(*[st.lists(numbers, min_size=3, max_size=3)] * 2)))
def test_a_distance_is_symmetric_in_0_to_1_and_none_to_itself(pair):
    first, second = pair
    assert 0.0 <= state_distance(first, second) <= 1.0
    assert state_distance(first, second) == pytest.approx(state_distance(second, first), abs=1e-12)
    assert state_distance(first, first) == pytest.approx(0.0, abs=1e-9)


def test_code_moves_when_code_changes_and_not_by_talk_about_it():
    state = CodeState()
    before, after = [[message(CODE)]], [[message(CODE)], [message("I like it, ship it!")]]
    assert state_distance(state(before), state(after)) == 0.0
    assert state_distance(state(after), state([*after, [message(FIXED)]])) > 0.0
    assert state_distance(state([[message("no code yet")]]), state(before)) > 0.0


def test_tools_move_by_new_calls_and_results_and_not_by_repeating_them():
    state = ToolState()
    history = [[message("find it")], [call("x")], [result("nothing")]]
    assert state_distance(state(history[:1]), state(history[:2])) > 0.0
    again = [*history, [call("x"), result("nothing")]]
    assert state_distance(state(history), state(again)) == 0.0
    for news in (call("y"), result("found"), result("nothing", is_error=True)):
        assert state_distance(state(again), state([*again, [news]])) > 0.0


def test_the_default_is_by_what_the_team_works_with():
    assert isinstance(state_for([message("words"), call("x")]), ToolState)
    assert isinstance(state_for([message(CODE)]), CodeState)
    assert isinstance(state_for([message("words")]), TopicState)


@pytest.fixture
def run(run_of, said):
    trajectory = run_of(
        said("user", "Go", None),
        said("a", "one", (0,)),
        said("b", "two", (0, 1)),
        said("c", "three", (0, 1, 2)),
        score=0.0,
    )
    return CreditedRun(trajectory=trajectory, credit=assign_credit(trajectory))


def test_a_state_sees_the_history_up_to_its_turn_and_nothing_later(run):
    seen = []

    def state(history):
        seen.append([[one.text for one in turn] for turn in history])
        return (1.0, float(len(history)))

    found = bottlenecks(run, state=state)
    assert seen == [
        [["Go"]],
        [["Go"], ["one"]],
        [["Go"], ["one"], ["two"]],
        [["Go"], ["one"], ["two"], ["three"]],
    ]
    assert [turn.actor_ids for turn in found] == [("a",), ("b",), ("c",)]
    assert all(0.0 < turn.score <= 1.0 for turn in found)


@pytest.mark.parametrize("bad", [{"a": -1.0}, {"a": float("nan")}, (float("inf"),), "text"])
def test_what_is_no_state_is_refused(run, bad):
    with pytest.raises((ConfigurationError, ValueError)):
        bottlenecks(run, state=lambda history: bad)


def test_states_of_two_kinds_have_no_distance(run):
    with pytest.raises(ConfigurationError, match="for every turn alike"):
        bottlenecks(run, state=lambda history: {"a": 1.0} if len(history) > 2 else (1.0,))
