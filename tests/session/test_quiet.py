"""Work after a run gets out of the way of the runs that go on, and never for long."""

import threading
import time

import pytest

from credit_hooks import quiet as module
from credit_hooks.quiet import Quiet


@pytest.fixture
def waits(monkeypatch):
    """Start waiting on a thread: an event that is set when the wait is over."""
    monkeypatch.setattr(module, "_PATIENCE", 60.0)

    def start(quiet, since=None):
        over = threading.Event()
        begun = time.monotonic() if since is None else since
        threading.Thread(target=lambda: (quiet.wait(begun), over.set()), daemon=True).start()
        return over

    return start


def test_nothing_waits_while_no_run_goes_on(waits):
    assert waits(Quiet()).wait(10)


def test_work_waits_for_the_last_run_to_end(waits):
    quiet = Quiet()
    quiet.begins()
    over = waits(quiet)
    assert not over.wait(0.05)
    quiet.ends()
    assert over.wait(10)


def test_who_wants_the_work_has_it_at_once_and_later_runs_are_waited_for_again(waits):
    quiet = Quiet()
    quiet.begins()
    over = waits(quiet)
    with quiet.wanted():
        quiet.begins()
        assert over.wait(10)
    quiet.begins()
    assert not waits(quiet).wait(0.05)
    quiet.ends()


def test_what_has_waited_long_enough_waits_no_longer(waits):
    quiet = Quiet()
    quiet.begins()  # and never ends
    assert waits(quiet, since=time.monotonic() - 61.0).wait(10)
