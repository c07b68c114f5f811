"""Values of games that are too large or too costly to evaluate as a whole.

:func:`estimate` spends a budget of evaluations and says how sure it is. Numbers only: numpy, no I/O, no clock.
"""

from credit_hooks.credit.estimate.core import Estimation, estimate, estimation
from credit_hooks.credit.estimate.plan import BatchValue, Estimate, EstimateMethod, Stopped, Surrogate

__all__ = [
    "BatchValue",
    "Estimate",
    "EstimateMethod",
    "Estimation",
    "Stopped",
    "Surrogate",
    "estimate",
    "estimation",
]
