"""The report: everything escaped, nothing loaded from elsewhere, small enough, and true to the run."""

import base64
import hashlib
import re
import subprocess
import sys

import pytest
from html_page import HOSTILE, Page
from hypothesis import given, settings
from hypothesis import strategies as st

from credit_hooks.report import render
from credit_hooks.report.run.graph import provenance
from credit_hooks.report.text import headline, one_line, printable, signed
from credit_hooks.rewards import Credit, CreditedRun
from credit_hooks.trajectory import (
    DataPart,
    Label,
    Message,
    ReadSet,
    Step,
    TextPart,
    ToolCallPart,
    Trajectory,
    WithheldPart,
)

pytest.importorskip("jinja2")


def everywhere(text: str, make_run) -> CreditedRun:
    """A run with this text in every place that a report shows."""
    run = make_run(text, name=text, texts=[text] * 3, agents=(text, text + "2", "c"), first_error=2)
    trajectory = run.trajectory.model_copy(
        update={
            "framework": text,
            "task": text,
            "outcome": run.trajectory.outcome.model_copy(
                update={"answer": text, "expected": text, "explanation": text}
            ),
            "labels": (Label(target="message", target_id="m1", name=text, reason=text, annotator=text),),
            "messages": tuple(
                message.model_copy(
                    update={
                        "channel": text,
                        "recipients": (text,),
                        "error": text,
                        "role_raw": text,
                        "parts": (*message.parts, DataPart(name=text, value={text: [text]}), ToolCallPart(name=text)),
                    }
                )
                for message in run.trajectory.messages
            ),
        }
    )
    error = run.credit.first_error.model_copy(update={"rule": text, "reason": text})
    credit = run.credit.model_copy(update={"method": text, "notes": (text,), "first_error": error})
    return CreditedRun(trajectory=trajectory, credit=credit)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_content_adds_no_element_and_no_attribute(make_run, text):
    def skeleton(page):
        return [(tag, sorted(attributes)) for tag, attributes in page.elements]

    hostile, harmless = (Page(render(everywhere(content, make_run))) for content in (text, "harmless"))
    assert skeleton(hostile) == skeleton(harmless)
    assert [tag for tag, _, _ in hostile.raw] == ["style", "script", "script"]


@settings(max_examples=40, deadline=None)
@given(text=st.text(st.characters(), max_size=40))
def test_message_text_survives_in_the_data_with_hidden_characters_spelled_out(make_run, text):
    source = render(make_run(texts=[text], rewards=[-0.5]))
    assert Page(source).data["messages"][1]["parts"][0]["text"] == printable(text)
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u2028\u2029\x00\x1b]", source)
    source.encode("utf-8")


def test_the_policy_allows_the_pages_own_style_and_script_by_hash_and_nothing_else(make_run):
    page = Page(render(make_run()))
    policy = next(attributes["content"] for tag, attributes in page.elements if attributes.get("http-equiv"))
    directives = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert set(directives) == {"default-src", "style-src", "script-src", "base-uri", "form-action"}
    assert directives["default-src"] == "'none'"
    for tag, attributes, text in page.raw:
        if attributes.get("type") != "application/json":
            digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
            assert directives[f"{tag}-src"] == f"'sha256-{digest}'"


def test_nothing_is_loaded_and_no_style_or_handler_is_inline(make_run):
    source = render(everywhere("x", make_run))
    page = Page(source)
    for tag, attributes in page.elements:
        assert tag not in ("link", "img", "iframe", "object", "base", "form")
        assert not {"src", "href", "style", "srcset", "action"} & set(attributes)
        assert not [name for name in attributes if name.startswith("on")]
    assert "@import" not in source
    assert "url(" not in source


def test_a_message_of_a_megabyte_is_cut_and_says_how_much_is_hidden(make_run):
    source = render(make_run(texts=["a" * 1_000_000, "<" * 1_000_000], rewards=[-0.25, -0.25]))
    first, second = (message["parts"][0] for message in Page(source).data["messages"][1:])
    assert len(first["text"]) + first["hidden"] == 1_000_000
    assert second["hidden"] > 900_000
    assert len(source.encode()) < 200_000


