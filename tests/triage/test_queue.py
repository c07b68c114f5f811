"""What is queued, for whom, and that it stays bounded."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from triage_kit import run_of

from credit_hooks.errors import StoreError
from credit_hooks.store import RunStore
from credit_hooks.triage import RetryLimits, TriagePolicy, TriageQueue
from credit_hooks.triage.critiques import Critique, CritiqueBook, places_of, task_place, thread_place
from credit_hooks.triage.limits import RetryLedger
from credit_hooks.triage.queue import TRIAGE

TEXTS = st.lists(
    st.sampled_from(["The answer is 42.", "Perhaps 40, an assumption.", "Error: KeyError: 1", "Thanks."]),
    min_size=1,
    max_size=6,
)
BLAME = TriagePolicy(below_probability=None, below_confidence=None, low_evidence=False, least_blame=0.3)


@given(TEXTS, st.floats(0, 1), st.integers(1, 4), st.floats(0.1, 2.0))
def test_policies_name_turns_of_the_run_and_leave_alone_what_did_not_fail(texts, score, per_run, least):
    run = run_of(texts=texts, score=score)
    policy = TriagePolicy(per_run=per_run, least_blame=least)
    turns = policy.turns(run)
    assert len(turns) <= per_run
    assert run.credit.total <= -policy.least_loss or not turns
    assert [turn.urgency for turn in turns] == sorted((turn.urgency for turn in turns), reverse=True)
    for turn in turns:
        assert run.trajectory.message_by_id[turn.message_id].actor_id == turn.actor_id
        assert turn.why == "low_confidence" or turn.blame >= least


def test_a_turn_that_is_blamed_most_gives_a_critique_for_the_next_run_of_its_thread_or_task():
    queue = TriageQueue(BLAME)
    queue.export(run_of(thread="t1"))
    turn = queue.turns[0]
    assert turn.why == "high_blame"
    assert queue.critiques.take([thread_place("other"), task_place("other")], turn.actor) is None
    told = queue.critiques.take([task_place("How  many live\nthere?")], turn.actor)
    assert told.message_id == turn.message_id
    assert queue.critiques.take([thread_place("t1")], turn.actor) is None, "told once, wherever it was kept"
    for message in run_of().trajectory.messages:
        assert message.text not in told.text, "what was said may hold instructions of others"


def test_a_run_that_goes_well_drops_the_critiques_of_its_task():
    queue = TriageQueue(BLAME)
    queue.export(run_of())
    assert len(queue.critiques)
    queue.export(run_of("r2", score=1.0))
    assert not len(queue.critiques)


def test_a_run_credited_anew_replaces_its_turns():
    queue = TriageQueue()
    queue.export(run_of())
    assert len(queue)
    queue.export(run_of(score=1.0))
    assert len(queue) == 0


def test_the_queue_is_bounded_and_keeps_the_most_urgent():
    queue = TriageQueue(TriagePolicy(per_run=1), max_turns=3, max_critiques=4)
    for number in range(10):
        queue.export(run_of(f"r{number}", task=f"task {number}"))
    assert len(queue) == 3
    assert queue.stats["dropped: queue full"] == 7
    assert len(queue.critiques) <= 4
    taken = queue.take(2)
    assert len(taken) == 2
    assert len(queue) == 1


def test_a_critic_that_raises_costs_its_words_alone():
    def critic(run, turn):
        raise RuntimeError("no model")

    queue = TriageQueue(BLAME, critique=critic)
    queue.export(run_of())
    assert queue.stats["failed: critique"] == 1
    assert len(queue.critiques) == 1


def test_queued_turns_are_labels_of_the_stored_run_once(tmp_path):
    path = tmp_path / "runs.db"
    run = run_of()
    with RunStore(path) as store:
        store.put(run)
        queue = TriageQueue(store=store)
        queue.export(run)
        queue.export(run)
        labels = [label for label in store.get("r1").trajectory.labels if label.name == TRIAGE]
    assert [(label.target_id, label.category) for label in labels] == [
        (turn.message_id, turn.why) for turn in queue.policy.turns(run)
    ]


def test_labels_without_a_stored_run_are_an_error_and_the_turn_is_queued(tmp_path):
    queue = TriageQueue(store=tmp_path / "runs.db")
    with pytest.raises(StoreError, match="r1"):
        queue.export(run_of())
    assert len(queue)


def test_threads_may_export_at_once():
    queue = TriageQueue(max_turns=5)
    threads = [threading.Thread(target=queue.export, args=(run_of(f"r{n}"),)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(queue) == 5


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["x", "y"]), st.booleans()), max_size=20))
def test_a_critique_is_told_so_often_and_no_more(events):
    book = CritiqueBook(3, uses=2)
    told = {}
    for number, (place, actor, take) in enumerate(events):
        if take:
            found = book.take([place], actor)
            if found is not None:
                told[found.run_id] = told.get(found.run_id, 0) + 1
        else:
            critique = Critique(run_id=str(number), message_id="m", actor_id=actor, actor=actor, text="better")
            book.put([place, "everywhere"], critique)
        assert len(book) <= 3
    assert all(count <= 2 for count in told.values())


@given(
    st.integers(0, 5),
    st.integers(0, 3),
    st.none() | st.integers(0, 50),
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 40)), max_size=30),
)
def test_no_limit_is_ever_exceeded(total, per_run, tokens, wanted):
    ledger = RetryLedger(RetryLimits(total=total, per_run=per_run, tokens=tokens))
    begun = []
    for run, cost in wanted:
        spent = ledger.stats["tokens"]
        may = ledger.may_begin(run)
        assert ledger.begin(run) is may
        if may:
            assert tokens is None or spent < tokens
            begun.append(run)
            ledger.spent(cost, 0)
    assert len(begun) <= total
    assert all(begun.count(run) <= per_run for run in begun)


def test_limits_say_what_is_wrong_and_the_total_has_no_default():
    with pytest.raises(ValidationError, match="total"):
        RetryLimits()
    with pytest.raises(ValidationError):
        RetryLimits(total=-1)
    with pytest.raises(ValidationError):
        RetryLimits(total=1, timeout=0)


def test_places_are_the_thread_and_the_task():
    assert places_of(run_of(thread="t1").trajectory) == (thread_place("t1"), task_place("How many live there?"))
