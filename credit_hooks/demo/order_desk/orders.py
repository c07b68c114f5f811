"""Orders with known totals: each needs some of the skills of each role."""

from __future__ import annotations

import random
import re
from typing import Any, NamedTuple

from credit_hooks.prompts.tasks import Task

__all__ = ["Order", "evaluate", "example_orders", "orders", "to_pay"]


class Order(NamedTuple):
    """What a customer wants; amounts are cents unless they say otherwise."""

    items: int
    dozens: bool
    price: int
    in_euros: bool
    percent: int
    damaged: int
    wrapped: int
    delivery: int
    express: bool
    voucher: int
    threshold: int
    deposit: int
    whole_euros: bool

    @property
    def text(self) -> str:
        """The order in words."""
        parts = [f"{self.items} {'dozen pens' if self.dozens else 'pens'}"]
        parts.append(f"at {self.price // 100} euros each" if self.in_euros else f"at {self.price} cents each")
        parts += [f"discount {self.percent} percent"] if self.percent else []
        parts += [f"{self.damaged} of them damaged"] if self.damaged else []
        parts += [f"{self.wrapped} in wrapping at 30 cents"] if self.wrapped else []
        parts.append(f"{'express ' if self.express else ''}delivery {self.delivery} cents")
        parts += [f"free delivery threshold {self.threshold} cents"] if self.threshold else []
        parts += [f"voucher {self.voucher} cents"] if self.voucher else []
        parts += [f"deposit {self.deposit} cents"] if self.deposit else []
        parts += ["round to whole euros"] if self.whole_euros else []
        return "Order: " + ", ".join(parts) + "."

    @property
    def total(self) -> int:
        """What is to be paid, in cents."""
        charged = self.items * (12 if self.dozens else 1) - self.damaged
        goods = charged * self.price * (100 - self.percent) // 100
        delivery = self.delivery * (2 if self.express else 1)
        extras = 30 * self.wrapped
        free = bool(self.threshold) and goods > self.threshold
        total = goods + extras + (0 if free else delivery) - self.voucher + self.deposit
        return -(-total // 100) * 100 if self.whole_euros else total


def orders(count: int, seed: int = 0) -> list[Task]:
    """Made-up orders, always the same for a seed. Each feature that needs a skill is there half of the time."""
    draw = random.Random(f"orders {seed}")  # noqa: S311 - made-up data

    def sometimes(value: int) -> int:
        return value if draw.random() < 0.5 else 0

    made = []
    for number in range(count):
        order = Order(
            items=draw.randint(2, 9) + 3,
            dozens=draw.random() < 0.5,
            price=100 * draw.randint(2, 8),
            in_euros=draw.random() < 0.5,
            percent=sometimes(5 * draw.randint(1, 6)),
            damaged=sometimes(draw.randint(1, 3)),
            wrapped=sometimes(draw.randint(2, 5)),
            delivery=10 * draw.randint(30, 60),
            express=draw.random() < 0.5,
            voucher=sometimes(10 * draw.randint(20, 90)),
            threshold=sometimes(100 * draw.randint(5, 15)),
            deposit=sometimes(draw.randint(11, 99)),
            whole_euros=draw.random() < 0.5,
        )
        made.append(Task(id=f"order-{seed}-{number:03}", input=order.text, expected=str(order.total)))
    return made


def example_orders() -> list[Task]:
    """The tasks of the example."""
    return orders(60, seed=1)


def to_pay(text: str) -> str | None:
    """The amount that a cashier's message names. None: it names none."""
    found = re.search(r"To pay: (-?\d+) cents", text)
    return found[1] if found else None


def evaluate(run: Any, task: Task) -> bool:
    """Whether the team named the right amount."""
    return to_pay(run.answer) == task.expected
