import threading

import pytest

from credit_hooks.credit import BaselineTracker, CreditConfig, assign_credit, task_key
from credit_hooks.trajectory import Outcome, Trajectory


def run(name, *, graph="g", **fields):
    return Trajectory(id=name, name=graph, **fields)


def test_the_stated_baseline_wins_over_everything(run_of, said):
    stated = run_of(said("a", "x", ())).with_outcome(Outcome(score=1.0, baseline=0.75))
    for baseline in (0.2, "running", "group"):
        assert BaselineTracker(baseline).resolve(stated) == 0.75
        assert assign_credit(stated, CreditConfig(baseline=baseline)).total == 0.25


def test_a_number_is_the_baseline_of_every_run():
    tracker = BaselineTracker(0.2)
    tracker.observe(run("1"), 1.0)
    assert tracker.resolve(run("2")) == 0.2


def test_running_is_the_mean_of_the_graphs_other_runs_and_one_half():
    tracker = BaselineTracker("running")
    assert tracker.resolve(run("1")) == 0.5
    tracker.observe(run("1"), 1.0)
    tracker.observe(run("2", graph="another"), 0.0)
    assert tracker.resolve(run("3")) == 0.75
    assert tracker.resolve(run("1")) == 0.5  # its own outcome is no expectation


def test_group_is_the_mean_of_the_tasks_other_runs():
    tracker = BaselineTracker("group")
    for i, score in enumerate([1.0, 0.0, 0.0, 1.0, 1.0]):
        tracker.observe(run(str(i), group_id="task"), score)
    tracker.observe(run("x", group_id="other"), 0.0)
    assert tracker.resolve(run("new", group_id="task")) == 0.6
    assert tracker.resolve(run("0", group_id="task")) == 0.5
    assert tracker.resolve(run("y", group_id="unheard of")) == pytest.approx(3.5 / 7)


def test_a_run_that_is_scored_again_replaces_its_score():
    tracker = BaselineTracker("group")
    tracker.observe(run("1", task_id="t"), 0.0)
    tracker.observe(run("1", task_id="t"), 1.0)
    assert tracker.resolve(run("2", task_id="t")) == 1.0


def test_memory_is_bounded():
    tracker = BaselineTracker("group", max_keys=4, max_runs=3)
    for i in range(50):
        tracker.observe(run(str(i), group_id=f"g{i % 10}"), 1.0)
    assert len(tracker._scores) <= 4
    assert all(len(scores) <= 3 for scores in tracker._scores.values())


def test_threads_may_share_a_tracker():
    tracker = BaselineTracker("running")

    def work(worker):
        for i in range(100):
            tracker.observe(run(f"{worker}-{i}"), 1.0)
            tracker.resolve(run("other"))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert tracker.resolve(run("last")) == pytest.approx(400.5 / 401)


def test_task_keys_go_from_group_to_task_to_text():
    assert task_key(run("1", group_id="g", task_id="t", task="x")) == "group:g"
    assert task_key(run("1", task_id="t", task="x")) == "task:t"
    assert task_key(run("1", task="two  words")) == task_key(run("2", task="two words"))
    assert task_key(run("1")) is None


def test_without_a_tracker_the_default_is_used_and_it_says_so(run_of, said):
    credit = assign_credit(run_of(said("a", "x", ())), CreditConfig(baseline="group"))
    assert credit.baseline == 0.5
    assert "BaselineTracker" in credit.notes[0]
