"""A process that collects training data from a store, and dies at a given number of milliseconds: `python ... DIES`."""

import itertools
import os
import signal
import sys
import threading
import time

from credit_hooks_exporters import export

SPLITS = {"train": 0.7, "test": 0.3}


def main(store, form, out, container, seeds):
    """For every delay a child that exports until it is killed; then one that is left alone."""
    for delay in [float(seed) for seed in seeds]:
        child = os.fork()
        if child == 0:
            started = time.monotonic()
            killer = threading.Thread(target=die, args=(started + delay,), daemon=True)
            killer.start()
            for turn in itertools.count():  # mostly writing anew, so that death comes in the middle of something
                since = None if turn % 3 else "last"
                export(
                    store, form, out, since=since, part_runs=3, container=container, splits={"train": 0.7, "test": 0.3}
                )
        os.waitpid(child, 0)


def die(at):
    time.sleep(max(0.0, at - time.monotonic()))
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main(*sys.argv[1:5], sys.argv[5:])
