"""Settings of all tests: examples have no deadline, as a busy machine is no defect."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("credit-hooks", deadline=None)
settings.load_profile("credit-hooks")
