"""LangGraph: one callback on an existing graph. Needs `pip install 'credit-hooks[langgraph]'`."""

from __future__ import annotations

from credit_hooks.errors import MissingExtraError

try:
    import langgraph.graph  # noqa: F401 - only to say clearly what is missing
except ImportError as error:
    raise MissingExtraError("credit_hooks.langgraph", "langgraph") from error

from credit_hooks.langgraph.callback import CreditCallback
from credit_hooks.langgraph.install import install, uninstall
from credit_hooks.langgraph.judge import LangChainJudge
from credit_hooks.langgraph.replay.front import MaskedTurn, Replay

__all__ = ["CreditCallback", "LangChainJudge", "MaskedTurn", "Replay", "install", "uninstall"]
