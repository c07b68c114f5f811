"""Estimation from start to end: what is asked, in which order, and what is made of the answers."""

from __future__ import annotations

from collections.abc import Generator
from itertools import islice
from typing import TypeAlias, Unpack

import numpy as np
from numpy.typing import ArrayLike

from credit_hooks.credit.estimate.gp import Observations, gp_values
from credit_hooks.credit.estimate.ledger import Ledger
from credit_hooks.credit.estimate.leverage import leverage_values
from credit_hooks.credit.estimate.permutations import walk_orders
from credit_hooks.credit.estimate.plan import BatchValue, Estimate, EstimateOptions, Plan, Stopped
from credit_hooks.credit.estimate.sampling import complement_pairs
from credit_hooks.credit.estimate.stopping import StoppingRule
from credit_hooks.credit.estimate.structure import Coalitions, Vector
from credit_hooks.errors import EvaluationError

__all__ = ["Estimation", "estimate", "estimation"]

Estimation: TypeAlias = Generator[Coalitions, ArrayLike, Estimate]
"""Yields coalitions of shape (k, n), is sent their k values, returns the estimate."""

_Fit: TypeAlias = tuple[Vector, Vector, Stopped]
_EXACT_PLAYERS = 20  # beyond this a table costs more than it is worth


def estimate(value: BatchValue, n: int, **options: Unpack[EstimateOptions]) -> Estimate:
    """Shapley values of n players from at most `budget` evaluations; Owen values where unions are given.

    The values always sum to v(N) - v(∅). Where the budget reaches all coalitions that matter they are exact. The same
    arguments give the same result; the choice of coalitions does not depend on `batch`.

    Args:
        value: Coalitions of shape (k, n), k at most `batch`, to k values. If it raises an Exception, the estimate rests
            on what came before; values that are no finite number are left out. Both are told in the result.
        n: Number of players.
        **options: `budget`, and what else :class:`EstimateOptions` lists.

    Raises:
        ConfigurationError: an argument cannot work.
    """
    steps = estimation(n, **options)
    try:
        asked = next(steps)
        while True:
            try:
                answer = value(asked)
            except Exception as error:  # noqa: BLE001 - the user's value function; what was paid for must not be lost
                asked = steps.throw(EvaluationError(f"{type(error).__name__}: {error}"))
            else:
                asked = steps.send(answer)
    except StopIteration as done:
        result: Estimate = done.value
        return result


def estimation(n: int, **options: Unpack[EstimateOptions]) -> Estimation:
    """The same as :func:`estimate` for callers that evaluate in their own way, such as asynchronously.

    Iterate with ``next`` and ``send``; throw an :class:`EvaluationError` in to say that no more can be evaluated.

    Raises:
        ConfigurationError: an argument cannot work. Raised by this call, not by the first step.
    """
    return _run(Plan.of(n, **options))


def _run(plan: Plan) -> Estimation:
    ledger, n = Ledger(plan), plan.structure.n
    if n == 0:
        return _result(plan, ledger, (0.0, 0.0), (np.zeros(0), np.zeros(0), "exact"), ())
    yield from ledger.ask(np.array([np.ones(n, bool), np.zeros(n, bool)]))
    ends, notes = _ends(plan, ledger)
    can_be_exact = not notes and plan.noise == 0.0
    fit = (yield from _exact(plan, ledger)) if can_be_exact and plan.tolerance is None else None
    if fit is None and plan.method == "permutation":
        rng, rule = np.random.default_rng(plan.seed), StoppingRule(plan.tolerance, plan.confidence, n)
        walk = yield from walk_orders(plan.structure, ledger, ends, rule, rng)
        fit = (walk.values, walk.std_err, _why(ledger, walk.is_met, ledger.left > 0))
        if walk.is_truncated:
            notes += ("no order was walked there and back: players that were not reached share the rest equally",)
    elif fit is None:
        fit = yield from _from_pairs(plan, ledger, ends)
    if can_be_exact and plan.tolerance is not None and fit[2] != "tolerance":
        fit = (yield from _exact(plan, ledger)) or fit
    if notes:
        fit = (fit[0], np.full(n, np.inf), fit[2])
    return _result(plan, ledger, ends, fit, notes)


