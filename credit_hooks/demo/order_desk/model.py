"""`ClerkModel`: a chat model that runs here, reads its messages, and can do what its system prompt teaches it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from credit_hooks.demo.order_desk.skills import SKILLS, can, harms

__all__ = ["ClerkModel"]

_SYMPTOMS = {skill.name: skill.symptom for skill in SKILLS}


class ClerkModel(BaseChatModel):
    """One clerk. A function of its messages: no memory, and chance only by a hash of what it is told.

    Args:
        role: What it does: reader, goods, extras, desk or cashier.
        slip: Share of the calls in which it miscounts by one, whatever its prompt says.
        honest: Whether it says so where it lacks a skill that the order needs.
        seed: Of its slips.
    """

    role: str
    slip: float = 0.0
    honest: bool = True
    seed: int = 0

    @property
    def _llm_type(self) -> str:
        return "clerk"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model_name": f"clerk-{self.role}"}

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        prompt = "\n".join(message.text for message in messages if message.type == "system")
        heard = "\n".join(message.text for message in messages if message.type != "system")
        said = _WORK[self.role](_Clerk(prompt, heard, self._slips(prompt, heard)))
        return ChatResult(generations=[ChatGeneration(message=AIMessage(said.spoken(self.honest)))])

    def _slips(self, prompt: str, heard: str) -> int:
        """1 if it miscounts now, else 0."""
        said = hashlib.sha256(f"{self.seed}\x1f{self.role}\x1f{prompt}\x1f{heard}".encode()).digest()
        chance = int.from_bytes(said[:6]) / 2**48
        return int(chance < max(self.slip, 0.5 if harms(prompt) else 0.0))


class _Clerk:
    """What one call knows, and what it lacked."""

    def __init__(self, prompt: str, heard: str, slips: int) -> None:
        self.prompt = prompt
        self.heard = heard
        self.slips = slips
        self.lacked: list[str] = []
        self.said: list[str] = []

    def can(self, name: str, *, needed: bool) -> bool:
        """Whether a skill is needed and there."""
        if needed and not can(self.prompt, name):
            self.lacked.append(name)
        return needed and name not in self.lacked

    def number(self, pattern: str, default: int = 0) -> int:
        """The last number that the messages name so."""
        found = re.findall(pattern, self.heard)
        return int(found[-1]) if found else default

    def says(self, text: str) -> _Clerk:
        self.said.append(text)
        return self

    def spoken(self, honest: bool) -> str:
        doubts = [_SYMPTOMS[name] for name in self.lacked] if honest else []
        return " ".join([*doubts, *self.said])


def _read(clerk: _Clerk) -> _Clerk:
    order = clerk.heard
    items = clerk.number(r"Order: (\d+)")
    items *= 12 if clerk.can("dozen", needed="dozen" in order) else 1
    in_euros = "euros each" in order
    price = clerk.number(r"at (\d+) (?:euros|cents) each")
    price *= 100 if clerk.can("euros", needed=in_euros) else 1
    facts: Mapping[str, int] = {
        "discount {} percent": clerk.number(r"discount (\d+) percent"),
        "damaged {}": clerk.number(r"(\d+) of them damaged"),
        "wrapped {} at 30 cents": clerk.number(r"(\d+) in wrapping"),
        "voucher {} cents": clerk.number(r"voucher (\d+)"),
        "deposit {} cents": clerk.number(r"deposit (\d+)"),
        "threshold {} cents": clerk.number(r"threshold (\d+)"),
    }
    cost = clerk.number(r"delivery (\d+)")
    delivery = f"{'express ' if 'express' in order else ''}delivery {cost} cents"
    rest = [text.format(value) for text, value in facts.items() if value]
    rounding = ["whole euros asked for"] if "whole euros" in order else []
    note = ", ".join([f"{items + clerk.slips} items at {price} cents", *rest, delivery, *rounding])
    return clerk.says(f"Note: {note}.")


def _goods(clerk: _Clerk) -> _Clerk:
    items, price = clerk.number(r"(\d+) items at"), clerk.number(r"items at (\d+) cents")
    damaged, percent = clerk.number(r"damaged (\d+)"), clerk.number(r"discount (\d+) percent")
    items -= damaged if clerk.can("damaged", needed=bool(damaged)) else 0
    goods = items * price
    if clerk.can("percent", needed=bool(percent)):
        goods = goods * (100 - percent) // 100
    else:
        goods -= percent
    return clerk.says(f"{items} items are charged. Goods: {goods + clerk.slips} cents.")


def _extras(clerk: _Clerk) -> _Clerk:
    wrapped, express = clerk.number(r"wrapped (\d+) at"), "express delivery" in clerk.heard
    wrapping = 30 * (wrapped if clerk.can("wrapping", needed=bool(wrapped)) else min(wrapped, 1))
    delivery = clerk.number(r"delivery (\d+) cents") * (2 if clerk.can("express", needed=express) else 1)
    return clerk.says(f"Wrapping: {wrapping + clerk.slips} cents. Delivery: {delivery} cents.")


def _merge(clerk: _Clerk) -> _Clerk:
    goods, wrapping = clerk.number(r"Goods: (-?\d+)"), clerk.number(r"Wrapping: (\d+)")
    delivery = clerk.number(r"Delivery: (\d+)")
    voucher, threshold = clerk.number(r"voucher (\d+)"), clerk.number(r"threshold (\d+)")
    free = clerk.can("threshold", needed=bool(threshold) and goods > threshold)
    taken = voucher if clerk.can("voucher", needed=bool(voucher)) else 0
    total = goods + wrapping + (0 if free else delivery) - taken + clerk.slips
    return clerk.says(f"Sum of goods, wrapping and delivery: {total} cents.")


def _cash(clerk: _Clerk) -> _Clerk:
    total, deposit = clerk.number(r"delivery: (-?\d+) cents"), clerk.number(r"deposit (\d+)")
    total += deposit if clerk.can("deposit", needed=bool(deposit)) else 0
    total += clerk.slips
    if clerk.can("round", needed="whole euros" in clerk.heard):
        total = -(-total // 100) * 100
    return clerk.says(f"To pay: {total} cents.")


_WORK = {"reader": _read, "goods": _goods, "extras": _extras, "desk": _merge, "cashier": _cash}
