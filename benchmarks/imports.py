"""How long imports take, each in a fresh interpreter: median and spread of several, after one to warm the disk cache.

python benchmarks/imports.py
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

STATEMENTS = ("import credit_hooks", "import credit_hooks.langgraph", "import credit_hooks_adapters")
REPEATS = 9
TIMED = "import time; start = time.perf_counter(); {}; print(time.perf_counter() - start)"


def seconds(statement: str) -> float:
    """Time of one import in a fresh interpreter."""
    command = [sys.executable, "-I", "-c", TIMED.format(statement)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def start_up(left_out: str) -> float:
    """Time of a program that does nothing, under `opentelemetry-instrument`, with some instrumentors left out."""
    command = [str(Path(sys.executable).parent / "opentelemetry-instrument"), sys.executable, "-c", "pass"]
    start = time.perf_counter()
    subprocess.run(command, check=True, env={**os.environ, "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": left_out})
    return time.perf_counter() - start


def zero_code() -> None:
    """What our two instrumentors add to the start of a program that uses neither framework: paired, in turn."""
    ours = "credit_hooks_autogen,credit_hooks_langgraph"
    start_up("")
    pairs = [(start_up(ours), start_up("")) for _ in range(REPEATS)]
    added = statistics.median(with_ours - without for without, with_ours in pairs)
    plain = statistics.median(without for without, _ in pairs)
    print(f"{'opentelemetry-instrument':<32} {plain:6.3f} s   {added * 1e3:+.0f} ms with our instrumentors")


def main() -> None:
    for statement in STATEMENTS:
        seconds(statement)
        times = sorted(seconds(statement) for _ in range(REPEATS))
        print(
            f"{statement:<32} {statistics.median(times):6.3f} s   ({times[0]:.3f} to {times[-1]:.3f}, {REPEATS} runs)"
        )
    if (Path(sys.executable).parent / "opentelemetry-instrument").exists():
        zero_code()


if __name__ == "__main__":
    main()
