"""A folder of training data is a function of its runs, whatever happens while it is written."""

import json
import random
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from conftest import sibling_runs
from hypothesis import given, settings
from hypothesis import strategies as st
from teams import several_runs

from credit_hooks.errors import ConfigurationError
from credit_hooks.store import RunStore
from credit_hooks_exporters import export, follow
from credit_hooks_exporters.splits import Splits

SPLITS = {"train": 0.7, "test": 0.3}


def many(count, start=0):
    """Runs of several tasks, two by two siblings."""
    found = []
    for number in range(start, start + count):
        for run in sibling_runs(f"task-{number}"):
            trajectory = run.trajectory.model_copy(
                update={"id": f"{run.trajectory.id}-{number}", "task_id": f"task-{number}"}
            )
            credit = run.credit.model_copy(update={"trajectory_id": trajectory.id})
            found.append(run.model_copy(update={"trajectory": trajectory, "credit": credit}))
    return found


@pytest.fixture
def store(tmp_path):
    with RunStore(tmp_path / "runs.db") as opened:
        for run in many(10):
            opened.put(run)
        yield opened


def contents(folder):
    """Bytes of all files by name."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


def rows(folder, split):
    return [
        json.loads(line) for path in sorted(folder.glob(f"{split}-*.jsonl")) for line in path.read_text().splitlines()
    ]


@pytest.mark.parametrize("form", ["trl-dpo", "trl-kto", "trl-grpo"])
@pytest.mark.parametrize("container", ["jsonl", "parquet"])
def test_going_on_gives_the_bytes_of_a_fresh_export(form, container, store, tmp_path):
    options = {"part_runs": 3, "splits": SPLITS, "container": container}
    export(store, form, tmp_path / "grown", **options)
    for run in many(5, start=10):
        store.put(run)
        export(store, form, tmp_path / "grown", since="last", **options)
    store.put(
        many(1, start=3)[0].model_copy(update={"credit": many(1, start=3)[0].credit.model_copy(update={"method": "2"})})
    )
    last = export(store, form, tmp_path / "grown", since="last", **options)
    fresh = export(store, form, tmp_path / "fresh", **options)
    assert contents(tmp_path / "grown") == contents(tmp_path / "fresh")
    assert last.sha256 == fresh.sha256
    assert last.reward + sum(last.dropped_reward.values()) == pytest.approx(last.total, abs=1e-9)


def test_an_export_without_news_writes_no_part(store, tmp_path):
    export(store, "trl-kto", tmp_path / "out", since="last", part_runs=4)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("train-*")}
    export(store, "trl-kto", tmp_path / "out", since="last", part_runs=4)
    assert before
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("train-*")} == before


def test_no_task_is_in_two_splits_and_pairs_cross_parts(store, tmp_path):
    manifest = export(store, "trl-dpo", tmp_path / "out", part_runs=3, splits=SPLITS, deduplicate=False)
    by_split = {split: {row["group_id"] for row in rows(tmp_path / "out", split)} for split in SPLITS}
    assert not by_split["train"] & by_split["test"]
    assert by_split["train"]
    assert by_split["test"]
    assert manifest.rows == 10 == sum(len(rows(tmp_path / "out", split)) for split in SPLITS)


def test_other_options_and_damage_write_everything_anew(store, tmp_path):
    out = tmp_path / "out"
    export(store, "trl-kto", out, part_runs=4, container="parquet")
    export(store, "trl-kto", out, part_runs=7, since="last")
    assert not list(out.glob("*.parquet"))
    whole = contents(out)
    (out / "train-00001.jsonl").write_bytes(b'{"torn')
    (out / ".state" / "00002.json").write_text("{")
    (out / ".train-00001.jsonl.x.tmp").write_text("left behind")
    export(store, "trl-kto", out, part_runs=7, since="last")
    assert contents(out) == whole


def killed(store, out, container, delays):
    script = Path(__file__).with_name("killed_writer.py")
    command = [sys.executable, str(script), str(store.path), "trl-kto", str(out), container]
    command += [f"{delay:.4f}" for delay in delays]
    subprocess.run(command, check=True, timeout=300)


def whole_rows(path):
    """All rows of a part, read as its users read it."""
    if path.suffix == ".parquet":
        return pytest.importorskip("pyarrow.parquet").read_table(path).to_pylist()
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize(
    ("kills", "container"),
    [
        (12, "jsonl"),
        pytest.param(100, "jsonl", marks=pytest.mark.slow),
        pytest.param(40, "parquet", marks=pytest.mark.slow),
    ],
)
def test_killed_writers_leave_whole_files_and_the_same_bytes_in_the_end(kills, container, store, tmp_path):
    draw = random.Random(kills)
    out = tmp_path / "out"
    for _ in range(kills // 4):
        killed(store, out, container, [draw.uniform(0.0, 0.12) for _ in range(4)])
        for path in out.glob(f"t*-*.{container}"):
            assert all(row["row_id"] for row in whole_rows(path))
        for run in many(1, start=10 + draw.randrange(1000)):
            store.put(run)
    export(store, "trl-kto", out, since="last", part_runs=3, splits=SPLITS, container=container)
    export(store, "trl-kto", tmp_path / "calm", part_runs=3, splits=SPLITS, container=container)
    assert contents(out) == contents(tmp_path / "calm")
    ids = [row["row_id"] for path in sorted(out.glob(f"t*-*.{container}")) for row in whole_rows(path)]
    assert len(ids) == len(set(ids)) > 0


def test_several_writers_take_turns(store, tmp_path):
    threads = [
        threading.Thread(
            target=export, args=(store, "trl-kto", tmp_path / "out"), kwargs={"since": "last", "part_runs": 2}
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    export(store, "trl-kto", tmp_path / "calm", part_runs=2)
    assert contents(tmp_path / "out") == contents(tmp_path / "calm")


def test_following_exports_what_is_added(store, tmp_path):
    stop = threading.Event()
    seen = []
    for manifest in follow(store, "trl-grpo", tmp_path / "out", interval=0.001, stop=stop):
        seen.append(manifest.runs)
        if len(seen) == 3:
            stop.set()
        store.put(many(1, start=100 + len(seen))[0])
    assert seen == [20, 21, 22]


def test_the_card_states_counts_rewards_and_method(store, tmp_path):
    manifest = export(store, "trl-kto", tmp_path / "out", splits=SPLITS, deduplicate=False)
    card = (tmp_path / "out" / "README.md").read_text()
    assert f"20 runs, {manifest.rows} rows" in card
    assert "`sample` (20 runs)" in card
    assert "| not_an_agent | 20 | +2.5000 |" in card
    assert "  - split: test\n    path: test-*.jsonl" in card
    summary = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert summary["exported"] + sum(summary["dropped_reward"].values()) == pytest.approx(summary["total"], abs=1e-9)


@given(runs=several_runs(), part=st.integers(1, 4))
@settings(max_examples=25, deadline=None)
def test_one_file_and_a_folder_hold_the_same_rows(runs, part, tmp_path_factory):
    folder = tmp_path_factory.mktemp("out")
    in_file = export(runs, "trl-dpo", folder / "all.jsonl")
    in_folder = export(runs, "trl-dpo", folder / "parts", part_runs=part)
    assert (folder / "all.jsonl").read_text().split("\n")[:-1] == [
        line for path in sorted((folder / "parts").glob("train-*")) for line in path.read_text().split("\n")[:-1]
    ]
    assert (in_file.rows, in_file.dropped) == (in_folder.rows, in_folder.dropped)
    assert in_file.reward == pytest.approx(in_folder.reward, abs=1e-9)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ({"splits": {"train": 0.5}}, "sum to 1"),
        ({"splits": {"a b": 1.0}}, "no name of a split"),
        ({"since": "yesterday"}, "'last' is the only choice"),
        ({"part_runs": 0}, "at least one run"),
        ({"threshold": 2}, "option threshold of format trl-kto"),
        ({"no_such": 2}, "unknown option no_such"),
    ],
)
def test_what_cannot_work_is_said_and_nothing_is_written(call, said, store, tmp_path):
    with pytest.raises(ConfigurationError, match=said):
        export(store, "trl-kto", tmp_path / "out", **call)
    assert not (tmp_path / "out").exists()
    with pytest.raises(ConfigurationError, match="splits and since need a folder and"):
        export(store, "trl-kto", tmp_path / "a.jsonl", since="last")
    with pytest.raises(ConfigurationError, match="no run store at"):
        export(tmp_path / "no.db", "trl-kto", tmp_path / "a.jsonl")


def test_splits_have_about_their_shares():
    splits = Splits(SPLITS)
    found = [splits.of(run) for run in many(300)]
    assert 0.6 < found.count("train") / len(found) < 0.8


def test_an_export_that_was_cut_short_before_its_manifest_goes_on(store, tmp_path):
    export(store, "trl-kto", tmp_path / "out", part_runs=4)
    whole = contents(tmp_path / "out")
    (tmp_path / "out" / "manifest.json").unlink()
    export(store, "trl-kto", tmp_path / "out", since="last", part_runs=4)
    assert contents(tmp_path / "out") == whole


@pytest.mark.parametrize("share", ["0.9", None, True])
def test_shares_are_numbers(share, store, tmp_path):
    with pytest.raises(ConfigurationError, match="shares of splits are numbers"):
        export(store, "trl-kto", tmp_path / "out", splits={"train": share})
    assert not (tmp_path / "out").exists()


def test_an_empty_name_is_not_the_current_folder(store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError, match="out is empty"):
        export(store, "trl-kto", "")
