"""ART takes our rows as trajectories, and its own tokeniser trains the rewarded message."""

import importlib.util
import json
import math

import pytest

if importlib.util.find_spec("art") is None:
    pytest.skip("openpipe-art is not installed: pip install --group loaders", allow_module_level=True)

import art
from coding_team import runs

from credit_hooks_exporters.art import ART, as_trajectory


def exported(folder, **options):
    ART.write(runs(), folder / "rows.jsonl", **options)
    return [json.loads(line) for line in (folder / "rows.jsonl").read_text().splitlines()]


def test_rows_are_trajectories_whose_last_entry_is_the_choice(tmp_path):
    for row in exported(tmp_path):
        trajectory = as_trajectory(row)
        assert trajectory.reward == row["reward"]
        said = trajectory.messages()[-1]
        assert said["role"] == "assistant"
        assert (said.get("content") or "") == row["messages_and_choices"][-1]["message"]["content"]
        assert bool(said.get("tool_calls")) == ("tool_calls" in row["messages_and_choices"][-1]["message"])


def test_rows_of_one_group_make_a_trajectory_group(tmp_path):
    groups = {}
    for row in exported(tmp_path):
        groups.setdefault(row["metadata"]["group"], []).append(as_trajectory(row))
    several = [art.TrajectoryGroup(found) for found in groups.values() if len(found) > 1]
    assert several
    for group in several:
        first, *rest = [json.dumps(trajectory.messages()[:-1], sort_keys=True) for trajectory in group]
        assert all(other == first for other in rest)  # siblings answer the same prompt


@pytest.fixture
def tokenised(tmp_path):
    pytest.importorskip("torch")
    from art.preprocessing.tokenize import tokenize_trajectory
    from art.trajectories import History
    from tiny import tokenizer_of

    rows = exported(tmp_path, tool_turns="text")
    lines = [json.dumps({"prompt": [], "completion": [row["messages_and_choices"][-1]["message"]]}) for row in rows]
    tokenizer = tokenizer_of(lines)

    def tokenise(row, without, logprob):
        text = row["messages_and_choices"][-1]["message"]["content"]
        count = len(tokenizer.encode(text, add_special_tokens=False))
        trajectory = as_trajectory(row, tokenizer, None if logprob is None else [logprob] * count)
        history = History(messages_and_choices=trajectory.messages_and_choices, tools=trajectory.tools)
        result = tokenize_trajectory(tokenizer, None, history, row["reward"], without, trajectory)
        trained = [token for token, mask in zip(result.token_ids, result.assistant_mask, strict=True) if mask]
        return text, tokenizer.decode(trained), result

    return rows, tokenise


def test_with_log_probabilities_the_rewarded_message_alone_is_trained(tokenised):
    rows, tokenise = tokenised
    for row in rows:
        text, trained, result = tokenise(row, False, -0.5)
        assert trained == text
        assert result.advantage == row["reward"]
        assert sum(not math.isnan(value) for value in result.logprobs) == sum(result.assistant_mask)


def test_without_them_earlier_messages_of_the_author_are_trained_as_well(tokenised):
    rows, tokenise = tokenised
    found = [tokenise(row, True, None) for row in rows]
    assert all(trained.endswith(text) for text, trained, _ in found)
    assert any(trained != text for text, trained, _ in found)  # as `as_trajectory` warns
