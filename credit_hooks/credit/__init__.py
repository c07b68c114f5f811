"""The credit engine: numpy only, no framework, no I/O, no model."""

from credit_hooks.credit.assign import assign_credit
from credit_hooks.credit.baseline import BaselineTracker, task_key
from credit_hooks.credit.config import CreditConfig
from credit_hooks.credit.estimate import (
    BatchValue,
    Estimate,
    EstimateMethod,
    Estimation,
    Stopped,
    Surrogate,
    estimate,
    estimation,
)
from credit_hooks.credit.exact import banzhaf, leave_one_out, shapley, shapley_batch
from credit_hooks.credit.failures import fit_localiser, locate_by_replay
from credit_hooks.credit.game import ValueFunction, tabulate
from credit_hooks.credit.owen import owen, quotient
from credit_hooks.credit.path import PathGame, path_owen, path_shapley, path_value, reachability_table
from credit_hooks.credit.project import project
from credit_hooks.credit.reader_vote import reader_vote_owen, reader_vote_shapley, reader_vote_value
from credit_hooks.credit.siblings import SiblingConfig, SiblingIndex, assign_with_siblings

__all__ = [
    "BaselineTracker",
    "BatchValue",
    "CreditConfig",
    "Estimate",
    "EstimateMethod",
    "Estimation",
    "PathGame",
    "SiblingConfig",
    "SiblingIndex",
    "Stopped",
    "Surrogate",
    "ValueFunction",
    "assign_credit",
    "assign_with_siblings",
    "banzhaf",
    "estimate",
    "estimation",
    "fit_localiser",
    "leave_one_out",
    "locate_by_replay",
    "owen",
    "path_owen",
    "path_shapley",
    "path_value",
    "project",
    "quotient",
    "reachability_table",
    "reader_vote_owen",
    "reader_vote_shapley",
    "reader_vote_value",
    "shapley",
    "shapley_batch",
    "tabulate",
    "task_key",
]
