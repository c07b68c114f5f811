"""What a critic is asked, and what of its answer is believed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from credit_hooks.errors import CreditHooksError
from credit_hooks.parts import FrozenModel
from credit_hooks.prompts.blocks import PromptBlock
from credit_hooks.prompts.evidence import BlockEvidence

__all__ = ["CritiqueError", "CritiqueRequest", "Rewrite", "validated"]

_MAX_REPLY: Final = 200_000
_GROWTH: Final = 4  # a prompt may become so many times as long, plus:
_ROOM: Final = 2_000
_COPIED: Final = 40  # characters of a task that a prompt may not quote in full
_PROMPT: Final = re.compile(r"<prompt>(.*?)</prompt>", re.DOTALL | re.IGNORECASE)
_DIAGNOSIS: Final = re.compile(r"<diagnosis>(.*?)</diagnosis>", re.DOTALL | re.IGNORECASE)
_KEEP: Final = re.compile(r"<keep\s*/>", re.IGNORECASE)
_FIELD: Final = re.compile(r"\{(\w*)\}")

_INSTRUCTIONS: Final = """\
You improve one prompt of a team of LLM agents. Below are the prompt, and evidence from several runs of the team: what \
was at stake, what the agents with this prompt said, how much of each run's success or failure is credited to them \
(negative: blamed), where the run first went wrong as far as is known, what repaired it, and what the same agents said \
in runs that succeeded.

First say in a few sentences what in this prompt makes the agents fail. Then rewrite this prompt, and only this one, \
so that the failures would not have happened and the successes still would. Give general instructions, not answers to \
these tasks. Keep placeholders such as {name} as they are. If the failures are not due to this prompt, keep it.

Answer in exactly one of these two forms:
<diagnosis>what is wrong</diagnosis><prompt>the whole new prompt</prompt>
<diagnosis>why it is not to blame</diagnosis><keep/>
"""


class CritiqueError(CreditHooksError):
    """A critic's answer cannot be used; the message says why. It costs one attempt."""


class Rewrite(FrozenModel):
    """A critic's answer that passed validation."""

    role: str
    """Whose prompt."""
    text: str | None
    """The new prompt. None: the critic would keep it as it is."""
    diagnosis: str = ""
    """Why, in the critic's words; shown, and never acted on."""


class CritiqueRequest(FrozenModel):
    """What a critic is asked: everything is in `prompt`, the rest is for critics that are no language models."""

    attempt: int
    """Number of the attempt, from 1."""
    block: PromptBlock
    """The prompt to be rewritten."""
    evidence: BlockEvidence
    """From several runs."""
    rejected: tuple[str, ...] = ()
    """Rewrites of this block that did not help."""

    @property
    def prompt(self) -> str:
        """The request as text, for a language model."""
        block = self.block
        what = "puts the work of several agents together" if block.kind == "aggregation" else "instructs"
        parts = [
            _INSTRUCTIONS,
            f"# The prompt of `{block.role}`, which {what} {', '.join(block.instructs)}\n\n{block.text}",
            f"# Evidence\n\n{self.evidence.text}",
        ]
        if self.rejected:
            tried = "\n\n".join(f"<rejected>\n{text}\n</rejected>" for text in self.rejected[-3:])
            parts.append(f"# Rewrites that were tried and did not help on other tasks\n\n{tried}")
        return "\n\n".join(parts)


def validated(reply: object, block: PromptBlock, tasks: Sequence[str]) -> Rewrite:
    """A critic's reply as a rewrite of a block.

    Args:
        reply: Whatever the critic returned.
        block: The block as it is.
        tasks: Texts of the tasks in the evidence, which no prompt may copy.

    Raises:
        CritiqueError: it is no text, is neither a rewrite nor a decision to keep, changes nothing, is far too long,
            loses or adds placeholders, or copies a task.
    """
    if not isinstance(reply, str):
        raise CritiqueError(f"the critic returned {type(reply).__name__}, not text")
    if len(reply) > _MAX_REPLY:
        raise CritiqueError(f"the critic returned {len(reply):,} characters; {_MAX_REPLY:,} are read at most")
    found = _PROMPT.findall(reply)
    diagnosis = " ".join(match[1] for match in _DIAGNOSIS.finditer(reply)).strip()[:_ROOM]
    if not found and _KEEP.search(reply):
        return Rewrite(role=block.role, text=None, diagnosis=diagnosis)
    if len(found) != 1:
        what = "no <prompt>...</prompt>" if not found else f"{len(found)} prompts"
        raise CritiqueError(f"the critic's answer holds {what}: a refusal, or not in the form asked for")
    text = found[0].strip()
    _check(text, block, tasks)
    return Rewrite(role=block.role, text=text, diagnosis=diagnosis)


def _check(text: str, block: PromptBlock, tasks: Sequence[str]) -> None:
    if not text:
        raise CritiqueError("the critic's prompt is empty")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise CritiqueError("the critic's prompt holds half a surrogate pair") from None
    if text == block.text.strip():
        raise CritiqueError("the critic's prompt is the one that was there")
    limit = _GROWTH * len(block.text) + _ROOM
    if len(text) > limit:
        raise CritiqueError(f"the critic's prompt has {len(text):,} characters; {limit:,} are allowed for this block")
    before, after = set(_FIELD.findall(block.text)), set(_FIELD.findall(text))
    if before != after:
        lost, added = sorted(before - after), sorted(after - before)
        said = [f"loses {{{name}}}" for name in lost] + [f"adds {{{name}}}" for name in added]
        raise CritiqueError(f"the critic's prompt {', '.join(said)}: placeholders have to stay as they are")
    for task in tasks:
        if len(task) >= _COPIED and task in text and task not in block.text:
            raise CritiqueError("the critic's prompt copies a training task: it would be learnt by heart")
