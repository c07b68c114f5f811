"""Credit from many runs of the same tasks: what other runs concluded, and how those ended. No model, no replay."""

from credit_hooks.credit.siblings.conclusions import conclusions
from credit_hooks.credit.siblings.config import SiblingConfig
from credit_hooks.credit.siblings.counts import TaskCounts
from credit_hooks.credit.siblings.expectation import Expectation
from credit_hooks.credit.siblings.facts import RunFacts
from credit_hooks.credit.siblings.gate import Gate, fit_gate
from credit_hooks.credit.siblings.index import SiblingIndex, assign_with_siblings
from credit_hooks.credit.siblings.prompts import PromptEffect, prompt_effects, with_prompts
from credit_hooks.credit.siblings.standings import Drift, Interval, Standing, Standings

__all__ = [
    "Drift",
    "Expectation",
    "Gate",
    "Interval",
    "PromptEffect",
    "RunFacts",
    "SiblingConfig",
    "SiblingIndex",
    "Standing",
    "Standings",
    "TaskCounts",
    "assign_with_siblings",
    "conclusions",
    "fit_gate",
    "prompt_effects",
    "with_prompts",
]
