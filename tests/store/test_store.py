"""Laws of the run store: what is put comes back, once per id, whatever it holds and whoever writes beside it."""

import gc
import json
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from credit_hooks.errors import ConfigurationError, DamagedRunError, StoreError
from credit_hooks.rewards import Credit, CreditedRun
from credit_hooks.store import STORE_VERSION, RunStore
from credit_hooks.trajectory import DataPart, Message, TextPart, Trajectory

any_text = st.text(st.characters(), max_size=30)  # lone surrogates and control characters included
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | any_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(run_id=any_text.filter(bool), name=any_text | st.none(), text=any_text, value=json_values, time=st.integers())
def test_what_is_put_comes_back_whatever_it_holds(tmp_path, make_run, run_id, name, text, value, time):
    run = make_run(parts=[(TextPart(text=text), DataPart(value=value))], rewards=[-0.5], name=name)
    message = run.trajectory.messages[1].model_copy(update={"timestamp": time})
    trajectory = run.trajectory.model_copy(update={"id": run_id, "messages": (run.trajectory.messages[0], message)})
    run = run.model_copy(update={"trajectory": trajectory})
    with RunStore(tmp_path / "runs.db") as store:
        store.put(run)
        assert store.get(run_id) == run


def test_data_nested_beyond_the_parsers_limit_comes_back(tmp_path, make_run):
    value = []
    for _ in range(230):
        value = [value]
    run = make_run(parts=[(DataPart(value=value),)], rewards=[-0.5])
    with RunStore(tmp_path / "runs.db") as store:
        store.put(run)
        assert store.get("run-1") == run


def test_half_a_surrogate_pair_in_a_key_is_kept(tmp_path, make_run):
    run = make_run(parts=[(TextPart(text=""), DataPart(value={"\ud800": "\ufffd"}))], rewards=[-0.5])
    with RunStore(tmp_path / "runs.db") as store:
        store.put(run)
        assert store.get("run-1") == run


def test_scoring_again_replaces_the_row_and_keeps_its_place(tmp_path, make_run):
    with RunStore(tmp_path / "runs.db") as store:
        for run_id in ("a", "b", "c"):
            store.put(make_run(run_id, outcome=None))
        again = make_run("b", outcome=1.0, rewards=(0.1, 0.2, 0.2))
        store.put(again)
        assert len(store) == 3
        assert [run.trajectory.id for run in store] == ["a", "b", "c"]
        assert [summary.id for summary in store.list()] == ["c", "b", "a"]
        assert store.get("b") == again
        assert store.latest().trajectory.id == "c"


def test_a_summary_says_who_did_best_and_worst_and_where_it_first_went_wrong(tmp_path, make_run):
    with RunStore(tmp_path / "runs.db") as store:
        store.put(make_run(rewards=(0.05, -0.5, -0.05), first_error=2))
        (summary,) = store.list()
    assert summary.worst_agent == "solver"
    assert summary.worst_credit == -0.5
    assert summary.best_agent == "planner"
    assert (summary.first_error_index, summary.first_error_agent) == (2, "solver")
    assert (summary.message_count, summary.outcome, summary.baseline, summary.total) == (4, 0.0, 0.5, -0.5)
    assert summary.started_at == 1_700_000_000_000_000_000


def test_list_filters_by_agent_and_status_and_stops_at_the_limit(tmp_path, make_run):
    with RunStore(tmp_path / "runs.db") as store:
        for number in range(150):
            store.put(make_run(f"r{number:03}", agents=["odd"] if number % 2 else ["even"], rewards=[-0.5]))
        store.put(make_run("uncredited", outcome=None))
        assert [row.id for row in store.list(3)] == ["uncredited", "r149", "r148"]
        assert len([*store.list(agent="odd")]) == 75
        assert len([*store.list(70, agent="a:even")]) == 70
        assert [row.id for row in store.list(status="no_outcome")] == ["uncredited"]
        assert len([*store.list(status="ok")]) == 151
        assert [*store.list(0)] == []


