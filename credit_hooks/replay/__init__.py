"""Counterfactual replay: what would have happened without this message.

Framework-neutral; :mod:`credit_hooks.replay.port` says what a framework provides.
"""

from credit_hooks.replay.audit import recompute
from credit_hooks.replay.counterfactual import Counterfactual, acounterfactual, counterfactual
from credit_hooks.replay.credit import areplay_credit, replay_credit
from credit_hooks.replay.meter import Meter, ReplayLimits, RunMeter
from credit_hooks.replay.port import Intervention, Player, Replayer, System
from credit_hooks.replay.replays import Replays
from credit_hooks.replay.tape import Claim, Recorded, Tape

__all__ = [
    "Claim",
    "Counterfactual",
    "Intervention",
    "Meter",
    "Player",
    "Recorded",
    "ReplayLimits",
    "Replayer",
    "Replays",
    "RunMeter",
    "System",
    "Tape",
    "acounterfactual",
    "areplay_credit",
    "counterfactual",
    "recompute",
    "replay_credit",
]
