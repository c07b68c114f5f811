"""Interruption at any point: going on gives the same result, and no finished system run is made again."""

import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from prompt_kit import CountingTeam, Interrupted

from credit_hooks.demo.order_desk import LocalCritic, evaluate, orders
from credit_hooks.prompts import Budget, optimize
from credit_hooks.store import RunStore

TASKS = orders(40, seed=1)
BUDGET = Budget(system_runs=200, model_calls=20)


def session(team, critic, store, **options):
    return optimize(team, TASKS, evaluate, critic, BUDGET, store=store, evidence_tasks=8, max_attempts=2, **options)


def outcome(found):
    attempts = [attempt.model_dump(exclude={"spent"}) for attempt in found.attempts]
    return json.dumps([attempts, [block.text for block in found.after], found.stopped])


@pytest.mark.parametrize("every", [1, 9])
def test_a_team_that_is_interrupted_again_and_again_gets_there(tmp_path, every):
    tasks, uninterrupted = CountingTeam(), LocalCritic(poison=0.3)
    whole = session(tasks, uninterrupted, tmp_path / "whole.db")
    made, critic = [], LocalCritic(poison=0.3)
    for _ in range(300):
        team = CountingTeam(stop_after=every)
        try:
            found = session(team, critic, tmp_path / "parts.db")
        except Interrupted:
            made += team.jobs
            continue
        made += team.jobs
        break
    assert outcome(found) == outcome(whole)
    assert sorted(job.run_id for job in made) == sorted(job.run_id for job in tasks.jobs)  # each run once, none again
    assert critic.calls == uninterrupted.calls
    assert len(made) <= found.spent.system_runs <= BUDGET.system_runs
    assert found.read > 0


class Stops:
    """A critic in front of which the process is interrupted at the n-th call."""

    def __init__(self, after):
        self.inner, self.after = LocalCritic(), after

    def __call__(self, request):
        if self.inner.calls == self.after:
            self.after = -1
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            time.sleep(5)
        return self.inner(request)


@pytest.mark.parametrize("after", [0, 1])
def test_an_interruption_while_the_critic_is_asked(tmp_path, after):
    whole = session(CountingTeam(), LocalCritic(), tmp_path / "whole.db")
    first, second = CountingTeam(), CountingTeam()
    with pytest.raises(KeyboardInterrupt):
        session(first, Stops(after), tmp_path / "parts.db")
    found = session(second, LocalCritic(), tmp_path / "parts.db")
    assert outcome(found) == outcome(whole)
    assert not {job.run_id for job in first.jobs} & {job.run_id for job in second.jobs}
    assert found.spent.model_calls == whole.spent.model_calls + 1  # the call that was cut short has cost something


def test_an_optimisation_that_is_done_is_read_and_not_repeated(tmp_path):
    first = session(CountingTeam(), LocalCritic(), tmp_path / "runs.db")
    team, critic = CountingTeam(), LocalCritic()
    again = session(team, critic, tmp_path / "runs.db")
    assert (len(team.jobs), critic.calls) == (0, 0)
    assert outcome(again) == outcome(first)
    assert again.spent == first.spent


def test_another_optimisation_in_the_same_store_shares_runs_and_not_critiques(tmp_path):
    store = tmp_path / "runs.db"
    first = session(CountingTeam(), LocalCritic(), store)
    team, critic = CountingTeam(), LocalCritic()
    other = session(team, critic, store, name="other")
    assert (len(team.jobs), other.spent.system_runs) == (0, 0)
    assert critic.calls == other.spent.model_calls == first.spent.model_calls


def test_a_larger_budget_goes_on_where_the_smaller_one_ended(tmp_path):
    small, large = CountingTeam(), CountingTeam()
    store = tmp_path / "runs.db"
    first = optimize(small, TASKS, evaluate, LocalCritic(), Budget(system_runs=30, model_calls=20), store=store)
    assert "30 system runs is used up" in first.stopped
    found = optimize(large, TASKS, evaluate, LocalCritic(), BUDGET, store=store)
    assert found.changed == ("goods",)
    assert found.spent.system_runs == len(small.jobs) + len(large.jobs)


def test_a_damaged_run_is_made_again(tmp_path):
    import sqlite3

    path = tmp_path / "runs.db"
    first = session(CountingTeam(), LocalCritic(), path)
    victim = first.attempts[0].edits[0].evidence[0]
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("UPDATE runs SET credit = x'00' WHERE id = ?", (victim,))
    connection.close()
    team = CountingTeam()
    assert outcome(session(team, LocalCritic(), path)) == outcome(first)
    assert [job.run_id for job in team.jobs] == [victim]


KILLED = """
import sys
from credit_hooks.demo.order_desk import LocalCritic, desk_team, evaluate, orders
from credit_hooks.prompts import Budget, optimize
print("begin", flush=True)
tasks, budget = orders(40, seed=1), Budget(system_runs=200, model_calls=20)
team = desk_team(parallel=False)
optimize(team, tasks, evaluate, LocalCritic(), budget, store=sys.argv[1], evidence_tasks=8, max_attempts=2)
"""


def test_a_process_that_is_killed(tmp_path):
    path = tmp_path / "runs.db"
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "begin\n"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:  # until it is in the middle
        if path.exists() and Path(path).stat().st_size:
            try:
                with RunStore(path, read_only=True) as store:
                    if len(store) > 5:
                        break
            except Exception:
                pass
        time.sleep(0.02)
    process.kill()
    process.communicate()
    with RunStore(path) as store:
        finished = {summary.id for summary in store.list() if summary.status == "ok" and summary.outcome is not None}
    team = CountingTeam()
    found = session(team, LocalCritic(), path)
    assert finished
    assert not finished & {job.run_id for job in team.jobs}
    assert outcome(found) == outcome(session(CountingTeam(), LocalCritic(), tmp_path / "whole.db"))