def test_a_unique_prefix_finds_the_run_and_an_ambiguous_one_lists_the_candidates(tmp_path, make_run):
    with RunStore(tmp_path / "runs.db") as store:
        for run_id in ("abc-1", "abd-2", "ab"):
            store.put(make_run(run_id))
        assert store.get("abc").trajectory.id == "abc-1"
        assert store.get("ab").trajectory.id == "ab"  # exact wins over prefix
        with pytest.raises(StoreError, match=r"'a' is the start of several .* ab, abc-1, abd-2\. Type more"):
            store.get("a")
        with pytest.raises(StoreError, match=r"no run 'abc-11' in .*did you mean abc-1 or"):
            store.get("abc-11")
        with pytest.raises(StoreError, match=r"no run '%' in"):
            store.get("%")


def test_one_damaged_run_is_told_apart_from_a_store_that_cannot_be_read(tmp_path, make_run):
    path = tmp_path / "runs.db"
    with RunStore(path) as store:
        for run_id in ("a", "b"):
            store.put(make_run(run_id))
    damage(path, "a")
    with RunStore(path, read_only=True) as store:
        assert [row.id for row in store.list()] == ["b", "a"]
        assert store.get("b") == make_run("b")
        with pytest.raises(DamagedRunError, match="run a in .* cannot be read") as caught:
            store.get("a")
    assert caught.value.run_id == "a"


def damage(path, run_id):
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("UPDATE runs SET trajectory = substr(trajectory, 1, 40) WHERE id = ?", (run_id,))
    connection.close()


@pytest.mark.parametrize("name", [":memory:", ""])
def test_a_name_of_no_file_is_refused(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError, match="names no file|empty name"):
        RunStore(name)
    assert list(tmp_path.iterdir()) == []


def test_a_store_in_the_home_of_nobody_is_refused():
    with pytest.raises(ConfigurationError, match="~nobody-here-has-this-name/runs.db"):
        RunStore("~nobody-here-has-this-name/runs.db")


def test_a_file_of_ours_without_its_table_is_called_damaged(tmp_path, make_run):
    path = tmp_path / "runs.db"
    with RunStore(path) as store:
        store.put(make_run())
    connection = sqlite3.connect(path)
    connection.execute("DROP TABLE runs")
    connection.close()
    with RunStore(path) as store, pytest.raises(StoreError, match="is damaged"):
        len(store)


def test_a_missing_run_of_an_empty_store_says_that_it_is_empty(tmp_path):
    with RunStore(tmp_path / "runs.db") as store:
        assert store.latest() is None
        assert len(store) == 0
        assert store
        with pytest.raises(StoreError, match="is empty"):
            store.get("x")


def test_files_are_readable_by_their_owner_only_from_the_first_moment(tmp_path, make_run):
    before = os.umask(0)
    try:
        with RunStore(tmp_path / "runs.db") as store:
            store.put(make_run())
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    finally:
        os.umask(before)
    assert modes == {"runs.db": 0o600, "runs.db-wal": 0o600, "runs.db-shm": 0o600}


def test_closing_leaves_one_file_and_a_closed_store_says_so(tmp_path, make_run):
    store = RunStore(tmp_path / "runs.db")
    store.put(make_run())
    store.close()
    store.close()
    assert [path.name for path in tmp_path.iterdir()] == ["runs.db"]
    with pytest.raises(StoreError, match="is closed"):
        store.put(make_run())


@pytest.mark.parametrize("content", [b"not a database at all" * 100, b"SQLite format 3\0" + bytes(range(256)) * 20])
def test_a_file_that_is_no_database_is_named_and_left_alone(tmp_path, content):
    path = tmp_path / "runs.db"
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"runs\.db is damaged or no run store .* mv "):
        RunStore(path)
    assert path.read_bytes() == content


