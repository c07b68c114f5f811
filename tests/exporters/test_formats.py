"""What each consumer is given, as literals: two runs of one group that part at the checker's answer."""

import json

import pytest
from conftest import sibling_runs, with_reward

from credit_hooks import registry
from credit_hooks.testing import sample_run
from credit_hooks.trajectory import TextPart
from credit_hooks_exporters import export
from credit_hooks_exporters.examples import META_COLUMNS
from credit_hooks_exporters.replay import thin_groups

ASKED = {"role": "user", "content": "[planner] Compute 6 * 7."}
HEARD = {"role": "user", "content": "What is 6 * 7?\n\n[planner] Compute 6 * 7."}
CALL = {"id": "call00000", "type": "function", "function": {"name": "multiply", "arguments": {"a": 6, "b": 7}}}
CALL_IN_WORDS = {**CALL, "function": {"name": "multiply", "arguments": '{"a": 6, "b": 7}'}}


@pytest.fixture
def rows(tmp_path):
    """Rows of a format by message, without the columns of all formats."""

    def exported(form, runs=None, **options):
        path = tmp_path / f"{form}.jsonl"
        registry.exporter(form).write(sibling_runs() if runs is None else runs, path, **options)
        table = [json.loads(line) for line in path.read_text().splitlines()]
        return [{key: value for key, value in row.items() if key not in META_COLUMNS} for row in table]

    return exported


def test_a_tool_call_is_the_answer_of_its_caller(rows):
    call = rows("trl-sft")[1]
    assert call["prompt"][-1] == ASKED
    assert call["completion"] == [{"role": "assistant", "content": "", "tool_calls": [CALL]}]


def test_the_other_answer_of_a_sibling_is_the_counterpart(rows):
    assert rows("trl-dpo") == [
        {
            "prompt": [HEARD],
            "chosen": [{"role": "assistant", "content": "The answer is 42."}],
            "rejected": [{"role": "assistant", "content": "The answer is 41."}],
            "tools": [],
            "margin": 0.25,
            "rejected_run": "run-2",
            "rejected_id": "m4",
            "rejected_reward": -0.125,
            "evidence": "sibling",
        }
    ]


def test_without_a_counterpart_nothing_is_made_up(rows):
    assert rows("trl-dpo", [sample_run()]) == []
    assert rows("trl-dpo", sibling_runs(group=None)) == []
    assert [row["label"] for row in rows("trl-kto", [sample_run()])] == [True, True, False]


def test_every_message_of_a_pair_is_accounted_for_once(tmp_path):
    """Four siblings that all differ in the last message: each is in one pair or more, and counts once."""
    found = []
    for number, last in enumerate((0.125, -0.125, 0.25, -0.5)):
        run = sibling_runs()[0]
        said = run.trajectory.messages[4].model_copy(update={"parts": (TextPart(text=f"Answer {number}."),)})
        messages = (*run.trajectory.messages[:4], said)
        trajectory = run.trajectory.model_copy(update={"id": f"run-{number}", "messages": messages})
        found.append(with_reward(run, trajectory, last))
    manifest = registry.exporter("trl-dpo").write(found, tmp_path / "pairs.jsonl")
    assert manifest.rows == 3
    assert manifest.reward == pytest.approx(0.125 - 0.125 + 0.25 - 0.5)
    assert manifest.dropped == {"no_counterpart": 8, "not_an_agent": 4}


def test_openai_has_three_columns_and_arguments_in_words(rows):
    (row,) = rows("openai")
    assert row == {
        "input": {"messages": [HEARD]},
        "preferred_output": [{"role": "assistant", "content": "The answer is 42."}],
        "non_preferred_output": [{"role": "assistant", "content": "The answer is 41."}],
    }


def test_swift_weighs_the_last_message(rows):
    planned, called, *_ = rows("swift", [sample_run()])
    assert planned["messages"][-1] == {"role": "assistant", "content": "Compute 6 * 7.", "loss_scale": 0.5}
    assert called["messages"][-1] == {
        "role": "tool_call",
        "content": '{"name": "multiply", "arguments": {"a": 6, "b": 7}}',
        "loss_scale": 0.25,
    }


def test_art_ends_with_the_choice(rows):
    _, called, *_ = rows("art", [sample_run()])
    assert called["messages_and_choices"][-1] == {
        "finish_reason": "tool_calls",
        "index": 0,
        "message": {"role": "assistant", "content": "", "tool_calls": [CALL_IN_WORDS]},
        "logprobs": None,
    }
    assert called["metadata"]["agent"] == "solver"


def test_verl_keeps_completion_and_reward_in_extra_info(rows):
    _, called, _ = rows("verl", [sample_run()])
    assert called["prompt"][-1] == ASKED
    assert called["extra_info"]["completion"] == 'multiply({"a": 6, "b": 7})'
    assert called["extra_info"]["reward"] == 0.25


def test_openrlhf_has_plain_turns(rows):
    (row,) = rows("openrlhf")
    assert [set(turn) for key in ("prompt", "chosen", "rejected") for turn in row[key]] == [{"role", "content"}] * 3


def test_llamafactory_alternates_and_gets_its_info(rows, tmp_path):
    for row in rows("llamafactory"):
        roles = [turn["role"] for turn in row["messages"] if turn["role"] != "system"]
        assert roles == ["user", "assistant"] * (len(roles) // 2)
        assert isinstance(row["label"], bool)
    export(sibling_runs(), "llamafactory", tmp_path / "data", part_runs=1)
    info = json.loads((tmp_path / "data" / "dataset_info.json").read_text())
    assert [entry["file_name"] for entry in info.values()] == ["train-00000.jsonl", "train-00001.jsonl"]


def test_verifiers_chains_the_messages_of_an_agent(rows):
    solver = rows("verifiers", [sample_run()])[1]
    assert [node["parent"] for node in solver["nodes"]] == [None, *range(len(solver["nodes"]) - 1)]
    assert solver["info"]["message_rewards"] == [None] * (len(solver["nodes"]) - 1) + [0.25]
    assert solver["nodes"][-1]["message"]["tool_calls"][0]["arguments"] == '{"a": 6, "b": 7}'


def test_turns_of_one_agent_are_one_row_with_a_reward_each(rows):
    found = rows("trl-grpo-turns", [sample_run()])
    assert [row["rewards"] for row in found] == [[0.5], [0.25], [-0.125]]


def test_groups_that_teach_normalising_grpo_nothing_are_named(rows):
    table = rows("trl-grpo")
    for row, reward in zip(table, [0.5, 0.25, 0.125, 0.5, 0.25, -0.125], strict=True):
        row["reward"] = reward
    assert set(thin_groups(table).values()) == {"equal_rewards"}
    assert set(thin_groups(table[:3]).values()) == {"one_sibling"}
