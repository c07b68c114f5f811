"""OpenAI-style conversations: tau-bench's trials, training lines, bare lists; what is malformed is named."""

import json
import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from chats import CALL, TALK, trial  # noqa: E402

from credit_hooks.credit import assign_credit, task_key
from credit_hooks.errors import TrajectoryError
from credit_hooks.trajectory import BlobPart, ReasoningPart, TextPart, ToolCallPart, ToolResultPart
from credit_hooks_adapters import read
from credit_hooks_adapters.annotations import read_annotations, with_labels
from credit_hooks_adapters.openai_messages import ADAPTER

ROOT = Path(os.environ.get("CREDIT_HOOKS_TRAJECTORIES", Path(__file__).parents[3] / "shared" / "trajectories"))
needs_data = pytest.mark.skipif(
    not (ROOT / "tau_airline").is_dir(), reason="tau-bench absent: set CREDIT_HOOKS_TRAJECTORIES"
)


def one(document):
    (run,) = ADAPTER.read_document(document, "log.json")
    return run


def test_agents_read_everything_users_what_agents_say_and_tools_their_call():
    run = one(trial())
    assert [[run.message_by_id[p].index for p in run.parents(m.id)] for m in run.messages] == [
        [],
        [],
        [0, 1],
        [1, 2],
        [0, 1, 2, 3],
        [4],
        [0, 1, 2, 3, 4, 5],
        [1, 2, 3, 6],
    ]
    assert run.messages[0].step_id is run.messages[1].step_id is None


def test_parts_actors_and_outcome_are_kept():
    run = one(trial(reward=0.0))
    assert run.messages[4].parts == (ToolCallPart(id="c1", name="find", arguments={"zip": "19122"}),)
    assert run.messages[5].parts == (ToolResultPart(id="c1", result="order 7"),)
    assert [(a.id, a.kind) for a in run.actors] == [
        ("system", "system"),
        ("user", "human"),
        ("assistant", "agent"),
        ("find", "tool"),
    ]
    assert run.actor_by_id["assistant"].system_prompt == "Be kind."
    assert (run.outcome.success, run.outcome.score) == (False, 0.0)
    assert (run.task_id, run.meta["trial"], run.task) == ("3", 0, "You want your order.")


def test_who_only_ends_the_conversation_earns_nothing():
    run = one(trial())
    assert run.answer_id == "m6"
    assert assign_credit(run).reward_of["m7"] == 0.0


def test_trials_share_a_group_and_equal_numbers_of_other_tasks_do_not():
    first, second, other = (one(trial(0)), one(trial(1)), one(trial(0, instruction="You want a refund.")))
    assert task_key(first) == task_key(second) != task_key(other)
    assert len({first.id, second.id, other.id}) == 3


def test_lists_lines_and_bare_conversations_are_read():
    assert len(list(ADAPTER.read_document([trial(0), trial(1)], "x"))) == 2
    for document in ({"messages": TALK}, TALK):
        run = one(document)
        assert (len(run.messages), run.outcome, run.group_id) == (8, None, None)


def test_equal_runs_keep_apart():
    runs = list(ADAPTER.read_document([trial(), trial()], "x"))
    assert len({run.id for run in runs}) == 2


def test_blocks_images_refusals_reasoning_and_old_function_calls():
    blocks = [{"type": "text", "text": "See"}, {"type": "image_url", "image_url": {"url": "https://x/y.png"}}]
    messages = [
        {"role": "user", "content": blocks},
        {"role": "assistant", "content": None, "refusal": "No.", "reasoning_content": "Hm."},
        {"role": "assistant", "content": "", "function_call": {"name": "f", "arguments": "{broken"}},
        {"role": "function", "name": "f", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
    ]
    parts = [message.parts for message in one(messages).messages]
    assert parts == [
        (TextPart(text="See"), BlobPart(uri="https://x/y.png")),
        (ReasoningPart(text="Hm."), TextPart(text="No.")),
        (TextPart(text=""), ToolCallPart(name="f", arguments="{broken")),
        (ToolResultPart(name="f", result="a\nb"),),
    ]


def test_malformed_messages_are_named_and_indices_stay_those_of_the_source():
    run = one({"messages": [TALK[0], "oops", {"content": "no role"}, TALK[1]]})
    assert [message.index for message in run.messages] == [0, 3]
    assert run.meta["left_out"] == ["message 1: no role", "message 2: no role"]


def test_malformed_runs_are_named_and_spoil_no_other(tmp_path):
    (tmp_path / "runs.json").write_text(json.dumps([trial(0), {"reward": 1.0}, trial(1), 7]))
    errors = []
    assert len(list(read(tmp_path, on_error=errors.append))) == 2
    assert [str(error).partition("runs.json: ")[2] for error in errors] == [
        "left out entry 1, entry 3: no `messages` or `traj` with a role in it"
    ]
    with pytest.raises(TrajectoryError, match="left out entry 1"):
        list(read(tmp_path))


@pytest.mark.parametrize(("reward", "outcome"), [(7, None), (float("nan"), None), ("1", None), (0.25, (None, 0.25))])
def test_only_rewards_from_0_to_1_are_outcomes(reward, outcome):
    found = one(trial(reward=reward)).outcome
    assert (found if found is None else (found.success, found.score)) == outcome


junk = st.none() | st.booleans() | st.integers(-1, 2**70) | st.text(max_size=3) | st.lists(st.none(), max_size=2)
keys = st.sampled_from(["role", "content", "tool_calls", "tool_call_id", "name", "refusal", "function_call"])
entry = st.dictionaries(keys, junk | st.just([CALL]) | st.sampled_from(["user", "tool", "assistant"])) | junk


@given(st.lists(entry, max_size=5), st.dictionaries(st.sampled_from(["reward", "info", "task_id", "tools"]), junk))
def test_any_values_are_read_or_refused_but_never_crash(messages, more):
    try:
        run = one({"messages": messages, **more})
    except TrajectoryError:
        assert not any(isinstance(m, dict) and isinstance(m.get("role"), str) and m["role"] for m in messages)
    else:
        left_out = run.meta.get("left_out", [])
        assert len(run.messages) + len(left_out) == len(messages)


@needs_data
def test_real_trials_are_grouped_by_task_and_labels_find_their_message():
    runs = list(read(ROOT / "tau_airline"))
    assert len(runs) == 24
    assert len({task_key(run) for run in runs}) == 8
    found = read_annotations([ROOT / "tau_retail" / "failure_labels.json"])
    labelled = [run for run in with_labels(read(ROOT / "tau_retail" / "runs.json"), found) if run.labels]
    assert len(labelled) == 12
    for run in labelled:
        assert run.outcome.score == 0.0
        (cause,) = (label for label in run.labels if label.name == "first_error")
        assert cause.target_id in run.message_by_id
