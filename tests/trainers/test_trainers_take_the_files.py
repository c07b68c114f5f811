"""Every trainer of TRL learns from our files as `load_dataset` reads them, unchanged."""

import math

import pytest
from recipes import FORMAT, history, trainer


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
@pytest.mark.parametrize("kind", FORMAT)
def test_three_steps_have_finite_loss_and_a_gradient(kind, suffix, files, load, tokenizer):
    rows = load(files / f"{FORMAT[kind]}.{suffix}")
    made = trainer(kind, rows, tokenizer)
    made.train()
    steps = history(made)
    assert len(steps) == 3
    assert all(math.isfinite(loss) and math.isfinite(norm) for loss, norm in steps)
    assert all(norm > 0 for _, norm in steps)


@pytest.mark.parametrize(
    "name", ["trl-sft", "trl-dpo", "trl-dpo-text", "trl-kto", "trl-grpo", "trl-grpo-turns", "trl-prm"]
)
def test_both_files_and_memory_hold_the_same_rows(name, files, load):
    from coding_team import runs

    from credit_hooks_exporters import to_dataset

    lines, table = load(files / f"{name}.jsonl"), load(files / f"{name}.parquet")
    options = {"tool_turns": "text"} if name.endswith("-text") else {}
    assert to_dataset(runs(), name.removesuffix("-text"), **options).to_list() == table.to_list()
    assert lines.column_names == table.column_names
    for line, row in zip(lines, table, strict=True):
        assert numbers(line) == pytest.approx(numbers(row))  # the reader of JSON rounds the last place otherwise
        assert {name: line[name] for name in line if name not in NUMBERS} == {
            name: row[name] for name in row if name not in NUMBERS
        }


NUMBERS = ("reward", "rejected_reward", "margin", "rewards")


def numbers(row):
    return [value for name in NUMBERS if name in row for value in (row[name] if name == "rewards" else [row[name]])]
