"""Credited runs as self-contained HTML pages, readable without network: one run, or all of a store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from credit_hooks.errors import MissingExtraError
from credit_hooks.rewards import CreditedRun
from credit_hooks.store import RunStore

if TYPE_CHECKING:
    from credit_hooks.prompts.optimization import Optimization

__all__ = ["render", "render_all", "render_optimization"]


def render(run: CreditedRun) -> str:
    """The page of a run: headline, credit per agent, provenance graph in lanes per agent, messages, and a table.

    Pure and deterministic. Everything from the run is escaped, and a content security policy allows the page's own
    style and script alone, by hash. Pages stay below about 3 MB: long texts and very long runs are cut, and say so.

    Raises:
        MissingExtraError: jinja2 is not installed.
    """
    with _needs_jinja():
        from credit_hooks.report.run.page import render_page
    return render_page(run)


def render_all(store: RunStore, *, progress: Callable[[], None] | None = None) -> str:
    """The page of all runs: outcomes and each agent's credit over time, runs to look at, the worst messages.

    Runs are read one at a time and added up in bounded memory; contents are read of what stands out alone, at most 60
    runs per reason and 100 messages. The page stays below 3 MB for any store, and says what it leaves out. Escaped and
    locked as :func:`render` is. Times are UTC.

    Args:
        store: The runs.
        progress: Called once for each run read.

    Raises:
        MissingExtraError: jinja2 is not installed.
        StoreError: the store cannot be read. Single damaged runs are counted and left out.
    """
    with _needs_jinja():
        from credit_hooks.report.overview.page import render_overview
    return render_overview(store, progress)


def render_optimization(found: Optimization) -> str:
    """The page of an optimisation: before and after, each attempt with its choice, diffs and evidence.

    Escaped and locked as :func:`render` is.

    Raises:
        MissingExtraError: jinja2 is not installed.
    """
    with _needs_jinja():
        from credit_hooks.report.optimization.page import render_optimization
    return render_optimization(found)


@contextmanager
def _needs_jinja() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name not in ("jinja2", "markupsafe"):
            raise
        raise MissingExtraError("the HTML report", "report") from error
