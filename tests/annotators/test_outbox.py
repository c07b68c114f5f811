"""The outbox: bounded, the newest of a run, runs that are not ready apart and later."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from credit_hooks.testing import sample_run
from credit_hooks_exporters.annotators import annotations_of
from credit_hooks_exporters.annotators.outbox import Outbox

ONE = annotations_of(sample_run())[:1]


@given(sizes=st.lists(st.integers(1, 9), max_size=40), most=st.integers(1, 12), limit=st.integers(1, 60))
def test_whole_runs_leave_in_order_and_never_more_than_asked_unless_alone(sizes, most, limit):
    box = Outbox(limit)
    taken, accepted = [], []
    for number, size in enumerate(sizes):
        if box.put(str(number), ONE * size):
            accepted.append(str(number))
    assert sum(sizes[int(name)] for name in accepted) <= max(limit, sizes[0] if sizes else 0)
    while parcels := box.take(most):
        assert len(parcels) == 1 or sum(len(parcel.annotations) for parcel in parcels) <= most
        taken += [parcel.run_id for parcel in parcels]
    assert taken == accepted
    assert len(box) == 0


def test_the_newest_of_a_run_takes_the_place_of_the_older():
    box = Outbox(10)
    assert box.put("a", ONE)
    assert box.put("a", ONE * 3)
    (parcel,) = box.take(10)
    assert len(parcel.annotations) == 3
    assert box.put("b", ONE * 10)
    assert not box.put("c", ONE)
    assert box.put("b", ONE)
    assert box.put("c", ONE)


def test_what_is_put_back_goes_alone_after_the_others_and_gives_way_to_a_newer_one():
    box = Outbox(100)
    box.put("late", ONE)
    box.put("newer", ONE)
    parcels = box.take(10)
    box.put("newer", ONE * 2)
    box.put("other", ONE)
    box.put_back(parcels, later=True)
    first = box.take(10)
    assert [parcel.run_id for parcel in first] == ["newer", "other"]
    assert [len(parcel.annotations) for parcel in first] == [2, 1]
    (late,) = box.take(10)
    assert (late.run_id, late.alone, late.tries) == ("late", True, 1)
