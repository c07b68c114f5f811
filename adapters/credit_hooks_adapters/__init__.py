"""Span dialects and logs of other systems to trajectories."""

from credit_hooks_adapters.reading import Source, read

__all__ = ["Source", "read"]
