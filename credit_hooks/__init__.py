"""Signed, conserved credit per message for teams of LLM agents, as tracing middleware.

The front door of a framework is in its own room, such as :class:`credit_hooks.langgraph.CreditCallback`. What stands
here needs no framework, and is loaded when it is first asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from credit_hooks.credit import CreditConfig, assign_credit
    from credit_hooks.rewards import Credit, CreditedRun
    from credit_hooks.trajectory import Outcome, Trajectory

__all__ = [
    "Credit",
    "CreditConfig",
    "CreditedRun",
    "Outcome",
    "Trajectory",
    "__version__",
    "assign_credit",
]

__version__ = "0.1.0.dev0"

_HOME: Final = {
    "Credit": "credit_hooks.rewards",
    "CreditConfig": "credit_hooks.credit",
    "CreditedRun": "credit_hooks.rewards",
    "Outcome": "credit_hooks.trajectory",
    "Trajectory": "credit_hooks.trajectory",
    "assign_credit": "credit_hooks.credit",
}


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(home), name)
