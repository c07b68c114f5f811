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
