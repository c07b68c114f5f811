"""Who&When logs: what is stated is kept, labels refer to the right message, and damaged logs say what is wrong."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_hooks.errors import TrajectoryError
from credit_hooks.trajectory import TextPart
from credit_hooks_adapters import read
from credit_hooks_adapters.whowhen import ADAPTER

DATA = Path(os.environ.get("CREDIT_HOOKS_TRAJECTORIES", Path(__file__).parents[3] / "shared" / "trajectories"))
WHOWHEN = DATA / "whowhen"
needs_data = pytest.mark.skipif(not WHOWHEN.is_dir(), reason="Who&When logs absent: set CREDIT_HOOKS_TRAJECTORIES")

HAND_CRAFTED = {
    "question": "How high is it?",
    "question_ID": "q-1",
    "ground_truth": "7 m",
    "is_corrected": False,
    "mistake_agent": "WebSurfer",
    "mistake_step": "3",
    "mistake_reason": "It read the wrong page.",
    "history": [
        {"role": "human", "content": "How high is it?"},
        {"role": "Orchestrator (thought)", "content": "We need a page."},
        {"role": "Orchestrator (-> WebSurfer)", "content": "Find the page."},
        {"role": "WebSurfer", "content": "It is 9 m high."},
        {"role": "Orchestrator (termination condition)", "content": "FINAL ANSWER: 9 m"},
    ],
}
CAPTAIN = {
    **HAND_CRAFTED,
    "level": "2",
    "mistake_agent": "Math_Expert",
    "mistake_step": "1",
    "system_prompt": {"Math_Expert": "You compute.", "Silent_Expert": "You wait."},
    "history": [
        {"role": "assistant", "name": "Math_Expert", "content": "Run this."},
        {"role": "user", "name": "Computer_terminal", "content": "exitcode: 0"},
        {"role": "user", "name": "Math_Expert", "content": "It is 9 m."},
    ],
}


def one(document):
    (trajectory,) = ADAPTER.read_document(document, "log.json")
    return trajectory


def test_author_stream_and_recipient_are_parsed_and_the_raw_role_is_kept():
    messages = one(HAND_CRAFTED).messages
    assert [(m.actor_id, m.channel, m.recipients, m.role, m.role_raw) for m in messages] == [
        ("human", None, (), "user", "human"),
        ("Orchestrator", "thought", (), "assistant", "Orchestrator (thought)"),
        ("Orchestrator", None, ("WebSurfer",), "assistant", "Orchestrator (-> WebSurfer)"),
        ("WebSurfer", None, (), "assistant", "WebSurfer"),
        ("Orchestrator", "termination condition", (), "assistant", "Orchestrator (termination condition)"),
    ]


def test_every_message_was_written_having_read_all_before_it():
    for document in (HAND_CRAFTED, CAPTAIN):
        trajectory = one(document)
        ids = [message.id for message in trajectory.messages]
        assert [trajectory.parents(message_id) for message_id in ids] == [tuple(ids[:i]) for i in range(len(ids))]
        assert all(len(step.reads.new) <= 1 for step in trajectory.steps)


def test_the_humans_question_is_the_runs_input():
    trajectory = one(HAND_CRAFTED)
    assert trajectory.messages[0].step_id is None
    assert trajectory.task == "How high is it?"
    assert all(message.step_id is not None for message in trajectory.messages[1:])


def test_a_failure_keeps_the_expected_answer():
    outcome = one(HAND_CRAFTED).outcome
    assert outcome is not None
    assert (outcome.success, outcome.score, outcome.expected) == (False, 0.0, "7 m")


def test_members_have_kinds_and_prompts_and_silent_ones_stay_known():
    trajectory = one(CAPTAIN)
    assert [(actor.id, actor.kind, actor.system_prompt) for actor in trajectory.actors] == [
        ("Math_Expert", "agent", "You compute."),
        ("Computer_terminal", "tool", None),
    ]
    assert trajectory.meta == {"level": "2", "silent_agents": {"Silent_Expert": "You wait."}}
    assert [step.kind for step in trajectory.steps] == ["agent", "tool", "agent"]
    assert [message.role for message in trajectory.messages] == ["assistant", "tool", "assistant"]
    assert [message.role_raw for message in trajectory.messages] == [None, "user", "user"]


@pytest.mark.parametrize(
    ("changed", "target", "inconsistent"),
    [
        ({}, "m3", False),
        ({"mistake_agent": "Orchestrator"}, "m3", True),
        ({"mistake_step": "5"}, None, True),
        ({"mistake_step": "-1"}, None, True),
        ({"mistake_step": "soon"}, None, True),
        ({"mistake_step": None}, None, True),
        ({"mistake_step": 3}, "m3", False),
    ],
)
def test_labels_are_kept_and_say_when_they_contradict_the_log(changed, target, inconsistent):
    (label,) = one({**HAND_CRAFTED, **changed}).labels
    assert (label.name, label.target, label.target_id, label.inconsistent) == (
        "first_error",
        "message",
        target,
        inconsistent,
    )
    assert label.reason == "It read the wrong page."
    assert label.value["agent"] == {**HAND_CRAFTED, **changed}["mistake_agent"]


def test_content_none_is_not_empty_content():
    history = [{"role": "A", "content": None}, {"role": "B", "content": ""}]
    first, second = one({**HAND_CRAFTED, "history": history}).messages
    assert (first.parts, second.parts) == ((), (TextPart(text=""),))


def test_ids_depend_on_the_document_alone():
    def reordered(document):
        return dict(reversed(document.items()))

    (moved,) = ADAPTER.read_document(reordered(HAND_CRAFTED), "elsewhere.json")
    assert moved.id == one(HAND_CRAFTED).id
    assert moved.id != one({**HAND_CRAFTED, "ground_truth": "8 m"}).id


@pytest.mark.parametrize("history", [None, [], "text", {"0": {}}, 3])
def test_a_log_without_messages_names_file_and_reason(history):
    with pytest.raises(TrajectoryError, match=r"log\.json: no messages: `history`"):
        one({**HAND_CRAFTED, "history": history})


junk = st.sampled_from(
    [None, True, -1, 2**70, float("nan"), "", "1", "\ud800", "A (-> B)", "(thought)", [], ["x", None], {}, {"a": [{}]}]
)
entries = st.lists(junk | st.fixed_dictionaries({}, optional={"role": junk, "name": junk, "content": junk}), max_size=4)


@given(st.fixed_dictionaries({"history": entries | junk}, optional=dict.fromkeys(CAPTAIN.keys() - {"history"}, junk)))
def test_any_values_are_read_or_refused_but_never_crash(document):
    try:
        (trajectory,) = ADAPTER.read_document(document, "log.json")
    except TrajectoryError:
        assert not document["history"] or not isinstance(document["history"], list)
    else:
        assert len(trajectory.messages) == len(document["history"])
        assert {message.actor_id for message in trajectory.messages} == set(trajectory.actor_by_id)


@needs_data
def test_the_real_logs_are_read_whole_and_label_lists_are_named():
    errors = []
    runs = list(read(WHOWHEN, on_error=errors.append))
    logs = sorted(path for path in WHOWHEN.rglob("*.json") if path.parent != WHOWHEN)
    assert [Path(run.source or "") for run in runs] == logs
    assert len({run.id for run in runs}) == len(runs)
    assert [str(error).split(":")[0] for error in errors] == [str(WHOWHEN / "hand_crafted_second_annotator.json")]
    for run, path in zip(runs, logs, strict=True):
        document = json.loads(path.read_text())
        (label,) = run.labels
        assert label.target_id == f"m{document['mistake_step']}"
        assert label.inconsistent == (run.message_by_id[label.target_id].actor_id != document["mistake_agent"])
        assert [message.text for message in run.messages] == [item["content"] for item in document["history"]]


@needs_data
def test_the_known_contradicting_labels_are_marked():
    runs = read([WHOWHEN / "algorithm_generated", WHOWHEN / "hand_crafted"])
    assert {Path(run.source or "").name for run in runs if run.labels[0].inconsistent} == {"14.json", "20.json"}
