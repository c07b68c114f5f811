"""Settings of all tests: examples have no deadline, as a busy machine is no defect; every worker has one core."""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy: workers that share cores slow each other down

from hypothesis import settings

settings.register_profile("credit-hooks", deadline=None)
settings.load_profile("credit-hooks")
