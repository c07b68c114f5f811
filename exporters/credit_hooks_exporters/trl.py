"""The data sets of TRL: SFT, preferences (DPO, ORPO, CPO, reward models), KTO, process rewards, offline GRPO and RLOO.

Checked against trl 1.16 by `tests/trainers`. Careful: KTO labels are booleans, as TRL casts -0.5 to "desirable"; stored
rewards looked up for *fresh* completions give GRPO no gradient, so its rows carry the completion that was rewarded
(:mod:`credit_hooks_exporters.replay`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from credit_hooks_exporters.examples import META_COLUMNS, Case, Row, group_of
from credit_hooks_exporters.formats import Format
from credit_hooks_exporters.preferences import preferences, unpaired_failures
from credit_hooks_exporters.table import TableExporter
from credit_hooks_exporters.talks import talks

__all__ = ["DPO", "GRPO", "GRPO_TURNS", "KTO", "PRM", "SFT"]


def _sft(case: Case) -> Iterator[Row]:
    threshold = case.options.threshold
    for example in case.examples(lambda reward: None if reward > threshold else "not_rewarded"):
        values = {"prompt": example.prompt, "completion": [example.completion], "tools": example.tools}
        yield Row(values | case.meta(example), (example.message.id,))


def _dpo(case: Case) -> Iterator[Row]:
    for pair in preferences(case):
        values = {
            "prompt": pair.prompt,
            "chosen": [pair.chosen],
            "rejected": [pair.rejected],
            "tools": pair.tools,
            "margin": pair.margin,
        }
        yield Row(values | pair.meta, pair.message_ids, pair.candidates)


def _kto(case: Case) -> Iterator[Row]:
    threshold = case.options.threshold
    unpaired = unpaired_failures(case) if case.options.unpaired else None
    for example in case.examples(lambda reward: None if abs(reward) > threshold else "below_threshold"):
        if unpaired is not None and example.message.id not in unpaired:
            case.ledger.drop((case.run_id, example.message.id), "no_unpaired_failure")
            continue
        values = {
            "prompt": example.prompt,
            "completion": [example.completion],
            "label": example.reward > 0,
            "tools": example.tools,
        }
        yield Row(values | case.meta(example), (example.message.id,))


def _prm(case: Case) -> Iterator[Row]:
    """One row per run: every message of an agent is a step, wrong where its reward is negative."""
    examples = list(case.examples())
    if not examples:
        return
    trajectory = case.run.trajectory
    first = examples[0]
    asked = [turn["content"] for turn in first.prompt if turn["role"] == "user"]
    meta = case.meta(first, *(example.message.id for example in examples[1:]))
    steps = [_step(case, example.message.actor_id, example.completion) for example in examples]
    values = {
        "prompt": trajectory.task or asked[0],
        "completions": steps,
        "labels": [example.reward >= -case.options.threshold for example in examples],
        "rewards": [example.reward for example in examples],
    }
    whole_run = {"message_id": None, "agent": None, "reward": sum(example.reward for example in examples)}
    yield Row(values | meta | whole_run, tuple(example.message.id for example in examples))


def _step(case: Case, actor_id: str, completion: dict[str, str]) -> str:
    return f"[{case.seated.name(actor_id)}] {completion['content']}"


def _grpo(case: Case) -> Iterator[Row]:
    for example in case.examples():
        values = {
            "prompt": example.prompt,
            "completion": [example.completion],
            "tools": example.tools,
            "group": group_of(example),
        }
        yield Row(values | case.meta(example), (example.message.id,))


def _grpo_turns(case: Case) -> Iterator[Row]:
    """One row per agent and unbroken history: its messages and what it read in between."""
    for talk in talks(case):
        values = {
            "prompt": talk.first.prompt,
            "completion": talk.turns,
            "rewards": [reward or 0.0 for reward in talk.rewards],
            "tools": talk.first.tools,
        }
        meta = case.meta(talk.first, *talk.message_ids[1:]) | {"reward": talk.reward}
        yield Row(values | meta, tuple(talk.message_ids))


_TURNS: Final = {"prompt": "chat", "completion": "chat", "tools": "tools"}
_PAIR: Final = {"prompt": "chat", "chosen": "chat", "rejected": "chat", "tools": "tools", "margin": "double"}

SFT: Final = TableExporter(
    Format(
        name="trl-sft",
        summary="Supervised fine-tuning on rewarded messages: prompt and completion, for TRL's SFTTrainer.",
        columns=_TURNS | META_COLUMNS,
        rows=_sft,
        identity=("prompt", "completion", "tools"),
    )
)
DPO: Final = TableExporter(
    Format(
        name="trl-dpo",
        summary="Preferences between messages that were really written at the same point, for TRL's DPOTrainer, "
        "RewardTrainer, which alone reads the margin. ORPOTrainer and CPOTrainer take files that were exported with "
        "tool_turns=text, and stop at others with 'chosen should be an str but got <class 'list'>'.",
        columns=_PAIR
        | META_COLUMNS
        | {"rejected_run": "string", "rejected_id": "string"}
        | {"rejected_reward": "double", "evidence": "string"},
        rows=_dpo,
        identity=("prompt", "chosen", "rejected", "tools"),
        leftover="no_counterpart",
        pairs=True,
    )
)
KTO: Final = TableExporter(
    Format(
        name="trl-kto",
        summary="Desirable and undesirable messages, for TRL's KTOTrainer. Labels are booleans: TRL would take a "
        "negative number for desirable.",
        columns=_TURNS | {"label": "bool"} | META_COLUMNS,
        rows=_kto,
        identity=("prompt", "completion", "label", "tools"),
    )
)
PRM: Final = TableExporter(
    Format(
        name="trl-prm",
        summary="One row per run, one step per message, for process reward models: PRMTrainer of TRL up to 1.13, "
        "Axolotl. A label says that a step is not wrong.",
        columns={"prompt": "string", "completions": "list<string>", "labels": "list<bool>", "rewards": "list<double>"}
        | META_COLUMNS,
        rows=_prm,
        identity=("prompt", "completions", "labels"),
        seat=SFT.format.seat.model_copy(update={"tool_turns": "text"}),
    )
)
GRPO: Final = TableExporter(
    Format(
        name="trl-grpo",
        summary="Logged messages with their signed rewards, to be replayed by TRL's GRPOTrainer: see "
        "credit_hooks_exporters.replay. Looked up for fresh completions, stored rewards give no gradient.",
        columns=_TURNS | {"group": "string"} | META_COLUMNS,
        rows=_grpo,
    )
)
GRPO_TURNS: Final = TableExporter(
    Format(
        name="trl-grpo-turns",
        summary="One row per agent and run: all its messages with what it read in between and a signed reward for "
        "each, to be replayed by TRL's GRPOTrainer with one advantage per token.",
        columns=_TURNS | {"rewards": "list<double>"} | META_COLUMNS,
        rows=_grpo_turns,
    )
)
