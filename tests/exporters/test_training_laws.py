"""Laws of every training format, on runs of made-up teams whose steps read anything at all."""

import json
import re
import tempfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from teams import several_runs

from credit_hooks import registry
from credit_hooks_exporters.table import TableExporter

FORMATS = [name for name, exporter in registry.exporters().items() if isinstance(exporter, TableExporter)]
SEATS = st.fixed_dictionaries(
    {},
    optional={
        "arguments": st.sampled_from(["dict", "string"]),
        "fold_system": st.booleans(),
        "strict_alternation": st.booleans(),
        "tool_turns": st.sampled_from(["native", "text"]),
        "threshold": st.sampled_from([0.0, 0.2]),
        "deduplicate": st.booleans(),
        "low_evidence": st.booleans(),
        "agents": st.sampled_from([["solver"], ["Planner", "checker"]]),
    },
)


def exported(name, runs, options=None, suffix="jsonl"):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"out.{suffix}")
        manifest = registry.exporter(name).write(runs, path, **(options or {}))
        if suffix == "parquet":
            return manifest, pq.read_table(path).to_pylist()
        return manifest, [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("name", FORMATS)
@given(runs=several_runs(), options=SEATS)
@settings(max_examples=12, deadline=None)
def test_exported_and_dropped_rewards_are_what_there_was_to_share(name, runs, options):
    manifest, rows = exported(name, runs, options)
    assert manifest.reward + sum(manifest.dropped_reward.values()) == pytest.approx(manifest.total, abs=1e-9)
    assert manifest.total == pytest.approx(sum(run.credit.total for run in runs), abs=1e-9)
    assert (manifest.runs, manifest.rows) == (len(runs), len(rows))
    assert all(count > 0 for count in manifest.dropped.values())


def prompts(row):
    """Everything of a row that a model is shown before it speaks."""
    if "prompt" in row:
        return json.dumps(row["prompt"], ensure_ascii=False)
    before = [turn for turn in row["messages"] if turn.get("loss_scale") != row["reward"]]
    return json.dumps(before, ensure_ascii=False)


def marks(text, kind):
    return {int(number) for number in re.findall(rf"<{kind} (\d+)>", text)}


@pytest.mark.parametrize("name", [name for name in FORMATS if name in ("trl-sft", "trl-kto", "trl-grpo", "swift")])
@given(runs=several_runs(), options=SEATS)
@settings(max_examples=40, deadline=None)
def test_a_prompt_holds_nothing_later_and_nothing_private(name, runs, options):
    trajectories = {run.trajectory.id: run.trajectory for run in runs}
    for row in exported(name, runs, options)[1]:
        trajectory = trajectories[row["trajectory_id"]]
        message = trajectory.message_by_id[row["message_id"]]
        shown = prompts(row)
        said, called, came = (marks(shown, kind) for kind in ("says", "call", "result"))
        parents = {trajectory.message_by_id[parent].index for parent in trajectory.parents(message.id)}
        assert max(said | called | came, default=-1) < message.index
        assert said | called | came <= parents
        assert {trajectory.messages[index].actor_id for index in called} <= {message.actor_id}
        for result in came:
            assert own(trajectory, result, message.actor_id)
        assert set(re.findall(r"<prompt (\w+)>", shown)) == {message.actor_id}
        assert said == {index for index in parents if visible(trajectory.messages[index])}


def visible(message):
    return "<says" in message.text and message.role != "tool"


def own(trajectory, index, author):
    """Whether the author made a call, before the result, that the result may answer."""
    (part,) = trajectory.messages[index].parts
    calls = (
        call
        for message in trajectory.messages[:index]
        if message.actor_id == author
        for call in message.parts
        if call.type == "tool_call"
    )
    return any(call.id == part.id for call in calls)


@given(runs=several_runs(), options=SEATS)
@settings(max_examples=40, deadline=None)
def test_the_sign_of_a_label_is_the_sign_of_the_reward(runs, options):
    tau = options.get("threshold", 0.0)
    for row in exported("trl-kto", runs, options)[1]:
        assert row["label"] is (row["reward"] > 0)
        assert abs(row["reward"]) > tau
    assert all(row["reward"] > tau for row in exported("trl-sft", runs, options)[1])
    for row in exported("trl-prm", runs, options)[1]:
        assert row["labels"] == [reward >= -tau for reward in row["rewards"]]


@given(runs=several_runs(), options=SEATS)
@settings(max_examples=100, deadline=None)
def test_pairs_are_of_real_messages_and_a_rewarded_one_is_never_rejected(runs, options):
    trajectories = {run.trajectory.id: run.trajectory for run in runs}
    rewards = {run.trajectory.id: run.credit.reward_of for run in runs}
    for row in exported("trl-dpo", runs, options)[1]:
        chosen = trajectories[row["trajectory_id"]].message_by_id[row["message_id"]]
        rejected = trajectories[row["rejected_run"]].message_by_id[row["rejected_id"]]
        assert rewards[row["trajectory_id"]][chosen.id] == row["reward"] > options.get("threshold", 0.0)
        assert rewards[row["rejected_run"]][rejected.id] == row["rejected_reward"] < -options.get("threshold", 0.0)
        assert row["margin"] == row["reward"] - row["rejected_reward"] > 0
        assert chosen.actor_id == rejected.actor_id == row["agent"]
        if row["evidence"] == "repair":
            assert row["trajectory_id"] == row["rejected_run"]
            assert chosen.index > rejected.index
        else:
            assert {trajectories[row[key]].group_id for key in ("trajectory_id", "rejected_run")} == {"g"}
        assert row["chosen"] != row["rejected"]


def arguments_of(turns):
    return [call["function"]["arguments"] for turn in turns for call in turn.get("tool_calls", ())]


@given(runs=several_runs())
@settings(max_examples=40, deadline=None)
def test_tool_arguments_survive_json_lines_and_parquet_without_injected_nulls(runs):
    by_id = {run.trajectory.id: run.trajectory for run in runs}
    _, lines = exported("trl-grpo", runs)
    _, table = exported("trl-grpo", runs, suffix="parquet")
    for line, row in zip(lines, table, strict=True):
        decoded = {key: [json.loads(turn) for turn in row[key]] for key in ("prompt", "completion", "tools")}
        assert {**row, **decoded} == line
        message = by_id[line["trajectory_id"]].message_by_id[line["message_id"]]
        made = [part.arguments for part in message.parts if part.type == "tool_call"]
        assert arguments_of(line["completion"]) == made


@pytest.mark.parametrize("name", FORMATS)
@given(runs=several_runs(), options=SEATS)
@settings(max_examples=12, deadline=None)
def test_both_containers_hold_the_same_rows(name, runs, options):
    lines, table = exported(name, runs, options), exported(name, runs, options, suffix="parquet")
    assert table[0].rows == lines[0].rows
    assert [list(row) for row in table[1]] == [list(row) for row in lines[1]]


@given(runs=several_runs())
@settings(max_examples=40, deadline=None)
def test_strict_prompts_alternate_and_end_with_the_user(runs):
    for row in exported("trl-grpo", runs, {"strict_alternation": True})[1]:
        roles = [turn["role"] for turn in row["prompt"]]
        roles = roles[1:] if roles[0] == "system" else roles
        assert roles == ["user", "assistant"] * (len(roles) // 2) + ["user"]
        assert all(isinstance(turn["content"], str) and "tool_calls" not in turn for turn in row["prompt"])


@given(runs=several_runs(), options=SEATS)
@settings(max_examples=40, deadline=None)
def test_a_prompt_has_a_user_turn_and_never_ends_with_an_assistant_turn(runs, options):
    for row in exported("trl-grpo", runs, options)[1]:
        roles = [turn["role"] for turn in row["prompt"]]
        assert "user" in roles
        assert roles[-1] in ("user", "tool")
        assert "system" not in roles[1:]


@given(runs=several_runs())
@settings(max_examples=40, deadline=None)
def test_every_shown_tool_result_follows_its_call(runs):
    for row in exported("trl-grpo", runs)[1]:
        open_calls = set()
        for turn in row["prompt"]:
            if turn["role"] == "tool":
                open_calls.remove(turn["tool_call_id"])
            else:
                assert not open_calls
                open_calls = {call["id"] for call in turn.get("tool_calls", ())}
        assert not open_calls