def test_another_programs_database_is_left_alone(tmp_path):
    path = tmp_path / "places.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE bookmarks (url TEXT)")
    connection.commit()
    connection.close()
    content = path.read_bytes()
    with pytest.raises(StoreError, match="another program"):
        RunStore(path)
    assert path.read_bytes() == content


def test_a_newer_store_version_asks_for_an_upgrade(tmp_path):
    path = tmp_path / "runs.db"
    RunStore(path).close()
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {STORE_VERSION + 1}")
    connection.close()
    with pytest.raises(StoreError, match="newer credit-hooks .*pip install --upgrade credit-hooks"):
        RunStore(path)


@pytest.mark.parametrize("left_behind", [[], ["runs.db-wal", "runs.db-shm"]])
def test_runs_after_the_file_was_deleted_are_kept_in_a_new_one(tmp_path, make_run, left_behind):
    with RunStore(tmp_path / "runs.db") as store:
        store.put(make_run("before"))
        for path in tmp_path.iterdir():
            if path.name not in left_behind:
                path.unlink()
        store.put(make_run("after"))
        store.put(make_run("later"))
    with RunStore(tmp_path / "runs.db") as store:
        assert [run.trajectory.id for run in store] == ["after", "later"]


def test_an_abandoned_store_closes_its_file_by_itself(tmp_path, make_run):
    store = RunStore(tmp_path / "runs.db")
    store.put(make_run())
    del store
    gc.collect()
    assert [path.name for path in tmp_path.iterdir()] == ["runs.db"]


AT_EXIT = """
import atexit, sys
from credit_hooks.rewards import Credit, CreditedRun
from credit_hooks.store import RunStore
from credit_hooks.trajectory import Trajectory
def put(run_id):
    store.put(CreditedRun(trajectory=Trajectory(id=run_id), credit=Credit(trajectory_id=run_id)))
store = RunStore(sys.argv[1])
put("before")
if sys.argv[2] == "late":
    import credit_hooks.store._runs as runs
    atexit.unregister(runs._rest_all)
    atexit.register(put, "at exit")
    atexit.register(runs._rest_all)  # runs first
"""


@pytest.mark.parametrize(("when", "left", "count"), [("early", {"runs.db"}, 1), ("late", None, 2)])
def test_a_store_left_open_is_complete_in_one_file_and_exit_handlers_can_still_write(tmp_path, when, left, count):
    done = run_python(AT_EXIT, tmp_path / "runs.db", when)
    assert (done.returncode, done.stderr) == (0, "")
    assert left is None or {path.name for path in tmp_path.iterdir()} == left
    with RunStore(tmp_path / "runs.db") as store:
        assert len(store) == count


def test_a_damaged_row_names_its_run_and_the_others_stay_readable(tmp_path, make_run):
    path = tmp_path / "runs.db"
    with RunStore(path) as store:
        store.put(make_run("good"))
        store.put(make_run("bad"))
    connection = sqlite3.connect(path)
    connection.execute("UPDATE runs SET credit = x'00ff' WHERE id = 'bad'")
    connection.commit()
    connection.close()
    with RunStore(path) as store:
        assert store.get("good").trajectory.id == "good"
        with pytest.raises(StoreError, match="run bad .* damaged"):
            store.get("bad")


def test_read_only_needs_an_existing_store_and_creates_nothing(tmp_path, make_run):
    path = tmp_path / "runs.db"
    with pytest.raises(StoreError, match="no run store at"):
        RunStore(path, read_only=True)
    path.touch()
    with pytest.raises(StoreError, match="holds no runs yet"):
        RunStore(path, read_only=True)
    assert [p.name for p in tmp_path.iterdir()] == ["runs.db"]
    with RunStore(path) as store, RunStore(path, read_only=True) as reader:
        store.put(make_run())
        assert len(reader) == 1
        with pytest.raises(StoreError, match="cannot be written"):
            reader.put(make_run("other"))


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a folder that takes no files, as /proc is")
def test_a_folder_that_takes_no_files_is_not_taken_for_a_store_that_is_not_there_yet():
    with pytest.raises(StoreError, match="no file can be made in this folder"):
        RunStore("/proc/runs.db")


