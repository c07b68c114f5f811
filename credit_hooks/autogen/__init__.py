"""AutoGen: one call on an existing team or agent. Needs `pip install 'credit-hooks[autogen]'`."""

from __future__ import annotations

from credit_hooks.errors import MissingExtraError

try:
    import autogen_agentchat.base  # noqa: F401 - only to say clearly what is missing
except ImportError as error:
    raise MissingExtraError("credit_hooks.autogen", "autogen") from error

from credit_hooks.autogen.capture import TeamCapture
from credit_hooks.autogen.install import capture_of, detach, install, instrument, uninstall
from credit_hooks.autogen.judge import AutoGenJudge
from credit_hooks.autogen.replay.front import MaskedTurn, Replay

__all__ = [
    "AutoGenJudge",
    "MaskedTurn",
    "Replay",
    "TeamCapture",
    "capture_of",
    "detach",
    "install",
    "instrument",
    "uninstall",
]
