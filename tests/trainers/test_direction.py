"""What is learned has the sign of the rewards; and the two traps that this library keeps users out of are real."""

import random

import pytest
from coding_team import as_is, runs
from recipes import history, trainer
from tiny import log_probability

from credit_hooks import registry

SEEDS = range(5)
STEPS = 20
FORMATS = {"dpo": "trl-dpo", "kto": "trl-kto", "grpo": "trl-grpo", "grpo per token": "trl-grpo-turns"}


def flipped(number, rewards):
    return [None if reward is None else -reward for reward in rewards]


def permuted(seed):
    """Of the two tasks with each operation one, drawn at random, has its rewards flipped: nothing to be learned."""
    draw = random.Random(seed)
    chosen = {draw.choice((operation, operation + 4)) for operation in range(4)}
    return lambda number, rewards: flipped(number, rewards) if number in chosen else rewards


@pytest.fixture(scope="session")
def judged(files, load):
    """What the coder and reviewer said, with the rewards they deserve.

    Not their calls: evidence of a failure cannot be permuted, so repairs teach a direction whatever the rewards are.
    """
    rows = load(files / "trl-grpo.jsonl")
    spoken = [row for row in rows if row["agent"] != "planner" and "tool_calls" not in row["completion"][0]]
    return [(row, row["reward"]) for row in spoken]


@pytest.fixture
def gap(load, tokenizer, judged, tmp_path):
    """By how much training raises rewarded messages over punished ones, in nats per token."""

    def distance(model):
        model.eval()
        scores = {True: [], False: []}
        for row, reward in judged:
            scores[reward > 0].append(log_probability(model, tokenizer, row))
        return sum(scores[True]) / len(scores[True]) - sum(scores[False]) / len(scores[False])

    def measured(kind, seed, change=as_is):
        path = tmp_path / f"{kind}-{seed}.jsonl"
        registry.exporter(FORMATS[kind]).write(runs(change), path)
        made = trainer(
            kind, load(path), tokenizer, seed=seed, steps=STEPS, learning_rate=2e-3, lr_scheduler_type="constant"
        )
        before = distance(made.model)
        made.train()
        return distance(made.model) - before

    return measured


@pytest.mark.parametrize("kind", FORMATS)
def test_rewarded_messages_rise_over_punished_ones(kind, gap):
    found = [gap(kind, seed) for seed in SEEDS]
    print(kind, "rewarded over punished:", [round(value, 3) for value in found])
    assert min(found) > 0.1


@pytest.mark.parametrize("kind", FORMATS)
def test_flipped_rewards_are_learned_the_other_way_round(kind, gap):
    found = [gap(kind, seed, flipped) for seed in range(2)]
    print(kind, "flipped:", [round(value, 3) for value in found])
    assert max(found) < -0.1


@pytest.mark.parametrize("kind", FORMATS)
def test_rewards_without_meaning_teach_no_direction(kind, gap):
    found = [gap(kind, seed, permuted(seed)) for seed in SEEDS]
    print(kind, "permuted:", [round(value, 3) for value in found])
    assert abs(sum(found) / len(found)) < 0.05


def test_trap_a_float_label_makes_kto_take_blame_for_praise(files, load, tokenizer):
    """TRL casts -0.5 to True: with our booleans half of these rows are undesirable, with numbers none is."""
    import datasets
    import torch

    ours = load(files / "trl-kto.jsonl")
    numbers = ours.map(lambda row: {"label": row["reward"]}).cast_column("label", datasets.Value("float32"))

    def undesirable(rows):
        made = trainer("kto", rows, tokenizer, per_device_train_batch_size=len(rows))
        batch = next(iter(made.get_train_dataloader()))
        return int((~torch.as_tensor(batch["label"], dtype=torch.bool)).sum())

    assert undesirable(ours) == sum(reward < 0 for reward in ours["reward"]) > 10
    assert undesirable(numbers) == 0


def test_trap_stored_rewards_of_fresh_completions_give_grpo_no_gradient(files, load, tokenizer):
    """All fresh completions of a prompt get the one stored reward, so nothing is better than anything else."""
    import trl
    from recipes import arguments
    from tiny import model_of

    from credit_hooks_exporters.replay import stored_reward

    config = trl.GRPOConfig(**arguments(), num_generations=4, max_completion_length=8)
    made = trl.GRPOTrainer(
        model_of(tokenizer),
        reward_funcs=stored_reward,
        args=config,
        train_dataset=load(files / "trl-grpo.jsonl"),
        processing_class=tokenizer,
    )
    made.train()
    assert [norm for _, norm in history(made)] == [0.0, 0.0, 0.0]
