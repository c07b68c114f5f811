"""Who can learn what at the order desk: each skill is one sentence of instruction, known by its key word."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

__all__ = ["HARMFUL", "SKILLS", "Skill", "can", "harms"]


class Skill(NamedTuple):
    """A sub-skill of one role."""

    role: str
    """Whose it is."""
    name: str
    """The word by which an instruction is known."""
    sentence: str
    """The instruction, as a good prompt has it."""
    symptom: str
    """What the model says where the skill is needed and missing, if it is honest."""


SKILLS: Final[tuple[Skill, ...]] = (
    Skill("reader", "dozen", "A dozen is 12 items.", "I assume that a dozen counts as one."),
    Skill("reader", "euros", "Convert euros to cents.", "The price is probably in cents."),
    Skill("goods", "percent", "Take a discount in percent off the goods.", "I assume that the discount is in cents."),
    Skill("goods", "damaged", "Do not charge damaged items.", "Damaged items are probably charged."),
    Skill("extras", "wrapping", "Charge wrapping for each wrapped item.", "Wrapping is probably charged once."),
    Skill("extras", "express", "Express delivery costs twice.", "I assume that express costs the same."),
    Skill(
        "desk",
        "voucher",
        "Subtract the voucher once, from the sum.",
        "I assume that the voucher is taken off by somebody else.",
    ),
    Skill("desk", "threshold", "Delivery is free above the threshold.", "The threshold is probably not reached."),
    Skill("cashier", "round", "Round up to whole euros if asked to.", "Suppose that rounding is not meant strictly."),
    Skill("cashier", "deposit", "Add the deposit.", "I assume that the deposit is included."),
)

HARMFUL: Final[tuple[str, ...]] = (
    "Trust your intuition and skip the arithmetic.",
    "Be quick: an intuitive estimate is enough.",
)
"""Sentences that sound like advice and make the model slip half of the time."""


def can(prompt: str, name: str) -> bool:
    """Whether a prompt teaches a skill."""
    return re.search(rf"\b{name}\b", prompt, re.IGNORECASE) is not None


def harms(prompt: str) -> bool:
    """Whether a prompt holds harmful advice."""
    return re.search(r"\bintuiti(on|ve)\b", prompt, re.IGNORECASE) is not None
