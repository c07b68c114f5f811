"""A team of agents on twenty word problems, and who earned what: runs here, with no API key and no network."""

from __future__ import annotations

from credit_hooks.demo.run import run_demo

__all__ = ["run_demo"]