@pytest.mark.parametrize("letter", ["a", "<", "数", "\x01", "\\"])
def test_a_thousand_long_messages_stay_under_three_megabytes(make_run, letter):
    run = make_run(texts=[letter * 3000] * 1000, rewards=[-0.0005] * 1000, first_error=500)
    source = render(run)
    assert len(source.encode()) < 3_000_000
    data = Page(source).data
    assert len(data["messages"]) == 1001
    assert data["first"] == 500
    assert data["answer"] == 1000


def test_very_long_runs_keep_the_largest_rewards_the_first_error_and_the_answer(make_run):
    rewards = [0.0] * 6000
    rewards[4000] = -0.5
    source = render(make_run(texts=["x"] * 6000, rewards=rewards, first_error=3333))
    data = Page(source).data
    assert len(data["messages"]) == 2000
    assert data["left_out"] == 4001
    indices = [message["index"] for message in data["messages"]]
    assert {3333, 4001, 6000} <= set(indices)
    assert indices == sorted(indices)
    assert "4001 messages with the smallest rewards are not drawn" in source
    assert all(message["parents"] for message in data["messages"][1:])  # links skip over what is left out


def test_one_message_and_no_message_and_no_outcome_each_give_a_page(make_run):
    nothing = CreditedRun(trajectory=Trajectory(id="r"), credit=Credit(trajectory_id="r", status="no_messages"))
    assert "this run holds no messages" in render(nothing)
    assert "the outcome of this run is not known" in render(make_run(outcome=None))
    single = make_run(texts=[], rewards=[], agents=())
    assert len(Page(render(single)).data["messages"]) == 1


def test_the_page_states_outcome_baseline_agents_and_first_error(make_run):
    text = " ".join(Page(render(make_run(rewards=(0.1, -0.55, -0.05), first_error=2))).text.split())
    assert "0.00 outcome − 0.50 baseline = −0.500 to share" in text
    assert "reader_vote.owen" in text
    assert "solver 1 msg −0.550" in text
    assert "planner 1 msg +0.100" in text
    assert "First error #2 with probability 0.62" in text


def test_low_evidence_and_notes_are_said(make_run):
    run = make_run()
    credit = run.credit.model_copy(
        update={"low_evidence": True, "evidence": 0.1, "notes": ("Two reads were unknown.",)}
    )
    text = Page(render(run.model_copy(update={"credit": credit}))).text
    assert "Low evidence." in text
    assert "Two reads were unknown." in text


def test_the_table_says_the_same_as_the_graph(make_run):
    run = make_run(rewards=(0.1, -0.55, -0.05), first_error=2)
    source = render(run)
    table = source[source.index("<caption") : source.index("</table>", source.index("<caption"))]
    rows = ["".join(re.sub("<[^>]+>", " ", row)).split() for row in table.split("<tr>")[2:]]
    assert [row[0] for row in rows] == ["0", "1", "2", "3"]
    assert [row[2] for row in rows] == ["–", "+0.100", "−0.550", "−0.050"]
    assert "First error." in " ".join(rows[2])


def test_labels_of_annotators_are_kept_apart_from_our_own_first_error(make_run):
    run = make_run(first_error=1)
    label = Label(target="message", target_id="m2", name="first_error", reason="He rounds.", annotator="human")
    data = Page(
        render(run.model_copy(update={"trajectory": run.trajectory.model_copy(update={"labels": (label,)})}))
    ).data
    assert data["first"] == 1
    assert data["messages"][2]["labels"] == ["Labelled first error by human: He rounds."]


# --- provenance ---------------------------------------------------------------------------------------------------


