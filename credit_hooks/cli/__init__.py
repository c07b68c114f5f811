"""The command line: `credit-hooks list | show | report | score | export | annotate | demo`."""

from __future__ import annotations

import sys

from credit_hooks.errors import MissingExtraError

__all__ = ["main"]


def main() -> None:
    """Run the command line and exit: 0 done, 1 not everything could be read, 2 the command cannot work as typed."""
    try:
        from credit_hooks.cli.app import run
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in ("", "credit_hooks"):
            raise
        sys.stderr.write(f"credit-hooks: {MissingExtraError('the command line', 'cli')}\n")
        raise SystemExit(2) from None
    raise SystemExit(run())
