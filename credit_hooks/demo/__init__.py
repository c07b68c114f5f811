"""A team of agents on twenty word problems, and who earned what: runs here, with no API key and no network.

Needs `pip install 'credit-hooks[demo]'`.
"""

from __future__ import annotations

from credit_hooks.errors import MissingExtraError

try:
    import langchain.agents  # noqa: F401 - only to say clearly what is missing
    import rich  # noqa: F401
except ImportError as error:
    raise MissingExtraError("the demo", "demo") from error

from credit_hooks.demo.run import run_demo

__all__ = ["run_demo"]
