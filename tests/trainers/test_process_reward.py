"""TRL's process-reward trainer learns from our files. The last release that has it is 1.13: `make prm`."""

import math

import pytest
from recipes import arguments, history

prm = pytest.importorskip("trl.experimental.prm", reason="this TRL has no PRMTrainer any more: make prm")


def token_classifier(tokenizer):
    import torch
    from transformers import LlamaConfig, LlamaForTokenClassification

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=2048,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
        num_labels=2,
    )
    return LlamaForTokenClassification(config)


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_three_steps_have_finite_loss_and_a_gradient(suffix, files, load, tokenizer):
    rows = load(files / f"trl-prm.{suffix}")
    assert {label for row in rows for label in row["labels"]} == {True, False}
    made = prm.PRMTrainer(
        token_classifier(tokenizer),
        args=prm.PRMConfig(**arguments(), max_length=512),
        train_dataset=rows,
        processing_class=tokenizer,
    )
    made.train()
    steps = history(made)
    assert len(steps) == 3
    assert all(math.isfinite(loss) and math.isfinite(norm) for loss, norm in steps)
    assert all(norm > 0 for _, norm in steps)
