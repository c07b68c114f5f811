"""Counterfactual replay: what would have happened without this message.

Framework-neutral; :mod:`credit_hooks.replay.port` says what a framework provides.
"""

from credit_hooks.replay.audit import recompute
from credit_hooks.replay.counterfactual import Counterfactual, acounterfactual, counterfactual
from credit_hooks.replay.credit import areplay_credit, replay_credit
from credit_hooks.replay.first_error import LocatedError, Search, alocate_error, locate_error
from credit_hooks.replay.meter import Meter, ReplayLimits, RunMeter
from credit_hooks.replay.port import Intervention, Player, Redo, RedoSystem, Replayer, System
from credit_hooks.replay.replays import Replays
from credit_hooks.replay.tape import Claim, Recorded, Tape

__all__ = [
    "Claim",
    "Counterfactual",
    "Intervention",
    "LocatedError",
    "Meter",
    "Player",
    "Recorded",
    "Redo",
    "RedoSystem",
    "ReplayLimits",
    "Replayer",
    "Replays",
    "RunMeter",
    "Search",
    "System",
    "Tape",
    "acounterfactual",
    "alocate_error",
    "areplay_credit",
    "counterfactual",
    "locate_error",
    "recompute",
    "replay_credit",
]
