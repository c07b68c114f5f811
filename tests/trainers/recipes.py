"""How each trainer of TRL is set up on our rows: its usual arguments, no preparation of the data."""

import tempfile

from tiny import model_of

FORMAT = {
    "sft": "trl-sft",
    "dpo": "trl-dpo",
    "orpo": "trl-dpo-text",
    "cpo": "trl-dpo-text",
    "reward": "trl-dpo",
    "kto": "trl-kto",
    "grpo": "trl-grpo",
    "grpo per token": "trl-grpo-turns",
    "rloo": "trl-grpo",
}


def arguments(steps=3, **more):
    common = {
        "output_dir": tempfile.mkdtemp(prefix="trainer-"),
        "max_steps": steps,
        "per_device_train_batch_size": 4,
        "logging_steps": 1,
        "report_to": [],
        "use_cpu": True,
        "save_strategy": "no",
        "disable_tqdm": True,
        "bf16": False,
        "gradient_checkpointing": False,
    }
    return common | more


def trainer(kind, rows, tokenizer, *, seed=0, **more):
    """A trainer of this kind on these rows, with a new model."""
    import trl

    options = arguments(seed=seed, **more)
    model = model_of(tokenizer, seed, reward_model=kind == "reward")
    given = {"train_dataset": rows, "processing_class": tokenizer}
    if kind in ("orpo", "cpo"):
        name = kind.upper()
        module = __import__(f"trl.experimental.{kind}", fromlist=[name])
        config = getattr(module, f"{name}Config")(**options, max_length=512)
        return getattr(module, f"{name}Trainer")(model, args=config, **given)
    if kind.partition(" ")[0] in ("grpo", "rloo"):
        return replay(kind.partition(" ")[0], model, options, given)
    name = {"sft": "SFT", "dpo": "DPO", "kto": "KTO", "reward": "Reward"}[kind]
    config = getattr(trl, f"{name}Config")(**options, max_length=512)
    return getattr(trl, f"{name}Trainer")(model, args=config, **given)


def replay(kind, model, options, given):
    """GRPO or RLOO on logged completions."""
    import trl

    from credit_hooks_exporters.replay import SignedAdvantageMixin, replay_rollout, stored_reward

    name = kind.upper()
    offline = type(f"Offline{name}", (SignedAdvantageMixin, getattr(trl, f"{name}Trainer")), {})
    config = getattr(trl, f"{name}Config")(**options, num_generations=2, max_completion_length=256)
    rollout = {"rollout_func": replay_rollout} if kind == "grpo" else {}
    return offline(model, reward_funcs=stored_reward, args=config, **given, **rollout)


def history(made):
    """Loss and gradient norm of every step."""
    return [(step["loss"], step["grad_norm"]) for step in made.state.log_history if "loss" in step]