def test_a_folder_that_is_missing_is_named_with_the_command_that_makes_it(tmp_path):
    with pytest.raises(StoreError, match=r"mkdir -p .*nowhere"):
        RunStore(tmp_path / "nowhere" / "runs.db")


def test_a_directory_as_store_is_refused(tmp_path):
    with pytest.raises(StoreError, match=r"directory"):
        RunStore(tmp_path)


def run_python(code: str, *arguments: object) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


PUT_MANY = """
import sys
from credit_hooks.rewards import Credit, CreditedRun
from credit_hooks.store import RunStore
from credit_hooks.trajectory import Trajectory
path, process, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
with RunStore(path) as store:
    for number in range(count):
        for run_id in (f"{process}-{number}", f"shared-{number}"):
            credit = Credit(trajectory_id=run_id, method=process)
            store.put(CreditedRun(trajectory=Trajectory(id=run_id), credit=credit))
"""


def test_several_processes_create_and_write_the_same_store_at_once(tmp_path):
    path = tmp_path / "runs.db"
    command = [sys.executable, "-c", PUT_MANY, str(path)]
    processes = [
        subprocess.Popen([*command, f"p{number}", "25"], stderr=subprocess.PIPE, text=True) for number in range(4)
    ]
    errors = [process.communicate(timeout=60)[1] for process in processes]
    assert errors == [""] * 4
    with RunStore(path) as store:
        assert len(store) == 4 * 25 + 25
        assert {run.trajectory.id for run in store} >= {f"p{p}-{n}" for p in range(4) for n in range(25)}


def test_threads_share_one_store(tmp_path, make_run):
    with RunStore(tmp_path / "runs.db") as store:
        failures: list[BaseException] = []

        def work(name: str) -> None:
            try:
                for number in range(20):
                    store.put(make_run(f"{name}-{number}"))
                    assert store.get(f"{name}-{number}").trajectory.id == f"{name}-{number}"
                    assert [*store.list(2)]
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=work, args=(f"t{number}",)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures
        assert len(store) == 80


FORK = """
import os, sys
from credit_hooks.rewards import Credit, CreditedRun
from credit_hooks.store import RunStore
from credit_hooks.trajectory import Trajectory
store = RunStore(sys.argv[1])
def put(run_id):
    store.put(CreditedRun(trajectory=Trajectory(id=run_id), credit=Credit(trajectory_id=run_id)))
put("before")
children = []
for number in range(3):
    child = os.fork()
    if child == 0:
        for turn in range(10):
            put(f"child-{number}-{turn}")
        store.close()
        os._exit(0)
    children.append(child)
for turn in range(10):
    put(f"parent-{turn}")
assert all(os.waitpid(child, 0)[1] == 0 for child in children)
store.close()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork()")
def test_a_store_opened_before_fork_is_written_by_parent_and_children(tmp_path):
    done = run_python(FORK, tmp_path / "runs.db")
    assert (done.returncode, done.stderr) == (0, "")
    with RunStore(tmp_path / "runs.db") as store:
        assert len(store) == 41


FAIL_THEN_RECOVER = """
import resource, sys
from credit_hooks.errors import StoreError
from credit_hooks.rewards import Credit, CreditedRun
from credit_hooks.store import RunStore
from credit_hooks.trajectory import Message, TextPart, Trajectory
import random
def run(run_id, size):
    text = "".join(random.Random(size).choices("0123456789abcdef", k=size))
    message = Message(id="m", index=0, actor_id="a", parts=(TextPart(text=text),))
    return CreditedRun(trajectory=Trajectory(id=run_id, messages=(message,)), credit=Credit(trajectory_id=run_id))
