"""The dataset card: what is in a folder of training data, how the rewards came about, and what they are not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from credit_hooks_exporters.formats import Format

__all__ = ["card"]

_BAR = 40


def card(form: Format, summary: Mapping[str, Any], patterns: Mapping[str, str]) -> str:
    """README.md of the folder, with the front matter by which `load_dataset(folder)` finds the splits.

    Args:
        form: The format.
        summary: The folder's manifest.
        patterns: Pattern of the files of each split that has rows.
    """
    front = ["---", "tags:", "- credit-hooks", "- agents", "- credit-assignment"]
    if patterns:
        front += ["configs:", "- config_name: default", "  data_files:"]
        front += [line for split, path in patterns.items() for line in (f"  - split: {split}", f"    path: {path}")]
    parts = [
        "\n".join([*front, "---"]),
        f"# {form.name}",
        form.summary,
        _counts(summary),
        _agents(summary["signs"]),
        _histogram(summary["histogram"]),
        _method(summary),
        _LIMITS,
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _counts(summary: Mapping[str, Any]) -> str:
    rows = ", ".join(f"{count} {split}" for split, count in summary["split_rows"].items()) or "none"
    lines = [
        "## Counts",
        f"{summary['runs']} runs, {summary['rows']} rows ({rows}). No task is in two splits.",
        f"Rewards: {summary['exported']:+.6f} in rows, {sum(summary['dropped_reward'].values()):+.6f} left out, "
        f"together R - b = {summary['total']:+.6f}.",
    ]
    if summary["dropped"]:
        table = ["| left out because | messages | rewards |", "|---|---:|---:|"]
        table += [
            f"| {reason} | {count} | {summary['dropped_reward'].get(reason, 0.0):+.4f} |"
            for reason, count in summary["dropped"].items()
            if count
        ]
        lines.append("\n".join(table))
    return "\n\n".join(lines)


def _agents(signs: Mapping[str, int]) -> str:
    if not signs:
        return ""
    agents = sorted({key.rpartition(" ")[0] for key in signs})
    table = ["| agent | rewarded | punished | zero |", "|---|---:|---:|---:|"]
    for agent in agents:
        name = agent.replace("|", "\\|").replace("\n", " ")
        table.append(f"| {name} | " + " | ".join(str(signs.get(f"{agent} {sign}", 0)) for sign in "+-0") + " |")
    return "## Messages in rows, by agent\n\n" + "\n".join(table)


def _histogram(bins: Mapping[str, int]) -> str:
    if not bins:
        return ""
    highest = max(bins.values())
    lines = [f"{edge:>5} {'#' * max(1, round(_BAR * count / highest))} {count}" for edge, count in _ordered(bins)]
    return "## Rewards\n\nLower edge of each bin, width 0.1:\n\n```\n" + "\n".join(lines) + "\n```"


def _ordered(bins: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(bins.items(), key=lambda item: float(item[0]))


def _method(summary: Mapping[str, Any]) -> str:
    methods = ", ".join(f"`{name}` ({count} runs)" for name, count in summary["methods"].items()) or "none"
    low = summary["low_evidence"]
    return (
        f"## How the rewards came about\n\nCredit method: {methods}. A message's reward is its share of outcome minus "
        f"baseline, signed, in [-1, 1]; all rewards of a run add up to it. {low} of {summary['runs']} runs are marked "
        "low evidence: their signs rest on who read what, not on what was said."
    )


_LIMITS = """## Limits

- Prompts are rebuilt from what each author had read; a framework may have shown its model more, or in other words.
- Rewards are computed from one run each, without a judge. They are evidence, not truth: look at a sample first.
- Content is what the agents wrote, private data included: the files are readable by their owner only."""
