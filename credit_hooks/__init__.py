"""Signed, conserved credit per message for teams of LLM agents, as tracing middleware."""

from __future__ import annotations

__version__ = "0.1.0.dev0"