store = RunStore(sys.argv[1])
store.put(run("small", 10))
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
kept = run("big", 1_000_000)
try:
    store.put(kept)
except StoreError as error:
    print(error)
print(len(store), store.get("small").trajectory.id)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
store.put(kept)
print(store.get("big") == kept)
store.close()
"""


def test_a_failed_write_says_so_loses_nothing_and_can_be_repeated(tmp_path):
    done = run_python(FAIL_THEN_RECOVER, tmp_path / "runs.db")
    assert done.stderr == ""
    said, after, repeated = done.stdout.splitlines()
    assert "runs.db" in said
    assert "name a store elsewhere" in said
    assert after == "1 small"
    assert repeated == "True"


def test_a_full_disk_is_named_as_such(tmp_path, make_run):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "none", disk], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a small disk is not permitted here")
    try:
        with RunStore(disk / "runs.db") as store:
            store.put(make_run("small"))
            (disk / "filler").write_bytes(b"x" * (os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize - 4096))
            noise = os.urandom(200_000).hex()
            with pytest.raises(StoreError, match=r"the disk of .* is full: free some space"):
                store.put(make_run("big", texts=[noise], rewards=[-0.5]))
            (disk / "filler").unlink()
            assert store.get("small").trajectory.id == "small"
            store.put(make_run("next"))
    finally:
        subprocess.run(["umount", disk], check=True)


READ = """
import os, sys
from credit_hooks.errors import StoreError
from credit_hooks.store import RunStore
path = sys.argv[1]
RunStore(path, read_only=True).close()  # everything is imported before root becomes somebody else
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
with RunStore(path, read_only=True) as store:
    print(len(store), store.get("run").trajectory.id)
for name in (path, path + ".new"):
    try:
        RunStore(name)
    except StoreError as error:
        print(error)
"""


def test_a_store_in_a_read_only_folder_is_readable_and_says_why_it_cannot_be_written(make_run):
    folder = Path(tempfile.mkdtemp())  # pytest's own folders are closed to the user nobody
    try:
        with RunStore(folder / "runs.db") as store:
            store.put(make_run("run-7"))
        (folder / "runs.db").chmod(0o444)
        folder.chmod(0o555)
        done = run_python(READ, folder / "runs.db")
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)
    assert done.stderr == ""
    assert done.stdout.splitlines()[0] == "1 run-7"
    assert all("ermission" in line or "cannot be" in line for line in done.stdout.splitlines()[1:3])
    assert len(done.stdout.splitlines()) == 3


def test_blobs_are_zlib_compressed_json(tmp_path, make_run):
    path = tmp_path / "runs.db"
    with RunStore(path) as store:
        store.put(make_run())
    connection = sqlite3.connect(path)
    trajectory, credit = connection.execute("SELECT trajectory, credit FROM runs").fetchone()
    connection.close()
    assert json.loads(zlib.decompress(trajectory))["id"] == "run-1"
    assert json.loads(zlib.decompress(credit))["total"] == -0.5


def test_listing_does_not_read_the_blobs(tmp_path):
    messages = (Message(id="m", index=0, actor_id="a", parts=(TextPart(text="x"),)),)
    path = tmp_path / "runs.db"
    with RunStore(path) as store:
        store.put(CreditedRun(trajectory=Trajectory(id="r", messages=messages), credit=Credit(trajectory_id="r")))
    connection = sqlite3.connect(path)
    connection.execute("UPDATE runs SET trajectory = x'00', credit = x'00'")
    connection.commit()
    connection.close()
    with RunStore(path) as store:
        assert [row.id for row in store.list()] == ["r"]


def test_a_file_that_others_could_read_is_made_private(tmp_path):
    path = tmp_path / "runs.db"
    path.touch(0o644)
    RunStore(path).close()
    assert path.stat().st_mode & 0o777 == 0o600
