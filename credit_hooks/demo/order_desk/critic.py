"""`LocalCritic`: a critic that runs here. It knows what there is to teach; a real one would have to find it out."""

from __future__ import annotations

import hashlib
from typing import Literal

from credit_hooks.demo.order_desk.skills import HARMFUL, SKILLS, can
from credit_hooks.prompts.critique import CritiqueRequest

__all__ = ["LocalCritic"]


class LocalCritic:
    """Teaches a block one of the skills it lacks, or leads it astray.

    Args:
        poison: Share of the calls with a plausible and wrong diagnosis: it takes one instruction out and puts harmful
            advice in.
        healthy: What it does to a block that lacks nothing. keep: says so. neutral: adds words without effect.
            harmful: takes one instruction out, as rewrites of healthy prompts tend to.
        seed: Of its chances, which follow from what it is asked.
    """

    def __init__(
        self, *, poison: float = 0.0, healthy: Literal["keep", "neutral", "harmful"] = "harmful", seed: int = 0
    ) -> None:
        self.poison = poison
        self.healthy = healthy
        self.seed = seed
        self.calls = 0
        """Calls so far."""

    def __call__(self, request: CritiqueRequest) -> str:
        """The answer, in the form that is asked for."""
        self.calls += 1
        chance = int.from_bytes(hashlib.sha256(f"{self.seed}\x1f{request.prompt}".encode()).digest()[:6]) / 2**48
        text, role = request.block.text, request.block.role
        if chance < self.poison:
            worse = f"{self._without_one(text, role)} {HARMFUL[int(chance * 1e6) % len(HARMFUL)]}"
            return _answer("The agents lose time on details that do not matter.", worse)
        lacking = [skill for skill in SKILLS if skill.role == role and not can(text, skill.name)]
        if lacking:
            skill = lacking[int(chance * 1e6) % len(lacking)]
            return _answer(f"The agents do not know what to do about {skill.name}.", f"{text} {skill.sentence}")
        if self.healthy == "keep":
            return "<diagnosis>These agents do what they should.</diagnosis><keep/>"
        if self.healthy == "neutral":
            return _answer("The agents could be more careful.", f"{text} Work carefully, attempt {request.attempt}.")
        return _answer("The prompt is too long.", self._without_one(text, role))

    def _without_one(self, text: str, role: str) -> str:
        taught = [skill.sentence for skill in SKILLS if skill.role == role and skill.sentence in text]
        chosen = taught[self.seed % len(taught)] if taught else ""
        return text.replace(chosen, "").strip() + (" Be concise." if chosen else "")


def _answer(diagnosis: str, prompt: str) -> str:
    return f"<diagnosis>{diagnosis}</diagnosis><prompt>{prompt}</prompt>"
