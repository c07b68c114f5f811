"""Offline GRPO and RLOO with TRL: logged completions with their stored rewards instead of fresh ones.

::

    class Trainer(SignedAdvantageMixin, GRPOTrainer): ...

    rows = load_dataset("json", data_files="data/train-*.jsonl", split="train")   # format trl-grpo
    Trainer(model, reward_funcs=stored_reward, train_dataset=rows, rollout_func=replay_rollout, args=...)

Without the mixin GRPO normalises rewards within groups of `num_generations` equal prompts, so a lone message has no
advantage at all; with it a message's advantage *is* its reward, sign and size. Off-policy data needs small steps: there
are no sampling log-probabilities, so the importance ratio starts at one. Works with trl 1.16, where `rollout_func` is
experimental.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from credit_hooks.errors import ConfigurationError

__all__ = ["SignedAdvantageMixin", "replay_rollout", "stored_reward", "thin_groups"]

_ROWS: Final = "_credit_hooks_rows"


def stored_reward(completions: Sequence[Any], reward: Sequence[float], **columns: Any) -> list[float]:
    """The rewards of the rows, as TRL's reward function."""
    return [float(value) for value in reward]


def replay_rollout(prompts: Sequence[Any], trainer: Any) -> dict[str, Any]:
    """The logged completions of the rows in the batch, tokenised, as TRL's rollout function.

    Returns:
        `prompt_ids` and `completion_ids`, lists of token ids per row; `logprobs` None, as none were logged; `env_mask`,
        1 for each token the author wrote, 0 for what it read in between.

    Raises:
        ConfigurationError: the trainer has no :class:`SignedAdvantageMixin`, or a row has no completion.
    """
    rows = getattr(trainer, _ROWS, None)
    if rows is None or len(rows) != len(prompts):
        raise ConfigurationError("replay_rollout needs the rows: class Trainer(SignedAdvantageMixin, GRPOTrainer)")
    replayed = [_replayed(row, _tokenizer(trainer)) for row in rows]
    return {
        "prompt_ids": [row.prompt for row in replayed],
        "completion_ids": [row.completion for row in replayed],
        "logprobs": None,
        "env_mask": [row.mask for row in replayed],
    }


class SignedAdvantageMixin:
    """Goes before GRPOTrainer or RLOOTrainer: the advantage of a message is its stored reward, signed, unnormalised.

    Rows of format trl-grpo get one advantage each, shape (B,). Rows of trl-grpo-turns hold several messages, and get
    one per token, shape (B, T), zero where the author did not write: GRPO only. RLOO has no rollout function, so here
    it replays the rows by itself.
    """

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        import torch

        setattr(self, _ROWS, inputs)
        scored: dict[str, Any] = super()._generate_and_score_completions(inputs)  # type: ignore[misc]
        completion_ids = scored["completion_ids"]
        advantages: list[Any] = [float(row["reward"]) for row in inputs]
        if "rewards" in inputs[0]:
            width = completion_ids.shape[1]
            per_token = [_replayed(row, _tokenizer(self)).advantages for row in inputs]
            advantages = [row + [0.0] * (width - len(row)) for row in per_token]
        made = torch.tensor(advantages, dtype=torch.float32, device=completion_ids.device)
        return {**scored, "advantages": made}

    def _generate_single_turn(self, prompt_ids: Any, *arguments: Any, **options: Any) -> Any:
        if hasattr(self, "rollout_func"):
            return super()._generate_single_turn(prompt_ids, *arguments, **options)  # type: ignore[misc]
        return replay_rollout(prompt_ids, self)["completion_ids"]


def thin_groups(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Groups that plain, normalising GRPO learns nothing from: fewer than two siblings, or equal rewards.

    Returns:
        The reason by group, in order of appearance. They are fine with :class:`SignedAdvantageMixin`.
    """
    rewards: dict[str, list[float]] = {}
    for row in rows:
        rewards.setdefault(row["group"], []).append(row["reward"])
    reasons = {
        group: "one_sibling" if len(found) < 2 else "equal_rewards" if min(found) == max(found) else ""
        for group, found in rewards.items()
    }
    return {group: reason for group, reason in reasons.items() if reason}


class _Replayed(NamedTuple):
    prompt: list[int]
    completion: list[int]
    mask: list[int]
    advantages: list[float]


def _tokenizer(trainer: Any) -> Any:
    return getattr(trainer, "_tokenizer", trainer.processing_class)


def _replayed(row: Mapping[str, Any], tokenizer: Any) -> _Replayed:
    """A row as tokens: what the template adds for an own turn is written by the author, everything else is read."""
    turns = row.get("completion")
    if not turns:
        raise ConfigurationError("a row has no completion: export with --format trl-grpo and keep all its columns")
    tools = row.get("tools") or None
    options = {"tools": json.loads(tools) if isinstance(tools, str) else tools, "tokenize": True, "return_dict": True}

    def rendered(count: int, ask: bool) -> list[int]:
        chat = [*row["prompt"], *turns[:count]]
        return list(tokenizer.apply_chat_template(chat, add_generation_prompt=ask, **options)["input_ids"])

    prompt: list[int] = []
    ids: list[int] = []
    advantages: list[float] = []
    mask: list[int] = []
    for number, reward in enumerate(row.get("rewards") or [row["reward"]]):
        if turns[number]["role"] != "assistant":
            continue
        before, whole = rendered(number, ask=True), rendered(number + 1, ask=False)
        start = _common(before, whole)  # some templates ask with more than the finished turn begins with
        if not prompt:
            prompt = ids = whole[:start]
        read, written = start - len(ids), len(whole) - start
        mask += [0] * read + [1] * written
        advantages += [0.0] * read + [float(reward or 0.0)] * written
        ids = whole
    return _Replayed(prompt, ids[len(prompt) :], mask, advantages)


def _common(first: Sequence[int], second: Sequence[int]) -> int:
    """Length of the longest common prefix."""
    return next(
        (n for n, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), min(len(first), len(second))
    )
