"""A simulated team whose prompts matter by construction: what prompt optimisation is tested and measured on.

**This is a simulation.** Its local chat model can do exactly what the instructions in its system prompt name, and its
local critic knows the list of instructions there are. It shows that blocks are chosen, edited, tested and recorded as
they should be, and how ways of choosing compare under known conditions. It says nothing about any real model.
"""

from credit_hooks.demo.order_desk.critic import LocalCritic
from credit_hooks.demo.order_desk.model import ClerkModel
from credit_hooks.demo.order_desk.orders import Order, evaluate, example_orders, orders
from credit_hooks.demo.order_desk.team import BLOCKS, build_desk, desk_blocks, desk_team

__all__ = [
    "BLOCKS",
    "ClerkModel",
    "LocalCritic",
    "Order",
    "build_desk",
    "desk_blocks",
    "desk_team",
    "evaluate",
    "example_orders",
    "orders",
]
