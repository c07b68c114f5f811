"""The message table holds every reward once, and the reads of every message can be rebuilt from the rows alone."""

import json

import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import strategies as st

from credit_hooks.genai import decode_parts
from credit_hooks.rewards import Credit, CreditedRun
from credit_hooks.testing import sample_run
from credit_hooks.trajectory import Actor, Message, ReadSet, Step, Trajectory
from credit_hooks_exporters.messages import EXPORTER, rows


def written(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def rebuilt(table):
    """Parents by message id, resolved as the module says, from rows only."""
    reads, index = {}, {row["message_id"]: row["index"] for row in table}
    for row in table:
        base = list(reads[row["reads_base"]]) if row["reads_base"] is not None else []
        kept = [message_id for message_id in base if message_id not in row["reads_dropped"]]
        reads[row["message_id"]] = tuple(dict.fromkeys([*kept, *row["reads_new"]]))
    return {
        message_id: tuple(read for read in found if index.get(read, -1) < index[message_id])
        for message_id, found in reads.items()
    }


def test_rows_state_run_message_and_reward(tmp_path):
    run = sample_run()
    manifest = EXPORTER.write([run], tmp_path / "runs.jsonl")
    table = written(tmp_path / "runs.jsonl")
    assert (manifest.runs, manifest.rows, manifest.dropped) == (1, 5, {})
    assert [row["reward"] for row in table] == [reward.reward for reward in run.credit.messages]
    assert {row["trajectory_id"] for row in table} == {"run-1"}
    assert [row["view"] for row in table] == ["input", "visible", "consumed", "consumed", "visible"]
    assert [(row["agent"], row["agent_kind"], row["role"]) for row in table][0] == ("human", "human", "user")
    assert [decode_parts(json.loads(row["parts"])) for row in table] == [m.parts for m in run.trajectory.messages]
    assert sum(row["reward"] or 0.0 for row in table) == run.credit.total


def test_row_ids_are_unique_stable_and_change_with_the_credit():
    run = sample_run()
    first = [row["row_id"] for row in rows(run)]
    other = run.model_copy(update={"credit": run.credit.model_copy(update={"method": "another"})})
    assert len(set(first)) == 5
    assert [row["row_id"] for row in rows(sample_run())] == first
    assert not set(first) & {row["row_id"] for row in rows(other)}


def test_what_is_left_out_is_counted_by_reason(tmp_path):
    run = sample_run()
    unknown = CreditedRun(trajectory=run.trajectory, credit=Credit(trajectory_id="run-1", status="no_outcome"))
    manifest = EXPORTER.write([run, unknown, run], tmp_path / "a", unscored_messages=False)
    assert (manifest.rows, manifest.dropped) == (4, {"duplicate": 4, "run_no_outcome": 5, "unscored": 2})
    everything = EXPORTER.write([unknown], tmp_path / "b", uncredited_runs=True)
    assert (everything.rows, everything.dropped) == (5, {})
    assert {row["reward"] for row in written(tmp_path / "b")} == {None}


def test_the_file_is_the_owners_alone_and_keeps_any_text(tmp_path):
    EXPORTER.write([sample_run()], tmp_path / "runs.jsonl")
    assert (tmp_path / "runs.jsonl").stat().st_mode & 0o077 == 0
    assert (tmp_path / "runs.jsonl").read_bytes().endswith(b"}\n")


def test_parquet_holds_the_same_rows(tmp_path):
    lines = EXPORTER.write([sample_run()], tmp_path / "runs.jsonl")
    table = EXPORTER.write([sample_run()], tmp_path / "runs.parquet")
    assert pq.read_table(tmp_path / "runs.parquet").to_pylist() == written(tmp_path / "runs.jsonl")
    assert table.rows == lines.rows == 5


ids = st.integers(min_value=0, max_value=7)


@st.composite
def runs(draw):
    """Any read sets at all: unknown bases, cycles, drops of what was never read."""
    n = draw(st.integers(1, 6))
    some = st.lists(ids.map("m{}".format), max_size=3)
    steps = tuple(
        Step(
            id=f"s{i}",
            reads=ReadSet(
                base=draw(st.none() | ids.map("s{}".format)), new=tuple(draw(some)), dropped=tuple(draw(some))
            ),
        )
        for i in range(n)
    )
    maybe = st.none() | ids.map("s{}".format)
    messages = tuple(
        Message(id=f"m{i}", index=i, actor_id="a", step_id=draw(maybe), generated_by=draw(maybe)) for i in range(n)
    )
    trajectory = Trajectory(id="t", actors=(Actor(id="a", name="a"),), messages=messages, steps=steps)
    return CreditedRun(trajectory=trajectory, credit=Credit(trajectory_id="t"))


@given(runs())
def test_reads_rebuilt_from_rows_are_the_parents(run):
    trajectory = run.trajectory
    found = rebuilt(list(rows(run)))
    for message in trajectory.messages:
        assert set(found[message.id]) == set(trajectory.parents(message.id))
        if not cyclic(trajectory):
            assert found[message.id] == trajectory.parents(message.id)


def cyclic(trajectory):
    for step in trajectory.steps:
        seen, current = set(), step.id
        while current in trajectory.step_by_id and current not in seen:
            seen.add(current)
            current = trajectory.step_by_id[current].reads.base
        if current in seen:
            return True
    return False
