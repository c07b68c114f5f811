"""How long imports take, each in a fresh interpreter: median and spread of several, after one to warm the disk cache.

python benchmarks/imports.py
"""

from __future__ import annotations

import statistics
import subprocess
import sys

STATEMENTS = ("import credit_hooks", "import credit_hooks.langgraph", "import credit_hooks_adapters")
REPEATS = 9
TIMED = "import time; start = time.perf_counter(); {}; print(time.perf_counter() - start)"


def seconds(statement: str) -> float:
    """Time of one import in a fresh interpreter."""
    command = [sys.executable, "-I", "-c", TIMED.format(statement)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    for statement in STATEMENTS:
        seconds(statement)
        times = sorted(seconds(statement) for _ in range(REPEATS))
        print(
            f"{statement:<32} {statistics.median(times):6.3f} s   ({times[0]:.3f} to {times[-1]:.3f}, {REPEATS} runs)"
        )


if __name__ == "__main__":
    main()
