"""OpenInference spans: who wrote what, and who read it, from prompts that quote what was said before."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from openinference_spans import PLAN, TRACE, flat, llm, openinference_spans, span  # noqa: E402

from credit_hooks.credit import assign_credit
from credit_hooks.errors import TrajectoryError
from credit_hooks.trajectory import Outcome, ToolCallPart, ToolResultPart
from credit_hooks_adapters.openinference import ADAPTER


def one(spans):
    (run,) = ADAPTER.trajectories(spans)
    return run


def told(run):
    """author: text <- authors of what was read"""
    at = run.message_by_id
    return [(m.actor_id, m.text, [at[parent].index for parent in run.parents(m.id)]) for m in run.messages]


def test_replies_results_and_prompts_are_messages_and_quotations_are_reads():
    assert told(one(openinference_spans())) == [
        ("system", "You plan.", []),
        ("user", "How high is the tower?", []),
        ("manager", PLAN, [0, 1]),
        ("system", "You search.", []),
        ("system", "[1, 2] How high is the tower?", []),
        ("manager/searcher", "Let me look that up.", [3, 4]),
        ("web", "[330, 300] m", [5]),
        ("manager/searcher", "It is 330 m high, says the page.", [3, 4, 5, 6]),
        ("manager", "The answer is 330 m.", [0, 1, 2, 7]),
    ]


def test_agents_tools_and_people_are_told_apart_and_agents_nest():
    run = one(openinference_spans())
    assert {actor.id: (actor.kind, actor.parent_id) for actor in run.actors} == {
        "user": ("human", None),
        "system": ("system", None),
        "manager": ("agent", None),
        "manager/searcher": ("agent", "manager"),
        "web": ("tool", None),
    }
    assert (run.id, run.task, run.name, run.status, run.outcome) == (
        TRACE,
        "How high is the tower?",
        "manager.run",
        "ok",
        None,
    )


def test_calls_usage_and_models_are_kept():
    run = one(openinference_spans())
    call = run.messages[5].parts[1]
    assert call == ToolCallPart(id="c1", name="web", arguments={"q": "tower"})
    assert run.messages[6].parts == (ToolResultPart(name="web", result="[330, 300] m"),)
    step = run.step_by_id[f"{4:016x}"]
    assert (step.model, step.usage.input_tokens, step.usage.output_tokens) == ("small", 12, 7)


def test_who_only_repeated_instructions_is_not_credited():
    run = one(openinference_spans()).with_outcome(Outcome(score=1.0))
    credit = assign_credit(run)
    assert credit.agents["system"] == credit.agents["user"] == 0.0
    assert credit.agents["manager/searcher"] > 0


def test_an_equal_turn_that_was_repeated_stays_two_turns():
    asked = [("user", "Again?"), ("assistant", "Yes."), ("user", "Again?")]
    run = one([llm(1, None, asked[:1], "Yes.", at=(0, 1)), llm(2, None, asked, "Yes.", at=(2, 3))])
    assert told(run) == [
        ("user", "Again?", []),
        ("application", "Yes.", [0]),
        ("user", "Again?", []),
        ("application", "Yes.", [0, 1, 2]),
    ]


def test_a_later_prompt_reads_each_of_two_equal_replies():
    first = [("user", "Again?")]
    second = [*first, ("assistant", "Yes."), ("user", "Really?")]
    third = [*second, ("assistant", "Yes."), ("user", "Sure?")]
    run = one(
        [llm(k, None, prompt, "Yes.", at=(2 * k, 2 * k + 1)) for k, prompt in enumerate((first, second, third), 1)]
    )
    assert told(run)[-1] == ("application", "Yes.", [0, 1, 2, 3, 4])


def test_observations_without_a_span_come_of_the_reply_before_them():
    code = "Let me compute this.\nprint(6 * 7)"
    shown = [("user", "6 x 7?"), ("assistant", code), ("tool-call", "Calling: print(6 * 7)"), ("tool-response", "42")]
    run = one([llm(1, None, shown[:1], code, at=(0, 1)), llm(2, None, shown, "It is 42.", at=(2, 3))])
    assert told(run)[2:] == [("environment", "42", [1]), ("application", "It is 42.", [0, 1, 2])]
    assert run.actor_by_id["environment"].kind == "environment"


def test_an_agent_that_has_ended_hands_its_last_message_to_its_caller():
    agent = span(1, None, "agent", {"openinference.span.kind": "AGENT"}, (0, 10))
    inner = llm(2, 1, [("user", "How high?")], "I compute: right.", at=(1, 9))
    run = one([agent, inner, llm(3, None, [("user", "Sum up.")], "So it is right.", at=(11, 12))])
    assert told(run)[-1] == ("application", "So it is right.", [2, 1])


def test_spans_of_others_between_agent_and_call_are_passed_over():
    spans = openinference_spans()
    between = replace(spans[0], span_id=f"{99:016x}", parent_id=spans[0].span_id, attributes={"http.route": "/"})
    moved = [between, *(replace(s, parent_id=between.span_id) if s.parent_id == spans[0].span_id else s for s in spans)]
    assert told(one(moved)) == told(one(spans))


def test_a_tool_that_failed_says_so():
    failed = span(5, 1, "web", {"openinference.span.kind": "TOOL"}, (21, 30), status="error", message="no network")
    message = one([openinference_spans()[0], failed]).messages[0]
    assert message.error == "no network"
    assert message.parts == (ToolResultPart(name="web", is_error=True),)


def test_each_trace_is_a_run_and_traces_of_none_are_left_out():
    other = [replace(s, trace_id=f"{7:032x}", start_ns=s.start_ns + 10**6) for s in openinference_spans()]
    web = span(1, None, "GET /", {"http.route": "/"}, (0, 1))
    runs = list(ADAPTER.trajectories([*other, replace(web, trace_id=f"{8:032x}"), *openinference_spans()]))
    assert [run.id for run in runs] == [TRACE, f"{7:032x}"]
    with pytest.raises(TrajectoryError, match="no span has openinference"):
        list(ADAPTER.trajectories([web]))


def test_numbers_with_gaps_are_read_in_order():
    attributes = {"openinference.span.kind": "LLM", **flat("llm.output_messages", ("assistant", "a"))}
    attributes["llm.input_messages.12.message.content"] = "second"
    attributes["llm.input_messages.3.message.contents.0.message_content.text"] = "first"
    run = one([span(1, None, "call", attributes, (0, 1))])
    assert [message.text for message in run.messages] == ["first", "second", "a"]
