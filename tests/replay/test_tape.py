"""The tape: every output is computed once, and nobody waits for ever."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credit_hooks.errors import ReplayStoppedError
from credit_hooks.replay import Recorded, Tape
from credit_hooks.replay.aside import aside, run_aside


def test_what_the_run_itself_did_holds_for_every_draw():
    tape = Tape()
    tape.record("a", Recorded("first"))
    tape.record("a", Recorded("second"))
    assert [tape.claim("a", self, draw).flight.result().output for draw in (0, 1) for self in "xy"] == ["first"] * 4
    assert len(tape) == 1


def test_one_executes_and_the_others_wait():
    tape = Tape()
    mine, theirs = tape.claim("a", "x"), tape.claim("a", "y")
    assert (mine.state, theirs.state) == ("mine", "theirs")
    tape.complete(mine, Recorded("said", 2))
    assert theirs.flight.result() == Recorded("said", 2)
    assert tape.claim("a", "z").state == "known"
    assert tape.claim("a", "z", draw=1).state == "mine"


def test_a_failure_fails_those_who_wait_and_is_forgotten():
    tape = Tape()
    mine, theirs = tape.claim("a", "x"), tape.claim("a", "y")
    tape.fail(mine, ConnectionError("no such host"))
    with pytest.raises(ConnectionError):
        theirs.flight.result()
    assert tape.claim("a", "y").state == "mine"


def test_a_cancellation_is_no_cancellation_of_those_who_wait():
    tape = Tape()
    mine, theirs = tape.claim("a", "x"), tape.claim("a", "y")
    tape.fail(mine, asyncio.CancelledError())
    with pytest.raises(ReplayStoppedError, match="given up: CancelledError"):
        theirs.flight.result()


def test_what_a_given_up_replay_had_taken_on_is_free_again():
    tape = Tape()
    one, other, theirs = tape.claim("a", "x"), tape.claim("b", "z"), tape.claim("a", "y")
    tape.abandon("x", TimeoutError("given up"))
    with pytest.raises(TimeoutError):
        theirs.flight.result()
    tape.complete(one, Recorded("too late"))
    assert tape.claim("a", "y").state == "mine"
    assert tape.claim("b", "y").state == "theirs"
    tape.complete(other, Recorded("in time"))


@settings(max_examples=20, deadline=None)
@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=40))
def test_threads_never_compute_an_output_twice(keys):
    tape, computed = Tape(), []

    def ask(key):
        claim = tape.claim(key, object())
        if claim.state == "mine":
            computed.append(key)
            tape.complete(claim, Recorded(key.upper()))
        return claim.flight.result(10).output

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(ask, keys)) == [key.upper() for key in keys]
    assert sorted(computed) == sorted(set(keys))


def test_exits_end_the_thread_aside_only():
    async def leaves():
        raise SystemExit(3)

    with pytest.raises(ReplayStoppedError, match="SystemExit"):
        run_aside(leaves, timeout=10)


async def test_work_aside_knows_nothing_of_the_caller():
    import contextvars

    variable = contextvars.ContextVar("variable", default="empty")
    variable.set("the caller's")
    assert await aside(variable.get) == "empty"