@st.composite
def trajectories(draw):
    size = draw(st.integers(1, 9))
    messages, steps = [Message(id="m0", index=0, actor_id="a")], []
    for number in range(1, size):
        base = draw(st.sampled_from([None, *[step.id for step in steps]]))
        ids = [f"m{other}" for other in range(number)]
        new = tuple(draw(st.lists(st.sampled_from(ids), unique=True, max_size=number)))
        dropped = tuple(draw(st.lists(st.sampled_from(ids), unique=True, max_size=2)))
        steps.append(Step(id=f"s{number}", reads=ReadSet(base=base, new=new, dropped=dropped)))
        messages.append(Message(id=f"m{number}", index=number, actor_id="a", step_id=f"s{number}"))
    return Trajectory(id="t", messages=tuple(messages), steps=tuple(draw(st.permutations(steps))))


def closure(parents):
    reached = []
    for direct in parents:
        reached.append(set(direct).union(*(reached[parent] for parent in direct)) if direct else set())
    return reached


@given(trajectory=trajectories())
def test_reduced_edges_reach_the_same_messages_and_none_can_be_left_out(trajectory):
    reduced = provenance(trajectory)
    number = {message.id: place for place, message in enumerate(trajectory.messages)}
    full = [{number[parent] for parent in trajectory.parents(message.id)} for message in trajectory.messages]
    assert closure(reduced.parents) == closure(full)
    assert list(reduced.read_counts) == [len(reads) for reads in full]
    for place, parents in enumerate(reduced.parents):
        assert set(parents) <= full[place]
        for parent in parents:
            others = [other for other in parents if other != parent]
            assert parent not in set(others).union(*(closure(full)[other] for other in others))


def test_damaged_provenance_with_cycles_unknown_bases_and_later_reads_is_drawn_without_them():
    steps = (
        Step(id="s0", reads=ReadSet(base="s1", new=("m1", "nowhere"))),
        Step(id="s1", reads=ReadSet(base="s0", new=("m0",))),
        Step(id="s2", reads=ReadSet(base="gone", new=("m1", "m2"))),
    )
    messages = tuple(Message(id=f"m{n}", index=n, actor_id="a", step_id=f"s{n}") for n in range(3))
    run = Trajectory(id="t", messages=messages, steps=steps)
    reduced = provenance(run)
    assert reduced.parents == ((), (0,), (1,))
    render(CreditedRun(trajectory=run, credit=Credit(trajectory_id="t", status="no_outcome")))


# --- text ---------------------------------------------------------------------------------------------------------


@given(text=st.text(st.characters()))
def test_printable_text_drives_no_terminal_and_reorders_nothing(text):
    shown = printable(text)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u2029\ud800-\udfff]", shown)
    assert printable(shown) == shown


@given(text=st.text(), limit=st.integers(2, 40))
def test_a_summary_is_one_line_within_its_limit(text, limit):
    line = one_line(text, limit)
    assert len(line) <= limit
    assert "\n" not in line


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.125, "+0.125"), (-0.4, "−0.400"), (0.0, "0"), (-0.0, "0"), (None, "–"), (0.0031, "+0.0031"), (-2e-5, "−2e-05")],
)
def test_signed_numbers_always_carry_their_sign(value, text):
    assert signed(value) == text


@pytest.mark.parametrize(
    ("parts", "error", "line"),
    [
        ((TextPart(text="\n\n  two   words \n more"),), None, "two words more"),
        ((ToolCallPart(name="add", arguments={"a": 1}),), None, '→ add({"a": 1})'),
        ((WithheldPart(length=12),), None, "(content withheld, 12 characters)"),
        ((), "timed out", "(error: timed out)"),
        ((), None, "(empty)"),
    ],
)
def test_a_headline_says_what_a_message_is(parts, error, line):
    assert headline(Message(id="m", index=0, actor_id="a", parts=parts, error=error)) == line


def test_without_jinja_the_error_names_the_extra(tmp_path):
    code = (
        "import sys; sys.modules['jinja2'] = None\n"
        "from credit_hooks.report import render\n"
        "from credit_hooks.rewards import Credit, CreditedRun\n"
        "from credit_hooks.trajectory import Trajectory\n"
        "try: render(CreditedRun(trajectory=Trajectory(id='t'), credit=Credit(trajectory_id='t')))\n"
        "except ImportError as error: print('raw', error)\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == (
        "MissingExtraError the HTML report needs an optional dependency: pip install 'credit-hooks[report]'"
    )
