"""What may speak against a turn while its run goes on."""

import asyncio
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from triage_kit import TRACEBACK, asked, call, result, said, view

from credit_hooks.errors import ConfigurationError
from credit_hooks.triage import RULES, Judged, contradicted_result, repeated_call, unrepaired_error
from credit_hooks.triage.signals import findings

ALL = (*RULES, contradicted_result)
TEXTS = st.one_of(st.sampled_from([TRACEBACK, "42", "The answer is 42.", ""]), st.text(max_size=30))
TURNS = st.lists(
    st.one_of(
        TEXTS.map(asked),
        TEXTS.map(said),
        st.builds(
            lambda text, id_, error: result(text, call_id=id_, is_error=error),
            TEXTS,
            st.sampled_from("ab"),
            st.none() | st.booleans(),
        ),
        st.builds(
            lambda id_, city: call(call_id=id_, city=city), st.sampled_from("ab"), st.sampled_from(["Bonn", "Ulm"])
        ),
    ),
    min_size=1,
    max_size=8,
)


@given(TURNS)
def test_signals_never_raise_and_quote_nothing(turns):
    for finding in findings(ALL, view(*turns)):
        assert 0 < finding.severity <= 1
        for _, part in turns:
            quoted = str(getattr(part, "text", getattr(part, "result", "")))
            assert len(quoted) < 12 or quoted not in finding.critique


@given(TURNS)
def test_what_was_before_the_last_question_is_not_this_turns_business(turns):
    assert findings(ALL, view(*turns, asked("next"), said("The answer is 42."))) == ()


def test_answering_after_an_error_that_nothing_repaired():
    found = unrepaired_error(view(asked(), call(), result(TRACEBACK), said("The answer is 300,000.")))
    assert found.signal == "unrepaired_error"
    assert "lookup" in found.critique
    assert "traceback" in found.critique


@pytest.mark.parametrize(
    "turns",
    [
        (asked(), said("The answer is 42.")),
        (asked(), call(), result("42"), said("The answer is 42.")),
        (asked(), call(), result(TRACEBACK), call(call_id="c2"), result("42", call_id="c2"), said("It is 42.")),
        (asked(), call(), result(TRACEBACK), call(city="Ulm")),  # it is about to try again
        (asked(), call(), result(TRACEBACK), said("I give up."), asked("Never mind. 6 times 7?"), said("42")),
    ],
)
def test_nothing_speaks_against_turns_without_an_error_that_stands(turns):
    assert unrepaired_error(view(*turns)) is None


def test_another_tools_success_repairs_nothing():
    turns = (asked(), call(), result(TRACEBACK), call("add", "c2"), result("5", "add", "c2"), said("It is 5."))
    assert "lookup" in unrepaired_error(view(*turns)).critique


def test_the_same_call_again_and_another_one():
    failed = (asked(), call(city="Bonn"), result(TRACEBACK))
    assert repeated_call(view(*failed, call(call_id="c2", city="Bonn"))).signal == "repeated_call"
    assert repeated_call(view(*failed, call(call_id="c2", city="Ulm"))) is None
    assert repeated_call(view(asked(), call(city="Bonn"), result("42"), call(call_id="c2", city="Bonn"))) is None


@pytest.mark.parametrize(
    ("returned", "answer", "contradicted"),
    [
        ("42", "The answer is 40.", True),
        ("42", "The answer is 42.", False),
        ("41.9996", "The answer is 42.", False),
        ("0.42", "The answer is 42 %.", False),
        ("42", "I would say forty or so, 40.", False),  # no conclusion is stated
        ("6, 7 and 42", "The answer is 40.", False),  # nobody knows which figure matters
        ("42", "The answer is known.", False),
        (TRACEBACK, "The answer is 40.", False),
    ],
)
def test_a_conclusion_without_the_only_figure_that_was_returned(returned, answer, contradicted):
    found = contradicted_result(view(asked(), call(), result(returned), said(answer)))
    assert (found is not None) is contradicted


def test_a_judge_speaks_against_what_it_scores_low_and_sees_no_outcome():
    seen = []

    def scorer(step):
        seen.append(step)
        return 0.1 if "40" in step.step.text else 0.9

    judged = Judged(scorer)
    assert judged(view(asked(), said("40"))).severity == pytest.approx(0.9)
    assert judged(view(asked(), said("42"))) is None
    assert [step.trajectory.outcome for step in seen] == [None, None]


@pytest.mark.parametrize("answer", [None, "nonsense", 7.0, ValueError("no")])
def test_a_judge_that_cannot_say_speaks_against_nothing(answer):
    def scorer(step):
        if isinstance(answer, Exception):
            raise answer
        return answer

    judged = Judged(scorer)
    assert judged(view(asked(), said("42"))) is None
    assert judged.stats["asked"] == 1
    assert len(judged.stats) == 2


def test_a_judge_that_hangs_is_given_up():
    release = threading.Event()
    judged = Judged(lambda step: release.wait(30), timeout=0.05)
    try:
        assert judged(view(asked(), said("42"))) is None
    finally:
        release.set()


def test_an_async_judge():
    async def scorer(step):
        await asyncio.sleep(0)
        return 0.0

    assert Judged(scorer, timeout=20)(view(asked(), said("42"))).severity == 1.0


def test_a_judge_needs_a_threshold_and_something_to_call():
    with pytest.raises(ConfigurationError):
        Judged(lambda step: 1.0, below=0.0)
    with pytest.raises(ConfigurationError):
        Judged("gpt")
