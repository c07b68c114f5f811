"""A model as judge: what it is shown, how its answer is read, and real chat models in a real graph."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_hooks.errors import ConfigurationError
from credit_hooks.failure import StepScore
from credit_hooks.failure.judging import MalformedJudgementError, judge_prompt, read_judgement
from credit_hooks.failure.step_scoring import step_views
from credit_hooks.trajectory import Label, Outcome


def test_a_judge_is_shown_the_task_the_history_the_step_and_what_followed_in_this_order(team):
    prompt = judge_prompt(step_views(team, lookahead=1, max_steps=9)[1])
    places = [prompt.user.index(text) for text in ("TASK", "[1] planner", "STEP\n[2] solver", "FOLLOWED\n[3] solver")]
    assert places == sorted(places)
    assert "[4]" not in prompt.user


def test_a_judge_never_learns_how_it_ended_what_is_right_or_what_others_labelled(team):
    label = Label(target="message", target_id="m2", name="first_error", reason="SECRET")
    told = team.model_copy(
        update={
            "outcome": Outcome(score=0.0, expected="SECRET 51", answer="SECRET 57", explanation="SECRET"),
            "labels": (label,),
            "meta": {"ground_truth": "SECRET"},
        }
    )
    for view in step_views(told, lookahead=3, max_steps=9):
        assert "SECRET" not in judge_prompt(view).user
        assert "SECRET" not in view.trajectory.model_dump_json()


@given(st.integers(1000, 5000), st.lists(st.integers(0, 20_000), min_size=1, max_size=12))
def test_prompts_are_bounded_and_always_hold_the_step(failed_run, limit, lengths):
    run = failed_run(("user", "Count."), *((f"a{n}", f"<{n}>" + "x" * size) for n, size in enumerate(lengths)))
    for view in step_views(run, lookahead=2, max_steps=3):
        prompt = judge_prompt(view, max_characters=limit)
        assert len(prompt.user) < 1.5 * limit + 1500
        assert f"[{view.position}] {view.step.actor_id}: <{view.step.actor_id[1:]}>" in prompt.user
    with pytest.raises(ConfigurationError):
        judge_prompt(view, max_characters=999)


@pytest.mark.parametrize(
    ("answer", "score"),
    [
        ('{"score": 0.5}', StepScore(0.5)),
        ('{"reason": "ok", "score": 1}', StepScore(1.0, "ok")),
        ('```json\n{"reason": "a {b}", "score": 0.25}\n```', StepScore(0.25, "a {b}")),
        ('First {"score": 0.1}, no: {"score": 0.9}', StepScore(0.9)),
        ("{{ {", None),
        ("0.7", None),
        ('{"score": 7}', None),
        ('{"score": true}', None),
        ('{"score": "0.7"}', None),
        ('{"score": NaN}', None),
        ('{"reason": "no score"}', None),
        ("", None),
    ],
)
def test_only_a_stated_score_from_0_to_1_counts(answer, score):
    if score is not None:
        assert read_judgement(answer) == score
        return
    with pytest.raises(MalformedJudgementError) as raised:
        read_judgement(answer)
    assert not answer or answer not in str(raised.value)


@given(st.text(max_size=200))
def test_no_answer_breaks_the_reader(answer):
    try:
        assert 0.0 <= read_judgement(answer).value <= 1.0
    except MalformedJudgementError:
        pass


@given(st.floats(0, 1), st.text(max_size=50), st.text('abc {}[]"\n:', max_size=30))
def test_a_score_survives_whatever_stands_before_it(score, reason, before):
    said = json.dumps({"reason": reason, "score": score})
    assert read_judgement(before.replace("{", "").replace("}", "") + said) == StepScore(score, reason)


# --- LangChain, in a real graph -------------------------------------------------------------------------------------


@pytest.fixture
def judged(monkeypatch):
    """Runs a real graph of three nodes that fails, with a real chat model as judge; its answers are given."""
    pytest.importorskip("langgraph")
    from langchain_core.language_models import GenericFakeChatModel
    from langchain_core.messages import AIMessage
    from langgraph.graph import START, MessagesState, StateGraph

    from credit_hooks.credit import CreditConfig
    from credit_hooks.failure import StepScoring
    from credit_hooks.langgraph import CreditCallback, LangChainJudge

    def run(answers, *, evaluate=lambda finished: False, **options):
        graph = StateGraph(MessagesState)
        said = ["Multiply 6 by 7.", "6 times 7 is 48.", "The final answer is 48."]
        for number, text in enumerate(said):
            graph.add_node(f"n{number}", lambda state, text=text: {"messages": [AIMessage(text)]})
            graph.add_edge(f"n{number - 1}" if number else START, f"n{number}")
        judge = LangChainJudge(GenericFakeChatModel(messages=iter(map(AIMessage, answers))), temperature=0.3)
        scoring = StepScoring(judge, workers=1, **options)
        callback = CreditCallback(evaluate=evaluate, credit=CreditConfig(step_scoring=scoring))
        graph.compile().invoke({"messages": [("user", "6 times 7?")]}, config={"callbacks": [callback]})
        assert callback.flush()
        assert len(callback.runs) == 1  # the judge's own calls are no runs
        return callback.last

    return run


def test_a_chat_model_judges_the_steps_of_a_failed_run_after_it_has_ended(judged):
    answers = ['{"score": 0.9, "reason": "sound"}', '{"score": 0.1, "reason": "48 is wrong"}', '{"score": 0.1}']
    run = judged(answers)
    assert [label.value for label in run.trajectory.labels] == [0.9, 0.1, 0.1]
    assert {label.annotator for label in run.trajectory.labels} == {"judge:GenericFakeChatModel@0.3"}
    error = run.credit.first_error
    assert (error.actor_id.rsplit("/", 1)[-1], error.evidence) == ("n1", ("rules", "step_scores"))


def test_a_judge_that_talks_nonsense_or_fails_costs_its_scores_only(judged):
    run = judged(["what?", '{"score": 0.2}'])  # the third call raises: the model has nothing more to say
    assert [label.value for label in run.trajectory.labels] == [None, 0.2, None]
    assert run.credit.status == "credited"
    assert any("2 of 3 step scores" in note for note in run.credit.notes)


def test_a_scorer_never_runs_on_the_users_thread_and_gets_no_tracing(judged, monkeypatch):
    import threading

    from opentelemetry.context import get_value

    from credit_hooks.failure import StepScoring

    seen = []
    plain = lambda view: seen.append((threading.current_thread(), get_value("suppress_instrumentation")))
    monkeypatch.setattr("credit_hooks.langgraph.LangChainJudge.__call__", lambda self, view: plain(view))
    run = judged([])
    assert len(seen) == len(run.trajectory.labels) == 3
    assert all(thread is not threading.main_thread() and silent is True for thread, silent in seen)
    assert StepScoring(plain).annotator == "function"


def test_a_judge_is_not_asked_about_a_success(judged):
    assert judged([], evaluate=lambda finished: True).trajectory.labels == ()


def test_the_credit_of_a_judged_run_is_recomputed_from_the_run_without_the_judge(judged):
    from credit_hooks.credit import assign_credit

    run = judged(['{"score": 0.9}', '{"score": 0.1}', '{"score": 0.1}'])
    assert assign_credit(run.trajectory).model_dump_json() == run.credit.model_dump_json()