def _ends(plan: Plan, ledger: Ledger) -> tuple[tuple[float, float], tuple[str, ...]]:
    """v(∅) and v(N), with what had to be assumed for them."""
    n = plan.structure.n
    empty, full = ledger.values(np.array([np.zeros(n, bool), np.ones(n, bool)])).tolist()
    believed = 0.0 if plan.surrogate is None else float(plan.surrogate.values.sum())
    assumed = f"v(N) - v(∅) is taken to be the prior's {believed:g}"
    if np.isnan(full):
        assumed = "nothing is distributed" if plan.surrogate is None else assumed
        base = 0.0 if np.isnan(empty) else empty
        return (base, base + believed), (f"v(N) is not known: {assumed}",)
    if np.isnan(empty):
        base = 0.0 if plan.surrogate is None else full - believed
        return (base, full), (f"v(∅) is not known: {'it is taken to be 0' if plan.surrogate is None else assumed}",)
    return (empty, full), ()


def _exact(plan: Plan, ledger: Ledger) -> Generator[Coalitions, ArrayLike, _Fit | None]:
    """The exact values, if the budget reaches them and nothing fails."""
    structure = plan.structure
    if structure.n > _EXACT_PLAYERS or structure.size > len(structure.unions) * (plan.budget + 2):
        return None
    everything = structure.coalitions()
    if len(ledger.unknown(everything)) > ledger.left:
        return None
    yield from ledger.ask(everything)
    values = ledger.values(everything)
    if np.isnan(values).any():
        return None
    table = np.zeros(1 << structure.n)
    table[everything @ (1 << np.arange(structure.n))] = values
    return structure.exact(table), np.zeros(structure.n), "exact"


def _from_pairs(plan: Plan, ledger: Ledger, ends: tuple[float, float]) -> Generator[Coalitions, ArrayLike, _Fit]:
    """Pairs of complements until the budget, the pairs or the uncertainty come to an end."""
    rule = StoppingRule(plan.tolerance, plan.confidence, plan.structure.n)
    stream = complement_pairs(plan.structure, np.random.default_rng(plan.seed))
    seen, is_met, left = 0, False, True
    values, std_err = None, None
    while not is_met and ledger.left >= 2:
        rows = list(islice(stream, rule.until_next_look(seen, ledger.left // 2)))
        if not rows:
            left = False
            break
        seen += len(rows)
        yield from ledger.ask(np.array([half for row in rows for half in (row, ~row)]))
        if plan.tolerance is not None:
            values, std_err = _solve(plan, ledger, ends)
            is_met = rule.is_met(std_err)
    if values is None or std_err is None:
        values, std_err = _solve(plan, ledger, ends)
    return values, std_err, _why(ledger, is_met, not left)


def _solve(plan: Plan, ledger: Ledger, ends: tuple[float, float]) -> tuple[Vector, Vector]:
    pairs = ledger.pairs()
    odd = ledger.values(pairs) / 2.0 - ledger.values(~pairs) / 2.0
    grand = ends[1] / 2.0 - ends[0] / 2.0
    if plan.method == "leverage":
        return leverage_values(pairs, odd, 2.0 * grand, is_noisy=plan.noise != 0.0)
    noise = ledger.noise_variance()
    surrogate = None
    if plan.surrogate is not None:
        rows = np.concatenate([np.ones((1, plan.structure.n), bool), pairs])
        believed = [np.asarray(plan.surrogate.value(side), dtype=np.float64) for side in (rows, ~rows)]
        surrogate = ((believed[0] - believed[1]) / 2.0, plan.surrogate.values)
    return gp_values(plan.structure, Observations(pairs, odd, grand, None if noise is None else noise / 2.0, surrogate))


def _why(ledger: Ledger, is_met: bool, is_exhausted: bool) -> Stopped:
    if ledger.failure is not None:
        return "failed"
    return "tolerance" if is_met else "exhausted" if is_exhausted else "budget"


def _result(plan: Plan, ledger: Ledger, ends: tuple[float, float], fit: _Fit, notes: tuple[str, ...]) -> Estimate:
    values, std_err, stopped = fit
    total, n = ends[1] - ends[0], plan.structure.n
    if stopped != "exact" and n:
        values = values + (total - values.sum()) / n  # what rounding left over
    if ledger.failure is not None:
        notes += (f"evaluation failed: {ledger.failure}",)
        stopped = "failed"
    if ledger.lost:
        notes += (f"{ledger.lost} coalitions had no finite value and were left out",)
    values.setflags(write=False)
    std_err.setflags(write=False)
    return Estimate(values, std_err, total, ledger.spent, stopped, plan.method, notes)
