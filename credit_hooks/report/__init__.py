"""A credited run as one self-contained HTML page, readable without network."""

from __future__ import annotations

from credit_hooks.errors import MissingExtraError
from credit_hooks.rewards import CreditedRun

__all__ = ["render"]


def render(run: CreditedRun) -> str:
    """The page: headline, credit per agent, provenance graph in lanes per agent, messages, and a table.

    Pure and deterministic. Everything from the run is escaped, and a content security policy allows the page's own
    style and script alone, by hash. Pages stay below about 3 MB: long texts and very long runs are cut, and say so.

    Raises:
        MissingExtraError: jinja2 is not installed.
    """
    try:
        from credit_hooks.report.run.page import render_page
    except ModuleNotFoundError as error:
        if error.name not in ("jinja2", "markupsafe"):
            raise
        raise MissingExtraError("the HTML report", "report") from error
    return render_page(run)
